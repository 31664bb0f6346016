import { createStore } from '../store';
import { call, type Answer, type Failure, session } from '../api/client';
import { describe } from '../words/failures';

/** What this page did last to end its own session, where the server gives no reason since it did as it was told. */
export const farewell = createStore<'logout' | 'everywhere' | undefined>(undefined);

/** Logs out. Returns why that was not possible, or nothing. */
export async function leave(): Promise<string | undefined> {
  farewell.set('logout');
  try {
    await session.signOut();
    return undefined;
  } catch (error) {
    farewell.set(undefined);
    const response = (error as Error).cause instanceof Response ? ((error as Error).cause as Response) : undefined;
    const failure: Failure = {
      ok: false, status: response?.status ?? 0,
      error: response ? 'unavailable' : navigator.onLine ? 'unreachable' : 'offline',
    };
    return `You are still logged in. ${describe(failure)}`;
  }
}

/** Ends every session of the user, this one included. */
export async function leaveEverywhere(): Promise<Answer<unknown>> {
  farewell.set('everywhere');
  const answer = await call('POST', '/api/logout-all');
  if (!answer.ok) farewell.set(undefined);
  return answer;
}
