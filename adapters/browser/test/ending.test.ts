import { beforeEach, describe, expect, test, vi } from 'vitest';
import { createSession, type SessionState } from '../src/index.js';
import { api, given, json, later, logoutPath, network, offline, ok, page, refreshPath, refused, settle, store, tryRefresh, unauthorised, unavailable } from './fakes.js';

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, 'random').mockReturnValue(1);
  return () => vi.useRealTimers();
});

const post = { method: 'POST' };

describe('exists', () => {
  test('by the id cookie', () => {
    const browser = page();
    const session = createSession();
    expect(session.exists()).toBe(false);
    browser.cookies = { xsIdRefreshToken: 'x', sIdRefreshToken2: 'x', other: 'sIdRefreshToken=x' };
    expect(session.exists()).toBe(false);
    browser.id = 'I1';
    expect(session.exists()).toBe(true);
    browser.id = undefined;
    expect(session.exists()).toBe(false);
  });

  test('by a cookie of another name', () => {
    page().cookies = { id: 'I1' };
    expect(createSession({ cookieName: 'id' }).exists()).toBe(true);
    expect(createSession().exists()).toBe(false);
  });

  test('an empty cookie is none', () => {
    page().cookies = { sIdRefreshToken: '' };
    expect(createSession().exists()).toBe(false);
  });

  test('where the cookie cannot be read: by what is remembered, until it expires, and over reloads', async () => {
    page();
    const options = { refreshPath: `${api}/refresh`, fetch: network({ '/login': [ok(given('I1', undefined, Date.now() + 1000))] }).fetch };
    const session = createSession(options);
    expect(session.exists()).toBe(false);
    await session.fetch(`${api}/login`, post);
    expect(session.exists()).toBe(true);
    expect(createSession(options).exists()).toBe(true);
    vi.advanceTimersByTime(1000);
    expect(session.exists()).toBe(false);
    expect(session.ended).toEqual({});
  });

  test('where the cookie can be read, what is remembered does not count', async () => {
    const browser = page();
    const session = createSession({ fetch: network({ '/login': [ok(given('I1'))] }).fetch });
    await session.fetch('/login', post);
    expect(session.exists()).toBe(true);
    browser.id = undefined;
    expect(session.exists()).toBe(false);
  });

  test('of another origin, where its cookie can be read all the same', () => {
    page().id = 'I1';
    expect(createSession({ refreshPath: `${api}/refresh` }).exists()).toBe(true);
  });
});

