/** What a client remembers of its session, over reloads and in all tabs. */
export interface Remembered {
  /** When it was last changed: the newer of two counts. By the clock, since tabs that share nothing else share that. */
  at: number;
  /** Stands for the generation of tokens: the id of the cookie transport, or the refresh token of the header transport itself. */
  id?: string | undefined;
  /** When the session ends if nobody refreshes it, in milliseconds since 1970. */
  expires?: number | undefined;
  /** Empty: the server gave none, and a refresh will not change that. */
  antiCSRF?: string | undefined;
  access?: string | undefined;
  ended?: { reason?: string } | undefined;
}

/** As much of the platform's Storage as is needed. */
export type Store = Pick<Storage, 'getItem' | 'setItem'>;

export interface Memory {
  read(): Remembered;
  write(what: Omit<Remembered, 'at'>): void;
}

/**
 * Every reading goes to the storage, so that tabs which share one never disagree. Where they do not, as a service worker and a
 * page, `shared` has them tell each other over a BroadcastChannel; tokens are never sent over it.
 */
export function openMemory(
  key: string, storage: Store | undefined, shared: boolean, onChange: () => void,
): Memory {
  let store = storage ?? pageStorage() ?? inMemory();
  const channel = shared && globalThis.BroadcastChannel ? new BroadcastChannel(key) : undefined;

  function read(): Remembered {
    try {
      return { at: 0, ...(JSON.parse(store.getItem(key) ?? '{}') as Partial<Remembered>) };
    } catch {
      return { at: 0 };
    }
  }

  function put(what: Remembered): void {
    const text = JSON.stringify(what);
    try {
      store.setItem(key, text);
    } catch { // full, or switched off by the user
      store = inMemory();
      store.setItem(key, text);
    }
    onChange();
  }

  if (channel) {
    channel.onmessage = ({ data }: MessageEvent<Remembered>) => {
      const mine = read();
      if (data.at > mine.at) put(data);
      else if (data.at < mine.at) channel.postMessage(mine);
      onChange(); // a shared storage may have it already
    };
    (channel as { unref?(): void }).unref?.(); // would keep Node running
    channel.postMessage(read()); // asks for what others know better
  }
  globalThis.addEventListener?.('storage', onChange);
  globalThis.addEventListener?.('pageshow', onChange); // a page out of the back/forward cache was told nothing meanwhile

  return {
    read,
    write(what) {
      const next = { ...what, at: Math.max(Date.now(), read().at + 1) };
      put(next);
      channel?.postMessage(next);
    },
  };
}

function pageStorage(): Store | undefined {
  try {
    return globalThis.localStorage;
  } catch {
    return undefined; // forbidden to this page
  }
}

function inMemory(): Store {
  let text: string | null = null;
  return {
    getItem: () => text,
    setItem: (_, value) => {
      text = value;
    },
  };
}
