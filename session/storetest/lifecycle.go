package storetest

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync/atomic"
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
	equalBytes(t, "Payload", row.Payload, []byte(`{"p":1}`))
	equal(t, "PendingAt is zero", row.PendingAt.IsZero(), true)
	equal(t, "HandedAt is zero", row.HandedAt.IsZero(), true)
	equal(t, "RotatedAt is zero", row.RotatedAt.IsZero(), true)
	equal(t, "CurrentAt", row.CurrentAt, row.CreatedAt)
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

func missing(t *testing.T, s suite) { absent(t, s, handle()) }

// absent asserts that no method but the deleting ones sees a session.
func absent(t *testing.T, s suite, h session.Handle) {
	t.Helper()
	_, _, err := s.Get(s.ctx, h)
	notFound(t, "Get", err)
	_, _, err = s.Data(s.ctx, h)
	notFound(t, "Data", err)
	next := session.Successor{Mark: mark("R1"), MintedAt: time.Unix(1, 0).UTC()}
	no(t, "Mint")(s.Mint(s.ctx, h, mark("R0"), session.Mark{}, time.Time{}, next, life))
	no(t, "HandOut")(s.HandOut(s.ctx, h, mark("R0"), mark("R1"), true, life))
	no(t, "Confirm")(s.Confirm(s.ctx, h, mark("R1"), nil, life))
	no(t, "SetData")(s.SetData(s.ctx, h, 0, 9, []byte("2")))
	no(t, "SetData with a version")(s.SetData(s.ctx, h, 7, 9, []byte("2")))
}

func dead(t *testing.T, s suite) {
	idle := s.insert(t, expired)
	absent(t, s, idle)
	absolute := s.insert(t, func(r *session.NewRow) {
		r.Lifetimes = session.Lifetimes{Idle: time.Hour, Absolute: -time.Second}
	})
	absent(t, s, absolute)

	// One that dies with a token pending must not be brought back by its confirmation.
	h := s.insert(t)
	_, now := s.get(t, h)
	dying := session.Lifetimes{Idle: -time.Second, Absolute: time.Hour}
	yes(t, "Mint")(s.Mint(s.ctx, h, mark("R0"), session.Mark{}, time.Time{}, session.Successor{Mark: mark("R1"), MintedAt: now}, dying))
	no(t, "Confirm of a dead session")(s.Confirm(s.ctx, h, mark("R1"), nil, life))
	absent(t, s, h)

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
		low, high := created.CreatedAt.Add(idle), now.Add(idle)
		if row.ExpiresAt.Before(low) || row.ExpiresAt.After(high) {
			t.Errorf("ExpiresAt after %s with idle %v: got %v, want within [%v, %v]", after, idle, row.ExpiresAt, low, high)
		}
		equal(t, "CreatedAt after "+after, row.CreatedAt, created.CreatedAt)
	}
	longer := func(idle time.Duration) session.Lifetimes {
		return session.Lifetimes{Idle: idle, Absolute: 24 * time.Hour}
	}
	next := session.Successor{Mark: mark("R1"), MintedAt: created.CreatedAt}
	yes(t, "Mint")(s.Mint(s.ctx, h, mark("R0"), session.Mark{}, time.Time{}, next, longer(2*time.Hour)))
	check("Mint", 2*time.Hour)
	yes(t, "HandOut")(s.HandOut(s.ctx, h, mark("R0"), mark("R1"), true, longer(3*time.Hour)))
	check("HandOut", 3*time.Hour)
	yes(t, "Confirm")(s.Confirm(s.ctx, h, mark("R1"), nil, longer(4*time.Hour)))
	check("Confirm", 4*time.Hour)

	next.Mark = mark("R2")
	yes(t, "Mint")(s.Mint(s.ctx, h, mark("R1"), session.Mark{}, time.Time{}, next, session.Lifetimes{Idle: 5 * time.Hour, Absolute: time.Hour}))
	row, _ := s.get(t, h)
	equal(t, "ExpiresAt, bounded by the absolute lifetime", row.ExpiresAt, created.CreatedAt.Add(time.Hour))
}

func deleteOne(t *testing.T, s suite) {
	h, other := s.insert(t), s.insert(t)
	yes(t, "Delete")(s.Delete(s.ctx, h))
	no(t, "Delete again")(s.Delete(s.ctx, h))
	absent(t, s, h)
	s.get(t, other)
	yes(t, "Delete of a dead session")(s.Delete(s.ctx, s.insert(t, expired)))
	no(t, "Delete of an unknown session")(s.Delete(s.ctx, handle()))
}

