import { useState } from 'react';
import { call, type Failure, refreshPath, session } from '../api/client';
import { Button } from '../ui/parts';
import { Thief, You } from '../ui/icons';
import { describe } from '../words/failures';
import { duration } from '../words/time';
import type { Strategy, Switches } from './types';

const outageSeconds = 30;

const strategies: { strategy: Strategy; name: string; text: string }[] = [
  { strategy: 'refresh', name: 'Refresh', text: 'once' },
  { strategy: 'use', name: 'Refresh and use', text: 'calls the API with what it got, which confirms it' },
  { strategy: 'shadow', name: 'Shadow', text: 'refreshes every 2 s, and never uses what it gets' },
  { strategy: 'wait', name: 'Wait', text: 'and refreshes once the grace is over' },
];

interface ControlsProps {
  /** The session lives. */
  live: boolean;
  now: number;
  switches: Switches | undefined;
  /** Thieves that were seen in the lineage. */
  seen: string[];
  say: (text: string) => void;
}

export function Controls({ live, now, switches, seen, say }: ControlsProps) {
  const [busy, setBusy] = useState<ReadonlySet<string>>(new Set());
  const [copies, setCopies] = useState<string[]>([]);
  const [chosen, setChosen] = useState<string>();
  const thieves = [...new Set([...(switches?.thieves.map(({ name }) => name) ?? []), ...seen, ...copies])].sort(
    (a, b) => a.localeCompare(b, 'en', { numeric: true }));
  const thief = chosen && thieves.includes(chosen) ? chosen : thieves.at(-1);
  const outage = switches?.outageUntil != null && switches.outageUntil > now;

  /** Does something, and says what has gone wrong with it. What has happened is the stream's to tell. */
  async function act(name: string, work: () => Promise<Failure | undefined>) {
    setBusy((was) => new Set(was).add(name));
    say('');
    const failure = await work();
    setBusy((was) => new Set([...was].filter((other) => other !== name)));
    if (failure && failure.error !== 'unauthorised' && failure.error !== 'token_theft') say(describe(failure));
  }

  const order = async (path: string, json: unknown): Promise<Failure | undefined> => {
    const answer = await call('POST', path, { json });
    return answer.ok ? undefined : answer;
  };

  async function callTenTimes(): Promise<Failure | undefined> {
    const answers = await Promise.all(Array.from({ length: 10 }, () => call('GET', '/api/me')));
    return answers.find((answer) => !answer.ok) as Failure | undefined;
  }

  /** A client whose answer was lost asks again, after a moment. */
  async function refresh(): Promise<Failure | undefined> {
    for (let tries = 0; ; tries++) {
      try {
        const response = await session.fetch(refreshPath, { method: 'POST' });
        if (response.ok) return undefined;
        const { error = 'unknown' } = (await response.json()) as { error?: string };
        return { ok: false, status: response.status, error };
      } catch {
        if (tries === 2) return { ok: false, status: 0, error: 'unreachable' };
        await new Promise((resolve) => setTimeout(resolve, 2000));
      }
    }
  }

  async function copy(): Promise<Failure | undefined> {
    const answer = await call<{ thief: string }>('POST', `${refreshPath}/lab/copy`, { json: {} });
    if (!answer.ok) return answer;
    setCopies((was) => [...was, answer.body.thief]);
    setChosen(answer.body.thief);
    return undefined;
  }

  const off = (name: string): boolean => !live || busy.has(name);
  const button = (name: string, text: string, work: () => Promise<Failure | undefined>, look: 'plain' | 'primary' | 'danger' = 'plain') => (
    <Button look={look} busy={off(name)} onClick={() => act(name, work)}>
      {text}
    </Button>
  );

  return (
    <div className="controls">
      <section aria-labelledby="controls-you">
        <h2 id="controls-you">
          <You /> You
        </h2>
        <div className="buttons">
          {button('call', 'Call the API ×10', callTenTimes, 'primary')}
          {button('refresh', 'Refresh now', refresh)}
          {button('lose', switches?.loseNext ? 'It will be lost' : 'Lose next answer', () => order('/api/lab/lose', {}))}
          <a className="button plain" href="/lab" target="_blank" rel="noopener">
            Open a second tab
          </a>
        </div>
      </section>
      <section aria-labelledby="controls-thief">
        <h2 id="controls-thief">
          <Thief /> A thief
        </h2>
        <div className="buttons">
          {button('copy', thieves.length > 0 ? 'Copy it to another thief' : 'Copy my refresh token to a thief', copy, 'danger')}
        </div>
        <fieldset disabled={!thief}>
          <legend>
            Let {thieves.length > 1 ? (
              <select aria-label="Which thief" value={thief} onChange={(event) => setChosen(event.target.value)}>
                {thieves.map((name) => (
                  <option key={name}>{name}</option>
                ))}
              </select>
            ) : (
              (thief ?? 'the thief')
            )}{' '}
            act:
          </legend>
          <ul className="strategies">
            {strategies.map(({ strategy, name, text }) => (
              <li key={strategy}>
                <Button busy={off(strategy)} onClick={() => act(strategy, () => order('/api/lab/thief', { thief, strategy }))}>
                  {name}
                </Button>
                <span className="quiet">{text}</span>
              </li>
            ))}
          </ul>
        </fieldset>
      </section>
      <section aria-labelledby="controls-elsewhere">
        <h2 id="controls-elsewhere">Elsewhere</h2>
        <div className="buttons">
          {button('revoke', 'Revoke session', () => order('/api/lab/revoke', {}))}
          {button('rotate', 'Rotate keys', async () =>
            (await order('/api/lab/rotate', { purpose: 'access', compromised: false }))
            ?? order('/api/lab/rotate', { purpose: 'refresh', compromised: false }))}
          <Button
            className="all"
            busy={busy.has('outage') || (!live && !outage)}
            onClick={() => act('outage', () => order('/api/lab/outage', { on: !outage, seconds: outageSeconds }))}
          >
            {outage ? `Start the database, or wait ${duration(switches!.outageUntil! - now)}` : `Stop the database for ${outageSeconds} s`}
          </Button>
        </div>
      </section>
    </div>
  );
}
