package histories_test

import "github.com/watchword-dev/watchword/session"

// refresh is the exchange of a refresh token. The numbers are those of the protocol's cases.
func (r rules) refresh(s state, o *operation) ([]state, string) {
	switch o.Class {
	case ended:
		switch {
		case s.life != over:
			return nil, falseEnd
		case o.EndedFor != "" && o.EndedFor != s.reason:
			return nil, wrongReason
		}
		return []state{s}, ""
	case theft:
		return r.foundTheft(s, o)
	case done:
	case tryRefresh:
		return nil, brokenLineage // nothing in these histories makes a successor that cannot be made again
	case conflict, unknown, failed:
		return nil, unexpectedAnswer
	}
	switch {
	case s.life == over:
		return nil, afterEnd
	case o.Token == s.pending: // 1, then 2a
		if o.Next != o.Token {
			return nil, forked
		}
		return []state{s.confirm(o)}, ""
	case o.Token == s.current:
		return r.refreshedCurrent(s, o)
	case o.Token == s.previous && r.mayBeWithin(o, s.fresh, 1): // 3
		switch {
		case s.pending == noMark && o.Next == s.current:
			return []state{s}, ""
		case s.pending == noMark, !s.offers(o.Next):
			return nil, forked
		}
		return []state{s.handOut(o)}, ""
	default: // 4
		return nil, missedTheft
	}
}

// refreshedCurrent is case 2.
func (r rules) refreshedCurrent(s state, o *operation) ([]state, string) {
	if o.Next == o.Token {
		inFlight := s.pending != noMark && r.mayBeWithin(o, r.handed(s, o), 1) && r.mayBePast(o, s.mintedAt, 5)
		if !r.mayBeWithin(o, s.fresh, 1) && !inFlight { // 2a; and where a successor is too old to be handed out, too fresh to be replaced
			return nil, wrongTime
		}
		return []state{s}, ""
	}
	if !r.mayBePast(o, s.fresh, 1) {
		return nil, wrongTime
	}
	again := s.pending != noMark && s.offers(o.Next) // 2b
	anew := s.unknownTo(o.Next)                      // 2c
	switch {
	case again && s.pending == unseen && r.mayBePast(o, s.handedAt, 1): // either
		from := s.mintedAt.from
		s = s.mint(o)
		s.mintedAt.from = from
		return []state{s}, ""
	case again:
		if !r.mayBeWithin(o, r.handed(s, o), 1) || !r.mayBeWithin(o, s.mintedAt, 5) {
			return nil, wrongTime
		}
		return []state{s.handOut(o)}, ""
	case !anew:
		return nil, forked
	case s.pending != noMark && !r.mayBePast(o, s.handedAt, 1):
		return nil, forked // while the other is in flight
	}
	return []state{s.mint(o)}, ""
}

// offers reports whether next can be the pending token, of which there is one.
func (s state) offers(next mark) bool {
	return s.pending == next || s.pending == unseen && s.unknownTo(next)
}

// unknownTo: no token of that mark was ever current or pending.
func (s state) unknownTo(m mark) bool { return !s.confirmed.has(m) && !s.offered.has(m) }

// mint makes a successor pending.
func (s state) mint(o *operation) state {
	s.pending, s.mintedAt = o.Next, o.span()
	s.offered = s.offered.with(o.Next)
	s.handedAt = o.span()
	s.handed++
	return s
}

// handOut hands the pending one out again.
func (s state) handOut(o *operation) state {
	s.pending = o.Next
	s.offered = s.offered.with(o.Next)
	s.handedAt = o.span()
	s.handed++
	return s
}

// stale reports whether the presented token may have been taken for theft.
func (r rules) stale(s state, m mark, o *operation) bool {
	switch m {
	case s.current, s.pending:
		return false
	case s.previous:
		return r.mayBePast(o, s.fresh, 1)
	default:
		return true
	}
}

// foundTheft is case 4, and the limit of hand-outs.
func (r rules) foundTheft(s state, o *operation) ([]state, string) {
	if s.life == over {
		if o.Call > s.endedAt.to {
			return nil, afterEnd // nobody looks at the tokens of a session that has ended
		}
		return []state{s}, "" // found before, told after another had ended it
	}
	shadow := o.TheftKind == string(session.TheftShadow) && o.Token == s.current && s.handed+r.countLurking(s) >= r.handOuts
	if !shadow && (o.TheftKind != string(session.TheftReuse) || !r.stale(s, o.Token, o)) {
		return nil, falseTheft
	}
	return []state{s.end(o, string(session.ReasonTheft))}, ""
}

// verify is the use of an access token. One that is good and confirmed asks nobody, so that only its refusal says
// something about the session: I4 looks at the rest.
func (r rules) verify(s state, o *operation) ([]state, string) {
	switch {
	case o.Class == ended:
		if s.life != over {
			return nil, falseEnd
		}
		return []state{s}, ""
	case o.Class == tryRefresh:
		// A revocation of all of a user's sessions may concern this one, or one that is older.
		if s.life == over || o.UserRevoked || o.Unconfirmed && r.stale(s, o.Token, o) {
			return []state{s}, ""
		}
		return nil, refusedGood
	case o.Class != done:
		return nil, unexpectedAnswer
	case s.life == alive && o.Unconfirmed && o.Token == s.pending:
		return []state{s.confirm(o)}, ""
	case o.Confirmed && !s.confirmed.has(o.Token): // a process remembers what it has confirmed
		return nil, falseConfirm
	}
	return []state{s}, ""
}
