import { useEffect, useState } from 'react';
import { call } from '../api/client';
import { useResource } from '../api/resource';
import type { Device, Ending, Theft } from '../api/types';
import { Agent, Button, Notice, Page, Skeleton, When } from '../ui/parts';
import { describe } from '../words/failures';
import { explain } from '../words/reasons';
import { count, duration } from '../words/time';

interface Listed {
  endings: Ending[];
  next?: string;
}

export function Endings() {
  const first = useResource<Listed>('/api/endings?limit=20');
  const [further, setFurther] = useState<Listed>();
  const { answer, failure } = first;
  useEffect(() => setFurther(undefined), [answer]);
  const endings = answer && [...answer.body.endings, ...(further?.endings ?? [])];
  const next = further ? further.next : answer?.body.next;

  async function more() {
    const got = await call<Listed>('GET', `/api/endings?limit=20&before=${encodeURIComponent(next!)}`);
    if (got.ok) setFurther({ ...got.body, endings: [...(further?.endings ?? []), ...got.body.endings] });
  }

  return (
    <Page title="Why was I logged out?" lead="Every session’s end is kept with its reason. Nobody has to guess.">
      {endings ? (
        endings.length > 0 ? (
          <ul className="entries">
            {endings.map((ending) => (
              <Entry key={ending.handle} ending={ending} />
            ))}
          </ul>
        ) : (
          <p className="empty">None of your sessions has ended yet. Log out and in again, or end one under Devices, and it will be here.</p>
        )
      ) : failure ? (
        <Notice kind="bad">{describe(failure)}</Notice>
      ) : (
        <ul className="entries" aria-hidden="true">
          {[1, 2, 3].map((n) => (
            <li key={n} className="entry ending">
              <Skeleton lines={3} className="entry-when" />
              <Skeleton lines={3} className="entry-text" />
            </li>
          ))}
        </ul>
      )}
      {next && (
        <p className="actions">
          <Button onClick={more}>Show more</Button>
        </p>
      )}
    </Page>
  );
}

function Entry({ ending }: { ending: Ending }) {
  const { title, text, advice, alarming } = explain(ending.reason);
  return (
    <li className={alarming ? 'entry ending alarming' : 'entry ending'}>
      <div className="entry-when">
        <p>
          <When at={ending.endedAt} />
        </p>
        <p className="quiet">
          {ending.label.trim() && <>{ending.label} · </>}
          <Who device={ending} />
        </p>
        <p className="quiet">
          logged in <When at={ending.createdAt} />
        </p>
      </div>
      <div className="entry-text">
        <p className="entry-name">
          <strong>{title}</strong> <code className="reason">{ending.reason}</code>
        </p>
        <p>{text}</p>
        {ending.theft && <TheftFacts theft={ending.theft} />}
        {advice && <p>{advice}</p>}
      </div>
    </li>
  );
}

function Who({ device }: { device: Device }) {
  return (
    <>
      <Agent text={device.userAgent} />
      {device.address && ` at ${device.address}`}
    </>
  );
}

function TheftFacts({ theft }: { theft: Theft }) {
  return (
    <dl className="facts theft">
      <div>
        <dt>Given away by</dt>
        <dd>
          {theft.kind === 'reuse'
            ? `an old token, ${count(theft.generations, 'generation')} behind, ${duration(theft.millisecondsSinceRotation)} after the newer one had arrived`
            : 'successors of one token that were asked for again and again, and never used'}
        </dd>
      </div>
      <div>
        <dt>Presented by</dt>
        <dd>
          <Who device={theft.presenter} />
        </dd>
      </div>
      <div>
        <dt>Last refreshed by</dt>
        <dd>
          <Who device={theft.device} />
        </dd>
      </div>
    </dl>
  );
}
