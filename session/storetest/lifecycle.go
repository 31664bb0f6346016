package storetest

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

func insertThenGet(t *testing.T, s suite) {
	h := s.insert(t)
	row, now := s.get(t, h)
	equal(t, "Handle", row.Handle, h)
	equal(t, "UserID", row.UserID, "user")
	equal(t, "Current", row.Current, mark("R0"))
	equal(t, "Pending", row.Pending, session.Mark{})
	equal(t, "Previous", row.Previous, session.Mark{})
	equal(t, "Handed", row.Handed, 0)
	equal(t, "Generation", row.Generation, 0)
	equal(t, "Device", row.Device, session.Device{})
	equal(t, "Label", row.Label, "")
	equalBytes(t, "Payload", row.Payload, []byte(`{"p":1}`))
	equal(t, "PendingAt is zero", row.PendingAt.IsZero(), true)
	equal(t, "HandedAt is zero", row.HandedAt.IsZero(), true)
	equal(t, "RotatedAt is zero", row.RotatedAt.IsZero(), true)
	equal(t, "PendingAuthAt is zero", row.PendingAuthAt.IsZero(), true)
	equal(t, "CurrentAt", row.CurrentAt, row.CreatedAt)
	equal(t, "AuthAt", row.AuthAt, row.CreatedAt)
	equal(t, "ExpiresAt", row.ExpiresAt, row.CreatedAt.Add(life.Idle))
	if row.CreatedAt.After(now) || now.Sub(row.CreatedAt) > time.Minute {
		t.Errorf("CreatedAt is %v, but the store's now %v", row.CreatedAt, now)
	}
	for name, at := range map[string]time.Time{"CreatedAt": row.CreatedAt, "now": now} {
		if at.Location() != time.UTC || at.Nanosecond()%1000 != 0 {
			t.Errorf("%s is %v: want UTC, to the microsecond", name, at)
		}
	}
}

func insertDuplicate(t *testing.T, s suite) {
	h := s.insert(t)
	again := session.NewRow{Handle: h, UserID: "thief", Current: mark("X"), Payload: []byte("1"), Data: []byte("1"), DataVersion: 1, Lifetimes: life}
	if err := s.Insert(s.ctx, again); !errors.Is(err, session.ErrDuplicate) {
		t.Errorf("Insert of a known handle: got %v, want ErrDuplicate", err)
	}
	row, _ := s.get(t, h)
	equal(t, "UserID after the duplicate", row.UserID, "user")
	equal(t, "Current after the duplicate", row.Current, mark("R0"))

	h = s.insert(t, expired)
	again.Handle = h
	if err := s.Insert(s.ctx, again); !errors.Is(err, session.ErrDuplicate) {
		t.Errorf("Insert of a dead session's handle: got %v, want ErrDuplicate", err)
	}
}

func missing(t *testing.T, s suite) { absent(t, s, unread(handle())) }

// unread is the row of a session whose times nobody has read.
func unread(h session.Handle) session.Row {
	return session.Row{Handle: h, UserID: "user", Current: mark("R0"), Pending: mark("R1")}
}

