import { readFileSync } from 'node:fs';
import { beforeEach, expect, test, vi } from 'vitest';
import { createSession } from '../src/index.js';
import { given, network, ok, page, refreshPath, store, tokens } from './fakes.js';

/** What the server answers, byte for byte: the same file is the test of its side. */
interface Vector {
  name: string;
  result: { transport?: 'header'; tokens?: { access: string; refresh?: string; id?: string; antiCSRF?: string }; error?: string; reason?: string };
  status?: number;
  body?: string;
  headers: Record<string, string[]>;
  request?: Record<string, string[]>;
}

const vectors = JSON.parse(readFileSync(new URL('../../../session/wire/testdata/responses.json', import.meta.url), 'utf8')) as Vector[];
const issued = 1_760_000_000_000;

function answer({ status = 200, body = '{}\n', headers }: Vector): Response {
  return new Response(body, { status, headers: Object.entries(headers).flatMap(([name, values]) => values.map((value): [string, string] => [name, value])) });
}

/** The calls that follow a refusal, given the client's own is one. */
const follow: Record<string, string[]> = {
  try_refresh: [`POST ${refreshPath}`, 'GET /x'],
  unavailable: ['GET /x'],
  unauthorised: [], token_theft: [], anti_csrf: [], reauthenticate: [], forbidden: [], conflict: [], session_limit: [], too_large: [],
  invalid_request: [], internal: [],
};

/** Tells whether an answer may come to clients of a transport: those that give or take nothing come to both. */
function concerns(transport: 'cookie' | 'header', { headers, request, result }: Vector): boolean {
  if (headers['X-Access-Token'] || request?.['Authorization']) return transport === 'header';
  return transport === 'cookie' || (!!result.error && !headers['Id-Refresh-Token']);
}

beforeEach(() => {
  vi.useFakeTimers({ now: issued });
  return () => vi.useRealTimers();
});

for (const transport of ['cookie', 'header'] as const) {
  test.each(vectors.filter((vector) => concerns(transport, vector)))(
    `${transport} transport: $name`,
    async (vector) => {
      page();
      const storage = store();
      const session0 = transport === 'cookie' ? given('I0', 'C0') : tokens('A0', 'R0');
      const net = network({ '/login': [ok(session0)], '/x': [answer(vector), ok()], [refreshPath]: [ok(session0)] });
      const session = createSession({ fetch: net.fetch, storage, transport });
      await session.fetch('/login', { method: 'POST' });
      const remembered = () => JSON.parse([...storage.text.values()][0]!) as Record<string, unknown>;
      const before = remembered();
      const call = session.fetch('/x');
      await vi.runAllTimersAsync();
      const response = await call;

      const { error, tokens: given_, reason } = vector.result;
      expect(net.log.slice(2)).toEqual(error ? follow[error] : []);
      if (error && !follow[error]?.length) {
        expect(response.status).toBe(vector.status);
        expect(await response.text()).toBe(vector.body);
      }
      if (error === 'unauthorised' || error === 'token_theft') {
        // A reason that is no code stays out of the body, and so is none.
        expect(session.ended).toEqual(/^[a-z_]+$/.test(reason ?? '') ? { reason } : {});
        expect(remembered()).toEqual({ at: expect.any(Number) as number, ended: session.ended });
      } else {
        expect(session.ended).toBeUndefined();
        expect(session.exists()).toBe(true);
      }
      if (given_ && transport === 'header') {
        expect(remembered()).toMatchObject({ access: 'AAA', id: given_.refresh ?? 'R0' });
        if (given_.refresh) expect(remembered()['expires']).toBe(issued + 30 * 24 * 3600_000);
      } else if (given_?.id) {
        expect(remembered()).toMatchObject({ id: 'III', expires: 1_762_592_000_000, antiCSRF: given_.antiCSRF ?? '' });
      } else if (error !== 'unauthorised' && error !== 'token_theft' && error !== 'try_refresh') {
        expect(remembered()).toEqual(before);
      }
    },
  );
}

test('the vectors are those that this test knows', () => {
  expect(new Set(vectors.flatMap(({ result }) => result.error ?? []))).toEqual(new Set(Object.keys(follow)));
  expect(vectors.filter(({ headers }) => headers['X-Access-Token'])).not.toHaveLength(0);
});
