package sessionsim

import (
	"context"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// This file is the part of the store that is about ended sessions and the feed.

// End implements session.Store.
func (t *store) End(_ context.Context, h session.Handle, end session.End) (ok bool, err error) {
	lost := t.change("end", func() bool {
		if ok, err = t.Store.End(background, h, end); ok {
			t.sim.ended(h, end)
		}
		return err == nil
	})
	if lost != nil {
		return false, lost
	}
	return ok, err
}

// EndUser implements session.Store.
func (t *store) EndUser(_ context.Context, userID string, keep session.Handle, end session.End, limit int) (n int, err error) {
	lost := t.change("end user", func() bool {
		n, err = t.Store.EndUser(background, userID, keep, end, limit)
		for _, x := range t.sim.known {
			if x.user != userID || x.ended {
				continue
			}
			if _, missing := t.Store.Ending(background, x.handle); missing == nil {
				t.sim.ended(x.handle, end)
			}
		}
		return err == nil
	})
	if lost != nil {
		return 0, lost
	}
	return n, err
}

// EndAll implements session.Store.
func (t *store) EndAll(_ context.Context, before time.Time, end session.End, limit int) (ended []session.Ended, err error) {
	lost := t.change("end all", func() bool {
		ended, err = t.Store.EndAll(background, before, end, limit)
		for _, e := range ended {
			t.sim.ended(e.Handle, end)
		}
		return err == nil
	})
	if lost != nil {
		return nil, lost
	}
	return ended, err
}

// EndExpired implements session.Store.
func (t *store) EndExpired(_ context.Context, h session.Handle, absolute time.Duration, id session.Version, limit int) (ended []session.Ended, err error) {
	lost := t.change("end expired", func() bool {
		ended, err = t.Store.EndExpired(background, h, absolute, id, limit)
		return len(ended) > 0
	})
	if lost != nil {
		return nil, lost
	}
	return ended, err
}

// Purge implements session.Store.
func (t *store) Purge(_ context.Context, endings, revocations time.Duration, limit int) (n int, err error) {
	lost := t.change("purge", func() bool {
		n, err = t.Store.Purge(background, endings, revocations, limit)
		return n > 0
	})
	if lost != nil {
		return 0, lost
	}
	return n, err
}

// Ending implements session.Store.
func (t *store) Ending(_ context.Context, h session.Handle) (ended session.Ended, err error) {
	if lost := t.read("ending", func() { ended, err = t.Store.Ending(background, h) }); lost != nil {
		return session.Ended{}, lost
	}
	return ended, err
}

// Endings implements session.Store.
func (t *store) Endings(_ context.Context, userID string, page session.EndingsPage) (ended []session.Ended, err error) {
	if lost := t.read("endings", func() { ended, err = t.Store.Endings(background, userID, page) }); lost != nil {
		return nil, lost
	}
	return ended, err
}

// Publish implements session.Store.
func (t *store) Publish(_ context.Context, r session.Revocation) (err error) {
	lost := t.change("publish", func() bool {
		if err = t.Store.Publish(background, r); err == nil {
			t.sim.coarse = append(t.sim.coarse, published{user: r.UserID, at: t.sim.clock()})
		}
		return err == nil
	})
	if lost != nil {
		return lost
	}
	t.process.publishes(t.sim.now, t.sim.clock())
	return err
}

// Revocations implements session.Store. The answer takes as long as the question: what is read becomes known later.
func (t *store) Revocations(_ context.Context, since time.Time, limit int) (entries []session.Revocation, now time.Time, err error) {
	s := t.sim
	lost := t.read("revocations", func() {
		t.process.ask(s.now)
		entries, now, err = t.Store.Revocations(background, since, limit)
	})
	if lost == nil && !s.pause("revocations") {
		lost = errCrashed
	}
	if lost == nil && t.cut() {
		lost = session.ErrUnavailable
	}
	if lost != nil {
		if t.process.revoking { // what it published came about by then
			s.coarse = append(s.coarse, published{by: t.process, at: t.process.latest})
		}
		return nil, time.Time{}, lost
	}
	return entries, now, err
}
