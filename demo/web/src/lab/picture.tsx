import { useId } from 'react';
import { useWidth } from '../ui/measure';
import { count, duration } from '../words/time';
import { Arrow, Holder, isThief, Token } from './token';
import type { Lineage, LineageEdge, LineageNode } from './types';

const height = 300;
const row = 132;
const branchRow = 252;
const radius = 22;
const columnAtMost = 176;
const columnAtLeast = 104;

interface PictureProps {
  lineage: Lineage | undefined;
  now: number;
}

/** The lineage: a column for each generation, and below it what was minted in its place and never arrived. */
export function Picture({ lineage, now }: PictureProps) {
  const [frame, width] = useWidth<HTMLDivElement>(720);
  const description = useId();
  const fits = Math.max(3, Math.floor(width / columnAtLeast));
  // The last column is the next token's or, where the session has ended, the end's; where it is narrow, a token needs it.
  const spare = fits > 3 || lineage?.ended ? 1 : 0;
  const columns = arrange(lineage?.nodes ?? []);
  const shown = columns.slice(-(fits - spare));
  const column = Math.min(columnAtMost, width / Math.max(shown.length + spare, Math.min(fits, 4)));
  const at = new Map<string, { x: number; y: number; r: number }>();
  shown.forEach(({ node, replaced }, i) => {
    const x = column * (i + 0.5);
    at.set(node.id, { x, y: row, r: radius });
    for (const other of replaced) at.set(other.id, { x, y: branchRow, r: 14 });
  });
  const earlier = columns.length - shown.length;
  const endX = column * (shown.length + 0.12);

  return (
    <div className="picture" ref={frame}>
      <svg className={lineage?.ended ? 'over' : ''} width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="img" aria-labelledby={description}>
        <title id={description}>{lineage ? inWords(lineage) : 'The lineage of this session’s refresh tokens is being read.'}</title>
        {earlier > 0 && (
          <text className="earlier" x="14" y="22">
            {count(earlier, 'generation')} before
          </text>
        )}
        {lineage && grouped(lineage.edges).map((group) => <Edge key={group.key} group={group} at={at} />)}
        {shown.map(({ node, replaced }) => (
          <Column key={node.id} node={node} replaced={replaced} at={at} now={now} />
        ))}
        {lineage && !lineage.ended && shown.length > 0 && column * (shown.length + 1) <= width && (
          <g className="ghost" transform={`translate(${column * (shown.length + 0.5)} ${row})`}>
            <circle r={radius} />
            <text y={radius + 24} textAnchor="middle">
              next
            </text>
          </g>
        )}
        {lineage?.ended && (
          <g className="end-mark">
            <path className="end" d={`M${endX} 40V${row + 96}`} />
            <text x={endX + 12} y={row - 8}>
              ended
            </text>
            <text className="end-reason" x={endX + 12} y={row + 12}>
              {lineage.ended.reason.replaceAll('_', ' ')}
            </text>
          </g>
        )}
      </svg>
    </div>
  );
}

interface Column {
  node: LineageNode;
  /** Successors that were replaced before they had arrived. */
  replaced: LineageNode[];
}

function arrange(nodes: LineageNode[]): Column[] {
  const byGeneration = new Map<number, LineageNode[]>();
  for (const node of nodes) byGeneration.set(node.generation, [...(byGeneration.get(node.generation) ?? []), node]);
  return [...byGeneration.entries()]
    .sort(([a], [b]) => a - b)
    .map(([, siblings]) => {
      // The one that has arrived, or else the newest.
      const sorted = siblings.toSorted((a, b) => Number(b.class !== 'stale' || b.confirmedAt !== null) - Number(a.class !== 'stale' || a.confirmedAt !== null) || b.mintedAt - a.mintedAt);
      return { node: sorted[0]!, replaced: sorted.slice(1, 2) };
    });
}

