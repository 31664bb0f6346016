import { beforeEach, describe, expect, test, vi } from 'vitest';
import { createSession } from '../src/index.js';
import { api, json, later, logoutPath, network, offline, ok, page, refreshPath, settle, store, tokens, tryRefresh } from './fakes.js';

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, 'random').mockReturnValue(1);
  return () => vi.useRealTimers();
});

const post = { method: 'POST' };
const over = (reason: string) => json(401, { error: 'unauthorised', reason });

/** A client in Node: no page, no storage of the platform. */
function client(script: Parameters<typeof network>[0], storage?: Storage) {
  const net = network(script);
  const session = createSession({
    refreshPath: api + refreshPath, transport: 'header', fetch: net.fetch, ...(storage && { storage }),
  });
  const fetch = (path: string, init?: RequestInit) => session.fetch(api + path, init);
  const bearers = () => net.calls.map(({ headers }) => headers.get('authorization'));
  return { net, session, fetch, bearers };
}

test('every request names its transport and carries the access token; no cookies, no anti-csrf', async () => {
  const { net, fetch, session } = client({ '/login': [ok({ ...tokens('A1', 'R1'), 'anti-csrf': 'C', 'id-refresh-token': 'I;9999999999999' })], '/echo': [ok()] });
  await fetch('/login', post);
  await fetch('/echo', { method: 'POST', headers: { authorization: 'mine' } });
  expect(net.calls.map(({ headers }) => Object.fromEntries(headers))).toEqual([
    { 'session-transport': 'header' }, { 'session-transport': 'header', authorization: 'Bearer A1' },
  ]);
  expect(net.calls.map(({ init }) => init.credentials)).toEqual(['omit', 'omit']);
  expect(session.exists()).toBe(true);
});

test('other origins get none of it', async () => {
  const { net, fetch, session } = client({ '/login': [ok(tokens('A1', 'R1'))], '/x': [ok()] });
  await fetch('/login', post);
  await session.fetch('https://evil.test/x', post);
  expect(net.calls[1]!.init).toBe(post);
});

test('the refresh call carries the refresh token alone', async () => {
  const { net, fetch, bearers } = client({ '/login': [ok(tokens('A1', 'R1'))], '/me': [tryRefresh(), ok()], [refreshPath]: [ok(tokens('A2', 'R2'))] });
  await fetch('/login', post);
  expect((await fetch('/me')).status).toBe(200);
  const call = net.calls[2]!;
  expect(call).toMatchObject({ method: 'POST', url: api + refreshPath, init: { credentials: 'omit', redirect: 'error' } });
  expect(Object.fromEntries(call.headers)).toEqual({ 'session-transport': 'header', 'x-refresh-token': 'R1' });
  expect(call.body).toBeUndefined();
  expect(bearers()).toEqual([null, 'Bearer A1', null, 'Bearer A2']);
});

test('a refresh without a refresh token keeps the one that there is', async () => {
  const { net, fetch, session } = client({
    '/login': [ok(tokens('A1', 'R1'))], '/me': [tryRefresh(), ok(), tryRefresh(), ok()], [refreshPath]: [ok(tokens('A2')), ok(tokens('A3'))],
  });
  await fetch('/login', post);
  await fetch('/me');
  await fetch('/me');
  expect(net.calls.filter(({ method }) => method === 'POST').slice(1).map(({ headers }) => headers.get('x-refresh-token'))).toEqual(['R1', 'R1']);
  expect(session.exists()).toBe(true);
});

test('ten calls share a refresh', async () => {
  const { net, fetch } = client({
    '/login': [ok(tokens('A1', 'R1'))], '/me': [...Array.from({ length: 10 }, tryRefresh), ...Array.from({ length: 10 }, () => ok())],
    [refreshPath]: [ok(tokens('A2'))],
  });
  await fetch('/login', post);
  const responses = await Promise.all(Array.from({ length: 10 }, () => fetch('/me')));
  expect(responses.map(({ status }) => status)).toEqual(Array(10).fill(200));
  expect(net.calls).toHaveLength(22);
});

test('without a session there is nothing to refresh with', async () => {
  const { net, fetch, session } = client({ '/me': [tryRefresh(), over('idle')] });
  expect((await fetch('/me')).status).toBe(401);
  expect((await fetch('/me')).status).toBe(401);
  expect(net.log).toEqual(['GET /me', 'GET /me']);
  expect(session.ended).toBeUndefined();
});

test('a renewed access token is taken from any response', async () => {
  const { fetch, bearers } = client({ '/login': [ok(tokens('A1', 'R1'))], '/me': [ok(tokens('A2')), ok()] });
  await fetch('/login', post);
  await fetch('/me');
  await fetch('/me');
  expect(bearers()).toEqual([null, 'Bearer A1', 'Bearer A2']);
});

