import { beforeEach, describe, expect, test, vi } from 'vitest';
import { createSession, type SessionState } from '../src/index.js';
import { exclusively } from '../src/waiting.js';
import { api, given, later, network, ok, page, refreshPath, refused, settle, store, tokens, tryRefresh, unauthorised } from './fakes.js';

beforeEach(() => {
  vi.useFakeTimers();
  return () => vi.useRealTimers();
});

const post = { method: 'POST' };
const refresh = `POST ${refreshPath}`;

/** What a tab's listeners are told. */
function told(session: ReturnType<typeof createSession>): SessionState[] {
  const states: SessionState[] = [];
  session.onChange((state) => states.push(state));
  return states;
}

describe('the lock', () => {
  test('lets one tab refresh at a time', async () => {
    const browser = page();
    browser.id = 'I1';
    const first = later();
    const net = network({ '/me': [tryRefresh(), tryRefresh(), ok(), ok()], [refreshPath]: [first.answer] });
    const calls = [createSession({ fetch: net.fetch }), createSession({ fetch: net.fetch })].map((tab) => tab.fetch('/me'));
    await settle();
    expect(net.log).toEqual(['GET /me', 'GET /me', refresh]);
    first.give(ok(given('I1'))); // the id stays, and it was refreshed all the same
    expect((await Promise.all(calls)).map(({ status }) => status)).toEqual([200, 200]);
    expect(net.log.filter((call) => call === refresh)).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('passes on when a refresh has failed', async () => {
    page().id = 'I1';
    const net = network({ '/me': [tryRefresh(), tryRefresh(), ok()], [refreshPath]: [refused(404, 'x'), ok(given('I2'))] });
    const calls = [createSession({ fetch: net.fetch }), createSession({ fetch: net.fetch })].map((tab) => tab.fetch('/me'));
    expect((await Promise.all(calls)).map(({ status }) => status)).toEqual([401, 200]);
  });

  test('is not waited for longer than the timeout', async () => {
    const browser = page();
    browser.id = 'I1';
    browser.locks.hold();
    const net = network({ '/me': [tryRefresh(), ok()], [refreshPath]: [ok(given('I2'))] });
    const call = createSession({ fetch: net.fetch, lockTimeout: 700 }).fetch('/me');
    await vi.advanceTimersByTimeAsync(699);
    expect(net.log).toEqual(['GET /me']);
    await vi.advanceTimersByTimeAsync(1);
    expect((await call).status).toBe(200);
    expect(net.log).toEqual(['GET /me', refresh, 'GET /me']);
  });

  test('is waited for five seconds by default, and then looked again whether another tab has refreshed', async () => {
    const browser = page();
    browser.id = 'I1';
    browser.locks.hold();
    const net = network({ '/me': [tryRefresh(), ok()] });
    const call = createSession({ fetch: net.fetch }).fetch('/me');
    await vi.advanceTimersByTimeAsync(4_999);
    expect(net.log).toEqual(['GET /me']);
    browser.id = 'I2';
    await vi.advanceTimersByTimeAsync(1);
    expect((await call).status).toBe(200);
    expect(net.log).toEqual(['GET /me', 'GET /me']);
  });

  test('limits the wait for it, not the refresh', async () => {
    const browser = page();
    browser.id = 'I1';
    const slow = later();
    const net = network({ '/me': [tryRefresh(), ok()], [refreshPath]: [slow.answer] });
    const call = createSession({ fetch: net.fetch, lockTimeout: 100 }).fetch('/me');
    await vi.advanceTimersByTimeAsync(5_000);
    slow.give(ok(given('I2')));
    expect((await call).status).toBe(200);
    expect(net.log).toEqual(['GET /me', refresh, 'GET /me']);
  });

  test.each([
    ['there is none', undefined], ['it is forbidden', { request: () => Promise.reject(new DOMException('no', 'SecurityError')) }],
  ])('is done without where %s', async (_, locks) => {
    page().id = 'I1';
    vi.stubGlobal('navigator', { locks });
    const net = network({ '/me': [tryRefresh(), ok()], [refreshPath]: [ok(given('I2'))] });
    expect((await createSession({ fetch: net.fetch }).fetch('/me')).status).toBe(200);
  });

  test('is one for each API', async () => {
    const browser = page();
    browser.id = 'I1';
    const net = network({ '/me': [tryRefresh(), ok(), tryRefresh(), ok()], [refreshPath]: [ok(given('I2'))], '/refresh': [ok(given('I3'))] });
    await createSession({ fetch: net.fetch }).fetch('/me');
    await createSession({ fetch: net.fetch, refreshPath: `${api}/refresh` }).fetch(`${api}/me`);
    expect(new Set(browser.locks.requests).size).toBe(2);
  });
});

test('what fails behind the lock is not done again', async () => {
  page();
  const work = vi.fn(() => Promise.reject(new Error('no')));
  await expect(exclusively('name', 100, work)).rejects.toThrow('no');
  expect(work).toHaveBeenCalledOnce();
});

test('without locks, tabs that cross are all served', async () => {
  page().id = 'I1';
  vi.stubGlobal('navigator', {});
  const net = network({ '/me': [tryRefresh(), tryRefresh(), ok(), ok()], [refreshPath]: [ok(given('I2')), ok(given('I2'))] });
  const calls = [createSession({ fetch: net.fetch }), createSession({ fetch: net.fetch })].map((tab) => tab.fetch('/me'));
  expect((await Promise.all(calls)).map(({ status }) => status)).toEqual([200, 200]);
});

describe.each([
  ['that share their storage', { shared: true, channel: true, events: true }],
  ['that share a storage of their own, of which no event tells', { shared: true, channel: true, events: false }],
  ['that share their storage, without BroadcastChannel', { shared: true, channel: false, events: true }],
  ['that share no storage, as a service worker', { shared: false, channel: true, events: false }],
])('tabs %s', (_, { shared, channel, events }) => {
  function tabs(options: { refreshPath?: string } = {}) {
    const browser = page();
    if (!channel) vi.stubGlobal('BroadcastChannel', undefined);
    const net = network({ '/login': [ok(given('I1', 'C')), ok(given('I2', 'D'))], '/me': [unauthorised('idle')], '/bye': [ok({ 'id-refresh-token': 'remove' })], '/echo': [ok(), ok()] });
    const tab = () => createSession({ fetch: net.fetch, ...(!shared && { storage: store() }), ...options });
    // The platform tells the other tabs of what is stored.
    const stored = async () => {
      if (events) browser.events.dispatchEvent(new Event('storage'));
      await settle();
    };
    return { browser, net, tab, stored };
  }

  test.each([['of the page\'s origin', ''], ['of another origin', api]])('tell each other of login and logout: API %s', async (_, origin) => {
    const { tab, stored } = tabs(origin ? { refreshPath: `${origin}/refresh` } : {});
    const [here, there] = [tab(), tab()];
    const states = told(there);
    await here.fetch(`${origin}/login`, post);
    await stored();
    expect(there.exists()).toBe(true);
    await here.fetch(`${origin}/me`);
    await stored();
    expect(there.exists()).toBe(false);
    expect(there.ended).toEqual({ reason: 'idle' });
    await here.fetch(`${origin}/login`, post);
    await stored();
    expect(states).toEqual([
      { exists: true, ended: undefined }, { exists: false, ended: { reason: 'idle' } }, { exists: true, ended: undefined },
    ]);
  });

  test('share the anti-csrf token', async () => {
    const { net, tab, stored } = tabs();
    const [here, there] = [tab(), tab()];
    await here.fetch('/login', post);
    await stored();
    await there.fetch('/echo', post);
    expect(net.calls[1]!.headers.get('anti-csrf')).toBe('C');
  });

  test('learn when they are opened what the others know', async () => {
    const { net, tab, stored } = tabs();
    await tab().fetch('/login', post);
    const late = tab();
    await stored();
    await late.fetch('/echo', post);
    expect(net.calls[1]!.headers.get('anti-csrf')).toBe('C');
  });
});

test('a tab takes nothing older than what it knows', async () => {
  page();
  const net = network({ '/login': [ok(given('I1', 'C'))], '/echo': [ok()] });
  const session = createSession({ fetch: net.fetch, storage: store() });
  await session.fetch('/login', post);
  const channel = new BroadcastChannel(`watchword:https://app.test${refreshPath}`);
  const told = vi.fn();
  channel.onmessage = ({ data }: MessageEvent) => told(data);
  channel.postMessage({ at: Date.now() - 1, ended: { reason: 'idle' } });
  await settle();
  await session.fetch('/echo', post);
  expect(net.calls[1]!.headers.get('anti-csrf')).toBe('C');
  expect(told).toHaveBeenCalledWith(expect.objectContaining({ id: 'I1', antiCSRF: 'C' })); // and it corrects the other
});

test('of two changes in one moment the later one counts, even if the clock is set back', async () => {
  page();
  const storages = [store(), store()] as const;
  const net = network({ '/login': [ok(given('I1'))], '/me': [unauthorised('idle')] });
  const [here, there] = storages.map((storage) => createSession({ fetch: net.fetch, storage, refreshPath: `${api}/refresh` }));
  await here!.fetch(`${api}/login`, post);
  await settle();
  vi.setSystemTime(Date.now() - 60_000);
  await there!.fetch(`${api}/me`);
  await settle();
  expect(here!.ended).toEqual({ reason: 'idle' });
});

test('a page out of the back/forward cache tells what has happened meanwhile', async () => {
  const browser = page();
  browser.id = 'I1';
  const states = told(createSession());
  browser.id = undefined;
  browser.events.dispatchEvent(new Event('pageshow'));
  await settle();
  expect(states).toEqual([{ exists: false, ended: undefined }]);
});

test('tokens are never sent to other tabs', async () => {
  page();
  const post_ = vi.spyOn(BroadcastChannel.prototype, 'postMessage');
  const opened = vi.fn();
  vi.stubGlobal('BroadcastChannel', class extends BroadcastChannel {
    constructor(name: string) {
      opened();
      super(name);
    }
  });
  const session = createSession({ fetch: network({ '/login': [ok(tokens('A', 'R'))] }).fetch, transport: 'header' });
  await session.fetch('/login', post);
  expect(session.exists()).toBe(true);
  expect(opened).not.toHaveBeenCalled();
  expect(post_).not.toHaveBeenCalled();
});

describe('storage', () => {
  test('is localStorage', async () => {
    const browser = page();
    await createSession({ fetch: network({ '/login': [ok(given('I1'))] }).fetch }).fetch('/login', post);
    expect([...browser.storage.text.keys()]).toEqual([`watchword:https://app.test${refreshPath}`]);
  });

  test.each<[string, () => void]>([
    ['is not there', () => vi.stubGlobal('localStorage', undefined)],
    ['is forbidden', () => Object.defineProperty(globalThis, 'localStorage', {
      configurable: true,
      get() {
        throw new DOMException('no', 'SecurityError');
      },
    })],
    ['takes nothing', () => vi.stubGlobal('localStorage', {
      getItem: () => null,
      setItem() {
        throw new DOMException('full', 'QuotaExceededError');
      },
    })],
  ])('is memory where that %s', async (_, stub) => {
    page();
    stub();
    const net = network({ '/login': [ok(given('I1', 'C'))], '/echo': [ok()] });
    const session = createSession({ fetch: net.fetch });
    await session.fetch('/login', post);
    await session.fetch('/echo', post);
    expect(net.calls[1]!.headers.get('anti-csrf')).toBe('C');
    Reflect.deleteProperty(globalThis, 'localStorage');
  });

  test.each(['{', 'null', '[]', '"text"', '5'])('that holds %s is taken for empty', async (text) => {
    const browser = page();
    browser.storage.text.set(`watchword:https://app.test${refreshPath}`, text);
    const session = createSession({ fetch: network({ '/login': [ok(given('I1'))] }).fetch });
    expect(session.exists()).toBe(false);
    expect(session.ended).toBeUndefined();
    await session.fetch('/login', post);
    expect(session.exists()).toBe(true);
  });

  test('that forgets everything costs some refreshes, and no more', async () => {
    page().id = 'I1';
    const net = network({ '/me': [tryRefresh(), ok()], [refreshPath]: [ok()] });
    const session = createSession({ fetch: net.fetch, storage: { getItem: () => null, setItem() {} } });
    expect((await session.fetch('/me')).status).toBe(200);
    expect(session.exists()).toBe(true);
  });

  test('that is cleared meanwhile is no logout', async () => {
    const browser = page();
    const net = network({ '/login': [ok(given('I1', 'C'))], '/echo': [refused(403, 'anti_csrf'), ok()], [refreshPath]: [ok(given('I2', 'C'))] });
    const session = createSession({ fetch: net.fetch });
    await session.fetch('/login', post);
    browser.storage.text.clear();
    expect(session.exists()).toBe(true);
    expect((await session.fetch('/echo', post)).status).toBe(200);
  });
});
