// What the server's stream tells. Times are milliseconds since 1970, by the store's clock.

import type { TokenClass } from './token';

export interface LineageNode {
  /** Stands for the token's mark; never the token. */
  id: string;
  generation: number;
  class: TokenClass;
  mintedAt: number;
  handedAt: number | null;
  handOuts: number;
  confirmedAt: number | null;
  holders: string[];
}

export interface LineageEdge {
  from: string;
  to: string;
  kind: 'minted' | 'handed_out' | 'confirmed';
  at: number;
  by: string;
}

export interface AccessToken {
  holder: string;
  node: string;
  issuedAt: number;
  expiresAt: number;
}

export interface Lineage {
  handle: string;
  graceMs: number;
  ended: { reason: string; at: number } | null;
  nodes: LineageNode[];
  edges: LineageEdge[];
  rotatedAt: number | null;
  graceUntil: number | null;
  access: AccessToken[];
}

export interface SeenRequest {
  id: number;
  at: number;
  client: string;
  method: string;
  path: string;
  /** 0: the answer was lost. */
  status: number;
  verdict: string;
  reason: string | null;
  statements: string[];
  ms: number;
  lost: boolean;
}

export interface SessionEvent {
  kind: string;
  at: number;
  reason: string | null;
  theft?: { kind: 'reuse' | 'shadow'; generations: number; presenter?: { userAgent: string } } | null;
  key?: string | null;
  purpose?: string | null;
}

export type Strategy = 'refresh' | 'use' | 'shadow' | 'wait';

/** How the lab's switches stand. */
export interface Switches {
  outageUntil: number | null;
  loseNext: boolean;
  thieves: { name: string; strategy: Strategy | null; active: boolean }[];
}

export interface Snapshot {
  lineage: Lineage;
  requests: SeenRequest[];
  events: SessionEvent[];
  state?: Switches;
  now: number;
}

export type Message =
  | { type: 'snapshot'; data: Snapshot }
  | { type: 'lineage'; data: Lineage }
  | { type: 'request'; data: SeenRequest }
  | { type: 'event'; data: SessionEvent }
  | { type: 'state'; data: Switches };