describe('a late response', () => {
  test('with a renewed access token does not displace a newer one', async () => {
    const slow = later();
    const { fetch, bearers } = client({
      '/login': [ok(tokens('A1', 'R1'))], '/slow': [slow.answer], '/me': [tryRefresh(), ok(), ok()], [refreshPath]: [ok(tokens('A2', 'R2'))],
    });
    await fetch('/login', post);
    const late = fetch('/slow');
    await fetch('/me');
    slow.give(ok(tokens('A1 renewed')));
    await late;
    await fetch('/me');
    expect(bearers().at(-1)).toBe('Bearer A2');
  });

  test('of a refresh does not displace the tokens of a login', async () => {
    const slow = later();
    const { net, fetch, bearers } = client({ '/login': [ok(tokens('A1', 'R1')), ok(tokens('B1', 'S1'))], '/me': [tryRefresh(), ok()], [refreshPath]: [slow.answer] });
    await fetch('/login', post);
    const call = fetch('/me');
    await settle();
    await fetch('/login', post);
    slow.give(ok(tokens('A2', 'R2')));
    expect((await call).status).toBe(200);
    expect(bearers().at(-1)).toBe('Bearer B1');
    expect(net.calls).toHaveLength(5);
  });

  test('of a refresh does not bring back a session that has ended', async () => {
    const slow = later();
    const storage = store();
    const { fetch, session, bearers } = client(
      { '/login': [ok(tokens('A1', 'R1'))], '/me': [tryRefresh(), over('revoked'), ok()], [refreshPath]: [slow.answer] }, storage,
    );
    await fetch('/login', post);
    const call = fetch('/me');
    await settle();
    await fetch('/me');
    expect(session.ended).toEqual({ reason: 'revoked' });
    slow.give(ok(tokens('A2', 'R2')));
    expect((await call).status).toBe(200); // if it is for anybody
    expect(bearers().at(-1)).toBeNull();
    expect(session.exists()).toBe(false);
    expect([...storage.text.values()].join()).not.toMatch(/A2|R2/);
  });

  test('to a login counts, whatever has happened to the session before', async () => {
    const slow = later();
    const { fetch, bearers } = client({
      '/login': [ok(tokens('A1', 'R1')), slow.answer], '/me': [tryRefresh(), ok(), ok()], [refreshPath]: [ok(tokens('A2', 'R2'))],
    });
    await fetch('/login', post);
    const login = fetch('/login', post);
    await fetch('/me');
    slow.give(ok(tokens('B1', 'S1')));
    await login;
    await fetch('/me');
    expect(bearers().at(-1)).toBe('Bearer B1');
  });

  test('of the session before does not end the new one', async () => {
    const slow = later();
    const { fetch, session } = client({ '/login': [ok(tokens('A1', 'R1')), ok(tokens('B1', 'S1'))], '/slow': [slow.answer] });
    await fetch('/login', post);
    const late = fetch('/slow');
    await fetch('/login', post);
    slow.give(over('idle'));
    await late;
    expect(session.exists()).toBe(true);
  });

  test('of a refresh is taken although its access token was renewed meanwhile', async () => {
    const slow = later();
    const { fetch, bearers } = client({
      '/login': [ok(tokens('A1', 'R1'))], '/me': [tryRefresh(), ok()], '/other': [ok(tokens('A1 renewed'))], [refreshPath]: [slow.answer],
    });
    await fetch('/login', post);
    const call = fetch('/me');
    await settle();
    await fetch('/other');
    slow.give(ok(tokens('A2')));
    await call;
    expect(bearers().at(-1)).toBe('Bearer A2');
  });
});

test('a refresh whose answer was lost is repeated with the same token', async () => {
  const { net, fetch } = client({ '/login': [ok(tokens('A1', 'R1'))], '/me': [tryRefresh(), ok()], [refreshPath]: [offline(), ok(tokens('A2', 'R2'))] });
  await fetch('/login', post);
  const call = fetch('/me');
  await vi.runAllTimersAsync();
  expect((await call).status).toBe(200);
  expect(net.calls.filter(({ url }) => url.endsWith('refresh')).map(({ headers }) => headers.get('x-refresh-token'))).toEqual(['R1', 'R1']);
});

describe('exists', () => {
  test('until the refresh token expires', async () => {
    const { fetch, session } = client({ '/login': [ok(tokens('A1', 'R1'))] });
    expect(session.exists()).toBe(false);
    await fetch('/login', post);
    expect(session.exists()).toBe(true);
    vi.advanceTimersByTime(3600_000);
    expect(session.exists()).toBe(false);
  });

  test('whatever cookies there are', () => {
    page().id = 'I1';
    expect(createSession({ transport: 'header' }).exists()).toBe(false);
  });

  test('on a page of the API\'s origin, too', async () => {
    page();
    const session = createSession({ transport: 'header', fetch: network({ '/login': [ok(tokens('A1', 'R1'))] }).fetch });
    await session.fetch('/login', post);
    expect(session.exists()).toBe(true);
  });
});

