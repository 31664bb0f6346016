/** The longest that a server may ask to wait, and the longest that an answer to a refresh may take, in milliseconds. */
export const patience = 30_000;

/** What the first wait is at most; each further one may be twice as long. In milliseconds. */
const firstWait = 500;

/** Waits for a promise, but no longer than the signal allows. What the promise stands for goes on. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | null | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/**
 * Waits before a repetition: for as long as the server asks, and a random time more, so that not all clients come back at once
 * after an outage. False, at once, if the server asks for more patience than there is.
 */
export async function pause(tries: number, response?: Response, signal?: AbortSignal | null): Promise<boolean> {
  const asked = 1000 * Number(response?.headers.get('retry-after')) || 0;
  if (asked > patience) return false;
  const wait = asked + Math.random() * firstWait * 2 ** tries;
  let timer: ReturnType<typeof setTimeout>;
  const over = new Promise((resolve) => {
    timer = setTimeout(resolve, wait);
  });
  await abortable(over, signal).finally(() => clearTimeout(timer));
  return true;
}

/**
 * Does work while no other tab does, where it has a name and the platform has locks. After the timeout it goes ahead all the same: a frozen tab
 * may hold the lock for ever.
 */
export async function exclusively<T>(name: string | undefined, timeout: number, work: () => Promise<T>): Promise<T> {
  const locks = globalThis.navigator?.locks;
  if (!locks || !name) return work();
  const queue = new AbortController();
  const timer = setTimeout(() => queue.abort(), timeout);
  let granted = false;
  try {
    return await locks.request(name, { signal: queue.signal }, () => {
      granted = true;
      return work();
    });
  } catch (error) {
    if (granted) throw error;
    return await work(); // too long, or locks are forbidden to this page
  } finally {
    clearTimeout(timer);
  }
}
