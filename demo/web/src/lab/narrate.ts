// Says in plain words what has just happened, and why.

import { count, duration } from '../words/time';
import type { LabState } from './model';
import { isThief } from './token';
import type { Lineage, LineageNode, SeenRequest, SessionEvent, Switches } from './types';

export interface Told {
  /** What it is about: a newer sentence on the same topic takes this one's place. */
  topic: string;
  at: number;
  /** From 1, which is chatter, to 9, which is the end. */
  weight: number;
  text: string;
  why: string;
  tone: 'calm' | 'good' | 'watch' | 'bad';
}

const refreshPath = /\/session\/refresh$/;

const You = (client: string): string => (client === 'you' ? 'You' : client === 'other' ? 'Another client' : capital(client));
const were = (client: string): string => (client === 'you' ? 'were' : 'was');
const capital = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);

const nodeOf = (lineage: Lineage | undefined, kind: LineageNode['class']): LineageNode | undefined =>
  lineage?.nodes.findLast((node) => node.class === kind);

/** A name for a token: "generation 4". */
const named = (node: LineageNode | undefined, otherwise: string): string => (node ? `generation ${node.generation}` : otherwise);

function request(r: SeenRequest, state: LabState): Told | undefined {
  const who = You(r.client);
  const thief = isThief(r.client);
  switch (r.verdict) {
    case 'token_theft':
      return caught(r.client, r.at, state);
    case 'unauthorised':
      return {
        at: r.at, topic: `${r.client} refused`, weight: 5, tone: thief ? 'good' : 'bad',
        text: `${who} came back, and ${were(r.client)} told that the session has ended${r.reason === 'theft' ? ' by theft' : ''}.`,
        why: thief ? 'What was stolen is worth nothing any more.' : 'Both sides hear the reason, so that nobody wonders why they were logged out.',
      };
    case 'unavailable':
      return {
        at: r.at, topic: 'outage', weight: 2, tone: 'watch', text: `${who} asked while the database was away: “not now”, and no cookie was touched.`,
        why: 'An outage logs nobody out. The client waits a moment and asks again with the same token.',
      };
  }
  if (!refreshPath.test(r.path)) return used(r, state);
  if (r.lost) return lost(r, state);
  if (r.verdict === 'try_refresh') {
    return {
      at: r.at, topic: r.client, weight: 1, tone: 'watch', text: `${who} crossed with another refresh, and will ask again.`,
      why: 'Only the client’s newest token can sort that out.',
    };
  }
  return r.status === 200 ? refreshed(r, state) : undefined;
}

/** A refresh that was answered. What it did is told by what it asked of the store. */
function refreshed(r: SeenRequest, { lineage }: LabState): Told {
  const current = nodeOf(lineage, 'current');
  const pending = nodeOf(lineage, 'pending');
  const did = new Set(r.statements);
  const who = You(r.client);
  const thief = isThief(r.client);
  const base = { at: r.at, topic: r.client };

  if (did.has('Mint') && thief) {
    return {
      ...base, weight: 4, tone: 'bad', text: `${who} refreshed with the stolen token, and was handed ${named(pending, 'a successor')}.`,
      why: 'The two cannot be told apart yet: this could be another tab of yours. But there is one successor at a time, so one of the two is going to fall behind.',
    };
  }
  if (did.has('Mint')) {
    return {
      ...base, weight: 3, tone: 'calm', text: `${who} refreshed, and ${were(r.client)} sent ${named(pending, 'a successor')}.`,
      why: `It is pending: nobody knows yet that it has arrived. Until then ${named(current, 'the old one')} counts, too.`,
    };
  }
  if (did.has('HandOut')) {
    return {
      ...base, weight: 3, tone: thief ? 'bad' : 'good', text: `${who} asked again, and ${were(r.client)} handed the very same ${named(pending, 'successor')}.`,
      why: 'While a successor is pending it is handed out again, never a second one beside it. A lost answer or a second tab does no harm.',
    };
  }
  if (did.has('Confirm')) {
    return {
      ...base, weight: 3, tone: 'good', text: `${who} refreshed with ${named(current, 'the newest token')}: so that has arrived, and it is kept.`,
      why: 'To present a token shows that one holds it, as well as using its access token does. It is brand-new, so it is not replaced at once.',
    };
  }
  const crossed = lineage?.edges.find(({ kind, by, to, at }) => kind === 'handed_out' && by === r.client && to === current?.id && at >= r.at);
  if (crossed) {
    const shown = lineage?.nodes.find(({ id }) => id === crossed.from);
    return {
      ...base, weight: 4, tone: thief ? 'bad' : 'calm',
      text: `${who} showed ${named(shown, 'the previous token')}, ${thief ? 'was let in' : 'which had just been replaced'}, and ${were(r.client)} handed ${named(current, 'the newest one')}.`,
      why: `Within the grace it may be a request that has crossed with the confirmation.${thief ? ' Nobody is behind until the next rotation.' : ''} A moment later it would be theft.`,
    };
  }
  return {
    ...base, weight: 2, tone: thief ? 'bad' : 'calm', text: `${who} refreshed, and got a new access token. The refresh token is brand-new and stays.`,
    why: `Within the grace${lineage ? ` of ${duration(lineage.graceMs)}` : ''} tabs that refresh at the same moment are all right. Nothing was written.`,
  };
}

