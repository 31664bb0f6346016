// The session of this page, and how the page calls the API.

import { createSession } from '@watchword/browser';
import { createStore } from '../store';
import { watchedFetch } from './reach';

export const refreshPath = '/api/session/refresh';

/** How many refreshes this page has sent, for those who want to know whether a call needed one. */
let refreshes = 0;

export const refreshCount = (): number => refreshes;

export const session = createSession({
  refreshPath,
  logoutPath: '/api/logout',
  fetch: (input, init) => {
    if (input instanceof URL && input.pathname === refreshPath) refreshes++;
    return watchedFetch(input, init);
  },
});

export interface SessionView {
  exists: boolean;
  ended: { reason?: string } | undefined;
}

const view = (): SessionView => ({ exists: session.exists(), ended: session.ended });

/** What is known of the session, here or by another tab. */
export const sessionState = createStore<SessionView>(view());
session.onChange(() => sessionState.set(view()));

/** What went wrong. `status` 0: there was no answer. */
export interface Failure {
  ok: false;
  status: number;
  error: string;
  reason?: string;
  /** With weak_password. */
  rule?: string;
  /** In seconds. */
  retryAfter?: number;
}

export interface Success<T> {
  ok: true;
  status: number;
  body: T;
  etag: string | null;
}

export type Answer<T> = Success<T> | Failure;

export interface CallOptions {
  json?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** The service, its database or the network was away: nothing is wrong with what was asked. */
export const isAway = ({ status, error }: Failure): boolean => status === 0 || error === 'unavailable' || error === 'unreachable';

/** Calls the API with the session, which is refreshed when that is due. It never throws, but when it is aborted. */
export async function call<T>(method: string, path: string, options: CallOptions = {}): Promise<Answer<T>> {
  const { json, headers = {}, signal } = options;
  const init: RequestInit = { method, headers: { ...headers }, cache: 'no-store' };
  if (signal) init.signal = signal;
  if (json !== undefined) {
    init.headers = { ...headers, 'content-type': 'application/json' };
    init.body = JSON.stringify(json);
  }
  try {
    const response = await session.fetch(path, init);
    const body = parse(await response.text());
    if (response.ok) return { ok: true, status: response.status, body: body as T, etag: response.headers.get('etag') };
    return failure(response, body);
  } catch (error) {
    if (signal?.aborted) throw error;
    return { ok: false, status: 0, error: navigator.onLine ? 'unreachable' : 'offline' };
  }
}

function failure(response: Response, body: unknown): Failure {
  const { error, reason, rule } = (body ?? {}) as { error?: string; reason?: string; rule?: string };
  const fallback = response.status === 502 || response.status === 504 ? 'unreachable' : 'unknown';
  const failed: Failure = { ok: false, status: response.status, error: error ?? fallback };
  if (reason) failed.reason = reason;
  if (rule) failed.rule = rule;
  const retryAfter = Number(response.headers.get('retry-after'));
  if (retryAfter > 0) failed.retryAfter = retryAfter;
  return failed;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
