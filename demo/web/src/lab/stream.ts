import { session } from '../api/client';
import type { Message } from './types';

const firstWait = 500;
const longestWait = 5000;

/**
 * Reads the lab's stream until told to stop. A stream that breaks off is opened again: by the session's own fetch, and not as an
 * EventSource, which would give up at the first expired access token.
 */
export async function readStream(tell: (message: Message) => void, connected: (yes: boolean) => void, stop: AbortSignal): Promise<void> {
  for (let wait = firstWait; !stop.aborted && session.exists(); wait = Math.min(wait * 2, longestWait)) {
    try {
      const response = await session.fetch('/api/lab/stream', { headers: { accept: 'text/event-stream' }, cache: 'no-store', signal: stop });
      if (response.ok && response.body) {
        connected(true);
        wait = firstWait;
        await readEvents(response.body, tell);
      }
    } catch {
      // Broken off, or stopped.
    }
    if (stop.aborted) return;
    connected(false);
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

/** Reads text/event-stream (HTML standard, section 9.2.6), as far as this server writes it. */
async function readEvents(body: ReadableStream<Uint8Array>, tell: (message: Message) => void): Promise<void> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (text + value.replace(/\r/g, '')).split('\n\n');
    text = blocks.pop()!;
    for (const block of blocks) {
      let type = 'message';
      const data: string[] = [];
      for (const line of block.split('\n')) {
        if (line.startsWith('event:')) type = line.slice(6).trim();
        else if (line.startsWith('data:')) data.push(line.slice(5).trim());
      }
      if (data.length > 0) tell({ type, data: JSON.parse(data.join('\n')) } as Message);
    }
  }
}
