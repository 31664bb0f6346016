package failover

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/clusters/cluster"
	"github.com/watchword-dev/watchword/session"
)

const (
	// propagation is longer than a fault with its mending takes: a process that cannot read the keys for as long as that does not know in time
	// who is to sign, and it says so in its documentation.
	propagation  = 40 * time.Second
	keyPoll      = time.Second
	rotateSpread = 300 * time.Millisecond // the first rotation comes at any moment of the death
	afterNewKey  = 5 * time.Second
)

// Rotations has all processes rotate both kinds of signing keys while the database fails: those of access tokens at the moment of the fault, those of
// refresh tokens right after, until each is told that it has. There is one new key of each kind, and no token that any process has signed is
// refused by another, from before the fault until the new keys have signed for a while (I5).
func Rotations(t *testing.T, db Database, f Fault) {
	t.Helper()
	var thefts atomic.Int64
	cfg := session.Config{
		StoreTimeout: StoreTimeout, Grace: Grace, KeyPropagation: propagation, KeyPollInterval: keyPoll,
		Logger: slog.New(slog.DiscardHandler),
	}
	processes, managers := beginAll(t, db, cfg, &thefts)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var users sync.WaitGroup
	signers := &signers{count: map[string]int{}}
	for i := range managers {
		users.Go(func() { signers.use(ctx, t, managers, i) })
	}
	time.Sleep(beforeFault)
	before := signers.seen()

	var rotators sync.WaitGroup
	rotate := func(purpose session.KeyPurpose) {
		for i, m := range managers {
			rotators.Go(func() {
				time.Sleep(time.Duration(random(int(rotateSpread))))
				rotateSurely(t, m, i, purpose)
			})
		}
	}
	begun := time.Now()
	rotate(session.PurposeAccess)
	f.Break(t)
	rotate(session.PurposeRefresh)
	if err := cluster.Await(ctx, "the cluster to take writes again", Recovery, f.Recovered); err != nil {
		t.Error(err)
	}
	f.Mend(t)
	rotators.Wait()
	took := time.Since(begun)
	if took > propagation {
		t.Errorf("fault and mending took %v: longer than keys propagate, so that the run shows nothing", took)
	}
	time.Sleep(propagation + afterNewKey)
	stop()
	users.Wait()

	for i, p := range processes {
		oneKeyEach(t, p, i)
	}
	after := signers.seen()
	t.Logf("%s: rotated within %v; tokens by key: %v before, %v in all; %d refreshes, %d verifications, %d calls unavailable", f.Name,
		took.Round(100*time.Millisecond), before, after, signers.refreshes.Load(), signers.verifications.Load(), signers.unavailable.Load())
	if len(before) != 1 || len(after) != 2 {
		t.Errorf("%d keys signed access tokens before the fault and %d in all, want 1 and 2", len(before), len(after))
	}
	if signers.unavailable.Load() == 0 {
		t.Error("no call was unavailable: nothing has failed")
	}
}

// rotateSurely repeats a rotation until it is acknowledged.
func rotateSurely(t *testing.T, m *session.Manager, process int, purpose session.KeyPurpose) {
	t.Helper()
	for deadline := time.Now().Add(Recovery); ; time.Sleep(50 * time.Millisecond) {
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

// oneKeyEach wants two keys of each purpose: that of the start, and the one that all processes together have made.
func oneKeyEach(t *testing.T, p *Process, process int) {
	t.Helper()
	keys, _, err := p.Store.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, k := range keys {
		count[fmt.Sprintf("%s %d", k.Purpose, k.Sequence)]++
	}
	for _, purpose := range []session.KeyPurpose{session.PurposeAccess, session.PurposeRefresh} {
		for sequence := range 2 {
			name := fmt.Sprintf("%s %d", purpose, sequence+1)
			if count[name] != 1 {
				t.Errorf("process %d: %d keys are %s, want 1", process, count[name], name)
			}
			delete(count, name)
		}
	}
	if len(count) > 0 {
		t.Errorf("process %d: there are keys beside the one that was asked for: %v", process, count)
	}
}

// signers counts access tokens by the key that they name.
type signers struct {
	mu    sync.Mutex
	count map[string]int

	refreshes, verifications, unavailable atomic.Int64
}

func (s *signers) seen() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := map[string]int{}
	for id, n := range s.count {
		seen[id] = n
	}
	return seen
}

func (s *signers) note(t *testing.T, token string) {
	t.Helper()
	head, _, _ := strings.Cut(token, ".")
	raw, err := base64.RawURLEncoding.DecodeString(head)
	var header struct {
		ID string `json:"kid"`
	}
	if err == nil {
		err = json.Unmarshal(raw, &header)
	}
	if err != nil {
		t.Errorf("the header of an access token: %v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count[header.ID]++
}

// use creates sessions at one process and refreshes them at any, and has every process accept each token of theirs, at once and later. An
// outage may keep anybody from a new token, and nobody from the use of one.
func (s *signers) use(ctx context.Context, t *testing.T, managers []*session.Manager, own int) {
	t.Helper()
	const most = 20
	calls := context.WithoutCancel(ctx)
	var all []*held
	accepted := func(h *held) bool {
		for i, m := range managers {
			s.verifications.Add(1)
			if _, err := m.Verify(calls, h.access, session.VerifyOptions{}); err != nil {
				t.Errorf("process %d refuses a token of session %s: %v", i, h.handle, err)
				return false
			}
		}
		return true
	}
	available := func(what string, err error) bool {
		if err != nil && !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("%s: got %v, want success or ErrUnavailable", what, err)
		}
		if err != nil {
			s.unavailable.Add(1)
		}
		return err == nil
	}
	for n := 0; ctx.Err() == nil; n++ {
		time.Sleep(20 * time.Millisecond)
		if len(all) < most {
			created, tokens, err := managers[own].Create(calls, "user", session.CreateOptions{})
			if available(create, err) {
				s.note(t, tokens.AccessToken)
				all = append(all, &held{handle: created.Handle(), access: tokens.AccessToken, refresh: tokens.RefreshToken})
			}
			continue
		}
		h := all[n%most]
		if !accepted(h) { // with the token of its last turn
			return
		}
		_, tokens, err := managers[random(len(managers))].Refresh(calls, h.refresh, session.RefreshOptions{})
		if !available(refresh, err) {
			continue
		}
		s.refreshes.Add(1)
		s.note(t, tokens.AccessToken)
		h.take(tokens)
		if !accepted(h) {
			return
		}
	}
}