function lost(r: SeenRequest, { lineage }: LabState): Told {
  const pending = nodeOf(lineage, 'pending');
  return {
    at: r.at, topic: 'lost', weight: 3, tone: 'watch',
    text: `The answer to your refresh was lost on its way${pending ? `, and ${named(pending, '')} with it` : ''}.`,
    why: pending
      ? `The server cannot know that. So ${named(nodeOf(lineage, 'current'), 'the old token')} still counts, and asking again will bring the very same successor.`
      : 'It held a new access token only, since the refresh token is brand-new. Asking again brings another one.',
  };
}

/** Calls come in bursts, often with the refresh that they needed: they are told of together. */
function used(r: SeenRequest, state: LabState): Told | undefined {
  const recent = state.requests.filter(({ client, at }) => client === r.client && r.at - at < burst);
  const calls = recent.filter(({ path, status }) => !refreshPath.test(path) && status === 200);
  const first = calls[0];
  if (!first || r.status !== 200) return undefined;
  const expired = recent.some(({ path, at, status }) => refreshPath.test(path) && status === 200 && first.at - at >= 0 && first.at - at < inOne);
  const confirmed = calls.some(({ statements }) => statements.includes('Confirm'));
  const base = { at: r.at, topic: r.client };

  if (confirmed) return arrived(r, state, calls.length, expired);
  if (expired) {
    return {
      ...base, weight: 4, tone: 'calm', text: `${count(calls.length, 'call')} found the access token expired. One refresh did for all of them.`,
      why: 'The client refreshes once, however many calls wait for it. The refresh token is brand-new and stayed.',
    };
  }
  const same = calls.filter(({ path }) => path === r.path);
  if (same.length < 4) return undefined; // the page's own
  const asked = same.flatMap(({ statements }) => statements).length;
  return {
    ...base, weight: 2, tone: 'calm',
    text: `${You(r.client)} called the API ${same.length} times, and the database was asked ${asked === 0 ? 'nothing' : count(asked, 'time')}.`,
    why: 'An access token is verified by its signature. Sessions that have ended are known to the process already.',
  };
}

/** What belongs to one burst, and what to one action, in milliseconds. */
const burst = 1500;
const inOne = 500;

