//go:build clusters

package galera_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// Each compare-and-set of the store, done on three nodes at the same moment, is done by one of them. It does not depend on what
// wsrep_sync_wait is: which write set comes first is decided when it is certified.
func TestOneNodeWins(t *testing.T) {
	const rounds = 100
	c := theCluster(t)
	for name, syncWait := range map[string]string{"synced": synced, "unsynced": unsynced} {
		t.Run(name, func(t *testing.T) {
			all := stores(t, c, syncWait)
			// race has every node call f at once and wants one of them to have won.
			race := func(t *testing.T, round int, f func(i int) (bool, error)) {
				t.Helper()
				var winners atomic.Int32
				atOnce(len(all), func(i int) {
					won, err := f(i)
					if err != nil {
						t.Errorf("round %d, node %d: %v", round, i+1, err)
					}
					if won {
						winners.Add(1)
					}
				})
				if n := winners.Load(); n != 1 {
					t.Errorf("round %d: %d winners, want 1", round, n)
				}
			}
			insert := func(t *testing.T) session.NewRow {
				t.Helper()
				r := row(t, "user")
				if err := all[0].Insert(t.Context(), r); err != nil {
					t.Fatal(err)
				}
				for i, s := range all { // each has it before the race begins
					for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
						_, _, err := s.Get(t.Context(), r.Handle)
						if err == nil {
							break
						}
						if !errors.Is(err, session.ErrNotFound) || time.Now().After(deadline) {
							t.Fatalf("node %d: get a session that was inserted elsewhere: %v", i+1, err)
						}
					}
				}
				return r
			}
			renewal := session.Renewal{Lifetimes: lifetimes}
			t.Run("Mint and Confirm", func(t *testing.T) {
				for round := range rounds {
					r := insert(t)
					race(t, round, func(i int) (bool, error) {
						next := session.Successor{Mark: session.Mark{byte(i + 1)}, MintedAt: time.Now()}
						return all[i].Mint(t.Context(), r.Handle, r.Current, session.Mark{}, time.Time{}, next, renewal)
					})
					found, err := settled(t, all[0], r.Handle)
					if err != nil {
						t.Fatal(err)
					}
					race(t, round, func(i int) (bool, error) {
						return all[i].Confirm(t.Context(), r.Handle, found.Pending, nil, renewal)
					})
					if found, err = settled(t, all[0], r.Handle); err != nil || found.Generation != 1 {
						t.Errorf("round %d: generation %d, %v, want 1", round, found.Generation, err)
					}
				}
			})
			t.Run("End", func(t *testing.T) {
				for round := range rounds {
					r := insert(t)
					race(t, round, func(i int) (bool, error) {
						return all[i].End(t.Context(), r.Handle, session.End{ID: session.Version(i + 1), Reason: session.ReasonRevoked, Fed: true})
					})
				}
			})
			t.Run("SetData", func(t *testing.T) {
				for round := range rounds {
					r := insert(t)
					race(t, round, func(i int) (bool, error) {
						return all[i].SetData(t.Context(), r.Handle, r.DataVersion, session.Version(10+i), []byte(fmt.Sprint(i)))
					})
				}
			})
			t.Run("InsertKey", func(t *testing.T) {
				for round := range rounds {
					race(t, round, func(i int) (bool, error) {
						err := all[i].InsertKey(t.Context(), session.Key{
							ID: fmt.Sprintf("key-%03d-of-node-%d", round, i), Purpose: session.PurposeAccess, Sequence: round + 1,
							Algorithm: "HS256", Material: []byte{1}, ActivatesAt: time.Now(),
						})
						if errors.Is(err, session.ErrDuplicate) {
							return false, nil
						}
						return err == nil, err
					})
				}
			})
		})
	}
}

// settled is the row once the node has applied what another may have won with.
func settled(t *testing.T, s session.Store, h session.Handle) (session.Row, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var before session.Row
	for { // twice the same, some time apart
		found, _, err := s.Get(ctx, h)
		if err != nil || !found.Pending.IsZero() && found.Pending == before.Pending || found.Generation > 0 && found.Generation == before.Generation {
			return found, err
		}
		before = found
		time.Sleep(5 * time.Millisecond)
	}
}
