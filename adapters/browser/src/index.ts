import { readCall, resolve } from './call.js';
import { openMemory, type Remembered } from './memory.js';
import { isOver, readRefusal, type Refusal } from './refusal.js';
import { abortable, exclusively, patience, pause } from './waiting.js';

export interface SessionOptions {
  /** The refresh endpoint; of another origin, or where there is no page, an absolute URL. Default "/api/session/refresh". */
  refreshPath?: string;
  /** The logout endpoint, relative to refreshPath. Default "/api/session/logout". */
  logoutPath?: string;
  /** Further origins to which requests carry the session: name only what may act as the user. Default: refreshPath's alone. */
  origins?: string[];
  /** How tokens travel: in cookies, for browsers, or in headers, for Node and native shells. Default "cookie". */
  transport?: 'cookie' | 'header';
  /** The id cookie, as the server names it. Default "sIdRefreshToken". */
  cookieName?: string;
  /** Where the session is remembered; with the header transport, its tokens. Default localStorage if it works, else memory. */
  storage?: Pick<Storage, 'getItem' | 'setItem'>;
  /** What is to be called; default globalThis.fetch, as it is now. */
  fetch?: typeof globalThis.fetch;
  /** How long to wait for another tab that is refreshing, in milliseconds. Default 5000. */
  lockTimeout?: number;
  /** How often to repeat what may be repeated while the network or the server is away. Default 3. */
  retries?: number;
}

export interface SessionState {
  /** A session exists, as far as this client knows. */
  readonly exists: boolean;
  /** How the session has ended, with the server's reason if it told one. Undefined while one exists, or if there was none. */
  readonly ended: { reason?: string } | undefined;
}

export interface Session {
  /** The platform's fetch, for requests that carry the session. It refreshes when that is due. */
  fetch: typeof globalThis.fetch;
  exists(): boolean;
  readonly ended: SessionState['ended'];
  /** Has the listener called when the state has changed, in this tab or in another. Returns what ends that. */
  onChange(listener: (state: SessionState) => void): () => void;
  /** Ends the session. Rejects if it goes on, since the server is away or refuses. */
  signOut(): Promise<void>;
}

/** What was known of the session at a moment, to see later whether anything has happened since. */
interface Moment extends Remembered {
  cookie: string | undefined;
}

