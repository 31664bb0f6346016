package sessionsim

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// ending is a call of the Manager that ends sessions.
type ending int

const (
	endOne    ending = iota // also a logout
	endUser                 // all of a user
	endOthers               // all of a user but one
	endAll                  // everybody's
)

// revocation is a call that ends sessions, with its repetitions until it succeeds.
type revocation struct {
	kind     ending
	user     string
	handle   session.Handle // the one that is ended, or kept
	reason   session.Reason
	targets  []*tracked
	by       *process // that made the call that succeeded
	life     int
	returned time.Duration
}

// revokeNow and then ends sessions, while requests and logins are under way.
func (s *simulation) revokeNowAndThen() {
	live := slices.DeleteFunc(slices.Clone(s.known), func(x *tracked) bool { return x.ended })
	if len(live) > 0 {
		x := live[s.rng.IntN(len(live))]
		r := &revocation{kind: pick(s.rng, endOne, endOne, endUser, endOthers, endAll), user: x.user, handle: x.handle}
		if s.OneByOne {
			r.kind = endOne
		}
		if r.reason = session.ReasonRevoked; s.chance(0.3) {
			r.reason = session.ReasonLogout
		}
		if s.chance(0.5) {
			for _, c := range s.clients {
				s.after(s.between(0, s.Latency), func() { c.refresh(func() { c.call(c.sendCall, 0) }) })
			}
		}
		if s.chance(0.5) {
			c := s.clients[s.rng.IntN(len(s.clients))]
			s.after(s.between(0, s.Latency), func() { c.signIn(func() {}) })
		}
		s.after(s.between(0, s.Latency), func() { s.revoke(r) })
	}
	s.mishap(s.RevokeEvery, s.revokeNowAndThen)
}

// names reports whether a revocation concerns a session.
func (r *revocation) names(x *tracked) bool {
	switch r.kind {
	case endOne:
		return x.handle == r.handle
	case endUser:
		return x.user == r.user
	case endOthers:
		return x.user == r.user && x.handle != r.handle
	default:
		return true
	}
}

// revoke makes the call, and again, in any process, until it succeeds: also if nothing was heard of it.
func (s *simulation) revoke(r *revocation) {
	p := s.processes[s.rng.IntN(len(s.processes))]
	again := func(d time.Duration) { s.after(d+s.between(0, time.Second), func() { s.revoke(r) }) }
	switch {
	case s.over || r.returned > 0:
		return
	case !p.up || s.now < p.stoppedUntil || p.reading || p.revoking:
		again(0)
		return
	}
	for _, x := range s.known {
		if x.ended && r.kind != endOne {
			continue // by another call, which is what answers for it, or by an earlier attempt
		}
		if r.names(x) && !slices.Contains(r.targets, x) {
			x.revoking = true
			r.targets = append(r.targets, x)
		}
	}
	targets := slices.Clone(r.targets) // of this attempt; the next one may find more
	s.tracef("process %d: %s", p.name, r)
	var err error
	p.revoking = true // its memory is brought up to date by a reading of the feed, and there is one at a time
	life, answered := p.life, false
	s.run(p, s.now+s.Latency, func() { err = r.call(p.manager) }, func() {
		answered = true
		p.revoking = false
		s.tracef("process %d: %s: %v", p.name, r, told{err})
		switch {
		case r.returned > 0:
		case errors.Is(err, session.ErrUnavailable):
			again(0)
		case err != nil:
			s.failed(err)
		default:
			r.by, r.life, r.returned = p, life, s.now
			s.report.Revocations++
			for _, x := range targets {
				if x.unfed && r.kind != endAll && r.kind != endOne {
					continue // a RevokeAll was faster; it is what answers for it, when it has returned
				}
				x.revoked = append(x.revoked, r)
			}
			if s.Revoke {
				s.stepsLeft = min(s.stepsLeft, 50)
			}
		}
	})
	s.after(4*s.Latency, func() {
		if !answered {
			again(0)
		}
	})
}

// call makes the call.
func (r *revocation) call(m *session.Manager) (err error) {
	opts := session.RevokeOptions{Reason: r.reason}
	switch r.kind {
	case endOne:
		_, err = m.Revoke(context.Background(), r.handle, opts)
	case endUser:
		_, err = m.RevokeUser(context.Background(), r.user, opts)
	case endOthers:
		_, err = m.RevokeOthers(context.Background(), r.user, r.handle, opts)
	case endAll:
		_, err = m.RevokeAll(context.Background(), opts)
	}
	return err
}

// String is how the trace tells of it.
func (r *revocation) String() string {
	return [...]string{"Revoke", "RevokeUser", "RevokeOthers", "RevokeAll"}[r.kind]
}
