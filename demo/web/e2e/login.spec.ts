import type { Page } from '@playwright/test';
import { startApi } from './api';
import { expect, logIn, newUser, password, register, test } from './test';

const name = (page: Page) => page.getByLabel('Name', { exact: true });
const secret = (page: Page) => page.getByLabel('Password', { exact: true });

test('a wrong password and an unknown user look alike, and nothing typed is lost', async ({ page, another }) => {
  const user = await register(await another());
  for (const who of [user, newUser()]) {
    await page.goto('/');
    await name(page).fill(who);
    await secret(page).fill('not the password at all');
    await page.getByLabel('Name of this device').fill('Desk');
    await page.getByRole('button', { name: 'Log in' }).click();
    await expect(page.getByText('No such user, or another password.')).toBeVisible();
    await expect(secret(page)).toBeFocused();
    await expect(secret(page)).toHaveAccessibleDescription(/No such user, or another password/);
    await expect(secret(page)).toHaveValue('not the password at all');
    await expect(name(page)).toHaveValue(who);
    await expect(page.getByLabel('Name of this device')).toHaveValue('Desk');
  }
});

test('a weak password is told which rule it breaks', async ({ page }) => {
  await page.goto('/register');
  const user = `somebody.${newUser()}`;
  await name(page).fill(user);
  for (const [weak, text] of [
    ['too short', 'This password is too short.'],
    ['x'.repeat(257), 'This password is too long.'],
    [user, 'The password is the same as the name.'],
    ['passwordpassword', 'Everybody tries this password first.'],
  ] as const) {
    await secret(page).fill(weak);
    await page.getByRole('button', { name: 'Register' }).click();
    await expect(page.getByText(text)).toBeVisible();
    await expect(page.locator('.rules .bad')).toHaveCount(1);
    await expect(secret(page)).toHaveValue(weak);
  }
});

test('a taken name offers the login, with what was typed', async ({ page, another }) => {
  const user = await register(await another());
  await page.goto('/register');
  await name(page).fill(user);
  await secret(page).fill(password);
  await page.getByRole('button', { name: 'Register' }).click();
  await expect(page.getByText('Somebody has this name already.')).toBeVisible();
  await expect(name(page)).toBeFocused();
  await page.getByRole('button', { name: 'Is it you? Log in instead' }).click();
  await expect(page.getByRole('heading', { name: 'Log in' })).toBeFocused();
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByRole('heading', { name: 'Account' })).toBeVisible();
});

test('after too many attempts it says for how long', async ({ page, another }) => {
  const user = await register(await another());
  await page.goto('/');
  await name(page).fill(user);
  const blocked = page.getByRole('alert').filter({ hasText: /Too many attempts. Try again in \d+ s/ });
  for (let i = 0; i < 15 && !(await blocked.isVisible()); i++) {
    await secret(page).fill(`wrong password number ${i}`);
    await Promise.all([page.waitForResponse('**/api/login'), page.getByRole('button', { name: 'Log in' }).click()]);
    await expect(page.getByRole('alert').or(page.getByText('No such user')).first()).toBeVisible();
  }
  await expect(blocked).toBeVisible();
  await expect(page.getByRole('button', { name: /Log in in \d+ s/ })).toHaveAttribute('aria-disabled', 'true');
  await expect(name(page)).toHaveValue(user);
});

test('a form that another site could have sent is refused as expired', async ({ page, another }) => {
  const user = await register(await another());
  await page.goto('/');
  await page.route('**/api/login', async (route) => {
    const headers = { ...route.request().headers(), origin: 'https://elsewhere.example', 'sec-fetch-site': 'cross-site' };
    await route.fulfill({ response: await route.fetch({ headers }) });
  });
  await name(page).fill(user);
  await secret(page).fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByRole('alert')).toContainText('This form has expired');
  await page.unrouteAll();
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByRole('heading', { name: 'Account' })).toBeVisible();
});

