//go:build clusters

package vitessreal_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/clusters/failover"
	"github.com/watchword-dev/watchword/integration/clusters/vitess"
	"github.com/watchword-dev/watchword/session"
)

const (
	rounds      = 4
	propagation = 6 * time.Second // longer than a planned change of the primary takes
	keyPoll     = time.Second
	spread      = 400 * time.Millisecond // rotations come at any moment of the change
)

// Two processes that rotate all keys at the moment at which the primary of the keyspace of keys is replaced make one key of each purpose, and no
// token that either has signed is refused by the other, then or later.
func TestI5RotationDuringReparent(t *testing.T) {
	s := open(t)
	var thefts atomic.Int64
	cfg := session.Config{
		StoreTimeout: failover.StoreTimeout, KeyPropagation: propagation, KeyPollInterval: keyPoll, FeedInterval: feedInterval,
		Logger: slog.New(slog.DiscardHandler),
	}
	processes := []*failover.Process{failover.Begin(t, s.dsn(), cfg, &thefts), failover.Begin(t, s.dsn(), cfg, &thefts)}
	ctx, stop := context.WithCancel(t.Context())
	var users sync.WaitGroup
	tokens := &signed{}
	for i := range processes {
		users.Go(func() { tokens.sign(ctx, t, processes[i].Manager, processes[1-i].Manager) })
	}
	for round := range rounds {
		primary, others := s.primary(t, vitess.Unsharded, onlyShard)
		var all sync.WaitGroup
		all.Go(func() { reparent(t, s, primary, others[0]) })
		for i, p := range processes {
			for _, purpose := range []session.KeyPurpose{session.PurposeAccess, session.PurposeRefresh} {
				all.Go(func() {
					time.Sleep(rand.N(spread))
					rotateSurely(t, p.Manager, i, purpose)
				})
			}
		}
		began := time.Now()
		all.Wait()
		if took := time.Since(began); took > propagation {
			t.Fatalf("round %d took %v, longer than keys propagate: it shows nothing", round, took)
		}
		wantKeys(t, processes, round+2) // the first was made at the start
		time.Sleep(propagation + keyPoll)
		if t.Failed() {
			break
		}
	}
	stop()
	users.Wait()
	fresh := failover.Begin(t, s.dsn(), cfg, &thefts)
	n := tokens.passAll(t, append(processes, fresh))
	t.Logf("%d rotations of either purpose by two processes at once; %d sessions' tokens passed everywhere, %d calls were unavailable", rounds, n,
		tokens.unavailable.Load())
	if n < 100 {
		t.Errorf("%d tokens were signed: too few to show anything", n)
	}
}

func rotateSurely(t *testing.T, m *session.Manager, process int, purpose session.KeyPurpose) {
	t.Helper()
	for deadline := time.Now().Add(propagation); ; time.Sleep(20 * time.Millisecond) {
		err := m.RotateNow(t.Context(), purpose, "test", false)
		if err == nil {
			return
		}
		if !errors.Is(err, session.ErrUnavailable) || time.Now().After(deadline) {
			t.Errorf("process %d rotates the %s keys: %v", process, purpose, err)
			return
		}
	}
}

// wantKeys wants so many keys of each purpose to have been made, one of each number, as either process reads them.
func wantKeys(t *testing.T, processes []*failover.Process, want int) {
	t.Helper()
	for i, p := range processes {
		keys, _, err := p.Store.Keys(t.Context())
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
				t.Errorf("process %d: %d keys are %s, want 1", i, n, name)
			}
		}
		for _, purpose := range []session.KeyPurpose{session.PurposeAccess, session.PurposeRefresh} {
			if newest[purpose] != want {
				t.Errorf("process %d: the newest %s key is number %d, want %d", i, purpose, newest[purpose], want)
			}
		}
	}
}

// signed are the last tokens of all sessions.
type signed struct {
	mu          sync.Mutex
	all         []login
	unavailable atomic.Int64
}

// sign begins sessions at one process, has the other accept their tokens at once, and refresh them.
func (s *signed) sign(ctx context.Context, t *testing.T, own, other *session.Manager) {
	t.Helper()
	calls := context.WithoutCancel(ctx)
	for ; ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
		made, tokens, err := own.Create(calls, "user", session.CreateOptions{})
		if err == nil {
			l := login{made.Handle(), tokens.AccessToken, tokens.RefreshToken}
			s.mu.Lock()
			s.all = append(s.all, l)
			s.mu.Unlock()
			accepted(t, other, l.access)
			if _, tokens, err = other.Refresh(calls, l.refresh, session.RefreshOptions{}); err == nil {
				accepted(t, own, tokens.AccessToken)
			}
		}
		if err != nil && !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("create or refresh: got %v, want success or ErrUnavailable", err)
			return
		}
		if err != nil {
			s.unavailable.Add(1)
		}
	}
}

func accepted(t *testing.T, m *session.Manager, token string) {
	t.Helper()
	if _, err := m.Verify(context.WithoutCancel(t.Context()), token, session.VerifyOptions{}); err != nil {
		t.Errorf("a token that the other process has signed: got %v, want it to pass", err)
	}
}

// passAll has every process accept both tokens of every session, whichever key has signed them.
func (s *signed) passAll(t *testing.T, processes []*failover.Process) int {
	t.Helper()
	for i, l := range s.all {
		for _, p := range processes {
			accepted(t, p.Manager, l.access)
		}
		if _, _, err := processes[i%len(processes)].Manager.Refresh(t.Context(), l.refresh, session.RefreshOptions{}); err != nil {
			t.Errorf("refresh of session %s: got %v, want success", l.handle, err)
		}
	}
	return len(s.all)
}
