/** What a call of fetch asks for, however it was put: as a URL or a Request, each with options or without. */
export interface Call {
  url: URL;
  /** The method changes nothing (RFC 9110, section 9.2.1). */
  safe: boolean;
  /** The body is still there to be sent again. */
  repeatable: boolean;
  headers: Headers;
  /** Undefined: the caller leaves it open. */
  credentials: RequestCredentials | undefined;
  signal: AbortSignal | null | undefined;
}

export function readCall(input: RequestInfo | URL, init: RequestInit | undefined): Call {
  const request = typeof input === 'object' && 'url' in input ? input : undefined;
  const method = (init?.method ?? request?.method ?? 'GET').toUpperCase();
  const safe = ['GET', 'HEAD', 'OPTIONS', 'TRACE'].includes(method);
  return {
    url: resolve(request?.url ?? String(input)),
    safe,
    // Streams are sent once, and need duplex. A Request's body is one; not all browsers show whether it has any.
    repeatable: init?.body ? !('duplex' in init || init.body instanceof ReadableStream) : !request || safe || request.body === null,
    headers: new Headers(init?.headers ?? request?.headers),
    // A Request does not tell whether its caller has chosen "same-origin" or nothing.
    credentials: init?.credentials ?? (request?.credentials === 'same-origin' ? undefined : request?.credentials),
    signal: init?.signal === undefined ? request?.signal : init.signal,
  };
}

/** Resolves a URL as fetch does. */
export function resolve(url: string): URL {
  return new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href);
}