/** Makes the client of a session. A page needs one. */
export function createSession(options: SessionOptions = {}): Session {
  const { transport = 'cookie', cookieName = 'sIdRefreshToken', lockTimeout = 5000, retries = 3 } = options;
  const plain = options.fetch ?? globalThis.fetch.bind(globalThis);
  const inHeaders = transport === 'header';
  const refreshURL = resolve(options.refreshPath ?? '/api/session/refresh');
  const logoutURL = new URL(options.logoutPath ?? '/api/session/logout', refreshURL);
  const origins = new Set([refreshURL, logoutURL, ...(options.origins ?? [])].map((url) => new URL(url).origin));
  const here = globalThis.location?.origin;
  // Where the page can see the id cookie, that knows better than what is remembered.
  const cookieCounts = !inHeaders && !!globalThis.document && here === refreshURL.origin;
  const name = `watchword:${refreshURL}`;

  const listeners = new Set<(state: SessionState) => void>();
  // Cookies are the same for all clients of an origin. Tokens in headers are so only for those that share a storage.
  const memory = openMemory(name, options.storage, !inHeaders, tell);
  let told = JSON.stringify(state());
  let refreshing: Promise<boolean> | undefined;

  function idCookie(): string | undefined {
    if (inHeaders) return undefined;
    const cookies = globalThis.document?.cookie.split('; ') ?? [];
    return cookies.find((cookie) => cookie.startsWith(`${cookieName}=`))?.slice(cookieName.length + 1);
  }

  function exists(): boolean {
    return !!idCookie() || (!cookieCounts && memory.read().expires! > Date.now());
  }

  function state(): SessionState {
    if (exists()) return { exists: true, ended: undefined };
    const { id, ended } = memory.read();
    // An id without a session: that has ended without a word, by its age or by a page that does not use this client.
    return { exists: false, ended: ended ?? (id ? {} : undefined) };
  }

  function tell(): void {
    const now = state();
    const text = JSON.stringify(now);
    if (text === told) return;
    told = text;
    for (const listener of listeners) {
      // What a listener throws is no failure of the request that has brought the change.
      queueMicrotask(() => listeners.has(listener) && listener(now));
    }
  }

  function moment(): Moment {
    return { ...memory.read(), cookie: idCookie() };
  }

  /** Tells whether there is another generation of tokens, or another session, than there was then. */
  function replaced(then: Moment): boolean {
    const now = moment();
    return (!!now.cookie && now.cookie !== then.cookie) || (!!now.id && now.id !== then.id);
  }

  /** Tells whether the session was refreshed since then, which need not give it another id. */
  function renewed(then: Moment): boolean {
    const { at, ended } = memory.read();
    return replaced(then) || (!ended && at !== then.at);
  }

  /** Takes from a response what it says of the session. `then` is when its request was sent. */
  function learn(response: Response, then: Moment, refusal: Refusal, call?: 'refresh' | 'logout'): void {
    const header = (key: string) => response.headers.get(key);
    const id = header('id-refresh-token');
    const left = call === 'logout' && response.ok;
    if (left || isOver(refusal) || id === 'remove') {
      // A late answer to a request of an earlier session does not end the one that has begun since. A logout ends what there is.
      if ((then.id || then.cookie) && (left || !replaced(then))) {
        const reason = refusal.reason ?? (left ? 'logout' : memory.read().ended?.reason);
        memory.write({ ended: reason ? { reason } : {} });
      }
    } else if (inHeaders) {
      learnTokens(header, then, call === 'refresh');
    } else {
      const now = memory.read();
      const antiCSRF = header('anti-csrf');
      if (id) {
        const [value, expires] = id.split(';');
        memory.write({ id: value, expires: Number(expires), antiCSRF: antiCSRF ?? '' });
      } else if (antiCSRF && antiCSRF !== now.antiCSRF) {
        memory.write({ ...now, antiCSRF });
      } else if (call === 'refresh' && response.ok) {
        memory.write(now); // for renewed: the server does not let this origin read its headers
      }
    }
    tell(); // cookies may have changed without any header
  }

  /** Answers overtake each other: a token is taken only in place of the one that it is to replace. */
  function learnTokens(header: (key: string) => string | null, then: Moment, refreshed: boolean): void {
    const now = memory.read();
    const access = header('x-access-token');
    const id = header('x-refresh-token');
    // A refresh token without a refresh is that of a login: it is taken whatever was before, like a cookie.
    const due = refreshed ? now.id === then.id : id || now.access === then.access;
    if (!access || !due) return;
    const expires = id ? Date.now() + 1000 * Number(header('x-refresh-token-expires-in')) : now.expires;
    memory.write({ id: id ?? now.id, expires, access });
  }

  /** Refreshes the session, unless that was done since then: once for the page, and one tab at a time. False: it cannot be done now. */
  async function renew(then: Moment): Promise<boolean> {
    if (renewed(then)) return true;
    // Without a page there are no tabs: clients that keep tokens there are those of different users.
    const lock = inHeaders && !globalThis.document ? undefined : name;
    refreshing ??= exclusively(lock, lockTimeout, async () => renewed(then) || (await refresh())).finally(() => {
      refreshing = undefined;
    });
    return refreshing;
  }

  async function refresh(): Promise<boolean> {
    for (let tries = 0; ; tries++) {
      const then = moment();
      if (inHeaders && !then.id) return false;
      let response: Response | undefined;
      let refusal: Refusal = {};
      const limit = new AbortController();
      const timer = setTimeout(() => limit.abort(), patience);
      try {
        response = await plain(refreshURL, {
          method: 'POST',
          headers: inHeaders ? { 'session-transport': 'header', 'x-refresh-token': then.id! } : {},
          credentials: inHeaders ? 'omit' : 'include',
          redirect: 'error', // it would take the refresh token elsewhere
          signal: limit.signal,
        });
        refusal = await readRefusal(response);
      } catch {
        // No answer. If the server has refreshed all the same, it will hand out the same tokens again.
      }
      clearTimeout(timer);
      if (response) {
        learn(response, then, refusal, 'refresh');
        response.text().catch(() => {}); // frees the connection
      }
      if (response?.ok || renewed(then)) return true;
      const again = !response || response.status >= 500 || response.status === 429 || refusal.error === 'try_refresh';
      if (!again || tries === retries || !(await pause(tries, response))) return false;
      if (renewed(then)) return true;
    }
  }

  async function perform(input: RequestInfo | URL, init?: RequestInit, leaving = false): Promise<Response> {
    const { url, safe, repeatable, headers: own, credentials: asked, signal } = readCall(input, init);
    const credentials = asked ?? (inHeaders ? 'omit' : 'include');
    // A request without the session's cookies is not the session's, nor is its answer.
    const withheld = !inHeaders && (credentials === 'omit' || (credentials === 'same-origin' && url.origin !== here));
    if (withheld || !origins.has(url.origin)) return plain(input, init);

    // One refresh, and one repetition more for a call that finds another one, or another tab, to have refreshed already.
    let repetitions = 2;
    for (let tries = 0; ;) {
      const then = moment();
      const headers = new Headers(own);
      if (inHeaders) {
        headers.set('session-transport', 'header');
        if (then.access) headers.set('authorization', `Bearer ${then.access}`);
      } else if (!safe && then.antiCSRF) {
        headers.set('anti-csrf', then.antiCSRF);
      }
      let response: Response;
      try {
        response = await plain(input, { ...init, headers, credentials });
      } catch (error) {
        if (!leaving || tries === retries) throw error;
        await pause(tries++);
        continue;
      }
      if (response.url && !origins.has(new URL(response.url).origin)) return response; // somebody else's, after a redirect
      const refusal = await abortable(readRefusal(response), signal);
      learn(response, then, refusal, leaving ? 'logout' : undefined);

      // One refresh brings the token that storage has lost. One that came with another id may be an earlier session's.
      const untold = !inHeaders && (then.antiCSRF === undefined || (!!then.cookie && then.cookie !== then.id));
      if (refusal.error === 'unavailable') {
        if ((safe || leaving) && tries < retries && (await pause(tries++, response, signal))) continue;
      } else if ((refusal.error === 'try_refresh' || (refusal.error === 'anti_csrf' && untold)) && repetitions > 0) {
        repetitions = renewed(then) ? repetitions - 1 : 0;
        if ((await abortable(renew(then), signal)) && repeatable) continue;
      }
      return response;
    }
  }

  return {
    fetch: (input, init) => perform(input, init),
    exists,
    get ended() {
      return state().ended;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async signOut() {
      const { at } = memory.read();
      const response = await perform(logoutURL, { method: 'POST' }, true);
      const refusal = await readRefusal(response);
      const now = memory.read();
      if (response.ok) {
        response.text().catch(() => {}); // frees the connection
      } else if (!isOver(refusal) && !(now.ended && now.at !== at)) {
        throw new Error(`the session goes on: ${response.status} ${refusal.error ?? ''}`.trim(), { cause: response });
      }
    },
  };
}
