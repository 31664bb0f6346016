// What the lab knows of the session, from the server's stream and nothing else.

import { narrate, type Told } from './narrate';
import type { AccessToken, Lineage, Message, SeenRequest, SessionEvent, Switches } from './types';

export interface LabState {
  lineage: Lineage | undefined;
  /** Oldest first. */
  requests: SeenRequest[];
  switches: Switches | undefined;
  /** Those of the last minutes, by age; the lineage has only the newest of each holder. */
  access: AccessToken[];
  /** What has happened, newest first. */
  story: Told[];
  /** What the server's clock is ahead of this one. */
  ahead: number;
  connected: boolean;
}

export const nothing: LabState = { lineage: undefined, requests: [], access: [], switches: undefined, story: [], ahead: 0, connected: false };

const mostRequests = 50;
const mostAccess = 40;
const mostTold = 6;

export function learn(state: LabState, message: Message): LabState {
  switch (message.type) {
    case 'snapshot': {
      const { lineage, requests, events, now } = message.data;
      const known: LabState = { ...state, lineage, requests, access: remember(state.access, lineage), ahead: now - Date.now(), switches: message.data.state ?? state.switches };
      if (state.story.length > 0) return known; // the stream was opened again
      const last = events.findLast((event) => event.kind === 'theft' || event.kind === 'ended');
      return { ...known, story: last ? tell([], narrate.event(last, known)) : [] };
    }
    case 'lineage':
      return {
        ...state, lineage: asItStood(message.data, state.lineage), access: remember(state.access, message.data), story: tell(state.story, narrate.lineage(message.data, state)),
      };
    case 'request': {
      const request = message.data;
      if (state.requests.some(({ id }) => id === request.id)) return state;
      const next = { ...state, requests: [...state.requests, request].slice(-mostRequests) };
      return { ...next, story: tell(state.story, narrate.request(request, next)) };
    }
    case 'event':
      return { ...state, story: tell(state.story, narrate.event(message.data as SessionEvent, state)) };
    case 'state':
      return { ...state, switches: message.data, story: tell(state.story, narrate.switches(message.data, state)) };
  }
}

/** Nobody holds anything when a session has ended. What is shown then is who held what. */
function asItStood(lineage: Lineage, before: Lineage | undefined): Lineage {
  if (!lineage.ended || !before) return lineage;
  const held = new Map(before.nodes.map(({ id, holders }) => [id, holders]));
  return { ...lineage, nodes: lineage.nodes.map((node) => ({ ...node, holders: node.holders.length > 0 ? node.holders : (held.get(node.id) ?? []) })) };
}

function remember(access: AccessToken[], lineage: Lineage): AccessToken[] {
  const news = lineage.access.filter((token) => !access.some(({ holder, issuedAt }) => holder === token.holder && issuedAt === token.issuedAt));
  return news.length === 0 ? access : [...access, ...news].sort((a, b) => a.issuedAt - b.issuedAt).slice(-mostAccess);
}

/** Adds what is told. What belongs to the same burst takes the place of what was told of it so far. */
function tell(story: Told[], told: Told | undefined): Told[] {
  if (!told) return story;
  const [last, ...before] = story;
  if (!last) return [told];
  if (last.text === told.text) return [told, ...before];
  const soon = told.at - last.at < quiet;
  if (soon && told.weight < chatter && told.weight < last.weight) return story;
  if (soon && last.topic === told.topic && told.weight >= last.weight) return [told, ...before];
  // How a session has ended stays on top.
  const next = last.weight >= final && told.weight < last.weight ? [last, told, ...before] : [told, ...story];
  return next.slice(0, mostTold);
}

/** For how long, in milliseconds, something weightier is not talked over by chatter. */
const quiet = 1500;
const chatter = 2;
const final = 8;