func deletedStaysDeleted(t *testing.T, s suite) {
	h := s.insert(t)
	s.mint(t, h, "R0", "R1")
	yes(t, "Delete")(s.Delete(s.ctx, h))
	no(t, "Confirm in flight")(s.Confirm(s.ctx, h, mark("R1"), nil, life))
	absent(t, s, h)
}

func deleteUser(t *testing.T, s suite) {
	a, b := s.insert(t, user("one")), s.insert(t, user("one"))
	dead := s.insert(t, user("one"), expired)
	other := s.insert(t, user("two"))
	n, err := s.DeleteUser(s.ctx, "one", session.Handle{}, 10)
	if err != nil || n != 3 {
		t.Errorf("DeleteUser: got %d, %v, want 3", n, err)
	}
	for _, h := range []session.Handle{a, b, dead} {
		absent(t, s, h)
	}
	s.get(t, other)
	n, err = s.DeleteUser(s.ctx, "one", session.Handle{}, 10)
	if err != nil || n != 0 {
		t.Errorf("DeleteUser again: got %d, %v, want 0", n, err)
	}
}

func deleteUserKeeps(t *testing.T, s suite) {
	a, kept, b := s.insert(t), s.insert(t), s.insert(t)
	n, err := s.DeleteUser(s.ctx, "user", kept, 10)
	if err != nil || n != 2 {
		t.Errorf("DeleteUser: got %d, %v, want 2", n, err)
	}
	absent(t, s, a)
	absent(t, s, b)
	s.get(t, kept)
}

func deleteUserLimit(t *testing.T, s suite) {
	for range 5 {
		s.insert(t)
	}
	for _, want := range []int{2, 2, 1, 0} {
		if n, err := s.DeleteUser(s.ctx, "user", session.Handle{}, 2); err != nil || n != want {
			t.Errorf("DeleteUser with limit 2: got %d, %v, want %d", n, err, want)
		}
	}
}

