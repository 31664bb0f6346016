import { useCallback, useEffect, useRef, useState } from 'react';
import { useStore } from '../store';
import { call, type Failure, type Success } from './client';
import { reach } from './reach';

/** In milliseconds. */
const retryAfter = 4000;

export interface Resource<T> {
  /** The last good answer; it stays while a later one is awaited or has failed. */
  answer: Success<T> | undefined;
  failure: Failure | undefined;
  loading: boolean;
  reload: () => void;
}

/** What a GET answers. What failed because the service was away is asked for again when that is back. */
export function useResource<T>(path: string | null): Resource<T> {
  const [state, setState] = useState<Omit<Resource<T>, 'reload'>>({ answer: undefined, failure: undefined, loading: path !== null });
  const [round, setRound] = useState(0);
  const { recoveries } = useStore(reach);
  const reload = useCallback(() => setRound((n) => n + 1), []);

  useEffect(() => {
    if (path === null) {
      setState({ answer: undefined, failure: undefined, loading: false });
      return;
    }
    const gone = new AbortController();
    setState((was) => ({ ...was, loading: true }));
    call<T>('GET', path, { signal: gone.signal }).then(
      (answer) => {
        if (gone.signal.aborted) return;
        setState((was) =>
          answer.ok ? { answer, failure: undefined, loading: false } : { answer: was.answer, failure: answer, loading: false });
      },
      () => {}, // aborted: nobody waits for it
    );
    return () => gone.abort();
  }, [path, round]);

  const { failure } = state;
  const seen = useRef(recoveries);
  useEffect(() => {
    const back = recoveries > seen.current;
    seen.current = recoveries;
    if (!failure || (failure.status > 0 && failure.status < 500)) return;
    const timer = setTimeout(reload, back ? 0 : retryAfter);
    return () => clearTimeout(timer);
  }, [failure, recoveries, reload]);

  return { ...state, reload };
}
