import { beforeEach, describe, expect, test, vi } from 'vitest';
import { createSession } from '../src/index.js';
import { api, given, json, later, network, ok, page, refreshPath, refused, settle, tryRefresh, unavailable } from './fakes.js';

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, 'random').mockReturnValue(1);
  return () => vi.useRealTimers();
});

const login = { '/login': [ok(given('I1', 'C'))] };
const unsafe = ['POST', 'PUT', 'PATCH', 'DELETE', 'post', 'patch', 'PROPFIND'];
const safe = ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'get'];

describe('what a request carries', () => {
  test.each([...unsafe, ...safe])('anti-csrf with methods that may change something: %s', async (method) => {
    page();
    const net = network({ ...login, '/x': [ok()] });
    const session = createSession({ fetch: net.fetch });
    await session.fetch('/login', { method: 'POST' });
    await session.fetch('/x', { method });
    expect(net.calls[0]!.headers.has('anti-csrf')).toBe(false);
    expect(net.calls[1]!.headers.get('anti-csrf')).toBe(unsafe.includes(method) ? 'C' : null);
  });

  test('the newest anti-csrf token, also of a response without an id', async () => {
    page();
    const net = network({ ...login, '/x': [ok({ 'anti-csrf': 'D' }), ok()] });
    const session = createSession({ fetch: net.fetch });
    await session.fetch('/login', { method: 'POST' });
    await session.fetch('/x', { method: 'POST' });
    await session.fetch('/x', { method: 'POST' });
    expect(net.calls.map(({ headers }) => headers.get('anti-csrf'))).toEqual([null, 'C', 'D']);
    expect(session.exists()).toBe(true);
  });

  test('no token of the session before', async () => {
    page();
    const net = network({ '/login': [ok(given('I1', 'C')), ok(given('I2'))], '/x': [ok()] });
    const session = createSession({ fetch: net.fetch });
    await session.fetch('/login', { method: 'POST' });
    await session.fetch('/login', { method: 'POST' });
    await session.fetch('/x', { method: 'POST' });
    expect(net.calls[2]!.headers.has('anti-csrf')).toBe(false);
  });

  test('the caller\'s options and headers, and no header of the client\'s own', async () => {
    page();
    const net = network({ '/x': [ok(), ok()] });
    const session = createSession({ fetch: net.fetch });
    await session.fetch('/x', { method: 'POST', headers: { a: 'b' }, body: 'text', cache: 'no-store' });
    await session.fetch(new Request('https://app.test/x', { headers: { c: 'd' } }));
    expect(net.calls[0]!.init).toMatchObject({ method: 'POST', body: 'text', cache: 'no-store', credentials: 'include' });
    expect([...net.calls[0]!.headers]).toEqual([['a', 'b']]);
    expect([...net.calls[1]!.headers]).toEqual([['c', 'd']]);
  });

  test('the caller\'s own headers again with the repetition, however they were given', async () => {
    page().id = 'I1';
    const net = network({ '/x': [tryRefresh(), ok()], [refreshPath]: [ok(given('I2'))] });
    const once = [['a', 'b']].values() as unknown as [string, string][];
    await createSession({ fetch: net.fetch }).fetch('/x', { headers: once });
    expect([...net.calls[2]!.headers]).toEqual([['a', 'b']]);
  });

  test.each([
    ['a path', '/x'], ['a relative path', 'x'], ['a URL', new URL('https://app.test/some/x')], ['a Request', new Request('https://app.test/some/x')],
    ['a Request with options', new Request('https://app.test/some/x', { method: 'PUT', headers: { c: 'd' } }), { method: 'POST', headers: { a: 'b' } }],
  ])('cookies: %s', async (_, input: RequestInfo | URL, init?: RequestInit) => {
    page().id = 'I1';
    const net = network({ '/x': [ok()], '/some/x': [ok()] });
    vi.stubGlobal('fetch', (url: RequestInfo | URL, options: RequestInit) =>
      net.fetch(typeof url === 'string' ? new URL(url, 'https://app.test/some/page') : url, options));
    await createSession().fetch(input, init);
    expect(net.calls[0]).toMatchObject({ method: init?.method ?? 'GET', init: { credentials: 'include' } });
    if (init) expect([...net.calls[0]!.headers]).toEqual([['a', 'b']]);
  });

  test('whatever a Request chose: include, or nothing that shows', async () => {
    page();
    const net = network({ '/x': [ok(), ok()] });
    const session = createSession({ fetch: net.fetch });
    await session.fetch(new Request('https://app.test/x', { credentials: 'include' }));
    await session.fetch(new Request('https://app.test/x', { credentials: 'same-origin' }));
    expect(net.calls.map(({ init }) => init.credentials)).toEqual(['include', 'include']);
  });

  test('the credentials that the caller sets', async () => {
    page();
    const net = network({ '/x': [ok()] });
    await createSession({ fetch: net.fetch }).fetch('/x', { credentials: 'same-origin' });
    expect(net.calls[0]!.init.credentials).toBe('same-origin');
  });
});

