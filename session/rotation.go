package session

import (
	"crypto/subtle"
	"time"
)

// This file is the decision at the heart of refreshing: what a presented refresh token means, given the row and the
// store's clock. It does no I/O and has no clock of its own. docs/how-it-works.md explains each rule.

// maxPendingAge, in graces, is how long one successor is handed out again.
const maxPendingAge = 5

// action is what a refresh does once the presented token has been confirmed, where that was due.
type action uint8

const (
	actKeep    action = iota // answer with the presented token itself and a new access token; change nothing
	actHandOut               // hand out the same successor again
	actMint                  // mint a successor, which replaces pending
	actNewest                // the token crossed with its own confirmation: hand out the row's current
	actTheft                 // the token is in two hands
)

// decision is the verdict on one presented refresh token.
type decision struct {
	confirm bool // the token is pending and becomes current, in the same update as the action
	action  action
	counts  bool      // with actHandOut: no crossing explains it
	kind    TheftKind // with actTheft
}

// policy holds the two numbers that the decision depends on.
type policy struct {
	grace    time.Duration // NoGrace: strict
	handOuts int           // see Config.MaxHandOuts
}

func (p policy) strict() bool { return p.grace == NoGrace }

// within reports now ≤ since + n graces. In the strict mode nothing is.
func (p policy) within(now, since time.Time, n time.Duration) bool {
	return !p.strict() && !now.After(since.Add(n*p.grace))
}

// decide classifies the refresh token with mark h. The row is live and the token's MAC is good.
func (p policy) decide(row Row, h Mark, now time.Time) decision {
	switch {
	case !row.Pending.IsZero() && same(h, row.Pending):
		if p.strict() {
			return decision{confirm: true, action: actMint}
		}
		// Confirmed at this very moment, so it is brand-new.
		return decision{confirm: true, action: actKeep}
	case same(h, row.Current):
		return p.decideCurrent(row, now)
	case !row.Previous.IsZero() && same(h, row.Previous) && p.within(now, row.RotatedAt, 1):
		return decision{action: actNewest}
	default:
		return decision{action: actTheft, kind: TheftReuse}
	}
}

func (p policy) decideCurrent(row Row, now time.Time) decision {
	switch {
	case p.within(now, later(row.CurrentAt, row.RotatedAt), 1):
		return decision{action: actKeep}
	case row.Handed >= p.handOuts:
		return decision{action: actTheft, kind: TheftShadow}
	case row.Pending.IsZero():
		return decision{action: actMint}
	case !row.PendingAuthAt.IsZero() && p.within(now, row.HandedAt, 1):
		// The successor was given to a user who proved again who they are, and to nobody else.
		return decision{action: actKeep}
	case !p.within(now, row.HandedAt, 1):
		return decision{action: actMint}
	case p.within(now, row.PendingAt, maxPendingAge):
		return decision{action: actHandOut, counts: p.window(row, now) > p.window(row, row.HandedAt)}
	default:
		// Too old to be handed out again, and too fresh in flight to be replaced: an answer under way may still put it
		// into the jar, and would make the client a thief. A grace without hand-outs has to pass first.
		return decision{action: actKeep}
	}
}

// window says in which quarter grace of its life a moment falls for the row's pending. That is as long as a request and its
// answer take: hand-outs within one are a client's parallel requests, however many, and count as one.
func (p policy) window(row Row, moment time.Time) int64 {
	return int64(moment.Sub(row.PendingAt) / max(p.grace/4, 1))
}

// crossed reports whether an unconfirmed access token with mark rt, which could not confirm its refresh token, crossed
// with a confirmation by another request and is good all the same.
func (p policy) crossed(row Row, rt Mark, now time.Time) bool {
	return same(rt, row.Current) ||
		!row.Previous.IsZero() && same(rt, row.Previous) && p.within(now, row.RotatedAt, 1)
}

// same compares marks in constant time.
func same(a, b Mark) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
