import { useId } from 'react';
import { useWidth } from '../ui/measure';
import { duration } from '../words/time';
import { isThief } from './token';
import type { AccessToken, Lineage, SeenRequest } from './types';

const past = 45_000;
const future = 30_000;
const head = 30;
const lane = 56;
const foot = 26;

interface TimelineProps {
  lineage: Lineage | undefined;
  access: AccessToken[];
  requests: SeenRequest[];
  now: number;
}

/** The last seconds and the next: access tokens as bars, the grace as a band, requests as marks. */
export function Timeline({ lineage, access, requests, now }: TimelineProps) {
  const [frame, width] = useWidth<HTMLDivElement>(720);
  const hatch = useId();
  const clip = useId();
  const others = [...new Set([
    ...access.map(({ holder }) => holder), ...requests.map(({ client }) => client), ...(lineage?.nodes.flatMap(({ holders }) => holders) ?? []),
  ])]
    .filter((name) => name !== 'you')
    .slice(-2);
  const holders = ['you', ...(others.length > 0 ? others : ['nobody else'])];
  const height = head + lane * Math.max(2, holders.length) + foot;
  const x = (at: number): number => ((at - now + past) / (past + future)) * width;
  const clamp = (at: number): number => Math.min(Math.max(x(at), 0), width);
  const grace = lineage?.graceUntil && lineage.rotatedAt ? { from: clamp(lineage.rotatedAt), to: clamp(lineage.graceUntil) } : undefined;
  const left = lineage?.graceUntil ? lineage.graceUntil - now : 0;
  const bottom = height - foot;
  const step = width < 480 ? 30_000 : 15_000;
  const ticks: number[] = [];
  for (let at = -past; at <= future; at += step) ticks.push(at);

  return (
    <div className="timeline" ref={frame}>
      <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="img" aria-label={inWords(lineage, now)}>
        <defs>
          <pattern id={hatch} width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
            <path className="hatch" d="M0 0V8" />
          </pattern>
          <clipPath id={clip}>
            <rect width={width} height={height} />
          </clipPath>
        </defs>
        <g clipPath={`url(#${clip})`}>
          {ticks.map((at) => (
            <g key={at} className="axis">
              <path d={`M${x(now + at)} ${head - 6}V${bottom}`} />
              <text x={x(now + at)} y={height - 8} textAnchor={at === -past ? 'start' : at === future ? 'end' : 'middle'}>
                {at === 0 ? 'now' : `${at > 0 ? '+' : '−'}${Math.abs(at) / 1000} s`}
              </text>
            </g>
          ))}
          {grace && grace.to > grace.from && (
            <g className={left > 0 ? 'grace' : 'grace gone'}>
              <rect x={grace.from} y={head - 6} width={grace.to - grace.from} height={bottom - head + 6} />
              <rect x={grace.from} y={head - 6} width={grace.to - grace.from} height={bottom - head + 6} fill={`url(#${hatch})`} />
              <text x={Math.min(grace.from + 6, width - 96)} y={head - 12}>
                {left > 0 ? `grace, ${duration(left)} more` : 'grace'}
              </text>
            </g>
          )}
          {holders.map((name, i) => (
            <Lane
              key={name} name={name} y={head + i * lane} x={x} width={width} now={now}
              tokens={access.filter(({ holder }) => holder === name)}
              nodes={lineage?.nodes ?? []} requests={requests.filter(({ client, at }) => client === name && at > now - past)}
            />
          ))}
          <path className="now" d={`M${x(now)} ${head - 6}V${bottom}`} />
          {lineage?.ended && x(lineage.ended.at) > 0 && <path className="end" d={`M${x(lineage.ended.at)} ${head - 6}V${bottom}`} />}
        </g>
      </svg>
    </div>
  );
}

interface LaneProps {
  name: string;
  y: number;
  x: (at: number) => number;
  width: number;
  now: number;
  tokens: AccessToken[];
  nodes: Lineage['nodes'];
  requests: SeenRequest[];
}

function Lane({ name, y, x, width, now, tokens, nodes, requests }: LaneProps) {
  return (
    <g className={`lane ${isThief(name) ? 'thief' : name === 'you' ? 'you' : 'other'}`}>
      <path className="ground" d={`M0 ${y + lane - 13}H${width}`} />
      <text className="lane-name" x="2" y={y + 13}>
        {name}
      </text>
      {tokens.map((token, i) => {
        // A newer one takes its holder's place for the older.
        const until = Math.min(token.expiresAt, tokens[i + 1]?.issuedAt ?? Infinity);
        const from = Math.max(x(token.issuedAt), -4);
        const to = Math.min(x(until), width + 4);
        if (to <= 0 || from >= width || to <= from) return null;
        const generation = nodes.find(({ id }) => id === token.node)?.generation;
        const live = until > now;
        // Where there is room it is said of the time that is left, beside the line of now.
        const start = live && to - x(now) > 64 ? x(now) : Math.max(from, 0);
        const room = to - start - 12;
        const left = duration(token.expiresAt - now);
        const text = [live ? `access token ${generation ?? ''} · ${left}` : '', live ? `${generation ?? ''} · ${left}` : '', `${generation ?? ''}`]
          .find((words) => words !== '' && words.length * 7 < room);
        return (
          <g key={token.issuedAt} className={live ? 'access live' : 'access'}>
            <rect x={from} y={y + 18} width={to - from} height="18" rx="3" />
            {text && (
              <text x={start + 7} y={y + 27} dominantBaseline="central" dy="0.5">
                {text}
              </text>
            )}
          </g>
        );
      })}
      {requests.map((request) => (
        <g key={request.id} className="request" transform={`translate(${x(request.at)} ${y + lane - 13})`}>
          <title>{`${request.method} ${request.path}: ${request.lost ? 'lost' : `${request.status} ${request.verdict}`}`}</title>
          {request.lost ? (
            <circle className="lost" r="4" />
          ) : request.status >= 400 ? (
            <path className="refused" d="M-3.5 -3.5l7 7M3.5 -3.5l-7 7" />
          ) : request.path.endsWith('/refresh') ? (
            <path className="refresh" d="M0 -5L5 0L0 5L-5 0z" />
          ) : (
            <circle className="good" r="3" />
          )}
        </g>
      ))}
    </g>
  );
}

function inWords(lineage: Lineage | undefined, now: number): string {
  if (!lineage) return 'The timeline is being read.';
  const good = lineage.access.filter(({ expiresAt }) => expiresAt > now);
  const tokens = good.map(({ holder, expiresAt }) => `${holder}: an access token for ${duration(expiresAt - now)} more.`).join(' ');
  const grace = lineage.graceUntil && lineage.graceUntil > now ? ` Grace for ${duration(lineage.graceUntil - now)} more.` : '';
  return `Timeline. ${tokens || 'No access token is good.'}${grace}`;
}
