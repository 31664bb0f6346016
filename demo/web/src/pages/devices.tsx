import { type FormEvent, useEffect, useRef, useState } from 'react';
import { type Answer, call } from '../api/client';
import { useResource } from '../api/resource';
import type { ListedSession } from '../api/types';
import { Dialog } from '../ui/dialog';
import { Agent, Button, Notice, Page, Skeleton, Slot, When } from '../ui/parts';
import { agentInWords } from '../words/agent';
import { describe } from '../words/failures';
import { count } from '../words/time';
import { farewell, leave, leaveEverywhere } from './leaving';

interface Listed {
  sessions: ListedSession[];
  next?: string;
}

const nameOf = ({ label, userAgent }: ListedSession): string => label.trim() || agentInWords(userAgent);

export function Devices() {
  const first = useResource<Listed>('/api/sessions?limit=20');
  const [further, setFurther] = useState<Listed>();
  const [result, setResult] = useState<{ kind: 'good' | 'bad'; text: string }>();
  const [busy, setBusy] = useState(false);
  const [ending, setEnding] = useState(false);

  const { answer, reload } = first;
  useEffect(() => setFurther(undefined), [answer]);
  const sessions = answer && [...answer.body.sessions, ...(further?.sessions ?? [])];
  const next = further ? further.next : answer?.body.next;
  const others = sessions?.some((s) => !s.current) ?? false;

  /** Does something, says what came of it, and shows how things are then. */
  async function act<T>(work: Promise<Answer<T>>, done: (body: T) => string): Promise<boolean> {
    setBusy(true);
    const got = await work;
    setBusy(false);
    setResult(got.ok ? { kind: 'good', text: done(got.body) } : { kind: 'bad', text: describe(got) });
    reload();
    return got.ok;
  }

  async function more() {
    const got = await call<Listed>('GET', `/api/sessions?limit=20&before=${next}`);
    if (got.ok) setFurther({ ...got.body, sessions: [...(further?.sessions ?? []), ...got.body.sessions] });
    else setResult({ kind: 'bad', text: describe(got) });
  }

  async function end(session: ListedSession) {
    if (session.current) {
      const why = await leave();
      if (why) setResult({ kind: 'bad', text: why });
      return;
    }
    await act(call('DELETE', `/api/sessions/${session.handle}`), () => `${nameOf(session)} is logged out, within a second.`);
    document.querySelector<HTMLElement>('main [data-focus]')?.focus();
  }

  return (
    <Page title="Devices" lead="Each login is a session of its own. End one here, and within a second its access token is refused everywhere.">
      <div className="toolbar">
        <Button busy={busy || !others} onClick={() => act(call<{ ended: number }>('POST', '/api/logout-others'), ({ ended }) =>
          `${count(ended, 'other session')} ${ended === 1 ? 'has' : 'have'} ended.`)}
        >
          End all others
        </Button>
        <Button look="danger" busy={busy} onClick={() => setEnding(true)}>
          End all, this one too
        </Button>
        <Button look="quiet" onClick={reload}>
          Read again
        </Button>
      </div>
      <Slot lines={1}>{result && <Notice kind={result.kind}>{result.text}</Notice>}</Slot>
      {sessions ? (
        <ul className="entries">
          {sessions.map((session) => (
            <Entry
              key={session.handle}
              session={session}
              busy={busy}
              onEnd={() => end(session)}
              onRename={(label) => act(call('PATCH', `/api/sessions/${session.handle}`, { json: { label } }), () => 'Renamed.')}
            />
          ))}
        </ul>
      ) : first.failure ? (
        <Notice kind="bad">{describe(first.failure)}</Notice>
      ) : (
        <Loading />
      )}
      {next && (
        <p className="actions">
          <Button onClick={more}>Show more</Button>
        </p>
      )}
      {ending && (
        <Dialog title="End all of your sessions?" onClose={() => setEnding(false)}>
          <p>Every device is logged out, this one included. You can log in again at once.</p>
          <div className="actions">
            <Button
              look="danger"
              busy={busy}
              onClick={async () => {
                setBusy(true);
                const got = await leaveEverywhere();
                setBusy(false);
                if (got.ok) return;
                farewell.set(undefined);
                setEnding(false);
                setResult({ kind: 'bad', text: describe(got) });
              }}
            >
              End all
            </Button>
            <Button onClick={() => setEnding(false)}>Cancel</Button>
          </div>
        </Dialog>
      )}
    </Page>
  );
}

interface EntryProps {
  session: ListedSession;
  busy: boolean;
  onEnd: () => void;
  onRename: (label: string) => Promise<boolean>;
}

function Entry({ session, busy, onEnd, onRename }: EntryProps) {
  const [label, setLabel] = useState<string>();
  const rename = useRef<HTMLButtonElement>(null);
  const wasRenaming = useRef(false);
  const renaming = label !== undefined;

  useEffect(() => {
    if (wasRenaming.current && !renaming) rename.current?.focus();
    wasRenaming.current = renaming;
  }, [renaming]);

  async function save(event: FormEvent) {
    event.preventDefault();
    if (await onRename(label!)) setLabel(undefined);
  }

  const named = session.label.trim() !== '';
  return (
    <li className={session.current ? 'entry current' : 'entry'}>
      <div className="entry-text">
        <p className="entry-name">
          <strong>{named ? session.label : <Agent text={session.userAgent} />}</strong>
          {session.current && <span className="tag">this device</span>}
        </p>
        <p className="quiet">
          {named && (
            <>
              <Agent text={session.userAgent} />
              {session.address && ' · '}
            </>
          )}
          {session.address || (named ? '' : 'address unknown')}
        </p>
        <p className="quiet times">
          <span>
            logged in <When at={session.createdAt} />
          </span>
          <span>
            refreshed <When at={session.refreshedAt} />
          </span>
          <span>
            ends <When at={session.expiresAt} /> if unused
          </span>
        </p>
      </div>
      {renaming ? (
        <form className="rename" onSubmit={save} onKeyDown={(event) => event.key === 'Escape' && setLabel(undefined)}>
          <label>
            <span className="unseen">Name of this device</span>
            <input
              value={label} onChange={(event) => setLabel(event.target.value)} maxLength={64} autoComplete="off" autoFocus
              placeholder={agentInWords(session.userAgent)}
            />
          </label>
          <Button look="primary" type="submit" busy={busy}>
            Save
          </Button>
          <Button onClick={() => setLabel(undefined)}>Cancel</Button>
        </form>
      ) : (
        <div className="actions">
          <button ref={rename} type="button" className="button plain" aria-label={`Rename ${nameOf(session)}`} onClick={() => setLabel(session.label)}>
            Rename
          </button>
          <Button look="danger" busy={busy} aria-label={session.current ? 'Log out of this device' : `End ${nameOf(session)}`} onClick={onEnd}>
            {session.current ? 'Log out' : 'End'}
          </Button>
        </div>
      )}
    </li>
  );
}

function Loading() {
  return (
    <ul className="entries" aria-hidden="true">
      {[1, 2].map((n) => (
        <li key={n} className="entry">
          <Skeleton lines={3} className="entry-text" />
        </li>
      ))}
    </ul>
  );
}
