import { vi } from 'vitest';

/** A request as it arrived. */
export interface Call {
  method: string;
  url: string;
  headers: Headers;
  init: RequestInit;
  body: unknown;
}

/** What the network does with a request: answers it, after a while perhaps, or fails. */
export type Answer = Response | Error | ((call: Call) => Response | Promise<Response>);

/** A network with a script: the answers to each path, in order. What is asked for beyond them is an error. */
export function network(script: Record<string, Answer[]>) {
  const calls: Call[] = [];
  const left = new Map(Object.entries(script).map(([path, answers]) => [path, [...answers]]));
  const fetch = vi.fn(async (input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> => {
    const request = input instanceof Request ? input : undefined;
    const url = request?.url ?? String(input);
    const call: Call = {
      method: init.method ?? request?.method ?? 'GET', url, init,
      headers: new Headers(init.headers ?? request?.headers), body: init.body ?? request?.body,
    };
    calls.push(call);
    const signal = init.signal === undefined ? request?.signal : init.signal;
    signal?.throwIfAborted();
    const answer = left.get(new URL(url, 'https://app.test').pathname)?.shift();
    if (!answer) throw new TypeError(`nobody expects ${call.method} ${url}`);
    if (answer instanceof Error) throw answer;
    const response = await new Promise<Response>((resolve, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason));
      Promise.resolve(answer instanceof Response ? answer : answer(call)).then(resolve, reject);
    });
    const [id] = response.headers.get('id-refresh-token')?.split(';') ?? [];
    if (id && globalThis.document && new URL(url, location.href).origin === location.origin) setCookie?.(id);
    return response;
  });
  return {
    fetch: fetch as typeof globalThis.fetch,
    calls,
    /** The calls as "GET /me", in order. */
    get log() {
      return calls.map(({ method, url }) => `${method} ${new URL(url, 'https://app.test').pathname}`);
    },
  };
}

export const refreshPath = '/api/session/refresh';
export const logoutPath = '/api/session/logout';
export const api = 'https://api.test';

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body) + '\n', { status, headers: { 'content-type': 'application/json', ...headers } });
}

export const ok = (headers: Record<string, string> = {}): Response => json(200, {}, headers);
export const tryRefresh = (): Response => json(401, { error: 'try_refresh' });
export const unauthorised = (reason?: string): Response =>
  json(401, { error: 'unauthorised', ...(reason && { reason }) }, { 'id-refresh-token': 'remove' });
export const refused = (status: number, error: string): Response => json(status, { error });
export const unavailable = (seconds?: number): Response =>
  json(503, { error: 'unavailable' }, seconds === undefined ? {} : { 'retry-after': String(seconds) });
export const offline = (): Error => new TypeError('fetch failed');

/** The headers of a login, or of a refresh. */
export function given(id: string, antiCSRF?: string, expires = Date.now() + 1e9): Record<string, string> {
  return { 'id-refresh-token': `${id};${expires}`, ...(antiCSRF && { 'anti-csrf': antiCSRF }) };
}

/** Those of the header transport. */
export function tokens(access: string, refresh?: string): Record<string, string> {
  return {
    'x-access-token': access, 'x-access-token-expires-in': '900',
    ...(refresh && { 'x-refresh-token': refresh, 'x-refresh-token-expires-in': '3600' }),
  };
}

/** An answer that is given when the test says so. */
export function later() {
  let give!: (response: Response | PromiseLike<Response>) => void;
  const promise = new Promise<Response>((resolve) => {
    give = resolve;
  });
  return { answer: () => promise, give };
}

export function store(): Storage & { text: Map<string, string> } {
  const text = new Map<string, string>();
  return {
    text,
    getItem: (key: string) => text.get(key) ?? null,
    setItem: (key: string, value: string) => void text.set(key, value),
  } as unknown as Storage & { text: Map<string, string> };
}

/** Web Locks, as far as exclusive ones go. */
export function locks() {
  let tail: Promise<unknown> = Promise.resolve();
  const requests: string[] = [];
  return {
    requests,
    /** Takes the lock and never gives it back, as a frozen tab does. */
    hold() {
      tail = new Promise(() => {});
    },
    async request<T>(name: string, { signal }: { signal: AbortSignal }, work: () => Promise<T>): Promise<T> {
      requests.push(name);
      let give!: () => void;
      const before = tail;
      tail = new Promise<void>((resolve) => {
        give = resolve;
      });
      try {
        await new Promise<unknown>((resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason));
          before.then(resolve);
        });
        return await work();
      } finally {
        before.then(give);
      }
    },
  };
}

/** Does what the Set-Cookie beside an id-refresh-token does in a page. */
let setCookie: ((id: string) => void) | undefined;

/** A page of https://app.test. Several clients in it are its tabs: they share cookies, storage, locks and events. */
export function page() {
  Channel.open.clear();
  const events = new EventTarget();
  const browser = {
    cookies: {} as Record<string, string>,
    storage: store(),
    locks: locks(),
    events,
    /** As the server's Set-Cookie does. */
    set id(value: string | undefined) {
      if (value) browser.cookies['sIdRefreshToken'] = value;
      else delete browser.cookies['sIdRefreshToken'];
    },
  };
  setCookie = (id) => {
    browser.id = id === 'remove' ? undefined : id;
  };
  vi.stubGlobal('document', {
    baseURI: 'https://app.test/some/page',
    get cookie() {
      return Object.entries(browser.cookies).map(([name, value]) => `${name}=${value}`).join('; ');
    },
  });
  vi.stubGlobal('location', new URL('https://app.test/some/page'));
  vi.stubGlobal('localStorage', browser.storage);
  vi.stubGlobal('navigator', { locks: browser.locks });
  vi.stubGlobal('addEventListener', events.addEventListener.bind(events));
  vi.stubGlobal('BroadcastChannel', Channel);
  return browser;
}

/** A BroadcastChannel that delivers in microtasks. */
export class Channel {
  static open = new Map<string, Set<Channel>>();
  onmessage: ((event: { data: unknown }) => void) | undefined;
  constructor(readonly name: string) {
    const peers = Channel.open.get(name) ?? new Set();
    Channel.open.set(name, peers.add(this));
  }
  postMessage(data: unknown): void {
    for (const peer of Channel.open.get(this.name)!) {
      if (peer !== this) queueMicrotask(() => peer.onmessage?.({ data: structuredClone(data) }));
    }
  }
}

/** Lets everything happen that needs no time. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise<void>((resolve) => queueMicrotask(resolve));
  await new Promise<void>((resolve) => realSetImmediate(resolve));
}
const realSetImmediate = setImmediate;
