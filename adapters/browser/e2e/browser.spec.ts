import { expect, type Page } from '@playwright/test';
import { call, ended, exists, expire, open, signOut, states, test } from './site.js';

const me = [200, { user: 'alice' }];
const tryRefresh = [401, { error: 'try_refresh' }];
/** What the tab was told last: that the id cookie is gone may be seen a moment before the reason is. */
const last = async (page: Page) => (await states(page)).at(-1);
const refreshEndpoint = '**/api/session/refresh';

test('an expired access token is refreshed without anybody noticing', async ({ site, tab }) => {
  const page = await tab();
  expect(await call(page)).toEqual(me);
  expect(await site.refreshes()).toBe(0);
  await expire();
  expect(await call(page)).toEqual(me);
  expect(await call(page, '/echo', { method: 'POST', body: 'again' })).toEqual([200, { echo: 'again' }]);
  expect(await site.refreshes()).toBe(1);
  expect(await states(page)).toEqual([{ exists: true }]);
});

test('a body is sent again after the refresh', async ({ site, tab }) => {
  const page = await tab();
  await expire();
  expect(await call(page, '/echo', { method: 'POST', body: 'kept' })).toEqual([200, { echo: 'kept' }]);
  await expire();
  const form = page.evaluate(async () => {
    const body = new FormData();
    body.set('field', 'value');
    return (await session.fetch('/echo', { method: 'POST', body })).text();
  });
  expect(await form).toContain('value');
  expect(await site.refreshes()).toBe(2);
});

test('ten parallel calls make one refresh', async ({ site, tab }) => {
  const page = await tab();
  await expire();
  expect(await Promise.all(Array.from({ length: 10 }, () => call(page)))).toEqual(Array(10).fill(me));
  expect(await site.refreshes()).toBe(1);
});

test.describe('two tabs whose access token expires', () => {
  test.use({ flags: ['-grace', '2s'] });

  // Refreshes take so long that both tabs have been refused before the first is done.
  test.beforeEach(({ context }) => context.route(refreshEndpoint, async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 200));
    await route.continue();
  }));

  test('take turns and are never logged out', async ({ site, tab }) => {
    const tabs = [await tab(), await tab()];
    for (let round = 1; round <= 4; round++) {
      await expire();
      expect(await Promise.all(tabs.flatMap((page) => [call(page), call(page)]))).toEqual(Array(4).fill(me));
      expect(await site.refreshes()).toBe(round);
    }
  });

  test('cross where there are no locks, and are never logged out either', async ({ context, site, tab }) => {
    await context.addInitScript(() => Reflect.deleteProperty(Navigator.prototype, 'locks'));
    const tabs = [await tab(), await tab()];
    expect(await tabs[0]!.evaluate(() => navigator.locks)).toBeUndefined();
    for (let round = 1; round <= 4; round++) {
      await expire();
      expect(await Promise.all(tabs.flatMap((page) => [call(page), call(page)]))).toEqual(Array(4).fill(me));
    }
    expect(await site.refreshes()).toBeGreaterThan(4);
    expect(await site.refreshes()).toBeLessThanOrEqual(8);
  });
});

test.describe('another tab that refreshes and', () => {
  for (const [name, die] of [
    ['is closed', (page) => page.close()],
    ['crashes', async (page) => {
      const devtools = await page.context().newCDPSession(page);
      const crashed = page.waitForEvent('crash');
      devtools.send('Page.crash').catch(() => {});
      await crashed;
    }],
  ] satisfies [string, (page: Page) => Promise<void>][]) {
    test(`${name} meanwhile does not hold this one up`, async ({ tab }) => {
      const [dying, living] = [await tab(), await tab()];
      const asked = new Promise<void>((resolve) => void dying.route(refreshEndpoint, () => resolve()));
      await expire();
      dying.evaluate(() => session.fetch('/me')).catch(() => {});
      await asked;
      const waiting = call(living);
      const began = Date.now();
      await die(dying);
      expect(await waiting).toEqual(me);
      expect(Date.now() - began).toBeLessThan(3000);
    });
  }

  test('hangs holds this one up for the timeout', async ({ site, tab }) => {
    const [hanging, living] = [await tab(), await tab({ lockTimeout: 700 })];
    const asked = new Promise<void>((resolve) => void hanging.route(refreshEndpoint, () => resolve()));
    await expire();
    hanging.evaluate(() => session.fetch('/me')).catch(() => {});
    await asked;
    const began = Date.now();
    expect(await call(living)).toEqual(me);
    expect(Date.now() - began).toBeGreaterThan(600);
    expect(Date.now() - began).toBeLessThan(3000);
    expect(await site.refreshes()).toBe(1);
  });
});

