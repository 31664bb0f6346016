import { useEffect, useReducer, useState } from 'react';
import { call, sessionState } from '../api/client';
import type { Setup } from '../api/types';
import { Controls } from '../lab/controls';
import { Legend } from '../lab/legend';
import { learn, nothing } from '../lab/model';
import { hint } from '../lab/narrate';
import { Picture } from '../lab/picture';
import { Requests } from '../lab/requests';
import { readStream } from '../lab/stream';
import { Timeline } from '../lab/timeline';
import { isThief } from '../lab/token';
import type { Message } from '../lab/types';
import { useStore } from '../store';
import { usePrefersCalm } from '../ui/measure';
import { Button, Notice, Page, useNow } from '../ui/parts';
import { explain } from '../words/reasons';
import { clockTime } from '../words/time';

export function Lab({ setup, onLeave }: { setup: Setup | undefined; onLeave: () => void }) {
  const [state, take] = useReducer(learn, nothing);
  const [connected, setConnected] = useState(false);
  const [trouble, setTrouble] = useState('');
  const { exists, ended } = useStore(sessionState);
  const { lineage, access, requests, switches, story } = state;
  const over = lineage?.ended ?? (exists ? null : { reason: ended?.reason ?? '', at: 0 });
  const calm = usePrefersCalm();
  const now = useNow(calm ? 1000 : 250, !over) + state.ahead;

  useEffect(() => {
    const stop = new AbortController();
    void readStream((message: Message) => take(message), (yes) => !stop.signal.aborted && setConnected(yes), stop.signal);
    return () => stop.abort();
  }, []);

  // The stream knows of the end first; the client learns of it, and of its reason, from a call.
  const hasEnded = lineage?.ended != null;
  useEffect(() => {
    if (hasEnded && sessionState.get().exists) void call('GET', '/api/me');
  }, [hasEnded]);

  const [newest, ...before] = story;
  const thieves = lineage?.nodes.flatMap((node) => node.holders).filter(isThief) ?? [];

  return (
    <Page
      title="Protocol lab"
      lead="Your own session, live, as the server sees it. Play both sides, and watch a stolen refresh token give itself away."
      className="lab"
    >
      <div className="lab-grid">
        <div className={`said ${newest?.tone ?? 'calm'}`} aria-live="polite" aria-atomic="true">
          <p className="said-text">
            {newest?.text
              ?? (lineage ? 'This is your session. Each shape below is a refresh token; the number is its generation.' : 'Reading your session…')}
          </p>
          <p className="said-why">
            {newest?.why ?? (lineage ? 'Press a button, and this line says what has happened and why.' : '')}
          </p>
        </div>
        <div className="figure">
          <Picture lineage={lineage} now={now} />
          <Timeline lineage={lineage} access={access} requests={requests} now={now} />
          <p className="link-state">
            <span className={connected && !over ? 'beacon live' : 'beacon'} aria-hidden="true" />
            {over ? 'The session has ended; this is how it stood.' : connected ? 'Live, from the server’s stream' : 'Connecting to the server’s stream…'}
          </p>
        </div>
        <aside className="side" aria-label="What you can do">
          <p className={`echo ${newest?.tone ?? ''}`} aria-hidden="true">
            {newest?.text}
          </p>
          {over ? (
            <div className="over">
              <Notice kind={explain(over.reason).alarming ? 'bad' : 'info'} title={explain(over.reason).title}>
                <p>{explain(over.reason).text}</p>
              </Notice>
              <Button look="primary" onClick={onLeave}>
                {exists ? 'Go on' : 'Log in again'}
              </Button>
            </div>
          ) : (
            <p className="next">
              <span className="next-word">Try next</span>
              {hint(state, now) || ' '}
            </p>
          )}
          <Controls live={!over && lineage !== undefined} now={now} switches={switches} seen={thieves} say={setTrouble} />
          <p className="trouble" role="alert">
            {trouble}
          </p>
        </aside>
        <Legend />
        <section className="before" aria-labelledby="before">
          <h2 id="before">What happened before</h2>
          {before.length > 0 ? (
            <ol>
              {before.map((told) => (
                <li key={`${told.at} ${told.topic}`} className={told.tone}>
                  <time dateTime={new Date(told.at).toISOString()}>{clockTime(new Date(told.at))}</time> {told.text}
                </li>
              ))}
            </ol>
          ) : (
            <p className="quiet">Nothing yet.</p>
          )}
        </section>
        <Requests requests={requests} />
      </div>
      {setup && setup.accessMs > 60_000 && (
        <p className="quiet">
          Access tokens live long here. Start the demo with <code>WATCHWORD_ACCESS_LIFETIME=10s</code> to see them expire.
        </p>
      )}
    </Page>
  );
}