test('offline, it waits and goes on', async ({ page, context, another }) => {
  const user = await register(await another());
  await page.goto('/');
  await name(page).fill(user);
  await secret(page).fill(password);
  await context.setOffline(true);
  await expect(page.locator('.weather')).toContainText('You are offline.');
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByRole('alert')).toContainText('You are offline. Nothing you typed is lost.');
  await context.setOffline(false);
  await expect(page.locator('.weather')).toContainText('The service is back.');
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByRole('heading', { name: 'Account' })).toBeVisible();
});

test('without its database the service says so, and the page recovers by itself', async ({ page, another }) => {
  const keeper = await another();
  const user = await register(keeper);
  await keeper.goto('/lab');
  await page.goto('/');
  await keeper.getByRole('button', { name: 'Stop the database' }).click();
  await expect(keeper.getByRole('button', { name: /^Start the database/ })).toBeVisible();
  await name(page).fill(user);
  await secret(page).fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByRole('alert')).toContainText('The service cannot reach its database.');
  await expect(page.locator('.weather')).toContainText('The service cannot reach its database.');
  await keeper.getByRole('button', { name: /^Start the database/ }).click();
  await expect(page.locator('.weather')).toContainText('The service is back.');
  await expect(page.getByRole('alert')).toHaveCount(0);
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByRole('heading', { name: 'Account' })).toBeVisible();
});

test('when the service is gone the page waits, and loads what it could not', async ({ another }) => {
  const api = await startApi();
  const page = await another({ baseURL: api.url });
  await register(page);
  await page.getByRole('link', { name: 'Endings' }).click();
  await api.stop();
  await page.getByRole('link', { name: 'Devices' }).click();
  await expect(page.locator('.weather')).toContainText('The service does not answer.');
  await expect(page.getByRole('alert')).toContainText('The service does not answer.');
  const again = await startApi(Number(new URL(api.url).port));
  await expect(page.locator('.weather')).toContainText('The service is back.');
  // Its memory is gone, and with it the session; that is what it says then.
  await expect(page.getByRole('heading', { name: 'Log in' })).toBeVisible();
  await again.stop();
});

test.describe('when the page itself fails', () => {
  test.use({ mayComplain: [[/TypeError|error occurred/], { option: true }] as never });

  test('it says so in the place of what has failed', async ({ page }) => {
    await register(page);
    await page.route('**/api/sessions?*', (route) => route.fulfill({ json: { sessions: [null] } }));
    await page.getByRole('link', { name: 'Devices' }).click();
    await expect(page.getByRole('heading', { name: 'This page has failed' })).toBeVisible();
    await page.unrouteAll();
    await page.getByRole('button', { name: 'Try again' }).click();
    await expect(page.getByText('this device', { exact: true })).toBeVisible();
    await page.getByRole('link', { name: 'Account' }).click();
    await expect(page.getByRole('heading', { name: 'Account' })).toBeFocused();
  });
});

test('it can be used by keyboard alone', async ({ page, another }) => {
  const user = await register(await another());
  await page.goto('/');
  await expect(page.getByRole('heading', { name: 'Log in' })).toBeVisible();
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Skip to the content' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.locator('main')).toBeFocused();
  await name(page).focus();
  await page.keyboard.type(user);
  await page.keyboard.press('Tab');
  await page.keyboard.type(password);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: 'Account' })).toBeFocused();
  await page.keyboard.press('Tab');
  await expect(page.getByRole('button', { name: 'Who am I?' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByLabel('The answer')).toContainText(user);
  await page.getByRole('button', { name: 'Log out' }).focus();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: 'Log in' })).toBeFocused();
});

test('one login shows in every tab', async ({ page, context, another }) => {
  const user = await register(await another());
  await page.goto('/devices');
  const second = await context.newPage();
  await logIn(second, user);
  await expect(page.getByRole('heading', { name: 'Devices' })).toBeVisible();
  await second.getByRole('button', { name: 'Log out' }).click();
  await expect(page.getByRole('heading', { name: 'Log in' })).toBeVisible();
});
