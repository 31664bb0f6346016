import { proofLifetime } from './api';
import { expect, goTo, logIn, password, register, test } from './test';

test('two tabs that change the data at once are told of each other', async ({ page, context }) => {
  await register(page);
  const second = await context.newPage();
  await second.goto('/account');
  await expect(second.getByLabel('Data', { exact: true })).toHaveValue(/visits/);
  await page.getByLabel('Data', { exact: true }).fill('{"colour": "red"}');
  await second.getByLabel('Data', { exact: true }).fill('{"colour": "blue"}');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Saved.')).toBeVisible();

  await second.getByRole('button', { name: 'Save' }).click();
  await expect(second.getByText('Somebody else was faster.')).toBeVisible();
  await expect(second.getByLabel('Theirs', { exact: true })).toContainText('red');
  await expect(second.getByLabel('Mine', { exact: true })).toContainText('blue');
  await second.getByRole('button', { name: 'Keep mine' }).click();
  await expect(second.getByText('Saved.')).toBeVisible();

  await page.getByLabel('Data', { exact: true }).fill('{"colour": "green"}');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('button', { name: 'Take theirs' }).click();
  await expect(page.getByLabel('Data', { exact: true })).toHaveValue(/blue/);
});

test('what is no JSON is not sent, and what was typed outlives the session', async ({ page, another }) => {
  const user = await register(page);
  const data = page.getByLabel('Data', { exact: true });
  await data.fill('{"colour": ');
  await expect(page.getByText('This is not JSON')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Save' })).toHaveAttribute('aria-disabled', 'true');
  await data.fill('{"colour": "red"}');

  const other = await another();
  await logIn(other, user);
  await goTo(other, 'Devices');
  await other.getByRole('button', { name: 'End all others' }).click();
  await expect(other.getByText('1 other session has ended.')).toBeVisible();
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('You ended it from another device')).toBeVisible();
  await page.getByLabel('Name', { exact: true }).fill(user);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(data).toHaveValue('{"colour": "red"}');
});

test('the password is changed with a fresh proof only', async ({ page, another }) => {
  const user = await register(page);
  const now = page.getByLabel('Password now');
  const next = page.getByLabel('New password');
  await now.fill(password);
  await next.fill('short');
  await page.getByRole('button', { name: 'Change the password' }).click();
  await expect(next).toHaveAccessibleDescription(/too short/);
  await expect(now).toHaveValue(password);

  const other = await another();
  await logIn(other, user);
  await page.waitForTimeout(proofLifetime);
  await next.fill('a longer one than before');
  await page.getByRole('button', { name: 'Change the password' }).click();
  const dialog = page.getByRole('dialog', { name: 'Is it still you?' });
  await expect(dialog.getByLabel('Password', { exact: true })).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(dialog).toHaveCount(0);
  await expect(page.getByRole('button', { name: 'Change the password' })).toBeFocused();

  await page.getByRole('button', { name: 'Change the password' }).click();
  await dialog.getByLabel('Password', { exact: true }).fill('not the password at all');
  await dialog.getByRole('button', { name: 'Confirm' }).click();
  await expect(dialog.getByText('That is not your password.')).toBeVisible();
  await dialog.getByLabel('Password', { exact: true }).fill(password);
  await dialog.getByRole('button', { name: 'Confirm' }).click();
  await expect(page.getByText('Your password is changed, and 1 other session of yours has ended.')).toBeVisible();
  await other.getByRole('button', { name: 'Who am I?' }).click();
  await expect(other.getByText('Your password was changed on another device')).toBeVisible();
  await logIn(other, user, 'a longer one than before');
});

test('the demo’s own user keeps its password', async ({ page }) => {
  await page.goto('/');
  await page.getByRole('button', { name: 'Fill in' }).click();
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByText('The demo’s own user keeps its password.')).toBeVisible();
});