describe('ended', () => {
  test('is undefined if there never was a session, whatever a request is answered', async () => {
    page();
    const session = createSession({ fetch: network({ '/me': [unauthorised()] }).fetch });
    expect(session.ended).toBeUndefined();
    await session.fetch('/me');
    expect(session.ended).toBeUndefined();
  });

  test.each(['logout', 'idle', 'absolute', 'revoked', 'revoked_by_user', 'password_changed', 'theft', 'session_limit', 'key_compromised'])(
    'has the reason that the server tells: %s',
    async (reason) => {
      page().id = 'I1';
      const session = createSession({ fetch: network({ '/me': [unauthorised(reason)] }).fetch });
      const response = await session.fetch('/me');
      expect(await response.json()).toEqual({ error: 'unauthorised', reason });
      expect(session.exists()).toBe(false);
      expect(session.ended).toEqual({ reason });
    },
  );

  test.each([401, 440])('by theft, with status %i', async (status) => {
    page().id = 'I1';
    const net = network({ '/me': [tryRefresh()], [refreshPath]: [json(status, { error: 'token_theft', reason: 'theft' }, { 'id-refresh-token': 'remove' })] });
    const session = createSession({ fetch: net.fetch });
    await session.fetch('/me');
    expect(session.ended).toEqual({ reason: 'theft' });
  });

  test('without a reason, where the server knows none', async () => {
    page().id = 'I1';
    const session = createSession({ fetch: network({ '/me': [unauthorised()] }).fetch });
    await session.fetch('/me');
    expect(session.ended).toEqual({});
  });

  test('without a word: the id cookie of a session that was seen is gone', async () => {
    const browser = page();
    const session = createSession({ fetch: network({ '/login': [ok(given('I1'))] }).fetch });
    await session.fetch('/login', post);
    browser.id = undefined;
    expect(session.ended).toEqual({});
  });

  test('by a header alone, as of a logout that the page does by itself', async () => {
    page().id = 'I1';
    const session = createSession({ fetch: network({ '/bye': [ok({ 'id-refresh-token': 'remove' })] }).fetch });
    await session.fetch('/bye', post);
    expect(session.ended).toEqual({});
  });

  test('by the body alone, where its headers cannot be read', async () => {
    page();
    const net = network({ '/login': [ok(given('I1'))], '/me': [json(401, { error: 'unauthorised', reason: 'idle' })] });
    const session = createSession({ fetch: net.fetch, refreshPath: `${api}/refresh` });
    await session.fetch(`${api}/login`, post);
    await session.fetch(`${api}/me`);
    expect(session.ended).toEqual({ reason: 'idle' });
  });

  test('lasts over a reload, until a login', async () => {
    page().id = 'I1';
    const net = network({ '/me': [unauthorised('idle')], '/login': [ok(given('I2'))] });
    await createSession({ fetch: net.fetch }).fetch('/me');
    const session = createSession({ fetch: net.fetch });
    expect(session.ended).toEqual({ reason: 'idle' });
    await session.fetch('/login', post);
    expect(session.ended).toBeUndefined();
    expect(session.exists()).toBe(true);
  });

  test('keeps the reason when another answer knows none', async () => {
    page().id = 'I1';
    const slow = later();
    const session = createSession({ fetch: network({ '/me': [slow.answer, unauthorised('revoked')] }).fetch });
    const first = session.fetch('/me');
    await session.fetch('/me');
    slow.give(unauthorised());
    await first;
    expect(session.ended).toEqual({ reason: 'revoked' });
  });

  test('takes everything of the session with it', async () => {
    page();
    const storage = store();
    const net = network({ '/login': [ok(given('I1', 'C'))], '/me': [unauthorised('idle')] });
    const session = createSession({ fetch: net.fetch, storage });
    await session.fetch('/login', post);
    await session.fetch('/me');
    expect(JSON.parse([...storage.text.values()][0]!)).toEqual({ at: expect.any(Number) as number, ended: { reason: 'idle' } });
  });
});

describe('a late answer to a request of the session before', () => {
  test.each([
    ['unauthorised', unauthorised('idle')], ['theft', json(401, { error: 'token_theft', reason: 'theft' })],
    ['a logout', ok({ 'id-refresh-token': 'remove' })],
  ])('does not end the new one: %s', async (_, answer) => {
    page();
    const slow = later();
    const net = network({ '/login': [ok(given('I1')), ok(given('I2'))], '/me': [slow.answer] });
    const session = createSession({ fetch: net.fetch, refreshPath: `${api}/refresh` });
    await session.fetch(`${api}/login`, post);
    const late = session.fetch(`${api}/me`);
    await session.fetch(`${api}/login`, post);
    slow.give(answer);
    expect((await late).status).toBe(answer.status);
    expect(session.exists()).toBe(true);
    expect(session.ended).toBeUndefined();
  });

  test('nor one that began with a login elsewhere, of which the cookie tells', async () => {
    const browser = page();
    browser.id = 'I1';
    const slow = later();
    const session = createSession({ fetch: network({ '/me': [slow.answer] }).fetch });
    const late = session.fetch('/me');
    browser.id = 'I2';
    slow.give(json(401, { error: 'unauthorised', reason: 'idle' }));
    await late;
    expect(session.exists()).toBe(true);
    expect(session.ended).toBeUndefined();
    browser.id = undefined;
    expect(session.ended).toBeUndefined();
  });

  test('that clears the cookies has ended it, but not for the reason of the other', async () => {
    const browser = page();
    const slow = later();
    const net = network({ '/login': [ok(given('I1')), ok(given('I2'))], '/me': [slow.answer] });
    const session = createSession({ fetch: net.fetch });
    const listener = vi.fn();
    await session.fetch('/login', post);
    session.onChange(listener);
    const late = session.fetch('/me');
    await session.fetch('/login', post);
    slow.give(unauthorised('idle'));
    await late;
    expect(browser.cookies).toEqual({});
    expect(session.ended).toEqual({});
    await settle();
    expect(listener).toHaveBeenLastCalledWith({ exists: false, ended: {} });
  });

  test('to a refresh: neither', async () => {
    page();
    const slow = later();
    const net = network({ '/login': [ok(given('I1')), ok(given('I2'))], '/me': [tryRefresh(), ok()], '/refresh': [slow.answer] });
    const session = createSession({ fetch: net.fetch, refreshPath: `${api}/refresh` });
    await session.fetch(`${api}/login`, post);
    const call = session.fetch(`${api}/me`);
    await settle();
    await session.fetch(`${api}/login`, post);
    slow.give(unauthorised('idle'));
    expect((await call).status).toBe(200); // repeated with the new session
    expect(session.ended).toBeUndefined();
  });
});