describe('requests that are not the session\'s', () => {
  const elsewhere: [string, RequestInfo | URL][] = [
    ['another host', 'https://evil.test/x'], ['another scheme', 'http://app.test/x'], ['another port', 'https://app.test:444/x'],
    ['a subdomain', 'https://a.app.test/x'], ['a user in the URL', 'https://app.test@evil.test/x'], ['a path that is none', '//evil.test/x'],
    ['backslashes', '\\\\evil.test/x'], ['a URL', new URL('https://evil.test/x')], ['a Request', new Request('https://evil.test/x', { method: 'POST' })],
    ['data', 'data:text/plain,x'],
  ];

  test.each(elsewhere)('go to the plain fetch untouched, and nothing is read of the answer: %s', async (_, input) => {
    page();
    const answer = json(401, { error: 'unauthorised' }, { ...given('stolen', 'stolen') });
    const net = network(login);
    const plain = vi.fn(async (url: RequestInfo | URL, init?: RequestInit) => (url === '/login' ? net.fetch(url, init) : answer));
    const session = createSession({ fetch: plain });
    await session.fetch('/login', { method: 'POST' });
    const init = { method: 'POST', body: 'x' };
    expect(await session.fetch(input, init)).toBe(answer);
    expect(plain).toHaveBeenLastCalledWith(input, init);
    expect(plain.mock.lastCall![1]).toBe(init);
    expect(answer.bodyUsed).toBe(false);
    expect(session.exists()).toBe(true);
    expect(session.ended).toBeUndefined();
  });

  test.each([
    ['omit', '/x'], ['same-origin', `${api}/x`],
  ] as const)('nor those that the caller sends without its cookies (%s)', async (credentials, url) => {
    page().id = 'I1';
    const net = network({ '/x': [json(401, { error: 'unauthorised' })] });
    const session = createSession({ fetch: net.fetch, origins: [api] });
    const init = { credentials };
    await session.fetch(url, init);
    expect(net.calls[0]!.init).toBe(init);
    expect(session.exists()).toBe(true);
  });

  test('nor a Request without them', async () => {
    page().id = 'I1';
    const net = network({ '/x': [json(401, { error: 'unauthorised' })] });
    const session = createSession({ fetch: net.fetch });
    await session.fetch(new Request('https://app.test/x', { credentials: 'omit' }));
    expect(net.calls[0]!.init).toEqual({});
    expect(session.exists()).toBe(true);
  });

  test('nor a path that the page\'s base has elsewhere', async () => {
    page();
    vi.stubGlobal('document', { baseURI: 'https://cdn.test/', cookie: '' });
    const net = network({ '/x': [ok()], [refreshPath]: [] });
    await createSession({ fetch: net.fetch, refreshPath: `https://app.test${refreshPath}` }).fetch('/x', { method: 'POST' });
    expect(net.calls[0]!.init).toEqual({ method: 'POST' });
  });

  test('nor is the answer of somebody to whom the server redirects', async () => {
    page();
    const answer = json(401, { error: 'unauthorised' }, { 'id-refresh-token': 'remove', 'anti-csrf': 'theirs' });
    Object.defineProperty(answer, 'url', { value: 'https://evil.test/x' });
    const net = network({ ...login, '/x': [answer], '/echo': [ok()] });
    const session = createSession({ fetch: net.fetch, refreshPath: `${api}/refresh` });
    await session.fetch(`${api}/login`, { method: 'POST' });
    expect(await session.fetch(`${api}/x`)).toBe(answer);
    expect(session.exists()).toBe(true);
    await session.fetch(`${api}/echo`, { method: 'POST' });
    expect(net.calls[2]!.headers.get('anti-csrf')).toBe('C');
  });

  test('origins that are named get all of it', async () => {
    page();
    const net = network({ ...login, '/x': [tryRefresh(), ok(), ok()], [refreshPath]: [ok(given('I2', 'D'))] });
    const session = createSession({ fetch: net.fetch, origins: [api + '/'] });
    await session.fetch('/login', { method: 'POST' });
    expect((await session.fetch(`${api}/x`, { method: 'POST' })).status).toBe(200);
    expect(net.calls.map(({ headers }) => headers.get('anti-csrf'))).toEqual([null, 'C', null, 'D']);
    expect(net.calls[2]!.url).toBe(`https://app.test${refreshPath}`);
  });

  test('with the API elsewhere, those to the page\'s own origin are not', async () => {
    page();
    const net = network({ ...login, '/x': [ok()] });
    const session = createSession({ fetch: net.fetch, refreshPath: `${api}/refresh` });
    await session.fetch(`${api}/login`, { method: 'POST' });
    const init = { method: 'POST' };
    await session.fetch('/x', init);
    expect(net.calls[1]!.init).toBe(init);
  });
});

