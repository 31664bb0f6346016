package sessionsim

import (
	"context"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// store suspends the running task before each call, loses calls and answers, and shows every change to the lineage.
type store struct {
	session.Store
	sim *simulation
}

// fate is what becomes of one store call.
type fate int

const (
	fateDone    fate = iota
	fateRefused      // it was not carried out
	fateUnheard      // it was, but the answer was lost
	fateDelayed      // the answer was lost, and it is carried out later than the caller thinks
)

func (s *simulation) fate() fate {
	if !s.chance(s.Faults) {
		return fateDone
	}
	return fateRefused + fate(s.rng.IntN(3))
}

// Get implements session.Store.
func (t *store) Get(ctx context.Context, h session.Handle) (session.Row, time.Time, error) {
	if !t.sim.pause() {
		return session.Row{}, time.Time{}, errCrashed
	}
	if t.sim.fate() != fateDone {
		t.sim.tracef("  store: get fails")
		return session.Row{}, time.Time{}, session.ErrUnavailable
	}
	row, now, err := t.Store.Get(ctx, h)
	t.sim.tracef("  store: get: current %s pending %s previous %s handed %d",
		t.sim.lineage.name(row.Current), t.sim.lineage.name(row.Pending), t.sim.lineage.name(row.Previous), row.Handed)
	return row, now, err
}

// change carries out one changing call, according to its fate. good says what a row is like that f has changed.
func (t *store) change(what string, f func() (bool, error), good func(session.Row) bool) (bool, error) {
	s := t.sim
	if !s.pause() {
		return false, errCrashed
	}
	do := func() (bool, error) {
		ok, err := f()
		s.tracef("  store: %s: %t", what, ok)
		if ok {
			s.observe(what, good)
		}
		return ok, err
	}
	switch s.fate() {
	case fateRefused:
		s.tracef("  store: %s fails", what)
		return false, session.ErrUnavailable
	case fateUnheard:
		_, _ = do()
		s.tracef("  store: the answer is lost")
		return false, session.ErrUnavailable
	case fateDelayed:
		s.tracef("  store: %s is delayed, and the answer lost", what)
		s.after(s.between(0, s.Latency), func() { _, _ = do() })
		return false, session.ErrUnavailable
	case fateDone:
	}
	return do()
}

// Confirm implements session.Store.
func (t *store) Confirm(_ context.Context, h session.Handle, pending session.Mark, next *session.Successor, renewal session.Renewal) (bool, error) {
	s := t.sim
	if s.running == nil && s.NoConfirmOnUse {
		return false, session.ErrUnavailable
	}
	return t.change("confirm", func() (bool, error) {
		ok, err := t.Store.Confirm(context.Background(), h, pending, next, renewal)
		if ok && next != nil {
			s.lineage.minted(pending, next.Mark)
		}
		return ok, err
	}, func(r session.Row) bool { return r.Current == pending })
}

// HandOut implements session.Store.
func (t *store) HandOut(_ context.Context, h session.Handle, current, pending session.Mark, counts bool, renewal session.Renewal) (bool, error) {
	return t.change("hand out", func() (bool, error) {
		ok, err := t.Store.HandOut(context.Background(), h, current, pending, counts, renewal)
		if ok {
			t.sim.report.HandOuts++
		}
		return ok, err
	}, func(r session.Row) bool { return r.Current == current && r.Pending == pending })
}

// Mint implements session.Store.
func (t *store) Mint(_ context.Context, h session.Handle, current, pending session.Mark, handedAt time.Time, next session.Successor, renewal session.Renewal) (bool, error) {
	return t.change("mint", func() (bool, error) {
		ok, err := t.Store.Mint(context.Background(), h, current, pending, handedAt, next, renewal)
		if ok {
			t.sim.report.Minted++
			t.sim.lineage.minted(current, next.Mark)
			if pending.IsZero() {
				t.sim.outage()
			}
		}
		return ok, err
	}, func(r session.Row) bool { return r.Current == current && r.Pending == next.Mark })
}

// End implements session.Store.
func (t *store) End(_ context.Context, h session.Handle, end session.End) (bool, error) {
	return t.change("end", func() (bool, error) {
		ok, err := t.Store.End(context.Background(), h, end)
		t.sim.deleted = t.sim.deleted || ok
		return ok, err
	}, func(session.Row) bool { return false })
}