describe('signOut', () => {
  test('posts to the logout endpoint and ends the session', async () => {
    page();
    const net = network({ '/login': [ok(given('I1', 'C'))], [logoutPath]: [ok({ 'id-refresh-token': 'remove' })] });
    const session = createSession({ fetch: net.fetch });
    await session.fetch('/login', post);
    const states: SessionState[] = [];
    session.onChange((state) => states.push(state));
    await session.signOut();
    expect(net.log[1]).toBe(`POST ${logoutPath}`);
    expect(net.calls[1]!.headers.get('anti-csrf')).toBe('C');
    expect(net.calls[1]!.init.credentials).toBe('include');
    expect(session.exists()).toBe(false);
    expect(session.ended).toEqual({ reason: 'logout' });
    await settle();
    expect(states).toEqual([{ exists: false, ended: { reason: 'logout' } }]);
  });

  test('finds the logout endpoint beside the refresh endpoint, of the API\'s origin', async () => {
    page();
    const net = network({ '/login': [ok(given('I1'))], '/bye': [ok(), ok()], [logoutPath]: [ok()] });
    await createSession({ fetch: net.fetch, refreshPath: `${api}/v1/refresh` }).signOut();
    await createSession({ fetch: net.fetch, refreshPath: `${api}/v1/refresh`, logoutPath: '/bye' }).signOut();
    await createSession({ fetch: net.fetch, logoutPath: `${api}/bye` }).signOut();
    expect(net.calls.map(({ url }) => url)).toEqual([`${api}${logoutPath}`, `${api}/bye`, `${api}/bye`]);
    expect(net.calls[2]!.init.credentials).toBe('include');
  });

  test('where its headers cannot be read', async () => {
    page();
    const net = network({ '/login': [ok(given('I1'))], [logoutPath]: [ok()] });
    const session = createSession({ fetch: net.fetch, refreshPath: `${api}/refresh` });
    await session.fetch(`${api}/login`, post);
    await session.signOut();
    expect(session.ended).toEqual({ reason: 'logout' });
  });

  test('without a session is no error, and no end', async () => {
    page();
    const session = createSession({ fetch: network({ [logoutPath]: [ok({ 'id-refresh-token': 'remove' })] }).fetch });
    await session.signOut();
    expect(session.ended).toBeUndefined();
  });

  test('of which the server knows nothing is over as well', async () => {
    page();
    const session = createSession({ fetch: network({ [logoutPath]: [unauthorised()] }).fetch });
    await session.signOut();
    expect(session.exists()).toBe(false);
  });

  test('refreshes if that is due', async () => {
    page().id = 'I1';
    const net = network({ [logoutPath]: [tryRefresh(), ok({ 'id-refresh-token': 'remove' })], [refreshPath]: [ok(given('I2'))] });
    const session = createSession({ fetch: net.fetch });
    await session.signOut();
    expect(net.log).toEqual([`POST ${logoutPath}`, `POST ${refreshPath}`, `POST ${logoutPath}`]);
    expect(session.ended).toEqual({ reason: 'logout' });
  });

  test('of a session that has ended already, as the logout tells', async () => {
    page().id = 'I1';
    const session = createSession({ fetch: network({ [logoutPath]: [unauthorised('revoked')] }).fetch });
    await session.signOut();
    expect(session.ended).toEqual({ reason: 'revoked' });
  });

  test('of a session that has ended already, as the refresh tells', async () => {
    page().id = 'I1';
    const session = createSession({ fetch: network({ [logoutPath]: [tryRefresh()], [refreshPath]: [unauthorised('idle')] }).fetch });
    await session.signOut();
    expect(session.ended).toEqual({ reason: 'idle' });
  });

  test('is repeated while the network or the store is away', async () => {
    page().id = 'I1';
    const net = network({ [logoutPath]: [offline(), unavailable(2), ok({ 'id-refresh-token': 'remove' })] });
    const session = createSession({ fetch: net.fetch });
    const done = session.signOut();
    await vi.runAllTimersAsync();
    await done;
    expect(net.calls).toHaveLength(3);
    expect(session.exists()).toBe(false);
  });

  test.each([
    ['the network stays away', Array(9).fill(offline()), 'fetch failed', 4],
    ['the store stays away', Array.from({ length: 9 }, () => unavailable()), '503 unavailable', 4],
    ['the server refuses its origin', [refused(403, 'anti_csrf')], '403 anti_csrf', 1],
    ['there is no such endpoint', [new Response('', { status: 404 })], '404', 1],
  ])('rejects where %s: the user is still logged in', async (_, answers, text, calls) => {
    page();
    const net = network({ '/login': [ok(given('I1', 'C'))], [logoutPath]: answers as Response[] });
    const session = createSession({ fetch: net.fetch });
    await session.fetch('/login', post);
    const done = session.signOut();
    const outcome = expect(done).rejects.toThrow(text);
    await vi.runAllTimersAsync();
    await outcome;
    expect(net.calls).toHaveLength(1 + calls);
    expect(session.exists()).toBe(true);
    expect(session.ended).toBeUndefined();
  });

  test('rejects, where the refresh is impossible, with the response as the cause', async () => {
    page().id = 'I1';
    const net = network({ [logoutPath]: [tryRefresh()], [refreshPath]: [refused(404, 'x')] });
    const error = await createSession({ fetch: net.fetch }).signOut().catch((e: unknown) => e as Error);
    expect(error!.message).toBe('the session goes on: 401 try_refresh');
    expect(await (error!.cause as Response).json()).toEqual({ error: 'try_refresh' });
  });

  test('rejects after a session that has ended before', async () => {
    page();
    const storage = store();
    const options = { refreshPath: `${api}/refresh`, storage };
    const net = network({ '/login': [ok(given('I1'))], '/me': [unauthorised('idle')], [logoutPath]: [refused(403, 'forbidden')] });
    const session = createSession({ ...options, fetch: net.fetch });
    await session.fetch(`${api}/login`, post);
    await session.fetch(`${api}/me`);
    await expect(session.signOut()).rejects.toThrow('403');
  });
});

