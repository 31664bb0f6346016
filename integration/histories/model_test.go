package histories_test

import (
	"fmt"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// This file is the sequential specification of one session, written from the rotation protocol and from the contract of
// session.Store. Where the protocol goes by the clock, a step is refused if no moment within call and return, and no moment at
// which the steps before it can have been taken, allows it.

// life says whether a session is there.
type life uint8

const (
	absent life = iota
	alive
	over
)

// span is when something happened, as far as is known.
type span struct{ from, to int64 }

// state is a session as the model has it. It is comparable.
type state struct {
	life    life
	reason  string // over: why
	endedAt span

	current, pending, previous mark
	generation                 int
	fresh                      span // when current became current: at the creation, or by the last confirmation
	mintedAt                   span // of pending
	handedAt                   span // of pending, the last time
	handed                     int  // hand-outs of successors of current, at most
	confirmed                  set  // every token that was current
	offered                    set  // every token that was pending

	version uint64 // zero: not known
	value   int

	lurking set // the operations without an answer, by place, whose effect may be to come
}

// set is a set of marks, or of places of operations without an answer.
type set [8]uint64

func (s set) has(m mark) bool { return s[m/64]&(1<<(m%64)) != 0 }

func (s set) with(m mark) set {
	s[m/64] |= 1 << (m % 64)
	return s
}

// Why a step is refused.
const (
	absentSession    = "answered for a session that was never created"
	createdTwice     = "created twice"
	lostUpdate       = "lost update"            // a compare-and-set succeeded although another write lies between
	falseConflict    = "conflict without cause" // one was refused although nothing lies between
	staleRead        = "stale read"
	forked           = "forked successor"
	brokenLineage    = "refused because the newest token cannot be made"
	wrongTime        = "refreshed against the clock" // what was answered is right at another time
	falseTheft       = "false theft"
	missedTheft      = "missed theft"
	afterEnd         = "success after the end"
	resurrected      = "resurrected session"
	falseEnd         = "told ended while alive"
	wrongReason      = "wrong reason for the end"
	endedTwice       = "ended twice"
	notEnded         = "revocation of a live session that found none"
	wrongRow         = "row differs from what was answered"
	falseConfirm     = "confirmed what was not pending"
	refusedGood      = "good token refused"
	unexpectedAnswer = "unexpected answer"
)

// rules are the numbers of the protocol.
type rules struct {
	grace    int64
	slack    int64 // by how much the store's clock and the history's may differ in the length of what both measure
	handOuts int
	lurkers  []*operation // those of the session that got no answer
}

func newRules(grace time.Duration) rules {
	return rules{grace: int64(grace), slack: int64(25 * time.Millisecond), handOuts: session.DefaultMaxHandOuts}
}

// mayBeWithin: the operation may have found now ≤ since + n graces.
func (r rules) mayBeWithin(o *operation, since span, n int64) bool {
	return o.Call <= since.to+n*r.grace+r.slack
}

// mayBePast: it may have found now > since + n graces.
func (r rules) mayBePast(o *operation, since span, n int64) bool {
	return o.until+r.slack > since.from+n*r.grace
}

// answered returns the states that an operation with this answer leaves behind, or why there are none.
func (r rules) answered(s state, o *operation) ([]state, string) {
	switch {
	case o.Class == failed:
		return nil, unexpectedAnswer
	case o.Kind == create:
		return s.create(o)
	case o.Kind == readRow:
		return s.observe(o)
	case s.life == absent && o.Kind != revokeUser:
		return nil, absentSession
	}
	switch o.Kind {
	case refresh:
		return r.refresh(s, o)
	case verify:
		return r.verify(s, o)
	case readData, setData, updateData:
		return s.data(o)
	default:
		return s.revoke(o)
	}
}

func (s state) create(o *operation) ([]state, string) {
	if s.life != absent {
		return nil, createdTwice
	}
	return []state{{
		life: alive, current: o.Next, confirmed: set{}.with(o.Next), fresh: o.span(), value: o.Value,
	}}, ""
}

func (o *operation) span() span { return span{o.Call, o.until} }

// confirm makes pending current.
func (s state) confirm(o *operation) state {
	s.previous, s.current, s.pending = s.current, s.pending, noMark
	s.confirmed = s.confirmed.with(s.current)
	s.generation++
	s.fresh, s.mintedAt, s.handedAt, s.handed = o.span(), span{}, span{}, 0
	return s
}

// end ends the session. Nobody looks at its tokens and data any more, and nothing that is to come can have an effect on it.
func (s state) end(o *operation, reason string) state {
	return state{life: over, reason: reason, endedAt: o.span(), confirmed: s.confirmed}
}

// data is reading and writing what the application keeps.
func (s state) data(o *operation) ([]state, string) {
	switch {
	case o.Class == ended && s.life == over:
		return []state{s}, ""
	case o.Class == ended:
		return nil, falseEnd
	case s.life == over:
		return nil, afterEnd
	case o.Class == conflict && o.Kind == updateData:
		if s.version == o.Old {
			return nil, falseConflict
		}
		return []state{s}, ""
	case o.Class != done:
		return nil, unexpectedAnswer
	case o.Kind == readData:
		if o.Read != s.value || s.version != 0 && s.version != o.Version {
			return nil, staleRead
		}
		s.version = o.Version
		return []state{s}, ""
	case o.Kind == updateData && s.version != o.Old:
		return nil, lostUpdate
	}
	s.version, s.value = o.Version, o.Value
	return []state{s}, ""
}

// revoke is ending the session, or all of its user.
func (s state) revoke(o *operation) ([]state, string) {
	switch {
	case o.Class == done && o.Count > 0:
		switch {
		case s.life == alive:
			return []state{s.end(o, o.Reason)}, ""
		case o.Kind == revokeUser || o.Doubtful:
			// Those that a RevokeUser counts may be other sessions. And when its answers get lost, Revoke rather tells twice
			// than never.
			return []state{s}, ""
		}
		return nil, endedTwice
	case o.Class != done:
		return nil, unexpectedAnswer
	case s.life == alive:
		return nil, notEnded
	}
	return []state{s}, ""
}

// observe is what the table says at one moment.
func (s state) observe(o *operation) ([]state, string) {
	r := o.Row
	switch {
	case r.Missing || r.Dead && s.life != alive:
		if s.life == absent || r.Dead {
			return []state{s}, ""
		}
		return nil, wrongRow
	case r.Dead:
		return nil, falseEnd
	case s.life == absent:
		return nil, absentSession
	case r.Ended != "":
		if s.life != over {
			return nil, falseEnd
		}
		if r.Ended != s.reason {
			return nil, wrongReason
		}
		return []state{s}, ""
	case s.life == over:
		return nil, resurrected
	}
	if s.pending == unseen && r.Pending != noMark && !s.confirmed.has(r.Pending) && !s.offered.has(r.Pending) {
		s.pending = r.Pending
		s.offered = s.offered.with(r.Pending)
	}
	if r.Current != s.current || r.Pending != s.pending || r.Previous != s.previous || r.Generation != s.generation {
		return nil, wrongRow
	}
	if !r.HasData {
		return []state{s}, ""
	}
	if r.Value != s.value || s.version != 0 && r.Version != s.version {
		return nil, staleRead
	}
	s.version = r.Version
	return []state{s}, ""
}

func (s state) String() string {
	switch s.life {
	case absent:
		return "no session"
	case over:
		return "ended: " + s.reason
	default:
		return fmt.Sprintf("generation %d: current %s since %s, pending %s (handed out %s), previous %s, data %d version %x", s.generation,
			name(s.current), seconds(s.fresh.to), name(s.pending), seconds(s.handedAt.to), name(s.previous), s.value, s.version)
	}
}