/** A call has shown that a token is in its holder's hands. */
function arrived(r: SeenRequest, { lineage }: LabState, calls: number, expired: boolean): Told {
  const current = nodeOf(lineage, 'current');
  const previous = nodeOf(lineage, 'previous');
  const token = named(current, 'the new refresh token');
  const base = { at: r.at, topic: r.client, weight: 4 };
  if (isThief(r.client)) {
    const both = current?.holders.includes('you');
    return {
      ...base, tone: 'bad',
      text: `${You(r.client)} ${expired ? `was handed ${token}, and used it at once` : `used what came with ${token}`}. So it has arrived, with the thief.`,
      why: both
        ? 'You hold it as well: nobody is behind yet. With the next rotation one of you will be.'
        : `You are behind now, with ${named(newest(lineage, 'you'), 'an older one')}. Come back after the grace, and it is you who shows an old token: the theft is found out all the same.`,
    };
  }
  const behind = lineage && thievesIn(lineage).filter((thief) => current && (newest(lineage, thief)?.generation ?? 0) < current.generation);
  return {
    ...base, tone: 'good',
    text: expired
      ? `${calls > 1 ? `${calls} calls` : `${You(r.client)} called, and`} found the access token expired. One refresh ${calls > 1 ? 'did for all of them' : 'was due'}, and using what it brought showed that ${token} has arrived.`
      : `${You(r.client)} used the access token that came with ${token}. So that has arrived, and is current now.`,
    why: behind?.length
      ? `${capital(behind[0]!)} holds an older one. It is honoured while requests may still cross${lineage ? `, for ${duration(lineage.graceMs)}` : ''}. Shown after that, it gives the thief away.`
      : `${capital(named(previous, 'the old one'))} is previous: honoured for the grace, for requests that have crossed. Shown after that, it gives away whoever shows it.`,
  };
}

function caught(client: string, at: number, state: LabState): Told {
  const thief = isThief(client);
  const current = nodeOf(state.lineage, 'current');
  return {
    at, topic: 'end', weight: 9, tone: thief ? 'good' : 'bad',
    text: thief
      ? `Caught: ${client} showed a token that had been replaced. The session has ended, for both of you.`
      : client === 'you'
        ? 'Your own token was the old one: the thief had used a newer one. The session has ended, for both of you.'
        : 'Somebody showed a token that had been replaced. The session has ended, for everybody who held it.',
    why: `${capital(named(current, 'its successor'))} is known to have arrived, so whoever shows an older one holds a copy. Which of two is the owner cannot be known: both have to log in again, and only one of them can.`,
  };
}

/** Why a session has ended: what has happened, and what that means. */
const ends: Record<string, [string, string]> = {
  revoked: ['The session was ended from elsewhere.', 'From now on no refresh succeeds, and within a second no access token does, in any process.'],
  revoked_by_user: ['You ended this session from another device.', 'From now on no refresh succeeds, and within a second no access token does.'],
  logout: ['You logged out.', 'The session has ended on the server, too: none of its tokens is good for anything.'],
  key_compromised: ['The keys of all refresh tokens were cut off.', 'As after a leak: everybody has to log in again.'],
  idle: ['The session ended, since nobody refreshed it for too long.', 'Its tokens are worth nothing any more.'],
  theft: ['The session ended because of a theft.', 'Its refresh token was in two hands.'],
};

function event(e: SessionEvent, state: LabState): Told | undefined {
  const base = { at: e.at, topic: 'end', weight: 8 };
  if (e.kind === 'theft') {
    if (e.theft?.kind === 'shadow') {
      return {
        ...base, weight: 9, tone: 'good', text: 'Caught: successors of one token were asked for again and again, and never used. The session has ended.',
        why: 'Only somebody who shadows the client needs so many. A client uses what it is given.',
      };
    }
    return state.story[0]?.topic === 'end' ? undefined : caught('', e.at, state);
  }
  if (e.kind === 'ended') {
    const [text, why] = ends[e.reason ?? ''] ?? [`The session has ended${e.reason ? `: ${e.reason}` : ''}.`, 'None of its tokens is good for anything any more.'];
    return state.story[0]?.topic === 'end' ? undefined : { ...base, tone: 'bad', text, why };
  }
  if (e.kind === 'key_rotated') {
    const access = e.purpose === 'access';
    return {
      at: e.at, topic: 'keys', weight: 4, tone: 'good', text: `A new key for ${access ? 'access' : 'refresh'} tokens was published. You stay logged in.`,
      why: 'It begins to sign when every process knows it, and the old one verifies for as long as there are tokens that it signed.',
    };
  }
  if (e.kind === 'reauthenticated') {
    return {
      at: e.at, topic: 'proof', weight: 4, tone: 'good', text: 'You proved again who you are, and were given a refresh token that is not made from the old one.',
      why: 'Whoever held a copy of that can neither make the new one nor be handed it.',
    };
  }
  return undefined;
}

