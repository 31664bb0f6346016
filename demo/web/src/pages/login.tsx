import { type FormEvent, useEffect, useRef, useState } from 'react';
import { call, type Failure, isAway, sessionState } from '../api/client';
import { useBack } from '../api/reach';
import type { Setup } from '../api/types';
import { Link, navigate } from '../router';
import { createStore, useStore } from '../store';
import { Check, Cross, Dot } from '../ui/icons';
import { Button, Field, Notice, PasswordInput, Slot, useNow } from '../ui/parts';
import { describe, type Weakness, weaknesses } from '../words/failures';
import { explain } from '../words/reasons';
import { duration } from '../words/time';
import { farewell } from './leaving';
import { TheftStory } from './theftstory';

/** What was typed: kept here, so that neither a failed answer nor a change of pages loses it. */
const typed = createStore({ userId: '', password: '', label: '' });

/** What is behind the login at a path. */
const behind: Record<string, string> = {
  '/account': 'your account',
  '/devices': 'your devices',
  '/endings': 'how your sessions ended',
  '/lab': 'the protocol lab',
};

export function Login({ setup, path }: { setup: Setup | undefined; path: string }) {
  const registering = path === '/register';
  return (
    <div className="page login">
      <title>{`${registering ? 'Register' : 'Log in'} · Watchword`}</title>
      <div className="login-form">
        <Farewell />
        <h1 tabIndex={-1} data-focus>
          {registering ? 'Register' : 'Log in'}
        </h1>
        <p className="lead">
          {registering ? (
            <>
              You have an account? <Link to="/">Log in</Link>
            </>
          ) : (
            <>
              {behind[path] ? `Then you will see ${behind[path]}. ` : ''}No account yet? <Link to="/register">Register</Link>
            </>
          )}
        </p>
        <LoginForm key={String(registering)} registering={registering} setup={setup} />
      </div>
      <TheftStory />
    </div>
  );
}

/** Why there is no session any more. */
function Farewell() {
  const { ended } = useStore(sessionState);
  const last = useStore(farewell);
  if (!ended) return null;
  if (last === 'everywhere') {
    return <Notice title="You logged out everywhere">All of your sessions have ended, on every device.</Notice>;
  }
  const { title, text, advice, alarming } = explain(ended.reason ?? last);
  return (
    <Notice kind={alarming ? 'bad' : 'info'} title={title}>
      <p>{text}</p>
      {advice && <p>{advice}</p>}
    </Notice>
  );
}