// absent asserts that no method of LiveStore sees a session, though its row is as it was when it was last read.
func absent(t *testing.T, s suite, row session.Row) {
	t.Helper()
	h := row.Handle
	_, _, err := s.Get(s.ctx, h)
	notFound(t, "Get", err)
	_, _, err = s.Data(s.ctx, h)
	notFound(t, "Data", err)
	next := session.Successor{Mark: mark("R9"), MintedAt: time.Unix(1, 0).UTC()}
	no(t, "Mint")(s.Mint(s.ctx, h, row.Current, row.Pending, row.HandedAt, next, renewal))
	no(t, "Mint without pending")(s.Mint(s.ctx, h, row.Current, session.Mark{}, time.Time{}, next, renewal))
	no(t, "HandOut")(s.HandOut(s.ctx, h, row.Current, row.Pending, true, renewal))
	no(t, "Confirm with next")(s.Confirm(s.ctx, h, row.Pending, &next, renewal))
	no(t, "Confirm")(s.Confirm(s.ctx, h, row.Pending, nil, renewal))
	no(t, "SetPayload")(s.SetPayload(s.ctx, h, []byte("2")))
	no(t, "SetLabel")(s.SetLabel(s.ctx, h, "late"))
	no(t, "SetData")(s.SetData(s.ctx, h, 0, 9, []byte("2")))
	no(t, "SetData with a version")(s.SetData(s.ctx, h, 7, 9, []byte("2")))
	rows, err := s.List(s.ctx, row.UserID, session.Page{Limit: 1000})
	if err != nil || slices.ContainsFunc(rows, func(r session.Row) bool { return r.Handle == h }) {
		t.Errorf("List of %d rows, %v: the session is one of them", len(rows), err)
	}
}

func dead(t *testing.T, s suite) {
	absent(t, s, unread(s.insert(t, expired)))
	absent(t, s, unread(s.insert(t, func(r *session.NewRow) {
		r.Lifetimes = session.Lifetimes{Idle: time.Hour, Absolute: -time.Second}
	})))

	// One that dies with a token pending must not be brought back by its confirmation.
	row := s.died(t)
	absent(t, s, row)
	no(t, "End of a dead session")(s.End(s.ctx, row.Handle, how(1)))

	rows, err := s.List(s.ctx, "user", session.Page{Limit: 10})
	if err != nil || len(rows) != 0 {
		t.Errorf("List of dead sessions: got %d rows, %v, want none", len(rows), err)
	}
}

func lifetimes(t *testing.T, s suite) {
	h := s.insert(t)
	created, _ := s.get(t, h)
	check := func(after string, idle time.Duration) {
		t.Helper()
		row, now := s.get(t, h)
		within(t, "ExpiresAt after "+after, row.ExpiresAt, created.CreatedAt.Add(idle), now.Add(idle))
		equal(t, "CreatedAt after "+after, row.CreatedAt, created.CreatedAt)
	}
	longer := func(idle time.Duration) session.Renewal {
		return session.Renewal{Lifetimes: session.Lifetimes{Idle: idle, Absolute: 24 * time.Hour}}
	}
	next := session.Successor{Mark: mark("R1"), MintedAt: created.CreatedAt}
	yes(t, "Mint")(s.Mint(s.ctx, h, mark("R0"), session.Mark{}, time.Time{}, next, longer(2*time.Hour)))
	check("Mint", 2*time.Hour)
	yes(t, "HandOut")(s.HandOut(s.ctx, h, mark("R0"), mark("R1"), true, longer(3*time.Hour)))
	check("HandOut", 3*time.Hour)
	yes(t, "Confirm")(s.Confirm(s.ctx, h, mark("R1"), nil, longer(4*time.Hour)))
	check("Confirm", 4*time.Hour)

	next.Mark = mark("R2")
	yes(t, "Mint")(s.Mint(s.ctx, h, mark("R1"), session.Mark{}, time.Time{}, next,
		session.Renewal{Lifetimes: session.Lifetimes{Idle: 5 * time.Hour, Absolute: time.Hour + 500*time.Nanosecond}}))
	row, _ := s.get(t, h)
	equal(t, "ExpiresAt, bounded by the absolute lifetime", row.ExpiresAt, created.CreatedAt.Add(time.Hour))
}

