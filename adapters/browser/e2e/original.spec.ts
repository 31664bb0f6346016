import { expect, type Page } from '@playwright/test';
import { bundle, type Original } from './original.js';
import { test } from './site.js';

// The original's front-end SDK, unchanged, of spring 2020: a server with plain cookie names, status 440 and token mode is all that
// it needs. What it does is in its own documentation; here it is only used.

// The SDK has its callers queue for a lock that is polled: ten of them take longer than the other tests' tokens live.
const lifetime = 6000;
const expire = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, lifetime + 100));

test.use({ flags: ['-original', '-anti-csrf', 'token', '-access', `${lifetime}ms`] });
test.setTimeout(90_000);

declare global {
  interface Window extends Original {}
}

let script: string;
test.beforeAll(async () => {
  script = await bundle();
});

/** Opens a page of an origin that has the SDK and calls an API, which may be of another origin. */
async function visit(page: Page, origin: string): Promise<void> {
  await page.goto(origin);
  await page.addScriptTag({ content: script });
}

const exists = (page: Page): Promise<boolean> => page.evaluate(() => window.sdk.doesSessionExist());

const clients = {
  fetch: {
    init: (page: Page, api: string) => page.evaluate((url) => {
      window.sdk.init({ refreshTokenUrl: `${url}/api/session/refresh`, sessionExpiredStatusCode: 440, websiteRootDomain: location.hostname });
    }, api),
    call: (page: Page, api: string, method: string, path: string) => page.evaluate(
      async ([url, verb]) => (await fetch(url, { method: verb, credentials: 'include' })).status, [api + path, method] as const,
    ),
  },
  axios: {
    init: (page: Page, api: string) => page.evaluate((url) => {
      window.sdkForAxios.init({ refreshTokenUrl: `${url}/api/session/refresh`, sessionExpiredStatusCode: 440, websiteRootDomain: location.hostname });
      window.client = window.axios.create({ baseURL: url, withCredentials: true });
      window.sdkForAxios.makeSuper(window.client);
    }, api),
    call: (page: Page, _: string, method: string, path: string) => page.evaluate(async ([verb, to]) => {
      try {
        return (await window.client.request({ method: verb, url: to, validateStatus: (status) => status < 400 })).status;
      } catch (error) {
        return (error as { response: { status: number } }).response.status;
      }
    }, [method, path] as const),
  },
};

for (const [name, client] of Object.entries(clients)) {
  for (const where of ['its own origin', 'another origin']) {
    test(`${name}, with the API on ${where}`, async ({ page, site }) => {
      const { port } = new URL(site.url);
      const origin = where === 'its own origin' ? site.url : `http://www.watchword.localhost:${port}`;
      const api = where === 'its own origin' ? site.url : `http://api.watchword.localhost:${port}`;
      await visit(page, origin);
      await client.init(page, api);
      const call = (method: string, path: string) => client.call(page, api, method, path);

      expect(await call('GET', '/me')).toBe(440);
      expect(await exists(page)).toBe(false);
      expect(await call('POST', '/login')).toBe(200);
      expect(await exists(page)).toBe(true);
      expect(await call('GET', '/me')).toBe(200);
      expect(await call('POST', '/echo')).toBe(200); // with the anti-csrf header

      await expire();
      expect(await call('POST', '/echo')).toBe(200);
      expect(await site.refreshes()).toBe(1);
      await expire();
      expect(await Promise.all(Array.from({ length: 10 }, (_, i) => (i % 2 ? call('POST', '/echo') : call('GET', '/me')))))
        .toEqual(Array(10).fill(200));
      expect(await site.refreshes()).toBeGreaterThan(1); // how many depends on how soon its lock comes round

      await expire();
      expect(await call('POST', '/logout')).toBe(200);
      expect(await exists(page)).toBe(false);
      expect(await call('GET', '/me')).toBe(440);
      expect((await page.context().cookies()).filter((cookie) => /^s[A-Z]/.test(cookie.name) && cookie.name !== 'sIRTFrontend')).toEqual([]);

      // Ended elsewhere, it learns so by the refresh.
      expect(await call('POST', '/login')).toBe(200);
      await site.revoke();
      await expire();
      expect(await call('GET', '/me')).toBe(440);
      expect(await exists(page)).toBe(false);
    });
  }
}
