package storetest

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// What is refused changes nothing, not even the session's end or its device.
func refusedChangesNothing(t *testing.T, s suite) {
	begin := s.now(t)
	row := s.alive(t)
	h, before := row.Handle, s.visible(t, begin)
	next := session.Successor{Mark: mark("X"), MintedAt: row.CreatedAt, AuthAt: row.CreatedAt}
	moved := session.Renewal{
		Lifetimes: session.Lifetimes{Idle: 2 * time.Hour, Absolute: 48 * time.Hour}, Device: session.Device{UserAgent: "another"},
	}
	for what, call := range map[string]func() (bool, error){
		"Confirm of another pending": func() (bool, error) { return s.Confirm(s.ctx, h, mark("X"), &next, moved) },
		"Confirm of current":         func() (bool, error) { return s.Confirm(s.ctx, h, row.Current, nil, moved) },
		"Confirm of previous":        func() (bool, error) { return s.Confirm(s.ctx, h, row.Previous, nil, moved) },
		"HandOut with another current": func() (bool, error) {
			return s.HandOut(s.ctx, h, row.Previous, row.Pending, true, moved)
		},
		"HandOut with another pending": func() (bool, error) {
			return s.HandOut(s.ctx, h, row.Current, mark("X"), true, moved)
		},
		"Mint with another current": func() (bool, error) {
			return s.Mint(s.ctx, h, row.Previous, row.Pending, row.HandedAt, next, moved)
		},
		"Mint with another pending": func() (bool, error) {
			return s.Mint(s.ctx, h, row.Current, mark("X"), row.HandedAt, next, moved)
		},
		"Mint without pending": func() (bool, error) {
			return s.Mint(s.ctx, h, row.Current, session.Mark{}, time.Time{}, next, moved)
		},
		"Mint a microsecond off": func() (bool, error) {
			return s.Mint(s.ctx, h, row.Current, row.Pending, row.HandedAt.Add(-time.Microsecond), next, moved)
		},
		"SetData with another version": func() (bool, error) { return s.SetData(s.ctx, h, 8, 9, []byte("2")) },
		"SetKeyMaterial of no key":     func() (bool, error) { return s.SetKeyMaterial(s.ctx, "unknown-AAAAAAAA", nil, []byte("2")) },
	} {
		no(t, what)(call())
		if after := s.visible(t, begin); after != before {
			t.Fatalf("%s has changed something: got\n%s, want\n%s", what, after, before)
		}
	}
}

// Marks and handles that some comparison takes for one another are not the same.
func marksAreBytes(t *testing.T, s suite) {
	token := func(b ...byte) (m session.Mark) { copy(m[:], b); return m }
	lower, upper := token('a', 'b'), token('A', 'b')
	for name, other := range map[string]session.Mark{
		"in another case": upper, "shorter": token('a'), "with a space": token('a', 'b', ' '), "a digit": token('0'),
	} {
		h := s.insert(t, func(r *session.NewRow) { r.Current = lower })
		_, now := s.get(t, h)
		next := session.Successor{Mark: lower, MintedAt: now}
		next.Mark[31] = 1
		no(t, "Mint over a mark "+name)(s.Mint(s.ctx, h, other, session.Mark{}, time.Time{}, next, renewal))
		yes(t, "Mint")(s.Mint(s.ctx, h, lower, session.Mark{}, time.Time{}, next, renewal))
		other[31] = 1
		no(t, "HandOut of a mark "+name)(s.HandOut(s.ctx, h, lower, other, true, renewal))
		no(t, "Confirm of a mark "+name)(s.Confirm(s.ctx, h, other, nil, renewal))
		last := next.Mark
		last[31] = 2
		no(t, "Confirm of a mark whose last byte differs")(s.Confirm(s.ctx, h, last, nil, renewal))
	}
	h := s.insert(t)
	for i := range h {
		other := h
		other[i] ^= 0x20 // letters, in another case
		_, _, err := s.Get(s.ctx, other)
		notFound(t, "Get of a handle that differs by a bit", err)
		no(t, "End of a handle that differs by a bit")(s.End(s.ctx, other, how(1)))
	}
}

// Versions are numbers of 63 bits, of which a floating-point number loses the last ones.
func versionsAreExact(t *testing.T, s suite) {
	const big = session.Version(1<<62 + 1)
	h := s.insert(t, func(r *session.NewRow) { r.DataVersion = big })
	for _, near := range []session.Version{big - 1, big + 1, big >> 1, 1} {
		no(t, fmt.Sprintf("SetData where the version is %d, of %d", big, near))(s.SetData(s.ctx, h, near, 5, []byte("2")))
	}
	yes(t, "SetData of the version")(s.SetData(s.ctx, h, big, 1<<63-1, []byte("2")))
	no(t, "SetData of one less")(s.SetData(s.ctx, h, 1<<63-2, 5, []byte("2")))
	_, version, err := s.Data(s.ctx, h)
	if err != nil || version != 1<<63-1 {
		t.Errorf("Data: got version %d, %v, want %d", version, err, session.Version(1<<63-1))
	}
}

