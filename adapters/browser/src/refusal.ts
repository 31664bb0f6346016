/** How the server refuses a request: a stable code, and why the session has ended where that is known. */
export interface Refusal {
  error?: string;
  reason?: string;
}

/** Longer than any refusal, in characters. */
const longest = 512;

/**
 * Reads a refusal, and leaves the response unread for the caller. It tells by the code, since the statuses are the server's
 * choice. What cannot be one is not touched, and of what is too long to be one no more is waited for.
 */
export async function readRefusal(response: Response): Promise<Refusal> {
  const { status, headers } = response;
  const known = (status >= 400 && status < 500) || status === 503;
  if (!known || !/^application\/json\b/i.test(headers.get('content-type') ?? '')) return {};
  try {
    const reader = response.clone().body!.getReader();
    const decoder = new TextDecoder();
    for (let text = ''; ;) {
      const { done, value } = await reader.read();
      if (done) return (JSON.parse(text) ?? {}) as Refusal;
      text += decoder.decode(value, { stream: true });
      if (text.length > longest) {
        reader.cancel().catch(() => {});
        return {};
      }
    }
  } catch {
    return {}; // no body, one that broke off, or no JSON
  }
}

/** Tells whether a refusal means that the session has ended. */
export const isOver = ({ error }: Refusal): boolean => error === 'unauthorised' || error === 'token_theft';
