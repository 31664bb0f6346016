import { type BrowserContext, type BrowserContextOptions, expect, type Page, test as base } from '@playwright/test';
import { type Api, startApi } from './api';

interface TestFixtures {
  /** Another browser of the same kind. */
  another: (options?: BrowserContextOptions) => Promise<Page>;
  /** What the consoles may say, where a test is about failures of the page. */
  mayComplain: RegExp[];
  watch: void;
}

interface WorkerFixtures {
  api: Api;
}

/** Fails when a page complains: by an error in the console, an exception, or a violation of the content security policy. */
export const test = base.extend<TestFixtures, WorkerFixtures>({
  api: [
    async ({}, use) => {
      const api = await startApi();
      await use(api);
      await api.stop();
    },
    { scope: 'worker' },
  ],
  baseURL: ({ api }, use) => use(api.url),
  mayComplain: [[], { option: true }],
  another: async ({ browser, baseURL, watch: _ }, use) => {
    const contexts: BrowserContext[] = [];
    await use(async (options) => {
      const context = await browser.newContext({ baseURL: baseURL!, ...options });
      contexts.push(context);
      listen(context);
      return context.newPage();
    });
    await Promise.all(contexts.map((context) => context.close()));
  },
  watch: [
    async ({ context, mayComplain }, use) => {
      complaints.length = 0;
      listen(context);
      await use();
      expect(complaints.filter((text) => !mayComplain.some((pattern) => pattern.test(text)))).toEqual([]);
    },
    { auto: true },
  ],
});

export { expect };

/** Of the test that runs in this process. */
const complaints: string[] = [];

function listen(context: BrowserContext): void {
  context.on('weberror', (error) => complaints.push(String(error.error())));
  context.on('console', (message) => {
    // Chromium notes each refused request there. Refusals are what the tests are about.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) complaints.push(message.text());
  });
  void context.addInitScript(() =>
    document.addEventListener('securitypolicyviolation', (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`)));
}

let users = 0;
export const newUser = (): string => `user-${process.pid}-${users++}`;
export const password = 'correct horse battery';

/** Registers a user by the form, and returns their name. */
export async function register(page: Page, label = '', user = newUser()): Promise<string> {
  await page.goto('/register');
  await page.getByLabel('Name', { exact: true }).fill(user);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByLabel('Name of this device').fill(label);
  await page.getByRole('button', { name: 'Register' }).click();
  await expect(page.getByRole('heading', { name: 'Account' })).toBeVisible();
  return user;
}

export async function logIn(page: Page, user: string, secret = password, path = '/'): Promise<void> {
  await page.goto(path);
  await page.getByLabel('Name', { exact: true }).fill(user);
  await page.getByLabel('Password', { exact: true }).fill(secret);
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByRole('button', { name: 'Log out' }).first()).toBeVisible();
}

export async function goTo(page: Page, name: 'Account' | 'Devices' | 'Endings' | 'Lab'): Promise<void> {
  await page.getByRole('navigation').getByRole('link', { name }).click();
  await expect(page.locator('h1')).toBeFocused();
}

export const said = (page: Page) => page.locator('.said');

/** A row of the lab's table of requests. */
export const requests = (page: Page) => page.getByRole('table').locator('tbody tr');