function switches(now: Switches, { switches: before, ahead }: LabState): Told | undefined {
  const at = Date.now() + ahead;
  if (now.outageUntil !== null && before?.outageUntil == null) {
    return {
      at, topic: 'outage', weight: 6, tone: 'watch', text: 'The database is stopped.',
      why: 'Calls with a good access token still pass. What needs the database gets 503, and nobody is logged out.',
    };
  }
  if (now.outageUntil === null && before?.outageUntil != null) {
    return { at, topic: 'outage', weight: 6, tone: 'good', text: 'The database is back.', why: 'Everybody who was logged in still is.' };
  }
  if (now.loseNext && !before?.loseNext) {
    return {
      at, topic: 'lose', weight: 3, tone: 'watch', text: 'The answer to your next refresh is going to be lost.',
      why: 'It is made, and then the connection is cut. Refresh now, or wait until a call needs it.',
    };
  }
  const stolen = now.thieves.length > (before?.thieves.length ?? 0) ? now.thieves.at(-1) : undefined;
  return stolen && before ? copied(stolen.name, at) : undefined;
}

/** A thief has a copy now. */
function copied(name: string, at: number): Told {
  return {
    at, topic: `${name} copied`, weight: 6, tone: 'bad', text: `${capital(name)} holds a copy of your refresh token.`,
    why: 'Nobody can see that: the copy is as good as yours. But a refresh token is used for one exchange, so sooner or later one of you shows an old one.',
  };
}

/** The lineage alone tells of an end that no event tells of. */
function lineage(now: Lineage, state: LabState): Told | undefined {
  if (!now.ended || state.lineage?.ended) return undefined;
  return event({ kind: now.ended.reason === 'theft' ? 'theft' : 'ended', at: now.ended.at, reason: now.ended.reason }, { ...state, lineage: now });
}

export const narrate = { request, event, switches, lineage };

const thievesIn = ({ nodes }: Lineage): string[] => [...new Set(nodes.flatMap(({ holders }) => holders).filter(isThief))];

/** The newest token that somebody holds. */
function newest(lineage: Lineage | undefined, name: string): LineageNode | undefined {
  return lineage?.nodes.filter(({ holders }) => holders.includes(name)).sort((a, b) => b.generation - a.generation)[0];
}

/** What one could try next. */
export function hint({ lineage, switches }: LabState, now: number): string {
  if (!lineage) return '';
  if (lineage.ended) return 'Log in again to begin a new session.';
  if (switches?.outageUntil) return 'Call the API, then refresh: the one passes, the other is told to come back later.';
  if (switches?.loseNext) return 'Refresh now, and see what a lost answer does.';
  const current = nodeOf(lineage, 'current');
  const yours = newest(lineage, 'you');
  const thief = thievesIn(lineage).at(-1);
  const theirs = thief ? newest(lineage, thief) : undefined;
  const graceLeft = (lineage.graceUntil ?? 0) - now;
  const freshLeft = Math.max(current?.mintedAt ?? 0, lineage.rotatedAt ?? 0) + lineage.graceMs - now;

  if (yours?.class === 'pending') return 'Call the API: using the new access token shows that the new refresh token has arrived.';
  if (!current || !thief || !theirs) return 'Copy the refresh token to a thief, and see how it gives the theft away.';
  if (theirs.generation < current.generation) {
    return graceLeft > 0
      ? `The thief’s token is old, and honoured for ${duration(graceLeft)} more, as if it had crossed. Wait, then let the thief act.`
      : 'The thief’s token is old. Let the thief refresh, and it is caught.';
  }
  if (yours && yours.generation < current.generation) {
    return graceLeft > 0
      ? `The thief is ahead, and your old token is honoured for ${duration(graceLeft)} more. Wait, then refresh.`
      : 'The thief is ahead. Refresh now: you show the old token, and the theft is found out.';
  }
  if (freshLeft > 0) return `Both hold the same token. It is brand-new, so a refresh keeps it for ${duration(freshLeft)} more. Then refresh.`;
  return 'Both hold the same token. Refresh and call the API to get ahead of the thief, or let the thief act first.';
}