test('being offline logs nobody out', async ({ context, tab }) => {
  const page = await tab({ retries: 1 });
  await expire();
  await context.setOffline(true);
  expect(await call(page)).toEqual(['TypeError']);
  expect(await exists(page)).toBe(true);
  await context.setOffline(false);
  expect(await call(page)).toEqual(me);

  // And if the network goes between the call and its refresh:
  await expire();
  await context.route(refreshEndpoint, (route) => route.abort('internetdisconnected'));
  expect(await call(page)).toEqual(tryRefresh);
  expect(await exists(page)).toBe(true);
  await context.unroute(refreshEndpoint);
  expect(await call(page)).toEqual(me);
  expect(await states(page)).toEqual([{ exists: true }]);
});

test('a network that comes back is found again by the refresh itself', async ({ context, tab }) => {
  const page = await tab();
  await expire();
  let aborted = 0;
  await context.route(refreshEndpoint, (route) => (aborted++ < 2 ? route.abort('internetdisconnected') : route.continue()));
  expect(await call(page)).toEqual(me);
  expect(aborted).toBe(3);
});

test('an outage logs nobody out', async ({ site, tab }) => {
  const page = await tab({ retries: 0 });
  await expire();
  await site.outage('refresh');
  expect(await call(page)).toEqual(tryRefresh);
  expect(await exists(page)).toBe(true);
  await site.outage('none');
  expect(await call(page)).toEqual(me);
  expect(await states(page)).toEqual([{ exists: true }]);
});

test('reads are repeated during an outage, and writes are not', async ({ site, tab }) => {
  const page = await tab();
  await site.outage('all');
  expect(await call(page, '/echo', { method: 'POST' })).toEqual([503, { error: 'unavailable' }]);
  const reading = call(page);
  setTimeout(() => void site.outage('none'), 500);
  expect(await reading).toEqual(me);
});

test('logout in one tab ends the other', async ({ tab }) => {
  const [here, there] = [await tab(), await tab()];
  await signOut(here);
  await expect.poll(() => last(there)).toEqual({ exists: false, ended: { reason: 'logout' } });
  expect(await exists(there)).toBe(false);
  expect(await ended(here)).toEqual({ reason: 'logout' });
  expect(await here.evaluate(() => document.cookie)).toBe('');

  await here.evaluate(() => session.fetch('/login', { method: 'POST' }));
  await expect.poll(() => last(there)).toEqual({ exists: true });
  expect(await ended(there)).toBeUndefined();
  expect(await call(there)).toEqual(me);
});

test('logout in one tab ends the other without BroadcastChannel, too', async ({ context, tab }) => {
  await context.addInitScript(() => Reflect.deleteProperty(globalThis, 'BroadcastChannel'));
  const [here, there] = [await tab(), await tab()];
  await signOut(here);
  await expect.poll(() => last(there)).toEqual({ exists: false, ended: { reason: 'logout' } });
});

test('a logout with an expired access token refreshes first', async ({ site, tab }) => {
  const page = await tab();
  await expire();
  await signOut(page);
  expect(await site.refreshes()).toBe(1);
  expect(await ended(page)).toEqual({ reason: 'logout' });
});

test('a logout during an outage does not pretend', async ({ site, tab }) => {
  const page = await tab({ retries: 0 });
  await site.outage('all');
  await expect(signOut(page)).rejects.toThrow('the session goes on: 503 unavailable');
  expect(await exists(page)).toBe(true);
  await site.outage('none');
  expect(await call(page)).toEqual(me);
});

test('a session that is ended elsewhere ends here, with the reason, and stays so over a reload', async ({ site, tab }) => {
  const page = await tab();
  await site.revoke();
  expect(await call(page)).toEqual([401, { error: 'unauthorised', reason: 'revoked' }]);
  expect(await ended(page)).toEqual({ reason: 'revoked' });
  await page.reload();
  await page.evaluate(() => start({}));
  expect(await ended(page)).toEqual({ reason: 'revoked' });
  expect(await exists(page)).toBe(false);
});

test('the session outlives a reload and the storage', async ({ tab }) => {
  const page = await tab();
  await expire();
  await page.reload();
  await page.evaluate(() => {
    localStorage.clear();
    start({});
  });
  expect(await exists(page)).toBe(true);
  expect(await call(page)).toEqual(me);
});

