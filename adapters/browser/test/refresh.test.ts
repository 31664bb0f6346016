import { beforeEach, describe, expect, test, vi } from 'vitest';
import { createSession } from '../src/index.js';
import {
  given, json, later, network, offline, ok, page, refreshPath, refused, settle, store, tryRefresh, unauthorised, unavailable,
} from './fakes.js';

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, 'random').mockReturnValue(1);
  return () => vi.useRealTimers();
});

const get = 'GET /me';
const refresh = `POST ${refreshPath}`;

test('an expired access token: one refresh, one repetition', async () => {
  page().id = 'I1';
  const net = network({ '/me': [tryRefresh(), ok()], [refreshPath]: [ok(given('I2'))] });
  const response = await createSession({ fetch: net.fetch }).fetch('/me');
  expect(response.status).toBe(200);
  expect(net.log).toEqual([get, refresh, get]);
});

test('the refresh call carries cookies, follows no redirect, and sends nothing else', async () => {
  page().id = 'I1';
  const net = network({ '/me': [tryRefresh(), ok()], [refreshPath]: [ok(given('I2', 'C'))] });
  await createSession({ fetch: net.fetch }).fetch('/me');
  const call = net.calls[1]!;
  expect(call.url).toBe(`https://app.test${refreshPath}`);
  expect(call.init).toMatchObject({ credentials: 'include', redirect: 'error' });
  expect([...call.headers]).toEqual([]);
  expect(call.body).toBeUndefined();
});

test('whatever the status is: 440 counts as 401 does', async () => {
  page().id = 'I1';
  const net = network({ '/me': [refused(440, 'try_refresh'), ok()], [refreshPath]: [ok(given('I2'))] });
  expect((await createSession({ fetch: net.fetch }).fetch('/me')).status).toBe(200);
});

test('a call that is refused again after its refresh gets the refusal, unread', async () => {
  page().id = 'I1';
  const net = network({ '/me': [tryRefresh(), tryRefresh()], [refreshPath]: [ok(given('I2'))] });
  const response = await createSession({ fetch: net.fetch }).fetch('/me');
  expect(net.log).toEqual([get, refresh, get]);
  expect(response.status).toBe(401);
  expect(await response.json()).toEqual({ error: 'try_refresh' });
});

test.each([
  ['another id', given('I2')],
  ['the same id, since the refresh token stays', given('I1')],
  ['headers that this origin may not read', {}],
])('calls in flight share one refresh, and those refused later need none: %s', async (_, headers) => {
  page().id = 'I1';
  const late = later();
  const net = network({ '/me': [...Array.from({ length: 10 }, tryRefresh), late.answer, ...Array.from({ length: 11 }, () => ok())], [refreshPath]: [ok(headers)] });
  const session = createSession({ fetch: net.fetch });
  const calls = Array.from({ length: 11 }, () => session.fetch('/me'));
  expect((await Promise.all(calls.slice(0, 10))).map(({ status }) => status)).toEqual(Array(10).fill(200));
  late.give(tryRefresh());
  expect((await calls[10]!).status).toBe(200);
  expect(net.log.filter((call) => call === refresh)).toHaveLength(1);
});

test('a second expiry is a second refresh', async () => {
  page().id = 'I1';
  const net = network({ '/me': [tryRefresh(), ok(), tryRefresh(), ok()], [refreshPath]: [ok(given('I2')), ok(given('I3'))] });
  const session = createSession({ fetch: net.fetch });
  await session.fetch('/me');
  await session.fetch('/me');
  expect(net.log).toEqual([get, refresh, get, get, refresh, get]);
});