describe('bodies', () => {
  test.each<[string, BodyInit]>([
    ['a string', 'text'], ['URLSearchParams', new URLSearchParams('a=b')], ['FormData', new FormData()], ['a Blob', new Blob(['x'])],
    ['an ArrayBuffer', new ArrayBuffer(1)], ['a view', new Uint8Array(1)], ['nothing', ''],
  ])('are sent again as they are: %s', async (_, body) => {
    page().id = 'I1';
    const net = network({ '/echo': [tryRefresh(), ok()], [refreshPath]: [ok(given('I2'))] });
    expect((await createSession({ fetch: net.fetch }).fetch('/echo', { method: 'POST', body })).status).toBe(200);
    expect(net.calls[2]!.body).toBe(body);
  });

  const stream = () => new Blob(['x']).stream();
  test.each<[string, () => [RequestInfo, RequestInit?]]>([
    ['a ReadableStream', () => ['/echo', { method: 'POST', body: stream() }]],
    ['an async iterable, as Node takes it', () => ['/echo', { method: 'POST', body: stream().values() as never, duplex: 'half' } as RequestInit]],
    ['a Request with a body', () => [new Request('https://app.test/echo', { method: 'POST', body: 'x' })]],
    ['a Request that does not show whether it has one', () => [
      Object.defineProperty(new Request('https://app.test/echo', { method: 'POST', body: 'x' }), 'body', { value: undefined }),
    ]],
  ])('that may be gone are not sent again, but the session is refreshed: %s', async (_, args) => {
    page().id = 'I1';
    const net = network({ '/echo': [tryRefresh()], [refreshPath]: [ok(given('I2'))] });
    const response = await createSession({ fetch: net.fetch }).fetch(...args());
    expect(net.log).toEqual(['POST /echo', `POST ${refreshPath}`]);
    expect(response.status).toBe(401);
    expect(await response.json()).toEqual({ error: 'try_refresh' });
  });

  test.each<[string, () => [RequestInfo, RequestInit?]]>([
    ['a Request without a body', () => [new Request('https://app.test/echo', { method: 'POST' })]],
    ['a Request for a safe method', () => [
      Object.defineProperty(new Request('https://app.test/echo'), 'body', { value: undefined }), { method: 'GET' },
    ]],
    ['a Request whose body the options replace', () => [new Request('https://app.test/echo', { method: 'POST', body: 'x' }), { body: 'y' }]],
  ])('that are there are: %s', async (_, args) => {
    page().id = 'I1';
    const net = network({ '/echo': [tryRefresh(), ok()], [refreshPath]: [ok(given('I2'))] });
    expect((await createSession({ fetch: net.fetch }).fetch(...args())).status).toBe(200);
  });
});