describe('onChange', () => {
  test('tells of login and end, once each, and of nothing else', async () => {
    page();
    const net = network({
      '/login': [ok(given('I1', 'C'))], '/me': [ok(), tryRefresh(), ok(), unauthorised('revoked'), unauthorised()], [refreshPath]: [ok(given('I2', 'C'))],
    });
    const session = createSession({ fetch: net.fetch });
    const listener = vi.fn();
    session.onChange(listener);
    await session.fetch('/login', post);
    for (let i = 0; i < 4; i++) await session.fetch('/me');
    await settle();
    expect(listener.mock.calls).toEqual([[{ exists: true, ended: undefined }], [{ exists: false, ended: { reason: 'revoked' } }]]);
  });

  test('tells nobody who has unsubscribed, not even in the same moment', async () => {
    page();
    const session = createSession({ fetch: network({ '/login': [ok(given('I1'))] }).fetch });
    const second = vi.fn();
    let stop = () => {};
    session.onChange(() => stop());
    stop = session.onChange(second);
    await session.fetch('/login', post);
    await settle();
    expect(second).not.toHaveBeenCalled();
  });

  test('calls listeners when the state is there to be read, and outside of the request', async () => {
    page();
    const session = createSession({ fetch: network({ '/login': [ok(given('I1'))] }).fetch });
    const errors: unknown[] = [];
    vi.stubGlobal('queueMicrotask', (work: () => void) => {
      Promise.resolve().then(work).catch((error: unknown) => errors.push(error));
    });
    const seen: boolean[] = [];
    session.onChange(() => {
      seen.push(session.exists());
      throw new Error('the listener fails');
    });
    session.onChange(() => seen.push(session.exists()));
    expect((await session.fetch('/login', post)).status).toBe(200);
    vi.unstubAllGlobals();
    await settle();
    expect(seen).toEqual([true, true]);
    expect(errors).toHaveLength(1);
  });
});
