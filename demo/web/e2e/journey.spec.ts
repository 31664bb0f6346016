import type { Page } from '@playwright/test';
import { accessLifetime, grace, running } from './api';
import { expect, goTo, logIn, register, requests, said, test } from './test';

const refreshPath = '/api/session/refresh';

/**
 * Calls until the page is told why its session has ended, for two seconds at most: the call may reach another process than the one that
 * ended it, which hears of it within one.
 */
async function hears(page: Page, why: string): Promise<void> {
  const call = page.getByRole('button', { name: 'Who am I?' });
  const told = page.getByText(why);
  await expect
    .poll(async () => {
      if (await call.isVisible()) await call.click();
      return told.isVisible();
    }, { timeout: 2000, intervals: [100] })
    .toBe(true);
}

test('a session from its beginning to its end', async ({ page }) => {
  const user = await register(page, 'Desk');
  await page.getByRole('button', { name: 'Who am I?' }).click();
  await expect(page.getByLabel('The answer')).toContainText(user);
  await expect(page.getByText('The access token was still good.')).toBeVisible();

  await page.waitForTimeout(accessLifetime + 500);
  await page.getByRole('button', { name: 'Who am I?' }).click();
  await expect(page.getByText('The page refreshed by itself and called again: 1 refresh')).toBeVisible();

  await page.reload();
  await expect(page.getByText(user).first()).toBeVisible();
  await page.getByRole('button', { name: 'Log out' }).click();
  await expect(page.getByText('You logged out')).toBeVisible();
  await expect(page).toHaveURL('/');
  await page.goto('/account');
  await expect(page.getByRole('heading', { name: 'Log in' })).toBeVisible();

  await logIn(page, user);
  await goTo(page, 'Endings');
  await expect(page.getByRole('listitem').filter({ hasText: 'You logged out' })).toContainText('Desk');
});

test('the demo’s own user is a click away', async ({ page }) => {
  await page.goto('/');
  await page.getByRole('button', { name: 'Fill in' }).click();
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByRole('heading', { name: 'Account' })).toBeFocused();
});

test('ten calls at once need one refresh, and two tabs share it', async ({ page, context }) => {
  await register(page);
  await goTo(page, 'Lab');
  await expect(page.getByText('Live, from the server’s stream')).toBeVisible();
  await page.waitForTimeout(accessLifetime + 500);
  let refreshes = 0;
  context.on('request', (request) => (refreshes += Number(request.url().endsWith(refreshPath))));
  await page.getByRole('button', { name: 'Call the API ×10' }).click();
  await expect(said(page)).toContainText('10 calls found the access token expired. One refresh did for all of them');
  expect(refreshes).toBe(1);
  await expect(requests(page).filter({ hasText: refreshPath })).toHaveCount(1);
  await expect(page.locator('.picture .token.current')).toContainText('1');

  const [second] = await Promise.all([context.waitForEvent('page'), page.getByRole('link', { name: 'Open a second tab' }).click()]);
  await expect(second.getByText('Live, from the server’s stream')).toBeVisible();
  await page.waitForTimeout(accessLifetime + 500);
  refreshes = 0;
  await Promise.all([page, second].map((tab) => tab.getByRole('button', { name: 'Call the API ×10' }).click()));
  for (const tab of [page, second]) {
    await expect(said(tab)).toContainText('One refresh did for all of them');
    await expect(requests(tab).filter({ hasText: '/api/me' }).first()).toContainText('200');
  }
  expect(refreshes).toBe(1);
});

test('a device that is ended from another one knows within two seconds', async ({ page, another }) => {
  const user = await register(page, 'Desk');
  const phone = await another({
    userAgent: 'Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1',
  });
  await logIn(phone, user);

  await goTo(page, 'Devices');
  const entry = page.getByRole('listitem').filter({ hasText: 'Safari 19 on iPhone' });
  await expect(entry).toContainText(running ? /\d+\.\d+\.\d+\.\d+/ : '127.0.0.1'); // the engine's bridge, for a container
  await expect(page.getByRole('listitem').filter({ hasText: 'this device' })).toContainText('Desk');
  await entry.getByRole('button', { name: /^Rename/ }).click();
  await entry.getByLabel('Name of this device').fill('Pocket');
  await entry.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('button', { name: 'Rename Pocket' })).toBeFocused();

  await page.getByRole('button', { name: 'End Pocket' }).click();
  await expect(page.getByText('Pocket is logged out')).toBeVisible();
  await hears(phone, 'You ended it from another device');
  await expect(page.getByText('Pocket', { exact: true })).toHaveCount(0);
});