describe('the response', () => {
  test.each([
    ['a refusal that is none of ours', () => refused(403, 'forbidden')],
    ['JSON that is no refusal', () => json(422, ['a', null])],
    ['null', () => json(404, null)],
    ['no JSON', () => new Response('<html>', { status: 401, headers: { 'content-type': 'text/html' } })],
    ['broken JSON', () => new Response('{"error', { status: 401, headers: { 'content-type': 'application/json' } })],
    ['no body', () => new Response(null, { status: 401, headers: { 'content-type': 'application/json' } })],
    ['a long one', () => json(400, { error: 'x'.repeat(1e5) })],
  ])('is unread: %s', async (_, make) => {
    page().id = 'I1';
    const net = network({ '/x': [make()] });
    const response = await createSession({ fetch: net.fetch }).fetch('/x');
    expect(response.bodyUsed).toBe(false);
    expect(await response.text()).toBe(await make().text());
    expect(net.calls).toHaveLength(1);
  });

  test('refusals are known by any spelling of JSON', async () => {
    page().id = 'I1';
    const refusal = new Response('{"error":"try_refresh"}', { status: 401, headers: { 'content-type': 'Application/JSON; charset=utf-8' } });
    const net = network({ '/x': [refusal, ok()], [refreshPath]: [ok(given('I2'))] });
    expect((await createSession({ fetch: net.fetch }).fetch('/x')).status).toBe(200);
  });

  test.each([
    [200, 'application/json'], [206, 'application/json'], [304, 'application/json'], [500, 'application/json'], [401, 'text/event-stream'], [400, 'application/jsonl'],
    [401, undefined],
  ])('%i %s is not touched at all', async (status, type) => {
    page().id = 'I1';
    const answer = new Response(status === 304 ? null : '{"error":"try_refresh"}', { status, headers: type ? { 'content-type': type } : {} });
    const clone = vi.spyOn(answer, 'clone');
    expect(await createSession({ fetch: async () => answer }).fetch('/x')).toBe(answer);
    expect(clone).not.toHaveBeenCalled();
  });

  test('that goes on for ever, as JSON, is handed out all the same', async () => {
    page().id = 'I1';
    const endless = new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode(`{"rows":["${'x'.repeat(600)}`)),
    });
    const net = network({ '/x': [new Response(endless, { status: 400, headers: { 'content-type': 'application/json' } })] });
    const response = await createSession({ fetch: net.fetch }).fetch('/x');
    const { value } = await response.body!.getReader().read();
    expect(value).toHaveLength(610);
  });

  test('that arrives in pieces is put together', async () => {
    page().id = 'I1';
    const pieces = new ReadableStream({
      start(controller) {
        for (const piece of ['{"error":', '"try_', 'refresh"}']) controller.enqueue(new TextEncoder().encode(piece));
        controller.close();
      },
    });
    const net = network({
      '/x': [new Response(pieces, { status: 401, headers: { 'content-type': 'application/json' } }), ok()], [refreshPath]: [ok(given('I2'))],
    });
    expect((await createSession({ fetch: net.fetch }).fetch('/x')).status).toBe(200);
  });
});

