//go:build clusters

package galera_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	store "github.com/watchword-dev/watchword/store/mysql"
)

// managers are processes of one service, each with its store on another node, which run until the test ends.
func managers(t *testing.T, all []*store.Store, cfg session.Config) []*session.Manager {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var runs sync.WaitGroup
	t.Cleanup(func() { stop(); runs.Wait() })
	cfg.Logger = slog.New(slog.DiscardHandler) // each rotation ahead of schedule is worth a line
	var processes []*session.Manager
	for i, s := range all {
		m, err := session.New(t.Context(), s, cfg)
		if err != nil {
			t.Fatalf("process on node %d: %v", i+1, err)
		}
		runs.Go(func() { m.Run(ctx) })
		processes = append(processes, m)
	}
	return processes
}

// Processes on three nodes that rotate at the same moment make one key each time, and go on to accept each other's tokens.
func TestI5NodesRotateAtOnce(t *testing.T) {
	const rounds = 30
	c := theCluster(t)
	all := stores(t, c, synced)
	cfg := session.Config{KeyPropagation: 400 * time.Millisecond, KeyPollInterval: 100 * time.Millisecond, FeedInterval: 100 * time.Millisecond}
	processes := managers(t, all, cfg)
	for round := range rounds {
		for _, purpose := range []session.KeyPurpose{session.PurposeAccess, session.PurposeRefresh} {
			atOnce(len(processes), func(i int) {
				if err := processes[i].RotateNow(t.Context(), purpose, "test", false); err != nil {
					t.Errorf("round %d, node %d: %v", round, i+1, err)
				}
			})
		}
		for i, s := range all {
			keys, _, err := s.Keys(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			newest, seen := map[session.KeyPurpose]int{}, map[string]int{}
			for _, k := range keys {
				newest[k.Purpose] = max(newest[k.Purpose], k.Sequence)
				seen[fmt.Sprint(k.Purpose, " ", k.Sequence)]++
			}
			for name, n := range seen {
				if n != 1 {
					t.Errorf("round %d, node %d: %d keys are %s", round, i+1, n, name)
				}
			}
			for _, purpose := range []session.KeyPurpose{session.PurposeAccess, session.PurposeRefresh} {
				if got, want := newest[purpose], round+2; got != want { // the first was made at the start
					t.Errorf("round %d, node %d: the newest %s key is number %d, want %d", round, i+1, purpose, got, want)
				}
			}
		}
		time.Sleep(cfg.KeyPropagation + 50*time.Millisecond) // until the new ones sign
		for i, m := range processes {
			_, tokens, err := m.Create(t.Context(), "user", session.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			for j, other := range processes {
				if _, err := other.Verify(t.Context(), tokens.AccessToken, session.VerifyOptions{}); err != nil {
					t.Errorf("round %d: node %d refuses a token of node %d's: %v", round, j+1, i+1, err)
				}
			}
		}
		if t.Failed() {
			return
		}
	}
}

// What was revoked on one node is refused by the processes on the others within the interval of the feed and a second, while all three
// write: no entry is missed. Where nodes fall behind, entries appear on them behind others that were read already, and it takes as much longer.
func TestI4NoRevocationIsMissed(t *testing.T) {
	const (
		perNode  = 60
		interval = time.Second
		held     = 1500 * time.Millisecond // how far a node falls behind
	)
	c := theCluster(t)
	for name, test := range map[string]struct {
		syncWait string
		bound    time.Duration
	}{
		"synced":                    {synced, interval + time.Second},
		"unsynced":                  {unsynced, interval + time.Second},
		"unsynced and falling back": {unsynced, interval + time.Second + held},
	} {
		t.Run(name, func(t *testing.T) {
			processes := managers(t, stores(t, c, test.syncWait), session.Config{FeedInterval: interval})
			type login struct {
				handle session.Handle
				token  string
			}
			logins := make([][]login, len(processes))
			atOnce(len(processes), func(i int) {
				for n := range perNode {
					s, tokens, err := processes[i].Create(t.Context(), fmt.Sprintf("user %d of node %d", n, i), session.CreateOptions{})
					if err != nil {
						t.Errorf("node %d: %v", i+1, err)
						return
					}
					logins[i] = append(logins[i], login{s.Handle(), tokens.AccessToken})
				}
			})
			if t.Failed() {
				return
			}
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var writers sync.WaitGroup
			for i, m := range processes { // what else goes on
				writers.Go(func() {
					for ctx.Err() == nil {
						if s, _, err := m.Create(t.Context(), fmt.Sprint("passer-by ", i), session.CreateOptions{}); err != nil {
							t.Errorf("node %d: %v", i+1, err)
						} else if _, err := m.Revoke(t.Context(), s.Handle(), session.RevokeOptions{}); err != nil {
							t.Errorf("node %d: %v", i+1, err)
						}
						time.Sleep(5 * time.Millisecond)
					}
				})
			}
			if test.bound > 2*interval {
				writers.Go(func() {
					for n := 0; ctx.Err() == nil; n++ {
						release := holdUp(t, c.Nodes[1+n%2].DSN)
						time.Sleep(held)
						release()
						time.Sleep(held / 5)
					}
				})
			}
			var (
				mu     sync.Mutex
				lags   []time.Duration
				waits  sync.WaitGroup
				missed int
			)
			awaitRefusal := func(m *session.Manager, l login, acknowledged time.Time) {
				for {
					_, err := m.Verify(t.Context(), l.token, session.VerifyOptions{})
					lag := time.Since(acknowledged)
					if err != nil && !errors.Is(err, session.ErrUnauthorised) {
						t.Errorf("verify: %v", err)
					}
					if err != nil || lag > 20*interval {
						mu.Lock()
						lags = append(lags, lag)
						if err == nil {
							missed++
						}
						mu.Unlock()
						return
					}
					time.Sleep(10 * time.Millisecond)
				}
			}
			atOnce(len(processes), func(i int) {
				for _, l := range logins[i] {
					if ended, err := processes[i].Revoke(t.Context(), l.handle, session.RevokeOptions{}); err != nil || !ended {
						t.Errorf("node %d: revoke: %v, %v", i+1, ended, err)
						return
					}
					acknowledged := time.Now()
					for j, m := range processes {
						if j != i {
							waits.Go(func() { awaitRefusal(m, l, acknowledged) })
						}
					}
					time.Sleep(40 * time.Millisecond)
				}
			})
			waits.Wait()
			stop()
			writers.Wait()
			if len(lags) == 0 || missed > 0 {
				t.Fatalf("%d of %d revocations were missed", missed, len(lags))
			}
			text := percentiles(lags)
			t.Logf("from the acknowledgement on one node to the refusal on another: %s", text)
			if worst := lags[len(lags)-1]; worst > test.bound {
				t.Errorf("%s: want %v at most", text, test.bound)
			}
		})
	}
}

// A client whose requests go to another node each time is never taken for a thief, nor asked to log in, however soon one follows the other.
func TestI1ClientMovesBetweenNodes(t *testing.T) {
	const clients, rounds = 4, 60
	c := theCluster(t)
	// A grace as short as it can be, so that each refresh mints and each use confirms.
	processes := managers(t, stores(t, c, synced), session.Config{Grace: 20 * time.Millisecond, StoreTimeout: 2 * time.Second})
	atOnce(clients, func(n int) {
		_, tokens, err := processes[n%3].Create(t.Context(), fmt.Sprint("user ", n), session.CreateOptions{})
		if err != nil {
			t.Errorf("client %d: %v", n, err)
			return
		}
		refresh := tokens.RefreshToken
		for round := range rounds {
			_, tokens, err := processes[(n+round)%3].Refresh(t.Context(), refresh, session.RefreshOptions{})
			if err != nil {
				t.Errorf("client %d, round %d: refresh: %v", n, round, err)
				return
			}
			if tokens.RefreshToken != "" {
				refresh = tokens.RefreshToken
			}
			if _, err := processes[(n+round+1)%3].Verify(t.Context(), tokens.AccessToken, session.VerifyOptions{}); err != nil {
				t.Errorf("client %d, round %d: verify: %v", n, round, err)
				return
			}
			if round%2 == 0 {
				time.Sleep(30 * time.Millisecond) // past the grace
			}
		}
	})
}
