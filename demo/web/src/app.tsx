import { useEffect, useRef, useState } from 'react';
import { sessionState } from './api/client';
import { reach, type Reach } from './api/reach';
import { type Resource, useResource } from './api/resource';
import type { Me, Setup } from './api/types';
import { Account } from './pages/account';
import { Devices } from './pages/devices';
import { Endings } from './pages/endings';
import { Lab } from './pages/lab';
import { Login } from './pages/login';
import { leave } from './pages/leaving';
import { Link, navigate, usePath } from './router';
import { useStore } from './store';
import { ErrorBoundary } from './ui/boundary';
import { Brand, You } from './ui/icons';
import { Button, Page, Skeleton } from './ui/parts';

const pages = [
  { path: '/account', name: 'Account' },
  { path: '/devices', name: 'Devices' },
  { path: '/endings', name: 'Endings' },
  { path: '/lab', name: 'Lab' },
];

export function App() {
  const path = usePath();
  const { exists } = useStore(sessionState);
  const setup = useResource<Setup>('/api/demo');
  const me = useResource<Me>(exists ? '/api/me' : null);
  const setupNow = setup.answer?.body;

  useEffect(() => {
    if (exists && (path === '/' || path === '/register')) navigate('/account', { replace: true });
  }, [exists, path]);

  // A page that was in the background may belong to a session that has ended, or to another user by now.
  const { reload } = me;
  useEffect(() => {
    const look = () => document.visibilityState === 'visible' && sessionState.get().exists && reload();
    document.addEventListener('visibilitychange', look);
    return () => document.removeEventListener('visibilitychange', look);
  }, [reload]);

  // The lab shows how a session has ended until one goes on.
  const [watched, setWatched] = useState(false);
  const [round, setRound] = useState(0);
  const inLab = path === '/lab' && setupNow?.lab !== false && (exists || watched);
  useEffect(() => setWatched(inLab), [inLab]);

  // Another session in this browser is another beginning. That the first one is told of is none.
  const who = exists ? me.answer?.body : undefined;
  const [owner, setOwner] = useState<{ handle: string | undefined; turn: number }>({ handle: undefined, turn: 0 });
  if (who?.handle !== owner.handle) setOwner({ handle: who?.handle, turn: owner.turn + Number(!!who && !!owner.handle) });
  const shown = inLab ? 'lab' : exists ? path : path === '/register' ? 'register' : 'login';
  useFocusOn(shown);

  return (
    <div className="shell">
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <header className="top">
        <Link to="/" className="brand">
          <Brand />
          <span>Watchword</span>
        </Link>
        {exists && (
          <nav aria-label="Pages">
            {pages
              .filter((page) => page.path !== '/lab' || setupNow?.lab !== false)
              .map((page) => (
                <Link
                  key={page.path}
                  to={page.path}
                  className={page.path === '/lab' && !setupNow ? 'awaited' : undefined}
                  aria-current={page.path === path ? 'page' : undefined}
                >
                  {page.name}
                </Link>
              ))}
          </nav>
        )}
        {exists && <Leave userId={who?.userId} />}
      </header>
      <Weather />
      <main id="main" tabIndex={-1}>
        <ErrorBoundary of={shown}>
          {inLab ? (
            <Lab
              key={round}
              setup={setupNow}
              onLeave={() => {
                setWatched(false);
                setRound(round + 1);
              }}
            />
          ) : !exists ? (
            <Login setup={setupNow} path={path} />
          ) : (
            <Known key={owner.turn} path={path} setup={setupNow} me={me} />
          )}
        </ErrorBoundary>
      </main>
      <Foot setup={setupNow} />
    </div>
  );
}

function Known({ path, setup, me }: { path: string; setup: Setup | undefined; me: Resource<Me> }) {
  switch (path) {
    case '/':
    case '/register':
    case '/account':
      return <Account setup={setup} me={me} />;
    case '/devices':
      return <Devices />;
    case '/endings':
      return <Endings />;
    default:
      return (
        <Page title="No such page" lead="There is nothing at this address.">
          <p>
            <Link to="/account">Go to your account</Link>
          </p>
        </Page>
      );
  }
}

function Leave({ userId }: { userId: string | undefined }) {
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState('');

  async function logOut() {
    setBusy(true);
    setFailed('');
    const why = await leave();
    setBusy(false);
    if (why) setFailed(why);
    else navigate('/');
  }

  return (
    <div className="who">
      <span className="user" title={userId}>
        <You />
        {userId ? <span className="user-name">{userId}</span> : <Skeleton className="name" />}
      </span>
      <Button look="quiet" busy={busy} onClick={logOut}>
        Log out
      </Button>
      {failed && (
        <p className="who-failed" role="alert">
          {failed}
        </p>
      )}
    </div>
  );
}

const weather: Record<Exclude<Reach, 'ok'>, { title: string; text: string }> = {
  offline: { title: 'You are offline.', text: 'What you typed stays. The page goes on by itself when the network is back.' },
  unreachable: { title: 'The service does not answer.', text: 'The page keeps asking, and goes on by itself when it is back.' },
  unavailable: {
    title: 'The service cannot reach its database.',
    text: 'You stay logged in: access tokens are verified without it. What needs it waits, and goes on by itself.',
  },
};

/** Says that the service is away, and that it is back. It lies over the page, so that nothing moves. */
function Weather() {
  const { state, recoveries } = useStore(reach);
  const [back, setBack] = useState(false);
  const known = useRef(recoveries);
  useEffect(() => {
    if (recoveries === known.current) return;
    known.current = recoveries;
    setBack(true);
    const timer = setTimeout(() => setBack(false), 4000);
    return () => clearTimeout(timer);
  }, [recoveries]);

  return (
    <div className="weather" role="status">
      {state !== 'ok' ? (
        <p key={state} className="bad">
          <span className="beacon" aria-hidden="true" /> <strong>{weather[state].title}</strong> {weather[state].text}
        </p>
      ) : (
        back && (
          <p key="back" className="good">
            <strong>The service is back.</strong> Nothing was lost.
          </p>
        )
      )}
    </div>
  );
}

function Foot({ setup }: { setup: Setup | undefined }) {
  return (
    <footer className="foot">
      {setup ? (
        <p>
          Sessions in {setup.store === 'mysql' ? 'MySQL' : 'memory'} · grace {setup.graceMs / 1000} s · revocation {setup.revocation} ·
          anti-CSRF {setup.antiCsrf}
        </p>
      ) : (
        <Skeleton />
      )}
    </footer>
  );
}

/** Gives the focus to the heading of a page that was gone to, but not to that of the first one. */
function useFocusOn(shown: string): void {
  const before = useRef(shown);
  useEffect(() => {
    if (before.current === shown) return;
    before.current = shown;
    document.querySelector<HTMLElement>('main [data-focus]')?.focus({ preventScroll: true });
  }, [shown]);
}

