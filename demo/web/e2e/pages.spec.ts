import { AxeBuilder } from '@axe-core/playwright';
import { type BrowserContextOptions, type Page } from '@playwright/test';
import { grace } from './api';
import { expect, goTo, logIn, register, said, test } from './test';

declare global {
  interface Window {
    shifted: number;
  }
}

const phone = 'Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1';

// Every page, at both widths and in both schemes: no violation, no jump, and a picture of it in test-results/pages.
for (const width of [1280, 360]) {
  const view: BrowserContextOptions = { viewport: { width, height: width === 360 ? 740 : 860 } };
  const inspect = (page: Page, name: string, part?: string) => look(page, `${name}-${width}`, part);

  test(`login, account and devices, ${width} px`, async ({ another }) => {
    const page = await another(view);
    await measure(page);
    await page.goto('/');
    await expect(page.getByRole('button', { name: 'Fill in' })).toBeVisible();
    await inspect(page, 'login');
    await page.getByLabel('Name', { exact: true }).fill('nobody');
    await page.getByLabel('Password', { exact: true }).fill('not the password at all');
    await page.getByRole('button', { name: 'Log in' }).click();
    await expect(page.getByText('No such user, or another password.')).toBeVisible();
    await inspect(page, 'login-refused');
    await page.goto('/register');
    await page.getByLabel('Name', { exact: true }).fill('nobody');
    await page.getByLabel('Password', { exact: true }).fill('passwordpassword');
    await page.getByRole('button', { name: 'Register' }).click();
    await expect(page.getByText('Everybody tries this password first.')).toBeVisible();
    await inspect(page, 'register-weak');

    const user = await register(page, 'Desk');
    await page.goto('/account');
    await expect(page.getByLabel('Data', { exact: true })).toBeEnabled();
    await expect(page.getByText('Ends, if unused')).toBeVisible();
    await inspect(page, 'account');
    await conflict(page);
    await page.evaluate(() => (window.shifted = 0)); // what the user has asked for may move what is below it
    await inspect(page, 'account-conflict');
    await page.getByRole('button', { name: 'Take theirs' }).click();
    await page.getByRole('button', { name: 'Prove it is me' }).click();
    await expect(page.getByRole('dialog')).toBeVisible();
    await inspect(page, 'proof');

    const other = await another({ userAgent: phone });
    await logIn(other, user);
    await page.goto('/devices');
    await expect(page.getByRole('listitem')).toHaveCount(2);
    await inspect(page, 'devices');
    await page.goto('/nowhere');
    await expect(page.getByRole('heading', { name: 'No such page' })).toBeVisible();
    await inspect(page, 'nowhere');
  });

  test(`lab and endings, ${width} px`, async ({ another }) => {
    const page = await another(view);
    const user = await register(page, 'Desk');
    await measure(page);
    await page.goto('/lab');
    await expect(page.getByText('Live, from the server’s stream')).toBeVisible();
    await steal(page);
    await inspect(page, 'lab');
    await page.getByRole('button', { name: 'Stop the database' }).click();
    await expect(said(page)).toContainText('The database is stopped.');
    await page.getByRole('button', { name: 'Refresh now' }).click();
    await expect(page.locator('.weather')).toContainText('The service cannot reach its database.');
    await inspect(page, 'outage', '.weather');
    await page.getByRole('button', { name: /^Start the database/ }).click();
    await expect(said(page)).toContainText('The database is back.');
    await page.waitForTimeout(grace);
    await page.getByRole('group').getByRole('button', { name: 'Refresh', exact: true }).click();
    await expect(said(page)).toContainText('Caught: thief 1');
    await expect(page.getByRole('button', { name: 'Log in again' })).toBeVisible();
    await expect(page.locator('.weather')).toBeEmpty();
    await inspect(page, 'lab-caught');
    await page.getByRole('button', { name: 'Log in again' }).click();
    await expect(page.getByText('Somebody else held a copy')).toBeVisible();
    await inspect(page, 'login-after-theft');

    const other = await another({ userAgent: phone });
    await logIn(other, user);
    await other.getByRole('button', { name: 'Log out' }).click();
    await expect(other.getByText('You logged out')).toBeVisible();
    await logIn(page, user);
    await page.goto('/endings');
    await expect(page.getByRole('listitem')).toHaveCount(2);
    await inspect(page, 'endings');
  });
}

/** Adds up what moves by itself. */
async function measure(page: Page): Promise<void> {
  await page.addInitScript(() => {
    window.shifted = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as (PerformanceEntry & { value: number; hadRecentInput: boolean })[]) {
        if (!entry.hadRecentInput) window.shifted += entry.value;
      }
    }).observe({ type: 'layout-shift', buffered: true });
  });
}

/** Looks at a page as it is: for what has moved, for something that is wider than the window, and for what keeps people out. */
async function look(page: Page, name: string, part = 'html'): Promise<void> {
  expect.soft(await page.evaluate(() => window.shifted), `${name}: layout shift`).toBeLessThan(0.01);
  expect.soft(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${name}: fits its window`).toBe(true);
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: `test-results/pages/${name}-${colorScheme}.png`, fullPage: true });
    // The legacy mode is the faster one, and right for pages without frames.
    const { violations } = await new AxeBuilder({ page }).setLegacyMode().include(part).analyze();
    expect.soft(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`), `${name}-${colorScheme}`).toEqual([]);
  }
}

async function conflict(page: Page): Promise<void> {
  await page.getByLabel('Data', { exact: true }).fill('{"colour": "blue"}');
  const second = await page.context().newPage();
  await second.goto('/account');
  await second.getByLabel('Data', { exact: true }).fill('{"colour": "red"}');
  await second.getByRole('button', { name: 'Save' }).click();
  await expect(second.getByText('Saved.')).toBeVisible();
  await second.close();
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Somebody else was faster.')).toBeVisible();
}

/** A theft that is not found out yet, with something of everything in the picture. */
async function steal(page: Page): Promise<void> {
  await page.waitForTimeout(grace);
  await page.getByRole('button', { name: 'Lose next answer' }).click();
  await expect(said(page)).toContainText('is going to be lost');
  await page.getByRole('button', { name: 'Refresh now' }).click();
  await expect(said(page)).toContainText('the very same generation');
  await page.getByRole('button', { name: 'Call the API ×10' }).click();
  await expect(said(page)).toContainText('has arrived');
  await page.getByRole('button', { name: 'Copy my refresh token to a thief' }).click();
  await expect(said(page)).toContainText('Thief 1 holds a copy');
  await page.waitForTimeout(grace);
  await page.getByRole('button', { name: 'Refresh now' }).click();
  await expect(said(page)).toContainText('You refreshed, and were sent');
  await page.getByRole('button', { name: 'Call the API ×10' }).click();
  await expect(said(page)).toContainText('Thief 1 holds an older one.');
}

test('with reduced motion nothing moves by itself', async ({ another }) => {
  const page = await another({ reducedMotion: 'reduce' });
  await register(page);
  await goTo(page, 'Lab');
  await expect(page.getByText('Live, from the server’s stream')).toBeVisible();
  expect(await page.evaluate(() => document.getAnimations().length)).toBe(0);
});

test('without a lab there is none', async ({ page }) => {
  await page.route('**/api/demo', async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...((await response.json()) as object), lab: false } });
  });
  await register(page);
  await expect(page.getByRole('navigation').getByRole('link')).toHaveCount(3);
  await page.goto('/lab');
  await expect(page.getByRole('heading', { name: 'No such page' })).toBeVisible();
});
