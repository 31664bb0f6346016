package histories_test

import (
	"slices"

	"github.com/watchword-dev/watchword/session"
)

// An operation without an answer may have had its effect, may never have it, or may have it later, when a statement that
// waited in the server is carried out: up to the end of the history, or until the server was killed. For the search that would
// be an operation which can stand nearly everywhere, and some of them more orders than can be tried. So it is given a place
// between call and return, like any other, and from there on its effect lurks in the state: it may come up before any step.
// The states with and without it are carried along together, until an answer or a row tells. A write of data comes up once. The
// others are not counted: their conditions hold once at most, or it makes no difference, and so the states are few.

// lurks reports whether the effect of the operation at that place may be to come.
func (s state) lurks(i int) bool { return s.lurking[i/64]&(1<<(i%64)) != 0 }

func (s state) lurk(i int) state {
	s.lurking[i/64] |= 1 << (i % 64)
	return s
}

func (s state) still(i int) state {
	s.lurking[i/64] &^= 1 << (i % 64)
	return s
}

// step returns the states that the operation can leave behind, or why there are none.
func (r rules) step(s state, o *operation) ([]state, string) {
	var next []state
	why := ""
	for i, before := range r.surface(s, o) {
		if o.open() {
			if before.life != over {
				before = before.lurk(o.place)
			}
			next = append(next, before)
			continue
		}
		after, refused := r.answered(before, o)
		next = append(next, after...)
		if i == 0 {
			why = refused
		}
	}
	if len(next) > 0 {
		why = ""
	}
	for i := range next {
		next[i] = r.settle(next[i], o)
	}
	return next, why
}

// surface returns what can have become of a state before an operation: that itself, and whatever the lurking effects make of
// it, in any order.
func (r rules) surface(s state, o *operation) states {
	all := states{s}
	for next := (states{s}); len(next) > 0; {
		at := next[0]
		next = next[1:]
		if !slices.Contains(all, at) {
			continue // another has been found to cover it
		}
		for i, u := range r.lurkers {
			if !at.lurks(i) {
				continue
			}
			for _, after := range r.effects(at, u, min(u.until, o.until)) {
				if u.Kind == setData || u.Kind == updateData {
					after = after.still(i) // it can be seen, go, and be seen again otherwise
				}
				if more, added := all.with(after); added {
					all, next = more, append(next, after)
				}
			}
		}
	}
	return all
}

// settle forgets the effects that cannot come after an operation any more.
func (r rules) settle(s state, o *operation) state {
	for i, u := range r.lurkers {
		if !s.lurks(i) || u.until >= o.Call {
			continue
		}
		s = s.still(i)
		if u.Kind == refresh && s.pending != noMark {
			s.handedAt.to = max(s.handedAt.to, u.until)
		}
	}
	return s
}

// handed is when the pending token was last handed out, before an operation. A refresh without an answer may have done so, too,
// which is no more than an uncertainty.
func (r rules) handed(s state, o *operation) span {
	at := s.handedAt
	for i, u := range r.lurkers {
		if s.lurks(i) && u.Kind == refresh {
			at.to = max(at.to, min(u.until, o.until))
		}
	}
	return at
}

// countLurking is how many refreshes may yet have counted as hand-outs.
func (r rules) countLurking(s state) (n int) {
	for i, u := range r.lurkers {
		if s.lurks(i) && u.Kind == refresh {
			n++
		}
	}
	return n
}

// effects are the states that an operation without an answer makes of one, if it takes effect by then; none if it cannot.
func (r rules) effects(s state, u *operation, by int64) []state {
	if s.life != alive {
		return nil
	}
	effect := *u
	effect.until = by
	switch u.Kind {
	case setData:
		s.version, s.value = 0, u.Value
		return []state{s}
	case updateData:
		if s.version != u.Old {
			return nil
		}
		s.version, s.value = 0, u.Value
		return []state{s}
	case revoke, revokeUser:
		return []state{s.end(&effect, u.Reason)}
	case verify:
		if u.Token == s.pending {
			return []state{s.confirm(&effect)}
		}
		return nil
	case refresh:
		return r.refreshedUnheard(s, u, &effect)
	case create, readData, readRow:
	}
	return nil
}

// refreshedUnheard is what a refresh can have done whose answer nobody heard.
func (r rules) refreshedUnheard(s state, u, effect *operation) []state {
	decided := *u // what it decided, it decided while somebody waited
	decided.until = u.given
	switch {
	case u.Token == s.pending:
		return []state{s.confirm(effect)}
	case u.Token == s.current:
		var next []state
		if r.mayBePast(&decided, s.fresh, 1) && (s.pending == noMark || r.mayBePast(&decided, s.handedAt, 1)) {
			minted := s
			// It is not counted as a hand-out here: countLurking has done so.
			minted.pending, minted.mintedAt, minted.handedAt = unseen, effect.span(), effect.span()
			next = append(next, minted)
		}
		if s.handed+r.countLurking(s) >= r.handOuts {
			next = append(next, s.end(effect, string(session.ReasonTheft)))
		}
		return next
	case r.stale(s, u.Token, &decided):
		return []state{s.end(effect, string(session.ReasonTheft))}
	}
	return nil
}
