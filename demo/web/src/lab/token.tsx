// A refresh token as a picture. Its class is told by its shape and its label as well as by its colour.

import { thiefPath, youPath } from '../ui/icons';

export type TokenClass = 'current' | 'pending' | 'previous' | 'stale';

interface TokenProps {
  x: number;
  y: number;
  kind: TokenClass;
  generation: number | string;
  r?: number;
}

/** Current is a full disc with a rim, pending a ring that is not closed yet, previous a square, stale a tilted one. */
export function Token({ x, y, kind, generation, r = 20 }: TokenProps) {
  return (
    <g className={`token ${kind}`} transform={`translate(${x} ${y})`}>
      {kind === 'current' && (
        <>
          <circle className="rim" r={r + 3.5} />
          <circle className="body" r={r - 1} />
        </>
      )}
      {kind === 'pending' && <circle className="body" r={r} />}
      {kind === 'previous' && <rect className="body" x={-r + 2} y={-r + 2} width={2 * r - 4} height={2 * r - 4} rx="3" />}
      {kind === 'stale' && <rect className="body" x={-r + 4} y={-r + 4} width={2 * r - 8} height={2 * r - 8} rx="2" transform="rotate(45)" />}
      <text className="generation" textAnchor="middle" dominantBaseline="central" dy="0.5">
        {generation}
      </text>
    </g>
  );
}

interface HolderProps {
  x: number;
  y: number;
  name: string;
  /** Where x is. */
  anchor?: 'start' | 'middle';
}

export const isThief = (name: string): boolean => name.startsWith('thief');

const textWidth = (text: string): number => text.length * 6.6;
const holderWidth = (name: string): number => 34 + textWidth(name);
const holderHeight = 22;

/** Somebody who holds a token, as a flag; y is its middle. */
export function Holder({ x, y, name, anchor = 'middle' }: HolderProps) {
  const width = holderWidth(name);
  const left = anchor === 'middle' ? x - width / 2 : x;
  return (
    <g className={`holder ${isThief(name) ? 'thief' : name === 'you' ? 'you' : 'other'}`} transform={`translate(${left} ${y})`}>
      <rect y={-holderHeight / 2} width={width} height={holderHeight} rx="4" />
      <path d={isThief(name) ? thiefPath : youPath} transform="translate(6 -7) scale(0.875)" fillRule="evenodd" />
      <text x="25" dominantBaseline="central" dy="0.5">
        {name}
      </text>
    </g>
  );
}

interface ArrowProps {
  from: number;
  to: number;
  y: number;
  /** How far the line rises above y, or sinks below it. */
  bend?: number;
  kind: 'minted' | 'handed_out' | 'confirmed' | 'theft';
}

/** From one token to another, in one row. */
export function Arrow({ from, to, y, bend = 0, kind }: ArrowProps) {
  const middle = (from + to) / 2;
  // The tangent at the end of a quadratic curve points from its control point, which is twice as high as the curve.
  const angle = (Math.atan2(bend * 2, to - middle) * 180) / Math.PI;
  return (
    <g className={`edge ${kind}`}>
      <path className="line" d={`M${from} ${y}Q${middle} ${y - bend * 2} ${to} ${y}`} />
      <path className="tip" d="M-9 -4.5L0 0L-9 4.5z" transform={`translate(${to} ${y}) rotate(${angle})`} />
    </g>
  );
}
