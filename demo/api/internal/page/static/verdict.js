// What an answer means, in plain words.

import { why } from '/reasons.js';

const errors = {
  try_refresh: 'The access token has expired or is missing. Refresh, then try again.',
  unauthorised: 'There is no session (any more). The cookies were cleared.',
  token_theft: 'Theft: this refresh token had been replaced.',
  anti_csrf: 'The anti-csrf header is missing or wrong. Nothing was done.',
  invalid_credentials: 'No such user, or another password. The answer does not say which.',
  user_exists: 'Somebody has this user name already.',
  invalid_user_id: 'A user name has 1 to 128 characters.',
  invalid_password: 'A password has 8 to 128 characters.',
  invalid_label: 'A name has up to 64 printable characters.',
  session_limit: 'You are logged in on as many devices as you may use at once. Log out of one of them first.',
  reauthenticate: 'You entered your password too long ago. Nothing was done.',
  password_fixed: 'The password of this user stays as it is. Register a user of your own to change one.',
  not_found: 'There is no such session (any more).',
  conflict: 'The data was changed meanwhile, so it was not replaced. Read it again.',
  unavailable: 'The store does not answer. Nothing is lost: try again in a moment.',
  busy: 'Too many logins at once. Try again in a moment.',
  unreachable: 'The server cannot be reached.',
  no_refresh_token: 'The request carried no refresh token.',
};

const good = {
  'POST /api/login': 'Logged in. Three cookies were set.',
  'POST /api/register': 'Registered and logged in. Three cookies were set.',
  'POST /api/logout': 'Logged out. The session has ended and the cookies were cleared.',
  'POST /api/logout-all': 'Every session of this user has ended. The cookies were cleared.',
  'GET /api/data': 'The data that the server keeps with the session.',
  'PUT /api/data': 'Replaced: it still was what this page had read.',
  'GET /api/sessions': 'The sessions of this user.',
  'GET /api/endings': 'How this user\u2019s sessions ended.',
  'DELETE /api/sessions/…': 'That session has ended.',
  'PATCH /api/sessions/…': 'Renamed.',
  'POST /api/logout-others': 'Every other session of this user has ended.',
  'POST /api/reauthenticate': 'Proved again. The new tokens say so, and are not made from the old ones.',
  'POST /api/password': 'The password was changed, and every other session of this user has ended.',
};

export function verdict(answer) {
  const path = answer.path.replace(/\?.*/, '').replace(/^(\/api\/sessions\/).+/, '$1…');
  if (answer.code === 'invalid_credentials' && path !== '/api/login') return 'That is not your password.';
  if (answer.code === 'unauthorised' && answer.reason !== '') return `The session has ended. ${why(answer.reason)}`;
  if (answer.code in errors) return errors[answer.code];
  if (!answer.ok) return `Refused: ${answer.code || 'no reason was given'}.`;
  if (answer.thief) return 'Honoured: it could be a request that has crossed with a refresh.';
  if (path.endsWith('/demo-replay')) return 'The thief has copied the refresh token.';
  if (path.endsWith('/refresh')) {
    return answer.renewed ? 'A new access token and a new refresh token.'
      : 'A new access token. The refresh token is brand-new and stays.';
  }
  const done = good[`${answer.method} ${path}`] ?? 'Good: the access token says who you are.';
  return answer.confirmed ? `${done} Being the first call with the new tokens, it told the server that they have arrived.` : done;
}
