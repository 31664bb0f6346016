//go:build clusters

package vitess_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// What names a handle is one shard's; what names a user is asked of every shard. TestScatterCosts measures both by turns and tells the
// medians. It fails only where an answer is wrong.
func TestScatterCosts(t *testing.T) {
	const calls, others, each = 200, 2000, 3 // measured; further users; sessions of each user
	store := open(t, tables(t), "", 1)
	life := session.Lifetimes{Idle: time.Hour, Absolute: 24 * time.Hour}
	end := session.End{ID: 1, Reason: session.ReasonRevoked, Fed: true}
	handle := func(user, i int) (h session.Handle) {
		binary.BigEndian.PutUint32(h[:], uint32(user))
		h[8] = byte(i + 1)
		return h
	}
	name := func(user int) string { return fmt.Sprintf("user %d", user) }
	check := func(what string, err error, got, want int) {
		t.Helper()
		if err != nil || got != want {
			t.Fatalf("%s: got %d, %v, want %d", what, got, err, want)
		}
	}
	for user := range calls + others {
		for i := range each {
			check("insert", store.Insert(t.Context(), session.NewRow{
				Handle: handle(user, i), UserID: name(user), Current: session.Mark{1}, Payload: []byte(`{}`), Data: []byte(`{}`), Lifetimes: life,
			}), 0, 0)
		}
	}
	took := map[string][]time.Duration{}
	measure := func(what string, want int, f func() (int, error)) {
		t.Helper()
		began := time.Now()
		n, err := f()
		took[what] = append(took[what], time.Since(began))
		check(what, err, n, want)
	}
	one := func(done bool, err error) (int, error) {
		if done {
			return 1, err
		}
		return 0, err
	}
	for user := range calls {
		measure("read one session, by handle", 1, func() (int, error) {
			row, _, err := store.Get(t.Context(), handle(user, 0))
			return one(row.UserID == name(user), err)
		})
		measure("list a user's three, on every shard", each, func() (int, error) {
			rows, err := store.List(t.Context(), name(user), session.Page{Limit: 100})
			return len(rows), err
		})
		measure("revoke one session, by handle", 1, func() (int, error) { return one(store.End(t.Context(), handle(user, 0), end)) })
		measure("revoke a user's other two, on every shard", each-1, func() (int, error) {
			return store.EndUser(t.Context(), name(user), session.Handle{}, end, 1000)
		})
		measure("read the feed", 1, func() (int, error) {
			_, now, err := store.Revocations(t.Context(), time.Now().Add(-time.Second), 1)
			return one(!now.IsZero(), err)
		})
	}
	for what, all := range took {
		slices.Sort(all)
		t.Logf("%-45s median %v, 9 of 10 within %v, of %d calls", what, all[len(all)/2].Round(time.Microsecond),
			all[len(all)*9/10].Round(time.Microsecond), len(all))
	}
}