describe('when another tab has refreshed since the call was sent', () => {
  test('the call is repeated at once', async () => {
    const browser = page();
    browser.id = 'I1';
    const net = network({
      '/me': [() => {
        browser.id = 'I2';
        return tryRefresh();
      }, ok()],
    });
    expect((await createSession({ fetch: net.fetch }).fetch('/me')).status).toBe(200);
    expect(net.log).toEqual([get, get]);
    expect(browser.locks.requests).toEqual([]);
  });

  test('while it waited for the lock', async () => {
    const browser = page();
    browser.id = 'I1';
    const first = later();
    const net = network({ '/me': [tryRefresh(), tryRefresh(), ok(), ok()], [refreshPath]: [first.answer] });
    const tabs = [createSession({ fetch: net.fetch }), createSession({ fetch: net.fetch })];
    const calls = tabs.map((tab) => tab.fetch('/me'));
    await settle();
    browser.id = 'I2';
    first.give(ok(given('I2')));
    expect((await Promise.all(calls)).map(({ status }) => status)).toEqual([200, 200]);
    expect(net.log.filter((call) => call === refresh)).toHaveLength(1);
    expect(browser.locks.requests).toHaveLength(2);
  });

  test('where the id cookie cannot be read: by what the tabs remember', async () => {
    page();
    const memory = store();
    const options = { refreshPath: 'https://api.test/refresh', storage: memory };
    const other = createSession({ ...options, fetch: network({ '/login': [ok(given('I1'))], '/again': [ok(given('I2'))] }).fetch });
    await other.fetch('https://api.test/login');
    const net = network({
      '/me': [async () => {
        await other.fetch('https://api.test/again');
        return tryRefresh();
      }, ok()],
    });
    await createSession({ ...options, fetch: net.fetch }).fetch('https://api.test/me');
    expect(net.log).toEqual([get, get]);
  });

  test('and what it got has expired, too: one refresh more', async () => {
    const browser = page();
    browser.id = 'I1';
    const net = network({
      '/me': [() => {
        browser.id = 'I2';
        return tryRefresh();
      }, tryRefresh(), ok()],
      [refreshPath]: [ok(given('I3'))],
    });
    expect((await createSession({ fetch: net.fetch }).fetch('/me')).status).toBe(200);
    expect(net.log).toEqual([get, get, refresh, get]);
  });

  test('again and again: not for ever', async () => {
    const browser = page();
    let id = 0;
    const expire = () => {
      browser.id = `I${++id}`;
      return tryRefresh();
    };
    browser.id = 'I';
    const net = network({ '/me': Array(9).fill(expire) });
    expect((await createSession({ fetch: net.fetch }).fetch('/me')).status).toBe(401);
    expect(net.log).toEqual([get, get, get]);
  });
});

