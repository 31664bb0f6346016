import { useEffect, useState } from 'react';
import { call, type Failure, isAway } from '../api/client';
import { useBack } from '../api/reach';
import { useResource } from '../api/resource';
import { createStore, useStore } from '../store';
import { Button, Field, Notice, Slot } from '../ui/parts';
import { describe } from '../words/failures';

/** What was typed and not saved, and by whom: it outlives the end of a session. */
const draft = createStore<{ userId: string; text: string } | undefined>(undefined);

const pretty = (value: unknown): string => JSON.stringify(value, null, 2);

interface Version {
  text: string;
  etag: string;
}

/** The data that the server keeps with a session. Two tabs that change it at once are told of each other. */
export function DataEditor({ userId }: { userId: string | undefined }) {
  const read = useResource<unknown>('/api/data');
  const kept = useStore(draft);
  const mine = kept && kept.userId === userId ? kept.text : undefined;
  const [base, setBase] = useState<Version>();
  const [theirs, setTheirs] = useState<Version>();
  const [failure, setFailure] = useState<Failure>();
  const [said, setSaid] = useState('');
  const [busy, setBusy] = useState(false);

  useBack(() => failure && isAway(failure) && setFailure(undefined));

  const { answer } = read;
  useEffect(() => {
    if (answer) setBase({ text: pretty(answer.body), etag: answer.etag ?? '' });
  }, [answer]);

  const text = mine ?? base?.text ?? '';
  const wrong = mine === undefined ? undefined : invalid(mine);

  function write(next: string) {
    if (userId !== undefined) draft.set({ userId, text: next });
    setSaid('');
    setFailure(undefined);
  }

  async function save(over: Version | undefined) {
    if (!over || wrong) return;
    setBusy(true);
    setSaid('');
    setFailure(undefined);
    const value = JSON.parse(text) as unknown;
    const answered = await call('PUT', '/api/data', { json: value, headers: { 'if-match': over.etag } });
    if (answered.ok) {
      setBase({ text: pretty(value), etag: answered.etag ?? '' });
      draft.set(undefined);
      setTheirs(undefined);
      setSaid('Saved.');
    } else if (answered.status === 412 || answered.error === 'conflict') {
      const now = await call<unknown>('GET', '/api/data');
      if (now.ok) setTheirs({ text: pretty(now.body), etag: now.etag ?? '' });
      else setFailure(now);
    } else {
      setFailure(answered);
    }
    setBusy(false);
  }

  function take(version: Version, word: string) {
    setBase(version);
    draft.set(undefined);
    setTheirs(undefined);
    setSaid(word);
  }

  return (
    <section aria-labelledby="data">
      <h2 id="data">Session data</h2>
      <p className="quiet">
        JSON that the server keeps with this session. Open this page in two tabs, change it in both, and save: the second is told.
      </p>
      <Field label="Data" error={wrong}>
        {(props) => (
          <textarea {...props} rows={6} spellCheck={false} value={text} onChange={(event) => write(event.target.value)} disabled={!base} />
        )}
      </Field>
      <div className="actions">
        <Button look="primary" busy={busy || mine === undefined || !!wrong} onClick={() => save(base)}>
          Save
        </Button>
        <Button
          busy={busy || mine === undefined}
          onClick={() => {
            draft.set(undefined);
            setFailure(undefined);
            setSaid('Your changes are undone.');
          }}
        >
          Undo my changes
        </Button>
      </div>
      {theirs ? (
        <div className="conflict" role="alert">
          <p>
            <strong>Somebody else was faster.</strong> The data was changed elsewhere since this page read it, so yours was not saved over
            it. Which is to stay?
          </p>
          <div className="versions">
            <div>
              <h3>Theirs, on the server</h3>
              <pre className="code" tabIndex={0} aria-label="Theirs">
                {theirs.text}
              </pre>
              <Button busy={busy} onClick={() => take(theirs, 'You took theirs.')}>
                Take theirs
              </Button>
            </div>
            <div>
              <h3>Mine, as typed above</h3>
              <pre className="code" tabIndex={0} aria-label="Mine">
                {text}
              </pre>
              <Button busy={busy} onClick={() => save(theirs)}>
                Keep mine
              </Button>
            </div>
          </div>
        </div>
      ) : (
        <Slot lines={1}>
          {failure ? <Notice kind="bad">{describe(failure)}</Notice> : said && <Notice kind="good">{said}</Notice>}
        </Slot>
      )}
    </section>
  );
}

function invalid(text: string): string | undefined {
  try {
    JSON.parse(text);
    return undefined;
  } catch (error) {
    return `This is not JSON: ${(error as Error).message.replace(/ in JSON|JSON\.parse: /, '')}`;
  }
}
