import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium, defineConfig } from '@playwright/test';

// Playwright's own browser where it is installed; elsewhere what the system has or can get.
const script = fileURLToPath(new URL('../../scripts/chromium.sh', import.meta.url));
const executablePath = existsSync(chromium.executablePath()) ? {} : { executablePath: execFileSync(script, { encoding: 'utf8' }).trim() };

export default defineConfig({
  testDir: 'e2e',
  globalSetup: './e2e/build.ts',
  fullyParallel: true,
  workers: 3, // they wait more than they work
  timeout: 120_000,
  expect: { timeout: 8_000 },
  forbidOnly: true,
  reporter: 'list',
  use: {
    launchOptions: {
      ...executablePath,
      args: [
        '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
        '--disable-sync',
      ],
    },
  },
});