test('the lab of a device shows at once that it was ended from another one', async ({ page, another }) => {
  const user = await register(page);
  const other = await another();
  await logIn(other, user, undefined, '/lab');
  await expect(other.getByText('Live, from the server’s stream')).toBeVisible();
  await goTo(page, 'Devices');
  await page.getByRole('button', { name: 'End all others' }).click();
  await expect(page.getByText('1 other session has ended.')).toBeVisible();
  await expect(other.getByText('You ended it from another device')).toBeVisible({ timeout: 2000 });
  await other.getByRole('button', { name: 'Log in again' }).click();
  await expect(other.getByRole('heading', { name: 'Log in' })).toBeFocused();
});

test('all devices can be ended at once', async ({ page, another }) => {
  const user = await register(page);
  const other = await another();
  await logIn(other, user);
  await goTo(page, 'Devices');
  await page.getByRole('button', { name: 'End all, this one too' }).click();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await expect(page.getByRole('button', { name: 'End all, this one too' })).toBeFocused();
  await page.getByRole('button', { name: 'End all, this one too' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'End all' }).click();
  await expect(page.getByText('You logged out everywhere')).toBeVisible();
  await hears(other, 'You ended it from another device');
});

test('a thief who comes late is caught, and both sides are told', async ({ page }) => {
  const user = await register(page);
  await goTo(page, 'Lab');
  await expect(page.getByText('Live, from the server’s stream')).toBeVisible();
  await page.getByRole('button', { name: 'Copy my refresh token to a thief' }).click();
  await expect(said(page)).toContainText('Thief 1 holds a copy of your refresh token.');
  await expect(page.locator('.picture .holder.thief')).toHaveCount(1);

  await page.waitForTimeout(grace); // the token is brand-new, and would be kept
  await page.getByRole('button', { name: 'Refresh now' }).click();
  await expect(said(page)).toContainText('You refreshed, and were sent generation 1.');
  await expect(page.locator('.picture .token.pending')).toContainText('1');
  await page.getByRole('button', { name: 'Call the API ×10' }).click();
  await expect(said(page)).toContainText('has arrived');
  await expect(said(page)).toContainText('Thief 1 holds an older one.');
  await expect(page.locator('.picture .token.previous')).toContainText('0');

  await page.waitForTimeout(grace + 250);
  await page.getByRole('group').getByRole('button', { name: 'Refresh', exact: true }).click();
  await expect(said(page)).toContainText('Caught: thief 1 showed a token that had been replaced.');
  await expect(requests(page).filter({ hasText: 'thief 1' }).filter({ hasText: 'token_theft' })).toContainText('theft');
  await expect(page.getByText('Somebody else held a copy of your refresh token')).toBeVisible();
  await expect(page.locator('.end-mark')).toContainText('theft');

  await page.getByRole('button', { name: 'Log in again' }).click();
  await expect(page.getByText('Somebody else held a copy of your refresh token')).toBeVisible();
  await logIn(page, user);
  await goTo(page, 'Endings');
  const entry = page.getByRole('listitem').filter({ hasText: 'Somebody else held a copy' });
  await expect(entry).toContainText('1 generation behind');
  await expect(entry).toContainText('Watchword lab, thief 1');
});

test('a thief who is ahead is found out by the owner', async ({ page }) => {
  await register(page);
  await goTo(page, 'Lab');
  await expect(page.getByText('Live, from the server’s stream')).toBeVisible();
  await page.getByRole('button', { name: 'Copy my refresh token to a thief' }).click();
  await page.waitForTimeout(grace);
  await page.getByRole('button', { name: 'Refresh and use' }).click();
  await expect(said(page)).toContainText('Thief 1 was handed generation 1, and used it at once.');
  await expect(said(page)).toContainText('You are behind now, with generation 0.');
  await page.waitForTimeout(grace + 250);
  await page.getByRole('button', { name: 'Refresh now' }).click();
  await expect(said(page)).toContainText('Your own token was the old one');
  await expect(page.getByText('Somebody else held a copy of your refresh token')).toBeVisible();
});
