// Whether the service can be reached: the state of the page that comes and goes by itself.

import { useEffect, useRef } from 'react';
import { createStore, useStore } from '../store';

export type Reach = 'ok' | 'offline' | 'unreachable' | 'unavailable';

/** How things are. `since` counts the recoveries, so that what failed meanwhile can be tried again. */
export const reach = createStore<{ state: Reach; recoveries: number }>({ state: 'ok', recoveries: 0 });

const firstWait = 1000;
const longestWait = 5000;

let watching = false;

function set(state: Reach): void {
  const now = reach.get();
  if (now.state === state) return;
  reach.set({ state, recoveries: now.recoveries + (state === 'ok' ? 1 : 0) });
}

/** Asks whether the service is there, and its store. No session is needed for that, and none is kept alive by it. */
async function probe(): Promise<Reach> {
  if (!navigator.onLine) return 'offline';
  try {
    const response = await fetch('/healthz', { cache: 'no-store', signal: AbortSignal.timeout(longestWait) });
    if (!response.ok) return 'unreachable';
    const health = (await response.json()) as { store?: string };
    return health.store === 'unavailable' ? 'unavailable' : 'ok';
  } catch {
    return navigator.onLine ? 'unreachable' : 'offline';
  }
}

/** Goes on asking until all is well. */
async function watch(): Promise<void> {
  if (watching) return;
  watching = true;
  for (let wait = firstWait; ; wait = Math.min(wait * 1.5, longestWait)) {
    const state = await probe();
    set(state);
    if (state === 'ok') break;
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, wait);
      addEventListener('online', () => (clearTimeout(timer), resolve(undefined)), { once: true });
    });
  }
  watching = false;
}

addEventListener('offline', () => void watch());

/**
 * The platform's fetch, which also notes how it went. The session's client uses it, so that the page says at once what that
 * patiently waits for.
 */
export const watchedFetch: typeof fetch = async (input, init) => {
  let response: Response;
  try {
    response = await fetch(input, init);
  } catch (error) {
    // One answer that was lost is no outage: probe finds out.
    if ((error as Error).name !== 'AbortError') void watch();
    throw error;
  }
  if (response.status === 502 || response.status === 504) void watch();
  if (response.status === 503 && (await code(response)) === 'unavailable') {
    set('unavailable');
    setTimeout(() => void watch(), firstWait);
  }
  return response;
};

async function code(response: Response): Promise<string | undefined> {
  try {
    return ((await response.clone().json()) as { error?: string }).error;
  } catch {
    return undefined;
  }
}

/** Calls when the service is back after it was away. */
export function useBack(whenBack: () => void): void {
  const { recoveries } = useStore(reach);
  const seen = useRef(recoveries);
  useEffect(() => {
    if (recoveries === seen.current) return;
    seen.current = recoveries;
    whenBack();
  });
}
