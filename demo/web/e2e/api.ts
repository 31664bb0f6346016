import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const web = fileURLToPath(new URL('../dist', import.meta.url));

/** What is short here is long in life. */
export const accessLifetime = 5_000;
export const grace = 3_000;
export const proofLifetime = 9_000;

export interface Api {
  url: string;
  stop(): Promise<void>;
}

/** An API that is there already, behind its proxy, with the lifetimes above. Only the journey is for it. */
export const running = process.env['WATCHWORD_URL'];

/** Starts the real API, on a free port or on the one given. */
export async function startApi(port = 0): Promise<Api> {
  if (running) return { url: running, stop: async () => {} };
  const api = spawn(process.env['WATCHWORD_API']!, {
    env: {
      WATCHWORD_ADDR: `127.0.0.1:${port}`,
      WATCHWORD_WEB: web,
      WATCHWORD_DEMO_LAB: '1',
      WATCHWORD_ACCESS_LIFETIME: `${accessLifetime}ms`,
      WATCHWORD_GRACE: `${grace}ms`,
      WATCHWORD_PROOF_LIFETIME: `${proofLifetime}ms`,
    },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  for await (const line of createInterface(api.stdout)) {
    const url = /^listening on (\S+)$/.exec(line)?.[1];
    if (url) return { url, stop: () => stop(api) };
  }
  throw new Error('the API did not start');
}

async function stop(api: ChildProcess): Promise<void> {
  if (api.exitCode !== null) return;
  const gone = once(api, 'exit');
  api.kill('SIGKILL');
  await gone;
}