for (const mode of ['token', 'both']) {
  test.describe(`anti-CSRF by ${mode}`, () => {
    test.use({ flags: ['-anti-csrf', mode] });
    const write = { method: 'POST', body: 'x' };

    test('requests that change something carry the token, also after a refresh', async ({ site, tab }) => {
      const page = await tab();
      expect(await call(page, '/echo', write)).toEqual([200, { echo: 'x' }]);
      await expire();
      expect(await call(page, '/echo', write)).toEqual([200, { echo: 'x' }]);
      expect(await site.refreshes()).toBe(1);
      expect(await page.evaluate(async () => (await fetch('/echo', { method: 'POST' })).status)).toBe(403);
      await signOut(page);
    });

    test.describe('while nothing expires', () => {
      test.use({ flags: ['-anti-csrf', mode, '-access', '1h'] });

      test('a token that was lost is brought back by one refresh', async ({ site, tab }) => {
        const page = await tab();
        await page.evaluate(() => localStorage.clear());
        expect(await call(page, '/echo', write)).toEqual([200, { echo: 'x' }]);
        expect(await call(page, '/echo', write)).toEqual([200, { echo: 'x' }]);
        expect(await site.refreshes()).toBe(1);
      });

      test('other tabs have it, too', async ({ site, tab }) => {
        const [, there] = [await tab(), await tab()];
        expect(await call(there, '/echo', write)).toEqual([200, { echo: 'x' }]);
        expect(await site.refreshes()).toBe(0);
      });
    });
  });
}

test('a service worker uses the session of the pages, and learns of its end', async ({ site, tab }) => {
  const page = await tab();
  await page.evaluate(async () => {
    await navigator.serviceWorker.register('/worker.js', { type: 'module' });
    await navigator.serviceWorker.ready;
  });
  const worker = (path?: string) => page.evaluate(async (url) => {
    const { active } = await navigator.serviceWorker.ready;
    const { port1, port2 } = new MessageChannel();
    const answer = new Promise((resolve) => {
      port1.onmessage = ({ data }) => resolve(data);
    });
    active!.postMessage(url, [port2]);
    return answer;
  }, path);
  await expect.poll(() => worker()).toEqual({ exists: true });
  await expire();
  expect(await worker('/me')).toEqual({ status: 200, exists: true });
  expect(await site.refreshes()).toBe(1);
  expect(await call(page)).toEqual(me);
  await signOut(page);
  await expect.poll(() => worker()).toEqual({ exists: false, ended: { reason: 'logout' } });
  expect(await worker('/me')).toMatchObject({ status: 401 });
});

test('an API of another origin, whose cookies the page cannot read', async ({ context, site }) => {
  const { port } = new URL(site.url);
  const api = `http://api.watchword.localhost:${port}`;
  const options = { refreshPath: `${api}/api/session/refresh` };
  const [here, there] = [
    await open(context, `http://www.watchword.localhost:${port}`, options), await open(context, `http://www.watchword.localhost:${port}`, options),
  ];
  await call(here, `${api}/login`, { method: 'POST' });
  expect(await here.evaluate(() => document.cookie)).toBe('');
  expect(await exists(here)).toBe(true);
  await expect.poll(() => exists(there)).toBe(true);
  await expire();
  expect(await Promise.all([call(here, `${api}/me`), call(here, `${api}/me`), call(there, `${api}/me`)])).toEqual([me, me, me]);
  expect(await site.refreshes()).toBeLessThanOrEqual(2);
  expect(await call(here, `${api}/echo`, { method: 'POST', body: 'x' })).toEqual([200, { echo: 'x' }]);
  await signOut(here);
  await expect.poll(() => last(there)).toEqual({ exists: false, ended: { reason: 'logout' } });
  expect(await exists(here)).toBe(false);
});

test('header transport in a page: no cookies, and tabs share the tokens', async ({ site, tab }) => {
  const [here, there] = [await tab({ transport: 'header' }), await tab({ transport: 'header' })];
  expect(await here.evaluate(() => document.cookie)).toBe('');
  expect(await call(there)).toEqual(me);
  await expire();
  expect(await Promise.all([call(here), call(there), call(there)])).toEqual([me, me, me]);
  expect(await site.refreshes()).toBeLessThanOrEqual(2);
  await signOut(here);
  await expect.poll(() => states(there)).toEqual([{ exists: false, ended: { reason: 'logout' } }]);
});
