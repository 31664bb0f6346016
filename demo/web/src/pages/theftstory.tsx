import { Arrow, Holder, Token } from '../lab/token';

/** What rotation does to a thief, in four small pictures. */
export function TheftStory() {
  return (
    <section className="story-figure" aria-labelledby="story-title">
      <h2 className="display" id="story-title">
        Yesterday’s watchword gets you arrested.
      </h2>
      <p className="lead">That is what an old refresh token does to a thief. In the lab behind this login you can watch it happen.</p>
      <ol>
        <li>
          <Strip>
            <Token x={40} y={56} kind="current" generation="3" />
            <Holder x={40} y={14} name="you" />
            <Arrow kind="minted" from={70} to={132} y={56} />
            <Token x={160} y={56} kind="pending" generation="4" />
          </Strip>
          <div>
            <h3>You refresh with token 3, and are sent token 4.</h3>
            <p>
              It is <em className="pending">pending</em>: the answer may be lost on its way. So 3 still counts, and whoever asks again gets
              the same 4.
            </p>
          </div>
        </li>
        <li>
          <Strip>
            <Token x={40} y={56} kind="previous" generation="3" />
            <Arrow kind="confirmed" from={68} to={130} y={56} />
            <path className="tick" d="M91 41l5 5l9 -10" />
            <Token x={160} y={56} kind="current" generation="4" />
            <Holder x={160} y={14} name="you" />
          </Strip>
          <div>
            <h3>You use what came with 4. So it has arrived.</h3>
            <p>
              Now 4 is <em className="current">current</em>, and 3 is <em className="previous">previous</em>: honoured for a short grace, for
              requests that have crossed, and then no more.
            </p>
          </div>
        </li>
        <li>
          <Strip>
            <Token x={40} y={56} kind="stale" generation="3" />
            <Holder x={40} y={14} name="thief" />
            <Arrow kind="theft" from={70} to={130} y={56} />
            <Token x={160} y={56} kind="current" generation="4" />
            <Holder x={160} y={14} name="you" />
          </Strip>
          <div>
            <h3>Somebody shows 3 again.</h3>
            <p>
              It is <em className="stale">stale</em>. You are known to hold a newer one, so this is a copy: two hands hold this session.
            </p>
          </div>
        </li>
        <li>
          <Strip>
            <path className="end" d="M100 4v86" />
            <Holder x={50} y={30} name="thief" />
            <Holder x={152} y={30} name="you" />
            <text className="code-text" x="50" y="64" textAnchor="middle">
              401
            </text>
            <text className="code-text" x="152" y="64" textAnchor="middle">
              401
            </text>
          </Strip>
          <div>
            <h3>The session ends for both, and both are told why.</h3>
            <p>You log in again. The thief cannot. Lost answers, many tabs and slow networks never look like this.</p>
          </div>
        </li>
      </ol>
    </section>
  );
}

function Strip({ children }: { children: React.ReactNode }) {
  return (
    <svg className="strip" viewBox="0 0 200 94" width="200" height="94" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}
