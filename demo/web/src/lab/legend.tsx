import { Arrow, Token, type TokenClass } from './token';

const classes: { kind: TokenClass; name: string; text: string }[] = [
  { kind: 'current', name: 'Current', text: 'The newest token that is known to have arrived. Showing it gets a successor.' },
  { kind: 'pending', name: 'Pending', text: 'A successor that was sent and may be lost. It is handed out again until it is used.' },
  { kind: 'previous', name: 'Previous', text: 'Was current before. Honoured for the grace, for requests that have crossed.' },
  { kind: 'stale', name: 'Stale', text: 'Anything older. Nobody honest shows it: it gives a theft away.' },
];

export function Legend() {
  return (
    <section className="legend" aria-label="What the shapes mean">
      <dl>
        {classes.map(({ kind, name, text }) => (
          <div key={kind}>
            <dt>
              <svg width="34" height="34" viewBox="0 0 34 34" aria-hidden="true">
                <Token x={17} y={17} kind={kind} generation="" r={12} />
              </svg>
              {name}
            </dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
      <ul>
        <li>
          <svg width="54" height="22" viewBox="0 0 54 22" aria-hidden="true">
            <Arrow kind="minted" from={2} to={50} y={11} />
          </svg>
          made from it
        </li>
        <li>
          <svg width="54" height="22" viewBox="0 0 54 22" aria-hidden="true">
            <Arrow kind="handed_out" from={2} to={50} y={17} bend={12} />
          </svg>
          handed out again
        </li>
        <li>
          <svg width="54" height="22" viewBox="0 0 54 22" aria-hidden="true">
            <Arrow kind="confirmed" from={2} to={50} y={5} bend={-12} />
          </svg>
          known to have arrived
        </li>
        <li>
          <svg width="54" height="22" viewBox="0 0 54 22" aria-hidden="true" className="marks">
            <circle className="good" cx="7" cy="11" r="3" />
            <path className="refresh" d="M21 6l5 5l-5 5l-5 -5z" />
            <path className="refused" d="M31.5 7.5l7 7M38.5 7.5l-7 7" />
            <circle className="lost" cx="48" cy="11" r="4" />
          </svg>
          call, refresh, refused, lost
        </li>
      </ul>
    </section>
  );
}
