import { useState } from 'react';
import { type Answer, call, refreshCount } from '../api/client';
import { type Resource, useResource } from '../api/resource';
import type { ListedSession, Me, Setup } from '../api/types';
import { Button, Notice, Page, Skeleton, Slot, When } from '../ui/parts';
import { describe } from '../words/failures';
import { count, duration } from '../words/time';
import { DataEditor } from './dataeditor';
import { PasswordChange } from './passwordchange';

export function Account({ setup, me }: { setup: Setup | undefined; me: Resource<Me> }) {
  return (
    <Page title="Account" lead="What a session is good for: calls that know who you are, data that belongs to it, and proof when it matters.">
      <div className="columns">
        <div>
          <ProtectedCall setup={setup} />
          <DataEditor userId={me.answer?.body.userId} />
        </div>
        <div>
          <Facts setup={setup} me={me.answer?.body} />
          <PasswordChange setup={setup} userId={me.answer?.body.userId} />
        </div>
      </div>
    </Page>
  );
}

const verification = {
  feed: 'The access token is verified by its signature, and by what this process knows of ended sessions. No database is asked.',
  strict: 'The access token is verified by its signature, and the database is asked whether its session lives.',
  off: 'The access token is verified by its signature alone. No database is asked.',
};

function ProtectedCall({ setup }: { setup: Setup | undefined }) {
  const [answer, setAnswer] = useState<Answer<Me>>();
  const [told, setTold] = useState('');
  const [busy, setBusy] = useState(false);

  async function ask() {
    setBusy(true);
    const started = performance.now();
    const before = refreshCount();
    const got = await call<Me>('GET', '/api/me');
    const took = Math.round(performance.now() - started);
    const refreshed = refreshCount() - before;
    setBusy(false);
    setAnswer(got);
    setTold(
      refreshed > 0
        ? `The access token had expired. The page refreshed by itself and called again: ${count(refreshed, 'refresh', 'refreshes')}, ${took} ms in all.`
        : `Answered in ${took} ms. The access token was still good.`,
    );
  }

  return (
    <section aria-labelledby="call">
      <h2 id="call">Call what is protected</h2>
      <p className="quiet">{setup ? verification[setup.revocation] : ' '}</p>
      <div className="actions">
        <Button look="primary" busy={busy} onClick={ask}>
          Who am I?
        </Button>
      </div>
      <pre className="code call-answer" tabIndex={0} aria-label="The answer">
        {answer ? (answer.ok ? JSON.stringify(answer.body, null, 2) : `${answer.status || 'no answer'} ${answer.error}`) : 'GET /api/me'}
      </pre>
      <Slot>
        {answer && (
          <Notice kind={answer.ok ? 'good' : 'bad'}>
            {answer.ok ? told : describe(answer)}
          </Notice>
        )}
      </Slot>
    </section>
  );
}

function Facts({ setup, me }: { setup: Setup | undefined; me: Me | undefined }) {
  const sessions = useResource<{ sessions: ListedSession[] }>('/api/sessions');
  const own = sessions.answer?.body.sessions.find((s) => s.current);
  const rows: [string, React.ReactNode][] = [
    ['User', me?.userId],
    ['Session', me && <code>{me.handle}</code>],
    ['Payload', me && <code>{JSON.stringify(me.payload)}</code>],
    ['Logged in', own && <When at={own.createdAt} />],
    ['Last refresh', own && <When at={own.refreshedAt} />],
    ['Ends, if unused', own && <When at={own.expiresAt} />],
    ['Access token', setup && `good for ${duration(setup.accessMs)}`],
    ['Grace', setup && (setup.graceMs > 0 ? duration(setup.graceMs) : 'none')],
  ];
  return (
    <section aria-labelledby="facts">
      <div className="section-head">
        <h2 id="facts">This session</h2>
        <Button look="quiet" onClick={sessions.reload}>
          Read again
        </Button>
      </div>
      <dl className="facts">
        {rows.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value ?? <Skeleton />}</dd>
          </div>
        ))}
      </dl>
      {sessions.failure && !sessions.answer && <p className="quiet">{describe(sessions.failure)}</p>}
    </section>
  );
}
