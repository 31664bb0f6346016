// What an answer that is not good means, in plain words.

import type { Failure } from '../api/client';
import { duration } from './time';

const sentences: Record<string, string> = {
  invalid_credentials: 'No such user, or another password. The answer does not say which, so that nobody can find out who has an account.',
  wrong_password: 'That is not your password.',
  user_exists: 'Somebody has this name already.',
  invalid_user_id: 'A name has 1 to 128 characters.',
  invalid_label: 'A device’s name has up to 64 printable characters.',
  invalid_request: 'The service did not understand this.',
  session_limit: 'You are logged in on as many devices as you may use at once. Log out of one of them first.',
  anti_csrf: 'This form has expired: the page was open for too long, or you logged in or out in another tab. Nothing you typed is lost. Try again.',
  reauthenticate: 'You entered your password too long ago.',
  password_fixed: 'The password of this user stays as it is. Register a user of your own to change one.',
  not_found: 'That session has ended already.',
  conflict: 'It was changed elsewhere meanwhile.',
  too_large: 'That is too much text.',
  unsupported_media_type: 'The service did not understand this.',
  unavailable: 'The service cannot reach its database. You stay logged in, and nothing you typed is lost.',
  busy: 'Too many passwords are being checked at once. Try again in a moment.',
  unreachable: 'The service does not answer. Nothing you typed is lost.',
  offline: 'You are offline. Nothing you typed is lost.',
  try_refresh: 'The session could not be refreshed just now. Try again.',
  unauthorised: 'Your session has ended.',
  token_theft: 'Your session has ended: its refresh token was in two hands.',
  no_refresh_token: 'The request carried no refresh token.',
  thief_busy: 'This thief is busy already.',
  unknown_thief: 'This thief is gone. Copy the token to another one.',
  too_many_requests: 'That was too fast. Try again in a moment.',
  forbidden: 'This is not allowed here.',
  internal: 'Something went wrong in the service. Try again.',
};

export function describe(failure: Failure): string {
  if (failure.error === 'too_many_attempts') {
    return failure.retryAfter
      ? `Too many attempts. Try again in ${duration(failure.retryAfter * 1000)}.`
      : 'Too many attempts. Try again later.';
  }
  if (failure.error === 'weak_password') return tooWeak[failure.rule ?? ''] ?? 'This password is too easy to guess.';
  return sentences[failure.error] ?? `The service refused it: ${failure.status} ${failure.error}.`;
}

const tooWeak: Record<string, string> = {
  too_short: 'This password is too short.',
  too_long: 'This password is too long.',
  common: 'Everybody tries this password first. Choose another one.',
  is_user_id: 'The password is the same as the name. Choose another one.',
};

/** What a password has to be like. */
export const weaknesses = {
  too_short: (min: number) => `At least ${min} characters`,
  too_long: () => 'At most 256 characters',
  common: () => 'Not one of those that everybody tries first',
  is_user_id: () => 'Not the same as the name',
} as const;

export type Weakness = keyof typeof weaknesses;
