package sessionsim

import (
	"context"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// store is the store as one process sees it. It suspends the running task before each call, loses calls and answers (see
// change and read), and shows what happened to those who watch the invariants. This file is the part that is about live
// sessions.
type store struct {
	session.Store
	sim     *simulation
	process *process
}

// background is the context of all calls: what bounds them is virtual time.
var background = context.Background()

// Insert implements session.Store.
func (t *store) Insert(_ context.Context, row session.NewRow) (err error) {
	lost := t.change("insert", func() bool {
		if err = t.Store.Insert(background, row); err == nil {
			t.sim.inserted(row)
		}
		return err == nil
	})
	if lost != nil {
		return lost
	}
	return err
}

// Get implements session.Store.
func (t *store) Get(_ context.Context, h session.Handle) (row session.Row, now time.Time, err error) {
	lost := t.read("get", func() {
		row, now, err = t.Store.Get(background, h)
		t.sim.tracef("  store: get: current %s pending %s previous %s handed %d",
			t.sim.name(row.Current), t.sim.name(row.Pending), t.sim.name(row.Previous), row.Handed)
	})
	if lost != nil {
		return session.Row{}, time.Time{}, lost
	}
	return row, now, err
}

// Confirm implements session.Store.
func (t *store) Confirm(_ context.Context, h session.Handle, pending session.Mark, next *session.Successor, renewal session.Renewal) (ok bool, err error) {
	s := t.sim
	if s.running == nil && s.NoConfirmOnUse {
		return false, session.ErrUnavailable
	}
	lost := t.change("confirm", func() bool {
		if ok, err = t.Store.Confirm(background, h, pending, next, renewal); ok {
			if next != nil {
				s.minted(h, pending, next.Mark)
			}
			s.observe("confirm", h, func(r session.Row) bool { return r.Current == pending })
		}
		return ok
	})
	if lost != nil {
		return false, lost
	}
	return ok, err
}

// HandOut implements session.Store.
func (t *store) HandOut(_ context.Context, h session.Handle, current, pending session.Mark, counts bool, renewal session.Renewal) (ok bool, err error) {
	lost := t.change("hand out", func() bool {
		if ok, err = t.Store.HandOut(background, h, current, pending, counts, renewal); ok {
			t.sim.report.HandOuts++
			t.sim.observe("hand out", h, func(r session.Row) bool { return r.Current == current && r.Pending == pending })
		}
		return ok
	})
	if lost != nil {
		return false, lost
	}
	return ok, err
}

// Mint implements session.Store.
func (t *store) Mint(_ context.Context, h session.Handle, current, pending session.Mark, handedAt time.Time, next session.Successor, renewal session.Renewal) (ok bool, err error) {
	s := t.sim
	lost := t.change("mint", func() bool {
		if ok, err = t.Store.Mint(background, h, current, pending, handedAt, next, renewal); ok {
			s.report.Minted++
			s.minted(h, current, next.Mark)
			if pending.IsZero() {
				s.outage()
			}
			s.observe("mint", h, func(r session.Row) bool { return r.Current == current && r.Pending == next.Mark })
		}
		return ok
	})
	if lost != nil {
		return false, lost
	}
	return ok, err
}

// Keys implements session.Store. What loads keys within an operation holds a lock meanwhile, and is not suspended.
func (t *store) Keys(context.Context) (keys []session.Key, now time.Time, err error) {
	do := func() { keys, now, err = t.Store.Keys(background) }
	var lost error
	if r := t.sim.running; r != nil && (r.job != nil || !t.process.up) {
		lost = t.read("keys", do)
	} else if t.sim.Maintained {
		lost = t.readAtOnce("keys", do)
	} else {
		do()
	}
	if lost != nil {
		return nil, time.Time{}, lost
	}
	return keys, now, err
}

// InsertKey implements session.Store.
func (t *store) InsertKey(_ context.Context, key session.Key) (err error) {
	lost := t.change("insert key", func() bool {
		if err = t.Store.InsertKey(background, key); err == nil && key.Sequence > 1 {
			t.sim.report.KeyRotations++
		}
		return err == nil
	})
	if lost != nil {
		return lost
	}
	return err
}

// DeleteKey implements session.Store.
func (t *store) DeleteKey(_ context.Context, id string) (ok bool, err error) {
	lost := t.change("delete key", func() bool {
		ok, err = t.Store.DeleteKey(background, id)
		return ok
	})
	if lost != nil {
		return false, lost
	}
	return ok, err
}
