import { expect } from '@playwright/test';
import { createSession } from '../dist/index.js';
import { expire, test } from './site.js';

test.describe('in Node, with the header transport', () => {
  test.use({ flags: ['-grace', '2s'] });

  test('a session lives over many refreshes, and ends', async ({ site }) => {
    const session = createSession({ refreshPath: `${site.url}/api/session/refresh`, logoutPath: '/logout', transport: 'header' });
    const get = async () => (await session.fetch(`${site.url}/me`)).status;
    expect(await get()).toBe(401);
    expect(session.ended).toBeUndefined();
    await session.fetch(`${site.url}/login`, { method: 'POST' });
    for (let round = 1; round <= 4; round++) {
      await expire();
      expect(await Promise.all([get(), get(), get()])).toEqual([200, 200, 200]);
      expect(await site.refreshes()).toBe(round);
    }
    await session.signOut();
    expect(session.exists()).toBe(false);
    expect(session.ended).toEqual({ reason: 'logout' });
    expect(await get()).toBe(401);
  });

  test('a revoked session ends with the reason', async ({ site }) => {
    const session = createSession({ refreshPath: `${site.url}/api/session/refresh`, transport: 'header' });
    await session.fetch(`${site.url}/login`, { method: 'POST' });
    await expire();
    await site.revoke();
    expect((await session.fetch(`${site.url}/me`)).status).toBe(401);
    expect(session.ended).toEqual({ reason: 'revoked' });
  });
});
