package sessionsim

import (
	"time"

	"github.com/watchword-dev/watchword/session"
)

// fate is what becomes of one store call.
type fate int

const (
	fateDone    fate = iota
	fateRefused      // it was not carried out
	fateUnheard      // it was, but the answer was lost
	fateDelayed      // the answer was lost, and it is carried out later than the caller thinks
)

func (t *store) fate() fate {
	s := t.sim
	switch {
	case s.storeDown:
		return fateRefused
	case !s.chance(s.Faults):
		return fateDone
	}
	return fateRefused + fate(s.rng.IntN(3))
}

// read carries out a call that changes nothing, unless its fate is another.
func (t *store) read(what string, do func()) error {
	begun, since := t.sim.clock(), t.sim.now
	if !t.sim.pause(what) {
		return errCrashed
	}
	if t.tooLate(since) {
		return session.ErrUnavailable
	}
	return t.readAtOnce(what, func() { t.sim.within(begun, do) })
}

// readAtOnce is read for callers that may not be suspended.
func (t *store) readAtOnce(what string, do func()) error {
	if t.cut() || t.fate() != fateDone {
		t.sim.tracef("  store: %s fails", what)
		return session.ErrUnavailable
	}
	do()
	return nil
}

// cut reports whether the store has crashed while it was being called.
func (t *store) cut() bool {
	r := t.sim.running
	if r == nil || !r.cut {
		return false
	}
	r.cut = false
	return true
}

// tooLate reports whether the context of a call has ended meanwhile, because its process stood still: the Manager bounds each
// by StoreTimeout, and the whole of a refresh.
func (t *store) tooLate(since time.Duration) bool {
	s, r := t.sim, t.sim.running
	return s.now-since > session.DefaultStoreTimeout || r != nil && r.bound > 0 && s.now > r.bound
}

// change carries out one changing call, according to its fate. do reports whether it has changed anything.
func (t *store) change(what string, do func() bool) error {
	s := t.sim
	begun, since := s.clock(), s.now
	carryOut := func() (changed bool) {
		s.within(begun, func() { changed = do() })
		s.tracef("  store: process %d: %s: %t", t.process.name, what, changed)
		return changed
	}
	if r := s.running; r != nil {
		r.flight = carryOut
	}
	alive := s.pause(what)
	if r := s.running; r != nil {
		r.flight = nil
	}
	if !alive {
		return errCrashed
	}
	if t.cut() || t.tooLate(since) {
		return session.ErrUnavailable
	}
	changed := false
	switch t.fate() {
	case fateRefused:
		s.tracef("  store: %s fails", what)
		return session.ErrUnavailable
	case fateUnheard:
		carryOut()
		s.tracef("  store: the answer is lost")
		return session.ErrUnavailable
	case fateDelayed:
		s.tracef("  store: %s is delayed, and the answer lost", what)
		s.after(s.between(0, s.Latency), func() {
			if !s.storeDown {
				carryOut()
			}
		})
		return session.ErrUnavailable
	case fateDone:
		changed = carryOut()
	}
	if changed && s.chance(s.CrashAfterWrite) {
		return t.process.die()
	}
	return nil
}

// die crashes the process with which the running task, or the request that is being served, has just written to the store.
func (p *process) die() error {
	s := p.sim
	s.tracef("  the process is about to crash before it hears of that")
	s.report.CutOff++
	if s.running == nil {
		p.doomed = true
		return session.ErrUnavailable // nobody will hear what it makes of that
	}
	s.running.doomed = true
	s.pause("")
	return errCrashed
}

// within carries a statement out that began a while ago. Perhaps it bears the time of its beginning, as after waiting for a
// lock, and else that of now.
func (s *simulation) within(begun time.Time, do func()) {
	if s.chance(s.SlowStatements) {
		s.statement = begun
	}
	do()
	s.statement = time.Time{}
}

// crashStore ends the database server: of the calls that are under way some have been carried out, and none is answered.
// It comes back after a while, with everything that it has acknowledged.
func (s *simulation) crashStore() {
	until := s.now + s.between(s.StoreDown/20, s.StoreDown)
	s.tracef("the store crashes, until %v", until)
	s.report.StoreCrashes++
	for _, p := range s.processes {
		p.troubled(until + s.feedInterval() + 4*s.StoreLatency)
		for _, t := range p.tasks {
			if t.call == "" {
				continue
			}
			if t.cut = true; t.flight != nil && s.chance(0.5) {
				t.flight()
			}
		}
	}
	if recovers, ok := s.store.(interface{ Recover() }); ok {
		recovers.Recover()
	}
	s.storeDown = true
	s.after(until-s.now, func() {
		s.storeDown = false
		s.tracef("the store is back")
		s.mishap(s.StoreCrashEvery, s.crashStore)
	})
}
