import { expect, test } from 'vitest';
import { createSession } from '../src/index.js';
import { isOver, readRefusal } from '../src/refusal.js';
import { network, store, tokens } from './fakes.js';

/** Random numbers that are the same for a seed (mulberry32), so that what fails can be made again. */
function random(seed: number) {
  const next = () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (n: number) => Math.floor(next() * n);
  return { below, of: <T>(list: readonly T[]): T => list[below(list.length)]! };
}

type Random = ReturnType<typeof random>;

/** Starts from what a server may well say, and damages it. */
function damaged({ below, of }: Random, good: readonly string[]): string {
  let text = of(good);
  for (let n = below(4); n > 0; n--) {
    const at = below(text.length + 1);
    const piece = of(['', '"', '{', '}', '[', ']', ',', ':', ';', '\\', '\\ud800', 'null', '1e999', '-', ' ', 'é', '__proto__', of(good), 'x'.repeat(below(600))]);
    text = text.slice(0, at) + piece + text.slice(at + below(4));
  }
  return text;
}

const bodies = [
  '{"error":"unauthorised","reason":"idle"}\n', '{"error":"token_theft"}', '{"error":"try_refresh"}', '{"error":"unavailable"}', '{"error":{}}', '{"__proto__":{"error":"unauthorised"}}', '[]', 'null', '"unauthorised"', '0', '',
];
const types = ['application/json', 'application/json; charset=utf-8', 'APPLICATION/JSON', 'application/jsonp', 'text/html', ''];
const statuses = [200, 400, 401, 403, 440, 499, 500, 503];
const rounds = 400;
/** SEED=2 npx vitest run test/parsers.test.ts: other cases. */
const seed = Number(process.env['SEED'] ?? 1);

test('a refusal is read out of any answer, and the answer is left as it was', async () => {
  const r = random(seed);
  for (let i = 0; i < rounds; i++) {
    const body = damaged(r, bodies);
    const [status, type] = [r.of(statuses), r.of(types)];
    const response = new Response(body, { status, headers: type ? { 'content-type': type } : {} });
    const refusal = await readRefusal(response);
    const about = `seed ${seed}, round ${i}: ${status} ${type} ${JSON.stringify(body)}`;
    expect(refusal, about).not.toBeNull();
    expect(response.bodyUsed, about).toBe(false);
    expect(await response.text(), about).toBe(body);
    if (!isOver(refusal)) continue;
    // Whoever ends the session has said so, in a body that is a refusal and of no length that none has.
    const said = JSON.parse(body) as Record<string, unknown>;
    expect(['unauthorised', 'token_theft'], about).toContain(said['error']);
    expect(status >= 400 && /^application\/json\b/i.test(type) && body.length <= 600, about).toBe(true);
  }
});

test('whatever a server says of a session, calls are answered and what is remembered can be read again', async () => {
  const r = random(seed);
  const ids = ['remove', 'abc;1760000000000', 'abc;', ';1', 'abc', 'abc;NaN', 'a;b;c', ''];
  for (let i = 0; i < rounds / 4; i++) {
    const memory = store();
    const printable = (text: string) => text.replace(/[^ -~]/g, '').trim();
    const headers = {
      'content-type': r.of(types) || 'text/plain', 'id-refresh-token': printable(damaged(r, ids)), 'anti-csrf': printable(damaged(r, ids)),
      ...tokens(printable(damaged(r, ids)), printable(damaged(r, ids))), 'x-refresh-token-expires-in': printable(damaged(r, ['3600', '-1', '1e400', ''])),
    };
    const answer = () => new Response('{}', { status: 200, headers });
    const net = network({ '/login': [answer], '/x': [answer] });
    const session = createSession({ fetch: net.fetch, storage: memory, transport: r.of(['cookie', 'header'] as const), origins: ['https://app.test'], refreshPath: 'https://app.test/api/session/refresh' });
    const about = `seed ${seed}, round ${i}: ${JSON.stringify(headers)}`;
    expect((await session.fetch('https://app.test/login', { method: 'POST' })).status, about).toBe(200);
    expect((await session.fetch('https://app.test/x', { method: 'POST' })).status, about).toBe(200);
    expect(typeof session.exists(), about).toBe('boolean');
    expect(net.log, about).toEqual(['POST /login', 'POST /x']);
  }
});
