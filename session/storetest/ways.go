package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// how is what a store is told of an ending by a caller of its own.
func how(id session.Version) session.End {
	return session.End{ID: id, Reason: session.ReasonRevokedByUser, Detail: []byte(" {\"kind\" : \"'\\\\ \\u00e9 🔑\"}\n")}
}

// fed is how for an ending that becomes part of the feed.
func fed(id session.Version) session.End {
	end := how(id)
	end.Fed = true
	return end
}

// versions returns 1 to n.
func versions(n int) []session.Version {
	var ids []session.Version
	for id := session.Version(1); len(ids) < n; id++ {
		ids = append(ids, id)
	}
	return ids
}

func (s suite) ended(t *testing.T, h session.Handle) session.Ended {
	t.Helper()
	ended, err := s.Ending(s.ctx, h)
	if err != nil {
		t.Fatalf("Ending(%v): %v", h, err)
	}
	return ended
}

// rotated inserts a session, with all that a row may have, and returns it as it was before it ends. It reports whether it was
// still alive when it was read.
func (s suite) rotated(t *testing.T, last session.Lifetimes) (session.Row, bool) {
	t.Helper()
	h := s.insert(t, func(r *session.NewRow) {
		r.Device, r.Label = session.Device{UserAgent: "agent", Address: "192.0.2.1"}, "label"
	})
	_, now := s.get(t, h)
	one := session.Successor{Mark: mark("R1"), MintedAt: now, AuthAt: now.Add(time.Second)}
	two := session.Successor{Mark: mark("R2"), MintedAt: now, AuthAt: now.Add(2 * time.Second)}
	yes(t, "Mint")(s.Mint(s.ctx, h, mark("R0"), session.Mark{}, time.Time{}, one, renewal))
	yes(t, "Confirm")(s.Confirm(s.ctx, h, mark("R1"), &two, session.Renewal{Lifetimes: last}))
	row, _, err := s.Get(s.ctx, h)
	if err != nil && !errors.Is(err, session.ErrNotFound) {
		t.Fatalf("Get(%v): %v", h, err)
	}
	return row, err == nil
}

// died returns a session that has expired since, as it was before.
func (s suite) died(t *testing.T) session.Row {
	t.Helper()
	// Where a store takes longer than the session lives, another one that lives longer is begun.
	for idle := 4 * time.Millisecond; idle < 10*time.Second; idle *= 2 {
		if row, alive := s.rotated(t, session.Lifetimes{Idle: idle, Absolute: time.Hour}); alive {
			s.pass(t, row.ExpiresAt)
			return row
		}
	}
	t.Fatal("the store takes seconds to read a session")
	return session.Row{}
}

// ways are all in which a session ends. Each makes and ends the only live session of the store, and returns how, and between
// which readings of the clock.
var ways = []struct {
	name string
	feed bool // whether it becomes an entry of the feed by that
	end  func(t *testing.T, s suite) (row session.Row, end session.End, low, high time.Time)
}{
	{"End", true, func(t *testing.T, s suite) (session.Row, session.End, time.Time, time.Time) {
		row, end := s.alive(t), fed(1)
		low := s.now(t)
		yes(t, "End")(s.End(s.ctx, row.Handle, end))
		return row, end, low, s.now(t)
	}},
	{"End without detail", false, func(t *testing.T, s suite) (session.Row, session.End, time.Time, time.Time) {
		row, end := s.alive(t), session.End{ID: 1<<62 + 1, Reason: session.ReasonLogout}
		low := s.now(t)
		yes(t, "End")(s.End(s.ctx, row.Handle, end))
		return row, end, low, s.now(t)
	}},
	{"EndUser", false, endingUser(how(2))},
	{"EndUser, fed", true, endingUser(fed(2))},
	{"EndAll", false, endingAll(how(1<<63 - 1))},
	{"EndAll, fed", true, endingAll(fed(1<<63 - 1))},
	{"EndExpired", false, func(t *testing.T, s suite) (session.Row, session.End, time.Time, time.Time) {
		row, end := s.died(t), session.End{ID: 3, Reason: session.ReasonIdle}
		only(t, "EndExpired", row.Handle)(s.EndExpired(s.ctx, row.Handle, time.Hour, end.ID, 1))
		return row, end, row.ExpiresAt, row.ExpiresAt
	}},
}

func endingUser(end session.End) func(*testing.T, suite) (session.Row, session.End, time.Time, time.Time) {
	return func(t *testing.T, s suite) (session.Row, session.End, time.Time, time.Time) {
		row, low := s.alive(t), s.now(t)
		if n, err := s.EndUser(s.ctx, "user", session.Handle{}, end, 10); err != nil || n != 1 {
			t.Fatalf("EndUser: got %d, %v, want 1", n, err)
		}
		return row, end, low, s.now(t)
	}
}

func endingAll(end session.End) func(*testing.T, suite) (session.Row, session.End, time.Time, time.Time) {
	return func(t *testing.T, s suite) (session.Row, session.End, time.Time, time.Time) {
		row, low := s.alive(t), s.later(t)
		only(t, "EndAll", row.Handle)(s.EndAll(s.ctx, low, end, 10))
		return row, end, low, s.now(t)
	}
}

func (s suite) alive(t *testing.T) session.Row {
	t.Helper()
	row, alive := s.rotated(t, life)
	if !alive {
		t.Fatal("a session with an hour to live is dead")
	}
	return row
}

// only asserts that exactly one session was ended.
func only(t *testing.T, what string, h session.Handle) func([]session.Ended, error) {
	t.Helper()
	return func(ended []session.Ended, err error) {
		t.Helper()
		if err != nil || len(ended) != 1 || ended[0].Handle != h {
			t.Fatalf("%s: got %v, %v, want session %v", what, handlesOf(ended), err, h)
		}
	}
}

// none asserts that no session was ended.
func none(t *testing.T, what string) func([]session.Ended, error) {
	t.Helper()
	return func(ended []session.Ended, err error) {
		t.Helper()
		if err != nil || len(ended) != 0 {
			t.Fatalf("%s: got %v, %v, want nothing", what, handlesOf(ended), err)
		}
	}
}

func handlesOf(ended []session.Ended) []session.Handle {
	handles := make([]session.Handle, len(ended))
	for i, e := range ended {
		handles[i] = e.Handle
	}
	return handles
}

func isEnd(t *testing.T, what string, got, want session.End) {
	t.Helper()
	equal(t, "ID of "+what, got.ID, want.ID)
	equal(t, "Reason of "+what, got.Reason, want.Reason)
	equalBytes(t, "Detail of "+what, got.Detail, want.Detail)
}