func userIDs(t *testing.T, s suite) {
	ids := []string{
		"Case", "case", "CASE", "c\u00e4se", "ca\u0308se", "user ", "user", " user", "user\x00", "0", "00", "0.0",
		"\U0001F511\U0001F9D1", "ß", "ss", "'; DROP TABLE sessions; --", "%", "_", `\`, "\n", "\u2028", "é" + strings.Repeat("x", 127),
		strings.Repeat("\U0001F511", 128), strings.Repeat("a", 128), strings.Repeat("a", 127),
	}
	handles := map[string]session.Handle{}
	for _, id := range ids {
		handles[id] = s.insert(t, user(id))
	}
	for _, id := range ids {
		row, _ := s.get(t, handles[id])
		equal(t, "UserID", row.UserID, id)
		rows, err := s.List(s.ctx, id, session.Page{Limit: 10})
		if err != nil || len(rows) != 1 || rows[0].Handle != handles[id] || rows[0].UserID != id {
			t.Errorf("List(%q): got %v, %v, want its one session", id, rows, err)
		}
	}
	for i, id := range ids {
		if n, err := s.DeleteUser(s.ctx, id, session.Handle{}, 100); err != nil || n != 1 {
			t.Errorf("DeleteUser(%q): got %d, %v, want 1", id, n, err)
		}
		for _, left := range ids[i+1:] {
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

func bytesAreKept(t *testing.T, s suite) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for name, value := range map[string][]byte{
		"spaces":   []byte(" { \"a\" : 1.0 ,\n\t\"b\" : [ ] } "),
		"emoji":    []byte(`"🔑 é é \u00e9"`),
		"all":      every,
		"escapes":  []byte(`"\"\\'%_\u0000"`),
		"over64K":  bytes.Repeat([]byte("0123456789"), 7000),
		"million":  bytes.Repeat([]byte("x"), 1<<20),
		"null":     []byte("null"),
		"trailing": []byte("1\x00 "),
	} {
		h := s.insert(t, func(r *session.NewRow) { r.Payload, r.Data = value, value })
		row, _ := s.get(t, h)
		equalBytes(t, "payload "+name, row.Payload, value)
		data, version, err := s.Data(s.ctx, h)
		if err != nil {
			t.Fatalf("Data: %v", err)
		}
		equalBytes(t, "data "+name, data, value)
		equal(t, "data version", version, 7)
		yes(t, "SetData")(s.SetData(s.ctx, h, 7, 1<<62+1, value))
		data, version, err = s.Data(s.ctx, h)
		if err != nil {
			t.Fatalf("Data: %v", err)
		}
		equalBytes(t, "data "+name+" after SetData", data, value)
		equal(t, "data version", version, 1<<62+1)
	}
}

func setData(t *testing.T, s suite) {
	h := s.insert(t)
	yes(t, "SetData with the version")(s.SetData(s.ctx, h, 7, 8, []byte(`"two"`)))
	no(t, "SetData with an old version")(s.SetData(s.ctx, h, 7, 9, []byte(`"three"`)))
	data, version, err := s.Data(s.ctx, h)
	if err != nil {
		t.Fatalf("Data: %v", err)
	}
	equalBytes(t, "data", data, []byte(`"two"`))
	equal(t, "version", version, 8)
	yes(t, "SetData with any version")(s.SetData(s.ctx, h, 0, 9, []byte(`"two"`)))
	yes(t, "SetData of what is there")(s.SetData(s.ctx, h, 9, 9, []byte(`"two"`)))
	row, _ := s.get(t, h)
	equal(t, "Current after SetData", row.Current, mark("R0"))
}

func setDataOnce(t *testing.T, s suite) {
	h := s.insert(t)
	var next atomic.Uint64
	next.Store(100)
	wins := race(t, 64, func(int) (bool, error) {
		return s.SetData(s.ctx, h, 7, session.Version(next.Add(1)), []byte(`1`))
	})
	equal(t, "winners among 64 SetData of one version", wins, 1)
}

func deleteExpired(t *testing.T, s suite) {
	live := s.insert(t)
	for range 5 {
		s.insert(t, expired)
	}
	total := 0
	for range 3 {
		n, err := s.DeleteExpired(s.ctx, 2)
		if err != nil || n > 2 {
			t.Fatalf("DeleteExpired with limit 2: got %d, %v", n, err)
		}
		total += n
	}
	equal(t, "deleted in three batches of two", total, 5)
	if n, err := s.DeleteExpired(s.ctx, 2); err != nil || n != 0 {
		t.Errorf("DeleteExpired of nothing: got %d, %v, want 0", n, err)
	}
	s.get(t, live)
}

func cancelled(t *testing.T, s suite) {
	h := s.insert(t)
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	next := session.Successor{Mark: mark("R1"), MintedAt: time.Unix(1, 0).UTC()}
	for name, call := range map[string]func() error{
		"Insert": func() error {
			return s.Insert(ctx, session.NewRow{Handle: handle(), UserID: "u", Payload: []byte("1"), Data: []byte("1"), Lifetimes: life})
		},
		"Get":     func() error { _, _, err := s.Get(ctx, h); return err },
		"Confirm": func() error { _, err := s.Confirm(ctx, h, mark("R1"), nil, life); return err },
		"HandOut": func() error { _, err := s.HandOut(ctx, h, mark("R0"), mark("R1"), true, life); return err },
		"Mint": func() error {
			_, err := s.Mint(ctx, h, mark("R0"), session.Mark{}, time.Time{}, next, life)
			return err
		},
		"Delete":         func() error { _, err := s.Delete(ctx, h); return err },
		"DeleteUser":     func() error { _, err := s.DeleteUser(ctx, "user", session.Handle{}, 9); return err },
		"List":           func() error { _, err := s.List(ctx, "user", session.Page{Limit: 9}); return err },
		"Data":           func() error { _, _, err := s.Data(ctx, h); return err },
		"SetData":        func() error { _, err := s.SetData(ctx, h, 0, 8, []byte("2")); return err },
		"DeleteExpired":  func() error { _, err := s.DeleteExpired(ctx, 9); return err },
		"Keys":           func() error { _, _, err := s.Keys(ctx); return err },
		"RetireKey":      func() error { _, err := s.RetireKey(ctx, "some-key-AAAAAAA"); return err },
		"SetKeyMaterial": func() error { _, err := s.SetKeyMaterial(ctx, "some-key-AAAAAAA", nil, []byte("x")); return err },
		"DeleteKey":      func() error { _, err := s.DeleteKey(ctx, "some-key-AAAAAAA"); return err },
		"InsertKey":      func() error { return s.InsertKey(ctx, key("cancelled-key-01", session.PurposeAccess, 1)) },
	} {
		if err := call(); !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context: got %v, want ErrUnavailable and context.Canceled", name, err)
		}
	}
	row, _ := s.get(t, h)
	equal(t, "Pending after the cancelled calls", row.Pending, session.Mark{})
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
}
