import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { test as base, type BrowserContext, type Page } from '@playwright/test';
import type { Session, SessionOptions, SessionState } from '../dist/index.js';

// What pages/index.html offers.
declare global {
  function start(options: SessionOptions): void;
  var session: Session;
  var states: SessionState[];
}

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** The server of a test, which has it for itself. */
export interface Site {
  url: string;
  /** How often the refresh endpoint was called. */
  refreshes(): Promise<number>;
  /** Has the store be away: for refreshes, for all that needs it, or no longer. */
  outage(of: 'refresh' | 'all' | 'none'): Promise<void>;
  /** Ends the user's sessions, as an administrator would. */
  revoke(): Promise<void>;
}

interface Fixtures {
  flags: string[];
  site: Site;
  /** Opens a tab in which the client is there and, unless another has done so, the user is logged in. */
  tab(options?: SessionOptions & { login?: boolean }): Promise<Page>;
}

/** How long the server's access tokens live, in milliseconds, unless a test's flags say otherwise. */
const accessLifetime = 2000;

export const test = base.extend<Fixtures>({
  flags: [[], { option: true }],

  site: async ({ flags }, use) => {
    const server = spawn(process.env['WATCHWORD_SITE']!, [
      '-files', here('pages'), '-client', here('../dist'), '-access', `${accessLifetime}ms`, ...flags,
    ], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [url] = (await once(createInterface(server.stdout), 'line')) as [string];
    const post = (path: string) => fetch(url + path, { method: 'POST' });
    await use({
      url,
      refreshes: async () => ((await (await fetch(`${url}/stats`)).json()) as { refreshes: number }).refreshes,
      outage: async (of) => void (await post(`/outage?of=${of}`)),
      revoke: async () => void (await post('/revoke')),
    });
    server.kill();
    await once(server, 'exit');
  },

  tab: async ({ context, site }, use) => {
    await use(async ({ login = true, ...options } = {}) => {
      const page = await open(context, site.url, options);
      if (login) await page.evaluate(async () => session.exists() || (await session.fetch('/login', { method: 'POST' })));
      return page;
    });
  },
});

export async function open(context: BrowserContext, url: string, options: SessionOptions): Promise<Page> {
  const page = await context.newPage();
  await page.goto(url);
  await page.evaluate((given) => start({ logoutPath: '/logout', ...given }), options);
  return page;
}

/** Lets the access token expire. */
export const expire = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, accessLifetime + 100));

/** What a call of the page's client is answered: the status and the body, or the name of an error. */
export function call(page: Page, path = '/me', init?: RequestInit): Promise<unknown[]> {
  return page.evaluate(async ([url, options]) => {
    try {
      const response = await session.fetch(url, options);
      return [response.status, await response.json()];
    } catch (error) {
      return [(error as Error).name];
    }
  }, [path, init] as const);
}

export const exists = (page: Page): Promise<boolean> => page.evaluate(() => session.exists());
export const ended = (page: Page): Promise<SessionState['ended']> => page.evaluate(() => session.ended);
export const states = (page: Page): Promise<SessionState[]> => page.evaluate(() => globalThis.states);
export const signOut = (page: Page): Promise<void> => page.evaluate(() => session.signOut());
