import { accessLifetime, grace } from './api';
import { expect, goTo, register, requests, said, test } from './test';

test.beforeEach(async ({ page }) => {
  await register(page);
  await goTo(page, 'Lab');
  await expect(page.getByText('Live, from the server’s stream')).toBeVisible();
});

test('a lost answer does no harm', async ({ page }) => {
  await page.waitForTimeout(grace);
  await page.getByRole('button', { name: 'Lose next answer' }).click();
  await expect(said(page)).toContainText('The answer to your next refresh is going to be lost.');
  await expect(page.getByRole('button', { name: 'It will be lost' })).toBeVisible();
  await page.getByRole('button', { name: 'Refresh now' }).click();
  await expect(said(page)).toContainText('was lost on its way, and generation 1 with it.');
  await expect(said(page)).toContainText('You asked again, and were handed the very same generation 1.');
  await expect(page.getByText('handed out 2×')).toBeVisible();
  await page.getByRole('button', { name: 'Call the API ×10' }).click();
  await expect(said(page)).toContainText(/generation 1 has arrived|generation 1. So that has arrived/);
  await expect(page.locator('.weather')).toBeEmpty(); // one lost answer is no outage
});

test('a brand-new token is kept', async ({ page }) => {
  await page.getByRole('button', { name: 'Refresh now' }).click();
  await expect(said(page)).toContainText('The refresh token is brand-new and stays.');
  await expect(requests(page).filter({ hasText: '/api/session/refresh' })).toContainText('Get');
});

test('a thief who comes within the grace is let in, for then', async ({ page }) => {
  await page.getByRole('button', { name: 'Copy my refresh token to a thief' }).click();
  await page.waitForTimeout(grace);
  await page.getByRole('button', { name: 'Refresh now' }).click();
  await expect(page.locator('.picture .token.pending')).toContainText('1');
  await page.getByRole('button', { name: 'Call the API ×10' }).click();
  await expect(page.locator('.picture .token.current')).toContainText('1');
  await page.getByRole('group').getByRole('button', { name: 'Refresh', exact: true }).click();
  await expect(said(page)).toContainText('Thief 1 showed generation 0, was let in, and was handed generation 1.');
});

test('an outage logs nobody out', async ({ page }) => {
  await page.getByRole('button', { name: 'Stop the database' }).click();
  await expect(said(page)).toContainText('The database is stopped.');
  await page.getByRole('button', { name: 'Call the API ×10' }).click();
  await expect(said(page)).toContainText('the database was asked nothing.');
  await page.getByRole('button', { name: 'Refresh now' }).click();
  await expect(page.locator('.weather')).toContainText('The service cannot reach its database.');
  await expect(said(page)).toContainText('no cookie was touched');
  await goTo(page, 'Devices'); // waits
  await goTo(page, 'Lab');
  await page.getByRole('button', { name: /^Start the database/ }).click();
  await expect(said(page)).toContainText('The database is back.');
  await expect(page.locator('.weather')).toContainText('The service is back.');
  await goTo(page, 'Devices');
  await expect(page.getByText('this device', { exact: true })).toBeVisible();
});

test('keys rotate unnoticed', async ({ page }) => {
  await page.getByRole('button', { name: 'Rotate keys' }).click();
  await expect(said(page)).toContainText('A new key for refresh tokens was published. You stay logged in.');
  await page.waitForTimeout(accessLifetime + 500);
  await page.getByRole('button', { name: 'Call the API ×10' }).click();
  await expect(said(page)).toContainText('One refresh did for all of them');
});

test('a session that is revoked from elsewhere ends with its reason', async ({ page }) => {
  await page.getByRole('button', { name: 'Revoke session' }).click();
  await expect(said(page)).toContainText('The session was ended from elsewhere.');
  await expect(page.getByText('It was ended by an administrator')).toBeVisible();
  await page.getByRole('button', { name: 'Log in again' }).click();
  await expect(page.getByText('It was ended by an administrator')).toBeVisible();
});

test('shadowing thieves and waiting ones are seen', async ({ page }) => {
  await page.getByRole('button', { name: 'Copy my refresh token to a thief' }).click();
  await page.getByRole('button', { name: 'Shadow' }).click();
  await page.getByRole('button', { name: 'Shadow' }).click();
  await expect(page.getByRole('alert').filter({ hasText: 'This thief is busy already.' })).toBeVisible();
  await page.getByRole('button', { name: 'Copy it to another thief' }).click();
  await expect(page.getByLabel('Which thief')).toHaveValue('thief 2');
  await page.getByRole('button', { name: 'Wait' }).click();
  await expect(requests(page).filter({ hasText: 'thief 1' })).not.toHaveCount(0);
  await expect(requests(page).filter({ hasText: 'thief 2' })).not.toHaveCount(0, { timeout: 2 * grace });
  // A second tab sees the same.
  const second = await page.context().newPage();
  await second.goto('/lab');
  await expect(second.locator('.picture .holder.thief').first()).toBeVisible();
  await expect(second.getByLabel('Which thief')).toBeVisible();
});