describe('the end', () => {
  test('drops the tokens', async () => {
    const storage = store();
    const { fetch, session, bearers } = client({ '/login': [ok(tokens('A1', 'R1'))], '/me': [over('idle'), ok()] }, storage);
    await fetch('/login', post);
    await fetch('/me');
    expect(session.ended).toEqual({ reason: 'idle' });
    expect(JSON.parse([...storage.text.values()][0]!)).toEqual({ at: expect.any(Number) as number, ended: { reason: 'idle' } });
    await fetch('/me');
    expect(bearers().at(-1)).toBeNull();
  });

  test('by the refresh', async () => {
    const { fetch, session } = client({
      '/login': [ok(tokens('A1', 'R1'))], '/me': [tryRefresh()], [refreshPath]: [json(401, { error: 'token_theft', reason: 'theft' })],
    });
    await fetch('/login', post);
    expect((await fetch('/me')).status).toBe(401);
    expect(session.ended).toEqual({ reason: 'theft' });
  });

  test('by signOut, of which no header tells', async () => {
    const { net, fetch, session } = client({ '/login': [ok(tokens('A1', 'R1'))], [logoutPath]: [tryRefresh(), ok()], [refreshPath]: [ok(tokens('A2', 'R2'))] });
    await fetch('/login', post);
    await session.signOut();
    expect(net.calls.at(-1)!.headers.get('authorization')).toBe('Bearer A2');
    expect(session.ended).toEqual({ reason: 'logout' });
  });

  test('by signOut, although another tab has refreshed meanwhile', async () => {
    const slow = later();
    const storage = store();
    const { fetch, session } = client({ '/login': [ok(tokens('A1', 'R1'))], [logoutPath]: [slow.answer] }, storage);
    const other = client({ '/me': [tryRefresh(), ok()], [refreshPath]: [ok(tokens('A2', 'R2'))] }, storage);
    await fetch('/login', post);
    const done = session.signOut();
    await other.fetch('/me');
    slow.give(ok());
    await done;
    expect(session.ended).toEqual({ reason: 'logout' });
    expect([...storage.text.values()].join()).not.toMatch(/A2|R2/);
  });

  test('goes by with a login', async () => {
    const { fetch, session } = client({ '/login': [ok(tokens('A1', 'R1')), ok(tokens('B1', 'S1'))], '/me': [over('idle')] });
    await fetch('/login', post);
    await fetch('/me');
    await fetch('/login', post);
    expect(session.ended).toBeUndefined();
    expect(session.exists()).toBe(true);
  });
});

describe('clients that share a storage, as tabs do', () => {
  test('refresh with the tokens that are there when it is their turn', async () => {
    page();
    const script = {
      '/me': [tryRefresh(), tryRefresh(), ok(), ok()], [refreshPath]: [ok(tokens('A2', 'R2'))], '/login': [ok(tokens('A1', 'R1'))],
    };
    const net = network(script);
    const tabs = [0, 1].map(() => createSession({ transport: 'header', fetch: net.fetch }));
    await tabs[0]!.fetch('/login', post);
    expect(tabs[1]!.exists()).toBe(true);
    const responses = await Promise.all(tabs.map((tab) => tab.fetch('/me')));
    expect(responses.map(({ status }) => status)).toEqual([200, 200]);
    expect(net.log.filter((call) => call.endsWith('refresh'))).toHaveLength(1);
    expect(net.calls.slice(-2).map(({ headers }) => headers.get('authorization'))).toEqual(['Bearer A2', 'Bearer A2']);
  });

  test('use the newest token for a repetition, too', async () => {
    const storage = store();
    const other = client({ '/login': [ok(tokens('A1', 'R1'))], '/again': [ok(tokens('A3', 'R3'))] }, storage);
    await other.fetch('/login', post);
    const { net, fetch } = client({ '/me': [tryRefresh(), ok()], [refreshPath]: [offline(), ok(tokens('A4', 'R4'))] }, storage);
    const call = fetch('/me');
    await settle();
    await other.fetch('/again', post);
    await vi.runAllTimersAsync();
    expect((await call).status).toBe(200);
    expect(net.calls.at(-1)!.headers.get('authorization')).toBe('Bearer A3');
  });
});

test('clients that share none know nothing of each other, and wait for nobody', async () => {
  const request = vi.fn();
  vi.stubGlobal('navigator', { locks: { request } }); // as in newer versions of Node
  const alice = client({ '/login': [ok(tokens('A1', 'R1'))], '/me': [over('revoked')] });
  const bob = client({ '/login': [ok(tokens('B1', 'S1'))], '/me': [tryRefresh(), ok()], [refreshPath]: [ok(tokens('B2', 'S2'))] });
  await alice.fetch('/login', post);
  await bob.fetch('/login', post);
  await alice.fetch('/me');
  await settle();
  expect(alice.session.ended).toEqual({ reason: 'revoked' });
  expect(bob.session.exists()).toBe(true);
  expect((await bob.fetch('/me')).status).toBe(200);
  expect(request).not.toHaveBeenCalled();
});