function LoginForm({ registering, setup }: { registering: boolean; setup: Setup | undefined }) {
  const { userId, password, label } = useStore(typed);
  const [failure, setFailure] = useState<Failure>();
  const [busy, setBusy] = useState(false);
  const [blockedUntil, setBlockedUntil] = useState(0);
  const form = useRef<HTMLFormElement>(null);
  const now = useNow(1000, blockedUntil > 0);
  const left = Math.max(0, blockedUntil - now);

  useBack(() => failure && isAway(failure) && setFailure(undefined));

  useEffect(() => {
    if (blockedUntil > 0 && left === 0) {
      setBlockedUntil(0);
      setFailure(undefined);
    }
  }, [blockedUntil, left]);

  function type(what: Partial<{ userId: string; password: string; label: string }>) {
    typed.set({ ...typed.get(), ...what });
    if (failure && failure.error !== 'too_many_attempts') setFailure(undefined);
  }

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (busy || left > 0) return;
    setBusy(true);
    const answer = await call('POST', registering ? '/api/register' : '/api/login', { json: { userId, password, label } });
    setBusy(false);
    if (answer.ok) {
      farewell.set(undefined);
      typed.set({ userId: '', password: '', label: '' });
      return;
    }
    setFailure(answer);
    if (answer.retryAfter && answer.error === 'too_many_attempts') setBlockedUntil(Date.now() + answer.retryAfter * 1000);
    const wrong = fieldOf(answer);
    if (wrong) form.current?.querySelector<HTMLInputElement>(`[name="${wrong}"]`)?.focus();
  }

  const field = failure && fieldOf(failure);
  const errorAt = (name: string) => (failure && field === name ? describe(failure) : undefined);
  const login = setup?.login;

  return (
    <form ref={form} className="stack" onSubmit={submit} method="post">
      {!registering && (
        <div className="demo-login">
          {login ? (
            <>
              <p>
                For a first look: user <code>{login.userId}</code>, password <code>{login.password}</code>
              </p>
              <Button
                onClick={() => {
                  type({ userId: login.userId, password: login.password });
                  form.current?.querySelector<HTMLButtonElement>('[type="submit"]')?.focus();
                }}
              >
                Fill in
              </Button>
            </>
          ) : (
            <p>{setup ? 'Register a user of your own: this demo has no ready-made one.' : ' '}</p>
          )}
        </div>
      )}
      <Field label="Name" error={errorAt('userId') && <NameTaken failure={failure!} registering={registering} />}>
        {(props) => (
          <input
            {...props} name="userId" value={userId} onChange={(event) => type({ userId: event.target.value })} required maxLength={128}
            autoComplete="username" autoCapitalize="none" spellCheck={false}
          />
        )}
      </Field>
      <Field
        label="Password"
        error={errorAt('password')}
        hint={registering && <Rules min={setup?.passwordMin ?? 15} password={password} failed={failure?.rule} />}
      >
        {(props) => (
          <PasswordInput
            field={props} name="password" value={password} onChange={(value) => type({ password: value })}
            autoComplete={registering ? 'new-password' : 'current-password'}
          />
        )}
      </Field>
      <Field label={<>Name of this device <span className="optional">if you like</span></>} error={errorAt('label')}>
        {(props) => (
          <input
            {...props} name="label" value={label} onChange={(event) => type({ label: event.target.value })} maxLength={64} autoComplete="off"
          />
        )}
      </Field>
      <div className="actions">
        <Button look="primary" type="submit" busy={busy || left > 0} className="wide">
          {registering ? 'Register' : 'Log in'}
          {left > 0 && <span className="countdown"> in {duration(left)}</span>}
        </Button>
      </div>
      <Slot>{failure && !field && <Notice kind="bad">{describe(failure)}</Notice>}</Slot>
    </form>
  );
}

/** The field that a refusal is about. */
function fieldOf({ error }: Failure): 'userId' | 'password' | 'label' | undefined {
  switch (error) {
    case 'user_exists':
    case 'invalid_user_id':
      return 'userId';
    case 'invalid_credentials':
    case 'wrong_password':
    case 'weak_password':
      return 'password';
    case 'invalid_label':
      return 'label';
    default:
      return undefined;
  }
}

function NameTaken({ failure, registering }: { failure: Failure; registering: boolean }) {
  return (
    <>
      {describe(failure)}{' '}
      {registering && failure.error === 'user_exists' && (
        <button type="button" className="link" onClick={() => navigate('/')}>
          Is it you? Log in instead
        </button>
      )}
    </>
  );
}

const maxPasswordBytes = 256;

/** What a password has to be like, and what this one lacks. */
export function Rules({ min, password, failed }: { min: number; password: string; failed: string | undefined }) {
  const length = [...password].length;
  const bytes = new TextEncoder().encode(password).length;
  const lacks = (rule: Weakness) =>
    failed === rule || (rule === 'too_short' && password !== '' && length < min) || (rule === 'too_long' && bytes > maxPasswordBytes);
  const known = (rule: Weakness) => rule === 'too_short' || rule === 'too_long';
  return (
    <ul className="rules">
      {(Object.keys(weaknesses) as Weakness[]).map((rule) => {
        const bad = lacks(rule);
        const good = !bad && password !== '' && known(rule);
        return (
          <li key={rule} className={bad ? 'bad' : good ? 'good' : ''}>
            {bad ? <Cross /> : good ? <Check /> : <Dot />}
            <span>
              {weaknesses[rule](min)}
              {bad && <span className="unseen">: this one is not so</span>}
            </span>
          </li>
        );
      })}
    </ul>
  );
}