describe('a refresh that gets no answer', () => {
  test('is repeated, with back-off and full jitter', async () => {
    page().id = 'I1';
    const times: number[] = [];
    const stamp = (answer: Response | Error) => () => {
      times.push(Date.now());
      if (answer instanceof Error) throw answer;
      return answer;
    };
    vi.mocked(Math.random).mockReturnValueOnce(0.5);
    const net = network({
      '/me': [tryRefresh(), ok()],
      [refreshPath]: [stamp(offline()), stamp(offline()), stamp(new Response('', { status: 502 })), stamp(ok(given('I2')))],
    });
    const call = createSession({ fetch: net.fetch }).fetch('/me');
    await vi.runAllTimersAsync();
    expect((await call).status).toBe(200);
    expect(times.map((time, i) => time - (times[i - 1] ?? time))).toEqual([0, 250, 1000, 2000]);
  });

  test('stays impossible: the caller gets the refusal, and the session lives', async () => {
    page().id = 'I1';
    const net = network({ '/me': [tryRefresh()], [refreshPath]: [offline(), offline(), offline(), offline(), offline()] });
    const session = createSession({ fetch: net.fetch });
    const call = session.fetch('/me');
    await vi.runAllTimersAsync();
    expect(await (await call).json()).toEqual({ error: 'try_refresh' });
    expect(net.log).toEqual([get, refresh, refresh, refresh, refresh]);
    expect(session.exists()).toBe(true);
    expect(session.ended).toBeUndefined();
  });

  test('is not waited for longer than half a minute at a time', async () => {
    page().id = 'I1';
    const net = network({ '/me': [tryRefresh(), ok()], [refreshPath]: [() => new Promise(() => {}), ok(given('I2'))] });
    const call = createSession({ fetch: net.fetch }).fetch('/me');
    await vi.advanceTimersByTimeAsync(29_999);
    expect(net.log).toEqual([get, refresh]);
    await vi.advanceTimersByTimeAsync(501);
    expect((await call).status).toBe(200);
  });

  test('leaves no timer behind when it got one', async () => {
    page().id = 'I1';
    const net = network({ '/me': [tryRefresh(), ok()], [refreshPath]: [ok(given('I2'))] });
    await createSession({ fetch: net.fetch }).fetch('/me');
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('a refresh while the store is away', () => {
  test('is repeated no sooner than Retry-After says', async () => {
    page().id = 'I1';
    vi.mocked(Math.random).mockReturnValue(0);
    const net = network({ '/me': [tryRefresh(), ok()], [refreshPath]: [unavailable(2), ok(given('I2'))] });
    const call = createSession({ fetch: net.fetch }).fetch('/me');
    await vi.advanceTimersByTimeAsync(1_999);
    expect(net.log).toEqual([get, refresh]);
    await vi.advanceTimersByTimeAsync(1);
    expect((await call).status).toBe(200);
  });

  test('and stays so: the caller gets the refusal, and the session lives', async () => {
    page().id = 'I1';
    const net = network({ '/me': [tryRefresh()], [refreshPath]: Array.from({ length: 9 }, () => unavailable(2)) });
    const session = createSession({ fetch: net.fetch, retries: 1 });
    const call = session.fetch('/me');
    await vi.runAllTimersAsync();
    expect((await call).status).toBe(401);
    expect(net.log).toEqual([get, refresh, refresh]);
    expect(session.exists()).toBe(true);
  });

  test('for longer than anybody waits: not repeated', async () => {
    page().id = 'I1';
    const net = network({ '/me': [tryRefresh()], [refreshPath]: [unavailable(3600)] });
    expect((await createSession({ fetch: net.fetch }).fetch('/me')).status).toBe(401);
    expect(net.log).toEqual([get, refresh]);
  });

  test('another tab succeeds meanwhile: that will do', async () => {
    const browser = page();
    browser.id = 'I1';
    const net = network({ '/me': [tryRefresh(), ok()], [refreshPath]: [unavailable(2)] });
    const call = createSession({ fetch: net.fetch }).fetch('/me');
    await vi.advanceTimersByTimeAsync(100);
    browser.id = 'I2';
    await vi.runAllTimersAsync();
    expect((await call).status).toBe(200);
    expect(net.log).toEqual([get, refresh, get]);
  });
});

test('a refresh that only the newest token can sort out is repeated a little later', async () => {
  page().id = 'I1';
  const net = network({ '/me': [tryRefresh(), ok()], [refreshPath]: [tryRefresh(), tryRefresh(), ok(given('I2'))] });
  const call = createSession({ fetch: net.fetch }).fetch('/me');
  await vi.advanceTimersByTimeAsync(499);
  expect(net.log).toEqual([get, refresh]);
  await vi.runAllTimersAsync();
  expect((await call).status).toBe(200);
  expect(net.log).toEqual([get, refresh, refresh, refresh, get]);
});

test.each([refused(404, 'not_found'), refused(403, 'anti_csrf'), new Response('no', { status: 400 })])(
  'a refresh that is refused for another reason is not repeated, and ends nothing (%#)',
  async (refusal) => {
    page().id = 'I1';
    const net = network({ '/me': [tryRefresh()], [refreshPath]: [refusal] });
    const session = createSession({ fetch: net.fetch });
    expect((await session.fetch('/me')).status).toBe(401);
    expect(net.log).toEqual([get, refresh]);
    expect(session.exists()).toBe(true);
  },
);

test('too many refreshes (429): repeated like an outage', async () => {
  page().id = 'I1';
  const net = network({ '/me': [tryRefresh(), ok()], [refreshPath]: [json(429, {}, { 'retry-after': '1' }), ok(given('I2'))] });
  const call = createSession({ fetch: net.fetch }).fetch('/me');
  await vi.runAllTimersAsync();
  expect((await call).status).toBe(200);
});

test('a refresh that finds the session over ends it for all who wait, with the reason', async () => {
  const browser = page();
  browser.id = 'I1';
  const net = network({
    '/me': [tryRefresh(), tryRefresh()],
    [refreshPath]: [() => {
      browser.id = undefined;
      return unauthorised('idle');
    }],
  });
  const session = createSession({ fetch: net.fetch });
  const responses = await Promise.all([session.fetch('/me'), session.fetch('/me')]);
  expect(responses.map(({ status }) => status)).toEqual([401, 401]);
  expect(net.log).toEqual([get, get, refresh]);
  expect(session.exists()).toBe(false);
  expect(session.ended).toEqual({ reason: 'idle' });
});

describe('503 unavailable', () => {
  test('is repeated for a safe method, after Retry-After and a random time', async () => {
    page().id = 'I1';
    const net = network({ '/me': [unavailable(2), unavailable(), unavailable(), ok()] });
    const call = createSession({ fetch: net.fetch }).fetch('/me');
    await vi.advanceTimersByTimeAsync(2_499);
    expect(net.log).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(net.log).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(net.log).toHaveLength(3);
    await vi.advanceTimersByTimeAsync(2_000);
    expect((await call).status).toBe(200);
  });

  test('a bounded number of times', async () => {
    page().id = 'I1';
    const net = network({ '/me': Array.from({ length: 9 }, () => unavailable()) });
    const call = createSession({ fetch: net.fetch, retries: 2 }).fetch('/me');
    await vi.runAllTimersAsync();
    expect(await (await call).json()).toEqual({ error: 'unavailable' });
    expect(net.log).toEqual([get, get, get]);
  });

  test.each(['POST', 'PUT', 'PATCH', 'DELETE', 'post'])('is given to the caller of %s', async (method) => {
    page().id = 'I1';
    const net = network({ '/me': [unavailable(1)] });
    expect((await createSession({ fetch: net.fetch }).fetch('/me', { method })).status).toBe(503);
    expect(net.calls).toHaveLength(1);
  });

  test('of somebody else is given to the caller', async () => {
    page().id = 'I1';
    const net = network({ '/me': [json(503, { error: 'maintenance' }), new Response('busy', { status: 503 })] });
    const session = createSession({ fetch: net.fetch });
    expect((await session.fetch('/me')).status).toBe(503);
    expect((await session.fetch('/me')).status).toBe(503);
    expect(net.calls).toHaveLength(2);
  });

  test('does not use up the one refresh', async () => {
    page().id = 'I1';
    const net = network({ '/me': [unavailable(), tryRefresh(), unavailable(), ok()], [refreshPath]: [ok(given('I2'))] });
    const call = createSession({ fetch: net.fetch }).fetch('/me');
    await vi.runAllTimersAsync();
    expect((await call).status).toBe(200);
    expect(net.log).toEqual([get, get, refresh, get, get]);
  });
});

test('a network error of the call itself is the caller\'s', async () => {
  page().id = 'I1';
  const net = network({ '/me': [offline()] });
  const session = createSession({ fetch: net.fetch });
  await expect(session.fetch('/me')).rejects.toThrow('fetch failed');
  expect(net.calls).toHaveLength(1);
  expect(session.exists()).toBe(true);
});

describe('anti_csrf', () => {
  const post = { method: 'POST', body: 'x' };

  test('without any token held: one refresh brings it', async () => {
    page().id = 'I1';
    const net = network({ '/echo': [refused(403, 'anti_csrf'), ok()], [refreshPath]: [ok(given('I2', 'C'))] });
    expect((await createSession({ fetch: net.fetch }).fetch('/echo', post)).status).toBe(200);
    expect(net.calls.map(({ headers }) => headers.get('anti-csrf'))).toEqual([null, null, 'C']);
    expect(net.calls[2]!.body).toBe('x');
  });

  test('with a token held: the 403 is the caller\'s', async () => {
    const browser = page();
    browser.id = 'I1';
    const net = network({ '/login': [ok(given('I1', 'C'))], '/echo': [refused(403, 'anti_csrf')] });
    const session = createSession({ fetch: net.fetch });
    await session.fetch('/login', post);
    const response = await session.fetch('/echo', post);
    expect(await response.json()).toEqual({ error: 'anti_csrf' });
    expect(net.calls).toHaveLength(2);
    expect(session.exists()).toBe(true);
  });

  test('never in circles: not even if the refresh brings none', async () => {
    const browser = page();
    browser.id = 'I1';
    const net = network({
      '/echo': Array.from({ length: 3 }, () => refused(403, 'anti_csrf')),
      [refreshPath]: [() => {
        browser.id = 'I2';
        return ok(given('I2'));
      }],
    });
    const session = createSession({ fetch: net.fetch });
    expect((await session.fetch('/echo', post)).status).toBe(403);
    expect((await session.fetch('/echo', post)).status).toBe(403);
    expect(net.log).toEqual(['POST /echo', refresh, 'POST /echo', 'POST /echo']);
  });

  test('with the token of an earlier session, after a login that this client did not see: one refresh', async () => {
    const browser = page();
    browser.id = 'I1';
    const net = network({ '/login': [ok(given('I1', 'old'))], '/echo': [refused(403, 'anti_csrf'), ok()], [refreshPath]: [ok(given('I8', 'new'))] });
    const session = createSession({ fetch: net.fetch });
    await session.fetch('/login', post);
    browser.id = 'I7';
    expect((await session.fetch('/echo', post)).status).toBe(200);
    expect(net.log).toEqual(['POST /login', 'POST /echo', refresh, 'POST /echo']);
  });
});

test.each([
  [403, 'reauthenticate'], [403, 'forbidden'], [409, 'conflict'], [409, 'session_limit'], [413, 'too_large'], [400, 'invalid_request'], [500, 'internal'],
  [401, 'wrong_password'],
])('%i %s is given to the caller as it is', async (status, error) => {
  page().id = 'I1';
  const net = network({ '/me': [refused(status, error)] });
  const session = createSession({ fetch: net.fetch });
  const response = await session.fetch('/me');
  expect(response.status).toBe(status);
  expect(await response.json()).toEqual({ error });
  expect(net.calls).toHaveLength(1);
  expect(session.exists()).toBe(true);
});