// Of any number of calls that add or change one thing, one does.
func onceOf16(t *testing.T, s suite) {
	h, k := handle(), key("contended-AAAAAA", session.PurposeAccess, 1)
	if err := s.InsertKey(s.ctx, k); err != nil {
		t.Fatalf("InsertKey: %v", err)
	}
	for _, test := range []struct {
		what string
		call func(i int) (bool, error)
	}{
		{"Insert of one handle", func(i int) (bool, error) {
			err := s.Insert(s.ctx, session.NewRow{
				Handle: h, UserID: fmt.Sprint(i), Current: mark(fmt.Sprint(i)), Payload: []byte("1"), Data: []byte("1"), Lifetimes: life,
			})
			if errors.Is(err, session.ErrDuplicate) {
				return false, nil
			}
			return err == nil, err
		}},
		{"SetKeyMaterial of one key", func(i int) (bool, error) {
			return s.SetKeyMaterial(s.ctx, k.ID, k.Material, fmt.Append(nil, "other", i))
		}},
		{"RetireKey of one key", func(int) (bool, error) { return s.RetireKey(s.ctx, k.ID) }},
		{"DeleteKey of one key", func(int) (bool, error) { return s.DeleteKey(s.ctx, k.ID) }},
	} {
		equal(t, "winners among 16 calls of "+test.what, race(t, 16, test.call), 1)
	}
	row, _ := s.get(t, h)
	equal(t, "Current is of the same caller as UserID", row.Current, mark(row.UserID))
}

// Whatever a store refuses, it does not tell what it was given: errors go into logs.
func errorsHoldNoValues(t *testing.T, s suite) {
	secrets := map[string]string{}
	secret := func(name string, value []byte) {
		secrets[name], secrets[name+" in hexadecimal digits"] = string(value), hex.EncodeToString(value)
		secrets[name+" in base64"] = base64.StdEncoding.EncodeToString(value)
	}
	row := session.NewRow{
		Handle: handle(), UserID: "secret-user-id", Current: session.Mark{0: 's', 1: 'e', 2: 'c', 30: 'm', 31: 'k'},
		Label: "secret-label", Device: session.Device{UserAgent: "secret-agent", Address: "secret-address"},
		Payload: []byte(`"secret-payload"`), Data: []byte(`"secret-data"`), DataVersion: 1, Lifetimes: life,
	}
	k := key("secret-key-AAAAA", session.PurposeAccess, 1)
	k.Material = []byte("secret-material")
	secret("the user id", []byte(row.UserID))
	secret("the mark", row.Current[:])
	secret("the label", []byte(row.Label))
	secret("the user agent", []byte(row.Device.UserAgent))
	secret("the address", []byte(row.Device.Address))
	secret("the payload", row.Payload)
	secret("the data", row.Data)
	secret("the key's material", k.Material)
	check := func(what string, err error) {
		t.Helper()
		for name, value := range secrets {
			if err != nil && strings.Contains(strings.ToLower(err.Error()), strings.ToLower(value)) {
				t.Errorf("the error of %s holds %s: %v", what, name, err)
			}
		}
	}
	for range 2 {
		check("Insert of a handle twice", s.Insert(s.ctx, row))
		check("InsertKey twice", s.InsertKey(s.ctx, k))
	}
	// Larger than a store may take. It may also take it.
	long := func(text string) string { return strings.Repeat(text, 1<<20/len(text)) }
	for what, grow := range map[string]func(*session.NewRow){
		"user id":    func(r *session.NewRow) { r.UserID = long(r.UserID) },
		"label":      func(r *session.NewRow) { r.Label = long(r.Label) },
		"user agent": func(r *session.NewRow) { r.Device.UserAgent = long(r.Device.UserAgent) },
		"address":    func(r *session.NewRow) { r.Device.Address = long(r.Device.Address) },
	} {
		large := row
		large.Handle = handle()
		grow(&large)
		check("Insert with a "+what+" of a megabyte", s.Insert(s.ctx, large))
	}
	over, cancel := fade(s.ctx, 1)
	defer cancel()
	large := row
	large.Handle = handle()
	check("Insert with a context that is over", s.Insert(over, large))
	_, err := s.List(over, row.UserID, session.Page{Limit: 1})
	check("List with a context that is over", err)
	_, err = s.SetLabel(over, row.Handle, row.Label)
	check("SetLabel with a context that is over", err)
}