// awkward are user ids that differ, though some collation or some quoting takes them for one another.
var awkward = []string{
	"Case", "case", "CASE", "c\u00e4se", "ca\u0308se", "user ", "user", " user", "user\x00", "0", "00", "0.0",
	"\U0001F511\U0001F9D1", "ß", "ss", "'; DROP TABLE sessions; --", "%", "_", `\`, "\n", "\u2028",
	"é" + strings.Repeat("x", 127), strings.Repeat("\U0001F511", 128), strings.Repeat("a", 128), strings.Repeat("a", 127),
}

func userIDs(t *testing.T, s suite) {
	handles := map[string]session.Handle{}
	for _, id := range awkward {
		handles[id] = s.insert(t, user(id))
	}
	for _, id := range awkward {
		row, _ := s.get(t, handles[id])
		equal(t, "UserID", row.UserID, id)
		rows, err := s.List(s.ctx, id, session.Page{Limit: 10})
		if err != nil || len(rows) != 1 || rows[0].Handle != handles[id] || rows[0].UserID != id {
			t.Errorf("List(%q): got %v, %v, want its one session", id, rows, err)
		}
	}
	for i, id := range awkward {
		if n, err := s.EndUser(s.ctx, id, session.Handle{}, how(1), 100); err != nil || n != 1 {
			t.Errorf("EndUser(%q): got %d, %v, want 1", id, n, err)
		}
		ended, err := s.Endings(s.ctx, id, session.EndingsPage{Limit: 10})
		if err != nil || len(ended) != 1 || ended[0].Handle != handles[id] || ended[0].UserID != id {
			t.Errorf("Endings(%q): got %v, %v, want its one session", id, ended, err)
		}
		for _, left := range awkward[i+1:] {
			s.get(t, handles[left])
		}
	}
}

func list(t *testing.T, s suite) {
	var all []session.Handle
	for range 5 {
		all = append(all, s.insert(t))
	}
	s.insert(t, expired)
	s.insert(t, user("other"))
	page := func(p session.Page, want ...session.Handle) {
		t.Helper()
		rows, err := s.List(s.ctx, "user", p)
		if err != nil || len(rows) != len(want) {
			t.Fatalf("List(%v): got %d rows, %v, want %d", p, len(rows), err, len(want))
		}
		for i, row := range rows {
			equal(t, "handle in the list", row.Handle, want[i])
			equal(t, "user in the list", row.UserID, "user")
			equal(t, "AuthAt in the list", row.AuthAt, row.CreatedAt)
			if row.CreatedAt.IsZero() || row.CurrentAt.IsZero() || !row.ExpiresAt.After(row.CreatedAt) {
				t.Errorf("times in the list: got %v, %v, %v", row.CreatedAt, row.CurrentAt, row.ExpiresAt)
			}
		}
	}
	page(session.Page{Limit: 10}, all[4], all[3], all[2], all[1], all[0])
	page(session.Page{Limit: 2}, all[4], all[3])
	page(session.Page{Limit: 2, Before: all[3]}, all[2], all[1])
	page(session.Page{Limit: 2, Before: all[1]}, all[0])
	page(session.Page{Limit: 2, Before: all[0]})
}

// A row in the list is the one that Get returns; only the payload may be left out.
func listIsOfRows(t *testing.T, s suite) {
	row := s.alive(t)
	rows, err := s.List(s.ctx, "user", session.Page{Limit: 10})
	if err != nil || len(rows) != 1 {
		t.Fatalf("List: got %d rows, %v, want 1", len(rows), err)
	}
	sameRow(t, "List", rows[0], row)
}

func clock(t *testing.T, s suite) {
	h := s.insert(t)
	_, last := s.get(t, h)
	for range 20 {
		_, now := s.get(t, h)
		if now.Before(last) {
			t.Fatalf("the store's clock went back from %v to %v", last, now)
		}
		last = now
	}
	_, now, err := s.Keys(s.ctx)
	if err != nil || now.Before(last) {
		t.Errorf("Keys: got now %v, %v, after %v", now, err, last)
	}
	fine := false
	for range 2 {
		fine = fine || s.later(t).Nanosecond()%int(time.Millisecond) != 0
	}
	equal(t, "the clock shows microseconds", fine, true)
}
