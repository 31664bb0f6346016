import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';

const dist = new URL('../dist/', import.meta.url);
const built = readFileSync(new URL('index.js', dist));

test('the built file is smaller than 4 kB, gzipped', () => {
  expect(gzipSync(built, { level: 9 }).length).toBeLessThan(4000);
});

test('the package holds what package.json says, and depends on nothing', () => {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as Record<string, unknown>;
  expect(manifest).not.toHaveProperty('dependencies');
  expect(readdirSync(dist)).toEqual(expect.arrayContaining(['index.d.ts', 'index.js', 'index.js.map']));
  expect(built.toString()).not.toMatch(/\bimport\b|\brequire\b/);
  expect(readFileSync(new URL('index.d.ts', dist), 'utf8')).not.toMatch(/\bimport\b/);
});

function node(program: string): string {
  return execFileSync(process.execPath, ['--input-type=module', '--eval', program], { timeout: 10_000, encoding: 'utf8' });
}
const index = JSON.stringify(new URL('index.js', dist).href);

test('importing it touches nothing of the platform', () => {
  expect(node(`
    for (const name of ['document', 'location', 'localStorage', 'navigator', 'fetch', 'BroadcastChannel', 'addEventListener', 'setTimeout']) {
      Object.defineProperty(globalThis, name, { get() { console.log('touches', name); } });
    }
    const before = Object.getOwnPropertyNames(globalThis).length;
    console.log(Object.keys(await import(${index})), Object.getOwnPropertyNames(globalThis).length - before);
  `)).toBe("[ 'createSession' ] 0\n");
});

test('Node ends although a client is there, and has told others of its session', () => {
  expect(node(`
    import { createSession } from ${index};
    const headers = { 'id-refresh-token': 'I1;9999999999999' };
    const options = { refreshPath: 'https://api.test/refresh', fetch: async () => new Response('{}', { headers }) };
    const [session, other] = [createSession(options), createSession(options)];
    const awake = setTimeout(() => {}, 5000);
    await new Promise((resolve) => {
      other.onChange(resolve);
      session.fetch('https://api.test/login', { method: 'POST' });
    });
    clearTimeout(awake);
    console.log(session.exists(), other.exists());
  `)).toBe('true true\n');
});

test('without a page, paths need an origin: the error says so at once', async () => {
  const { createSession } = await import('../src/index.js');
  expect(() => createSession({ fetch })).toThrow(TypeError);
  expect(() => createSession({ fetch, refreshPath: 'https://api.test/refresh', origins: ['api.test'] })).toThrow(TypeError);
});
