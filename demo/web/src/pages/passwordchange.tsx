import { type FormEvent, useEffect, useRef, useState } from 'react';
import { call, type Failure, isAway } from '../api/client';
import { useBack } from '../api/reach';
import type { Setup } from '../api/types';
import { Dialog } from '../ui/dialog';
import { Button, Field, Notice, PasswordInput, Slot } from '../ui/parts';
import { describe } from '../words/failures';
import { count, duration } from '../words/time';
import { Rules } from './login';

/** Changing the password asks for a fresh proof of who the user is: a thief of the session must not lock its owner out. */
export function PasswordChange({ setup, userId }: { setup: Setup | undefined; userId: string | undefined }) {
  const [old, setOld] = useState('');
  const [next, setNext] = useState('');
  const [failure, setFailure] = useState<Failure>();
  const [said, setSaid] = useState('');
  const [busy, setBusy] = useState(false);
  const [asking, setAsking] = useState<'change' | 'proof'>();
  const form = useRef<HTMLFormElement>(null);
  useBack(() => failure && isAway(failure) && setFailure(undefined));
  const fixed = setup?.login !== undefined && setup.login.userId === userId;

  async function change() {
    setBusy(true);
    setFailure(undefined);
    setSaid('');
    const answer = await call<{ ended: number }>('POST', '/api/password', { json: { old, new: next } });
    setBusy(false);
    if (answer.ok) {
      setOld('');
      setNext('');
      setSaid(`Your password is changed, and ${count(answer.body.ended, 'other session')} of yours ${answer.body.ended === 1 ? 'has' : 'have'} ended.`);
    } else if (answer.error === 'reauthenticate') {
      setAsking('change');
    } else {
      setFailure(answer.error === 'invalid_credentials' ? { ...answer, error: 'wrong_password' } : answer);
    }
  }

  function proved() {
    const then = asking;
    setAsking(undefined);
    if (then === 'change') void change();
    else setSaid('Proved. Your new tokens say so, and are not made from the old ones: a copy of those is worth nothing now.');
  }

  const weak = failure?.error === 'weak_password';
  const wrongOld = failure?.error === 'wrong_password';

  return (
    <section aria-labelledby="password">
      <h2 id="password">Change password</h2>
      <p className="quiet">
        {setup
          ? `This is for somebody who has entered their password in the last ${duration(setup.proofMs)}; otherwise it is asked for again. The change ends your other sessions.`
          : ' '}
      </p>
      <form
        ref={form}
        className="stack"
        method="post"
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          if (!busy) void change();
        }}
      >
        <input className="unseen" type="text" autoComplete="username" value={userId ?? ''} readOnly tabIndex={-1} aria-hidden="true" />
        <Field label="Password now" error={wrongOld && describe(failure)}>
          {(props) => <PasswordInput field={props} name="old" value={old} onChange={setOld} autoComplete="current-password" />}
        </Field>
        <Field
          label="New password"
          error={weak && describe(failure)}
          hint={<Rules min={setup?.passwordMin ?? 15} password={next} failed={failure?.rule} />}
        >
          {(props) => <PasswordInput field={props} name="new" value={next} onChange={setNext} autoComplete="new-password" />}
        </Field>
        <div className="actions">
          <Button look="primary" type="submit" busy={busy}>
            Change the password
          </Button>
          <Button onClick={() => setAsking('proof')}>Prove it is me</Button>
        </div>
      </form>
      <Slot>
        {failure && !weak && !wrongOld ? (
          <Notice kind="bad">{describe(failure)}</Notice>
        ) : said ? (
          <Notice kind="good">{said}</Notice>
        ) : (
          fixed && <Notice>The demo’s own user keeps its password. Register a user to change one.</Notice>
        )}
      </Slot>
      {asking && <Proof userId={userId} why={asking} onProved={proved} onClose={() => setAsking(undefined)} />}
    </section>
  );
}

interface ProofProps {
  userId: string | undefined;
  why: 'change' | 'proof';
  onProved: () => void;
  onClose: () => void;
}

function Proof({ userId, why, onProved, onClose }: ProofProps) {
  const [password, setPassword] = useState('');
  const [failure, setFailure] = useState<Failure>();
  const [busy, setBusy] = useState(false);
  const gone = useRef(false);
  useEffect(() => {
    gone.current = false;
    return () => void (gone.current = true);
  }, []);

  async function prove(event: FormEvent) {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setFailure(undefined);
    const answer = await call('POST', '/api/reauthenticate', { json: { password } });
    if (gone.current) return;
    setBusy(false);
    if (answer.ok) onProved();
    else setFailure(answer.error === 'invalid_credentials' ? { ...answer, error: 'wrong_password' } : answer);
  }

  return (
    <Dialog title="Is it still you?" onClose={onClose}>
      <form className="stack" onSubmit={prove} method="post">
        <p className="quiet">
          {why === 'change'
            ? 'You entered your password too long ago for this. Enter it once more; what you typed is not lost.'
            : 'Enter your password. Your next tokens will say when you did.'}
        </p>
        <input className="unseen" type="text" autoComplete="username" value={userId ?? ''} readOnly tabIndex={-1} aria-hidden="true" />
        <Field label="Password" error={failure && describe(failure)}>
          {(props) => (
            <PasswordInput field={props} name="password" value={password} onChange={setPassword} autoComplete="current-password" />
          )}
        </Field>
        <div className="actions">
          <Button look="primary" type="submit" busy={busy}>
            Confirm
          </Button>
          <Button onClick={onClose}>Cancel</Button>
        </div>
        <p className="quiet waiting" role="status">
          {busy ? 'Right after a refresh this takes up to three seconds, for the answer to that must not overtake.' : ''}
        </p>
      </form>
    </Dialog>
  );
}