describe('the caller\'s signal', () => {
  const why = new Error('the caller has gone');

  test('is the request\'s', async () => {
    page();
    const net = network({ '/x': [ok(), ok()] });
    const session = createSession({ fetch: net.fetch });
    const { signal } = new AbortController();
    await session.fetch('/x', { signal });
    expect(net.calls[0]!.init.signal).toBe(signal);
    const aborted = AbortSignal.abort(why);
    await expect(session.fetch('/x', { signal: aborted })).rejects.toBe(why);
  });

  test.each([
    ['in the options', (signal: AbortSignal): [RequestInfo, RequestInit?] => ['/x', { signal }]],
    ['in a Request', (signal: AbortSignal): [RequestInfo, RequestInit?] => [new Request('https://app.test/x', { signal })]],
  ])('ends the wait for a shared refresh, and not the refresh: %s', async (_, args) => {
    page().id = 'I1';
    const slow = later();
    const net = network({ '/x': [tryRefresh(), tryRefresh(), ok()], [refreshPath]: [slow.answer] });
    const session = createSession({ fetch: net.fetch });
    const caller = new AbortController();
    const gone = session.fetch(...args(caller.signal));
    const stays = session.fetch('/x');
    await settle();
    caller.abort(why);
    await expect(gone).rejects.toBe(why);
    slow.give(ok(given('I2')));
    expect((await stays).status).toBe(200);
    expect(net.log).toEqual(['GET /x', 'GET /x', `POST ${refreshPath}`, 'GET /x']);
  });

  test('is that of the options where a Request has another', async () => {
    page().id = 'I1';
    const net = network({ '/x': [tryRefresh(), ok()], [refreshPath]: [ok(given('I2'))] });
    const caller = new AbortController();
    const fetch = vi.fn(net.fetch);
    const call = createSession({ fetch }).fetch(new Request('https://app.test/x', { signal: caller.signal }), { signal: null });
    caller.abort(why);
    expect((await call).status).toBe(200);
  });

  test('ends the wait for the lock', async () => {
    const browser = page();
    browser.id = 'I1';
    browser.locks.hold();
    const net = network({ '/x': [tryRefresh()] });
    const caller = new AbortController();
    const gone = createSession({ fetch: net.fetch }).fetch('/x', { signal: caller.signal });
    await settle();
    caller.abort(why);
    await expect(gone).rejects.toBe(why);
    expect(net.log).toEqual(['GET /x']);
  });

  test('ends the wait for a repetition, and its timer', async () => {
    page().id = 'I1';
    const net = network({ '/x': [unavailable(5)] });
    const caller = new AbortController();
    const gone = createSession({ fetch: net.fetch }).fetch('/x', { signal: caller.signal });
    await settle();
    expect(vi.getTimerCount()).toBe(1);
    caller.abort(why);
    await expect(gone).rejects.toBe(why);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('ends the wait for the rest of a refusal', async () => {
    page().id = 'I1';
    const stuck = new Response(new ReadableStream(), { status: 401, headers: { 'content-type': 'application/json' } });
    const caller = new AbortController();
    const gone = createSession({ fetch: async () => stuck }).fetch('/x', { signal: caller.signal });
    await settle();
    caller.abort(why);
    await expect(gone).rejects.toBe(why);
  });

  test('that comes after the refusal prevents the repetition', async () => {
    page().id = 'I1';
    const caller = new AbortController();
    const net = network({
      '/x': [tryRefresh()],
      [refreshPath]: [() => {
        caller.abort(why);
        return ok(given('I2'));
      }],
    });
    await expect(createSession({ fetch: net.fetch }).fetch('/x', { signal: caller.signal })).rejects.toBe(why);
    expect(net.log).toEqual(['GET /x', `POST ${refreshPath}`]);
  });

  test('that comes with the refusal prevents the refresh', async () => {
    page().id = 'I1';
    const caller = new AbortController();
    const net = network({ '/x': [tryRefresh()] });
    const fetch = async (input: RequestInfo | URL) => {
      const response = await net.fetch(input);
      caller.abort(why);
      return response;
    };
    await expect(createSession({ fetch }).fetch('/x', { signal: caller.signal })).rejects.toBe(why);
    expect(net.log).toEqual(['GET /x']);
  });

  test('is let go of when the call is over', async () => {
    page().id = 'I1';
    const net = network({ '/x': [tryRefresh(), unavailable(), ok()], [refreshPath]: [ok(given('I2'))] });
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    const call = createSession({ fetch: async (input, init) => net.fetch(input, { ...init, signal: null }) }).fetch('/x', { signal });
    await vi.runAllTimersAsync();
    await call;
    expect(added.mock.calls.length).toBeGreaterThan(3);
    expect(removed).toHaveBeenCalledTimes(added.mock.calls.length);
  });
});

test('what is no URL is refused as fetch does', async () => {
  vi.stubGlobal('location', undefined);
  const session = createSession({ refreshPath: `${api}/refresh`, fetch: network({}).fetch });
  await expect(session.fetch('/x')).rejects.toThrow(TypeError);
});

test('it can stand in for the platform\'s fetch', async () => {
  page().id = 'I1';
  const net = network({ '/x': [tryRefresh(), ok()], [refreshPath]: [ok(given('I2'))] });
  vi.stubGlobal('fetch', net.fetch);
  const { fetch } = createSession();
  vi.stubGlobal('fetch', fetch);
  expect((await globalThis.fetch('/x')).status).toBe(200);
  expect(net.calls).toHaveLength(3);
});