function Column({ node, replaced, at, now }: Column & { at: Map<string, { x: number; y: number }>; now: number }) {
  const { x } = at.get(node.id)!;
  const holders = node.holders.slice(0, 3);
  const more = node.holders.length - holders.length;
  return (
    <g>
      {holders.map((name, i) => (
        <Holder key={name} x={x} y={row - radius - 26 - i * 27} name={name} />
      ))}
      {more > 0 && (
        <text className="caption" x={x} y={row - radius - 26 - 3 * 27} textAnchor="middle">
          and {more} more
        </text>
      )}
      <Token x={x} y={row} kind={node.class} generation={node.generation} r={radius} />
      <text className={`class ${node.class}`} x={x} y={row + radius + 26} textAnchor="middle">
        {node.class}
      </text>
      <text className="caption" x={x} y={row + radius + 45} textAnchor="middle">
        {ago(node, now)}
      </text>
      {node.handOuts > 1 && (
        <text className="caption" x={x} y={row + radius + 62} textAnchor="middle">
          handed out {node.handOuts}×
        </text>
      )}
      {replaced.map((other) => (
        <g key={other.id}>
          <Token x={x} y={branchRow} kind="stale" generation={other.generation} r={16} />
          <text className="caption" x={x} y={branchRow + 34} textAnchor="middle">
            {other.holders.length > 0 ? `${other.holders.join(', ')}: ` : ''}replaced
          </text>
        </g>
      ))}
    </g>
  );
}

function ago(node: LineageNode, now: number): string {
  const word = node.confirmedAt !== null ? 'arrived' : 'made';
  return `${word} ${duration(Math.max(0, now - (node.confirmedAt ?? node.mintedAt)))} ago`;
}

interface Group {
  key: string;
  from: string;
  to: string;
  kind: LineageEdge['kind'];
  by: string;
  times: number;
}

function grouped(edges: LineageEdge[]): Group[] {
  const groups = new Map<string, Group>();
  for (const { from, to, kind, by } of edges) {
    const key = `${from} ${to} ${kind} ${by}`;
    const group = groups.get(key) ?? { key, from, to, kind, by, times: 0 };
    group.times++;
    groups.set(key, group);
  }
  return [...groups.values()];
}

function Edge({ group, at }: { group: Group; at: Map<string, { x: number; y: number; r: number }> }) {
  const a = at.get(group.from);
  const b = at.get(group.to);
  if (!a || !b || a.x === b.x) return null;
  const thief = isThief(group.by);
  if (b.y !== row) return null; // it stands below the one that took its place
  const from = a.x + radius + 6;
  const to = b.x - radius - 7;
  const middle = (from + to) / 2;
  const dots = thief ? 'by-thief' : '';
  switch (group.kind) {
    case 'minted':
      return (
        <g className={dots}>
          <Arrow kind="minted" from={from} to={to} y={row} />
        </g>
      );
    case 'handed_out': {
      const bend = thief ? 42 : 24;
      return (
        <g className={dots}>
          <Arrow kind="handed_out" from={from - 4} to={to + 4} y={row - 12} bend={bend} />
          <text className="edge-label handed_out" x={middle} y={thief ? row - 60 : row - 16} textAnchor="middle">
            {to - from > 70 && 'again'} {group.times > 1 && `×${group.times}`}
          </text>
        </g>
      );
    }
    case 'confirmed':
      return (
        <g className={dots}>
          <Arrow kind="confirmed" from={from - 4} to={to + 4} y={row + 12} bend={-22} />
          <g transform={`translate(${middle} ${row + 34})`}>
            <circle className="seal" r="9" />
            <path className="seal-tick" d="M-4 0.5l3 3l5 -6" />
          </g>
        </g>
      );
  }
}

const article: Record<LineageNode['class'], string> = {
  current: 'is current: the newest that is known to have arrived',
  pending: 'is pending: sent, and not known to have arrived',
  previous: 'is previous: honoured until the grace is over',
  stale: 'is stale: whoever shows it gives a theft away',
};

/** The picture for those who do not see it. */
function inWords(lineage: Lineage): string {
  const lines = lineage.nodes.slice(-4).map((node) => {
    const held = node.holders.length > 0 ? `, held by ${node.holders.join(' and ')}` : '';
    return `Generation ${node.generation} ${article[node.class]}${held}.`;
  });
  return `${lineage.ended ? `The session has ended: ${lineage.ended.reason}. ` : ''}${lines.join(' ')}`;
}
