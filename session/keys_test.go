package session_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// node is one process of a deployment in a synctest bubble, whose clock is virtual. It runs until it is stopped.
type node struct {
	*session.Manager
	stop context.CancelFunc
}

func startNode(t *testing.T, store session.Store, cfg session.Config, skew time.Duration) *node {
	t.Helper()
	cfg.Clock = func() time.Time { return time.Now().Add(skew) }
	m, err := session.New(t.Context(), store, cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	go m.Run(ctx)
	return &node{m, stop}
}

// keyClient holds the tokens of one session.
type keyClient struct {
	refresh string
	rarely  int              // refreshes once in so many rounds
	alive   []session.Tokens // whose access tokens, of every age, have not expired
}

// TestI5RotationIsSilent: ten processes whose clocks are up to 30 s off, which start and stop at random, rotate the access
// keys 30 times and the refresh keys several times under traffic. No live token, of whatever age, is refused by any of
// them.
func TestI5RotationIsSilent(t *testing.T) {
	t.Parallel()
	for algorithm, clients := range map[session.Algorithm]int{session.HS256: 16, session.EdDSA: 4} {
		t.Run(string(algorithm), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { rotateSilently(t, algorithm, clients) })
		})
	}
}

func rotateSilently(t *testing.T, algorithm session.Algorithm, maxClients int) {
	const (
		processes = 10
		rotation  = time.Hour
		rotations = 30
	)
	cfg := session.Config{
		Algorithm: algorithm, AccessKeyRotation: rotation, RefreshKeyRotation: 5 * rotation,
		AccessLifetime: 40 * time.Minute, IdleLifetime: 45 * time.Hour, AbsoluteLifetime: 50 * time.Hour,
	}
	rng := mathrand.New(mathrand.NewPCG(1, 2))
	skew := func() time.Duration { return time.Duration(rng.Int64N(int64(time.Minute))) - 30*time.Second }
	// Only Run may load keys: rotation has to be silent without looking again when a token names an unknown one.
	store := noLoads{memstore.New(nil)}
	nodes := make([]*node, processes)
	begin := func(i int) { nodes[i] = startNode(t, store, cfg, skew()) }
	begin(0)
	pick := func() *node {
		for {
			if n := nodes[rng.IntN(processes)]; n != nil {
				return n
			}
		}
	}
	fail := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("after %v: %s: %v", time.Since(start()), what, err)
		}
	}

	ctx := context.WithValue(t.Context(), request{}, true)
	var clients []*keyClient
	began := time.Now()
	verified, refreshed, restarts := 0, 0, 0
	for time.Since(began) < rotations*rotation+rotation/2 {
		time.Sleep(time.Duration(rng.Int64N(int64(4 * time.Minute))))
		switch i := rng.IntN(processes); {
		case nodes[i] == nil:
			begin(i)
		case i > 0 && rng.IntN(12) == 0: // one always lives
			nodes[i].stop()
			nodes[i] = nil
			restarts++
		}
		if len(clients) < maxClients {
			_, tokens, err := pick().Create(ctx, "user", session.CreateOptions{})
			fail("create", err)
			// Every other one comes every few hours only, so that its refresh token is old.
			clients = append(clients, &keyClient{refresh: tokens.RefreshToken, rarely: 4 + len(clients)%2*150})
		}
		for _, c := range clients {
			if rng.IntN(c.rarely) == 0 {
				_, tokens, err := pick().Refresh(ctx, c.refresh, session.RefreshOptions{})
				fail("refresh", err)
				refreshed++
				c.refresh = cmp.Or(tokens.RefreshToken, c.refresh)
				s, err := pick().Verify(ctx, tokens.AccessToken, session.VerifyOptions{})
				fail("first use", err)
				if renewed, ok := s.Renewed(); ok { // signed anew, perhaps with another key
					tokens.AccessToken = renewed.AccessToken
				}
				c.alive = append(c.alive, tokens)
			}
			// Confirmed access tokens need nothing but their keys. Clocks may be a minute apart.
			c.alive = slices.DeleteFunc(c.alive, func(t session.Tokens) bool { return time.Until(t.AccessExpires) < time.Minute })
			for _, tokens := range c.alive {
				_, err := pick().Verify(ctx, tokens.AccessToken, session.VerifyOptions{})
				fail("verify", err)
				verified++
			}
		}
	}
	keys, _, err := store.Keys(t.Context())
	fail("keys", err)
	sequence := map[session.KeyPurpose]int{}
	for _, k := range keys {
		sequence[k.Purpose] = max(sequence[k.Purpose], k.Sequence)
	}
	t.Logf("%d verifications, %d refreshes, %d restarts; access key %d, refresh key %d; %d keys in the store",
		verified, refreshed, restarts, sequence[session.PurposeAccess], sequence[session.PurposeRefresh], len(keys))
	if sequence[session.PurposeAccess] < rotations || sequence[session.PurposeRefresh] < rotations/5 {
		t.Errorf("got access key %d and refresh key %d, want at least %d and %d", sequence[session.PurposeAccess],
			sequence[session.PurposeRefresh], rotations, rotations/5)
	}
	for _, n := range nodes {
		if n != nil {
			n.stop()
		}
	}
	synctest.Wait()
}

// noLoads is a store that gives no keys to requests.
type noLoads struct{ session.Store }

type request struct{}

func (s noLoads) Keys(ctx context.Context) ([]session.Key, time.Time, error) {
	if ctx.Value(request{}) != nil {
		return nil, time.Time{}, fmt.Errorf("%w: not for requests", session.ErrUnavailable)
	}
	return s.Store.Keys(ctx)
}

// start is when every synctest bubble begins.
func start() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }

// keylessStore fails to give the keys when it is told to.
type keylessStore struct {
	session.Store
	mu   sync.Mutex
	fail error
}

func (s *keylessStore) Keys(ctx context.Context) ([]session.Key, time.Time, error) {
	s.mu.Lock()
	fail := s.fail
	s.mu.Unlock()
	if fail != nil {
		return nil, time.Time{}, fail
	}
	return s.Store.Keys(ctx)
}

// A process without Run knows a key before it signs, since it looks when it creates or refreshes.
func TestKeysAreKeptUpWithoutRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New(nil)
		runs := startNode(t, store, session.Config{AccessKeyRotation: time.Hour}, 0)
		idle, err := session.New(t.Context(), store, session.Config{AccessKeyRotation: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for range 40 {
			time.Sleep(9 * time.Minute)
			_, tokens, err := idle.Create(t.Context(), "user", session.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := runs.Verify(t.Context(), tokens.AccessToken, session.VerifyOptions{}); err != nil {
				t.Fatalf("after %v the token of a process without Run is refused: %v", time.Since(start()), err)
			}
			seen[tokens.AccessToken[:80]] = true // the header, and so the key
		}
		if len(seen) < 5 {
			t.Errorf("in six hours of hourly rotation it signed with %d keys", len(seen))
		}
		runs.stop()
		synctest.Wait()
	})
}

func TestRotateNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New(nil)
		ctx := t.Context()
		a, b := startNode(t, store, session.Config{}, -50*time.Second), startNode(t, store, session.Config{}, 0)
		defer synctest.Wait()
		defer a.stop()
		defer b.stop()
		_, first, err := a.Create(ctx, "user", session.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		good := func(n *node, token string) {
			t.Helper()
			if _, err := n.Verify(ctx, token, session.VerifyOptions{}); err != nil {
				t.Errorf("a live token is refused: %v", err)
			}
		}
		refused := func(n *node, token string) {
			t.Helper()
			if _, err := n.Verify(ctx, token, session.VerifyOptions{}); !errors.Is(err, session.ErrTryRefresh) {
				t.Errorf("a token of a key that was cut off: got %v, want ErrTryRefresh", err)
			}
		}

		if err := a.RotateNow(ctx, session.PurposeAccess, "drill", false); err != nil {
			t.Fatal(err)
		}
		for range 8 { // before and after the successor signs
			good(a, first.AccessToken)
			good(b, first.AccessToken)
			time.Sleep(time.Minute)
		}

		if err := a.RotateNow(ctx, session.PurposeAccess, "leaked", true); err != nil {
			t.Fatal(err)
		}
		refused(a, first.AccessToken)
		time.Sleep(session.DefaultKeyPollInterval)
		refused(b, first.AccessToken)
		_, second, err := b.Refresh(ctx, first.RefreshToken, session.RefreshOptions{}) // the session survives
		if err != nil {
			t.Fatalf("refresh after access keys were cut off: %v", err)
		}
		good(a, second.AccessToken)
		good(b, second.AccessToken)

		if err := b.RotateNow(ctx, session.PurposeRefresh, "leaked", true); err != nil {
			t.Fatal(err)
		}
		if _, _, err := b.Refresh(ctx, second.RefreshToken, session.RefreshOptions{}); !errors.Is(err, session.ErrUnauthorised) {
			t.Errorf("refresh after refresh keys were cut off: got %v, want ErrUnauthorised", err)
		}
		time.Sleep(session.DefaultKeyPollInterval)
		if _, _, err := a.Refresh(ctx, second.RefreshToken, session.RefreshOptions{}); !errors.Is(err, session.ErrUnauthorised) {
			t.Errorf("refresh after refresh keys were cut off, elsewhere: got %v, want ErrUnauthorised", err)
		}
		_, third, err := a.Create(ctx, "user", session.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if _, _, err := b.Refresh(ctx, third.RefreshToken, session.RefreshOptions{}); err != nil {
			t.Errorf("a session that began afterwards: %v", err)
		}
		if err := a.RotateNow(ctx, "both", "", true); err == nil {
			t.Error("an unknown purpose passes")
		}
	})
}

// The algorithm is changed in one process after another; tokens of both verify everywhere, all along.
func TestAlgorithmsChangeSilently(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New(nil)
		ctx := t.Context()
		nodes := []*node{startNode(t, store, session.Config{}, 0), startNode(t, store, session.Config{}, 0)}
		var alive []session.Tokens
		round := func() {
			t.Helper()
			for range 8 {
				time.Sleep(90 * time.Second)
				_, tokens, err := nodes[mathrand.IntN(2)].Create(ctx, "user", session.CreateOptions{})
				if err != nil {
					t.Fatal(err)
				}
				alive = append(alive, tokens)
				for _, tokens := range alive {
					if time.Until(tokens.AccessExpires) > 0 {
						for _, n := range nodes {
							if _, err := n.Verify(ctx, tokens.AccessToken, session.VerifyOptions{}); err != nil {
								t.Fatalf("a live token is refused: %v", err)
							}
						}
					}
				}
			}
		}
		for _, algorithm := range []session.Algorithm{session.HS512, session.EdDSA, session.ES256, session.RS256} {
			for i := range nodes {
				nodes[i].stop()
				nodes[i] = startNode(t, store, session.Config{Algorithm: algorithm}, 0)
				round()
			}
			keys, _, err := store.Keys(ctx)
			if err != nil {
				t.Fatal(err)
			}
			var last session.Key
			for _, k := range keys {
				if k.Purpose == session.PurposeAccess {
					last = k
				}
			}
			if last.Algorithm != string(algorithm) {
				t.Errorf("the newest access key is for %s, want %s", last.Algorithm, algorithm)
			}
		}
		for _, n := range nodes {
			n.stop()
		}
		synctest.Wait()
	})
}

// A store that is away hinders nobody who holds keys.
func TestI9KeysSurviveAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &keylessStore{Store: memstore.New(nil)}
		n := startNode(t, store, session.Config{}, 0)
		_, tokens, err := n.Create(t.Context(), "user", session.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		store.mu.Lock()
		store.fail = fmt.Errorf("%w: away", session.ErrUnavailable)
		store.mu.Unlock()
		time.Sleep(10 * time.Minute)
		if _, err := n.Verify(t.Context(), tokens.AccessToken, session.VerifyOptions{}); err != nil {
			t.Errorf("verify: %v", err)
		}
		if _, _, err := n.Refresh(t.Context(), tokens.RefreshToken, session.RefreshOptions{}); err != nil {
			t.Errorf("refresh: %v", err)
		}
		n.stop()
		synctest.Wait()
	})
}

func TestKeySource(t *testing.T) {
	t.Parallel()
	generate := func(p session.KeyPurpose) session.Key {
		t.Helper()
		k, err := session.GenerateKey(p, session.EdDSA, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		k.Sequence, k.ActivatesAt = 1, time.Unix(0, 0)
		return k
	}
	access, refresh := generate(session.PurposeAccess), generate(session.PurposeRefresh)
	store := memstore.New(nil)
	var managers []*session.Manager
	for range 2 {
		m, err := session.New(t.Context(), store, session.Config{KeySource: session.StaticKeys(access, refresh)})
		if err != nil {
			t.Fatal(err)
		}
		managers = append(managers, m)
	}
	_, tokens, err := managers[0].Create(t.Context(), "user", session.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := managers[1].Verify(t.Context(), tokens.AccessToken, session.VerifyOptions{}); err != nil {
		t.Error(err)
	}
	if _, _, err := managers[1].Refresh(t.Context(), tokens.RefreshToken, session.RefreshOptions{}); err != nil {
		t.Error(err)
	}
	if keys, _, err := store.Keys(t.Context()); err != nil || len(keys) != 0 {
		t.Errorf("the store holds %d keys, %v, beside a KeySource", len(keys), err)
	}
	if err := managers[0].RotateNow(t.Context(), session.PurposeAccess, "drill", false); err == nil {
		t.Error("RotateNow passes with a KeySource")
	}
	for name, keys := range map[string][]session.Key{"none": nil, "no refresh key": {access}, "no access key": {refresh}} {
		if _, err := session.New(t.Context(), store, session.Config{KeySource: session.StaticKeys(keys...)}); err == nil {
			t.Errorf("a source with %s passes", name)
		}
	}
}

// A request that is cut off does not spoil the look for the others.
func TestCancelledRequestsDoNotSpoilTheLook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.process()
	if err := other.RotateNow(w.ctx, session.PurposeAccess, "test", true); err != nil {
		t.Fatal(err)
	}
	_, tokens, err := other.Create(w.ctx, "user", session.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.ctx)
	cancel()
	_, err = w.Verify(ctx, unknownToken(1), session.VerifyOptions{})
	w.refused(err, session.ErrTryRefresh)
	w.use(tokens.AccessToken)
}

// However many requests wait for a store that does not answer, it is asked once.
func TestHangingStoreIsAskedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &hangingKeys{Store: memstore.New(nil)}
		m, err := session.New(t.Context(), store, session.Config{})
		if err != nil {
			t.Fatal(err)
		}
		store.hang = true
		time.Sleep(2 * time.Second)
		began := time.Now()
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				if _, err := m.Verify(t.Context(), unknownToken(i), session.VerifyOptions{}); !errors.Is(err, session.ErrTryRefresh) {
					t.Errorf("got %v, want ErrTryRefresh", err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); store.asked != 1 || took != session.DefaultStoreTimeout {
			t.Errorf("the store was asked %d times, in %v; want once, in %v", store.asked, took, session.DefaultStoreTimeout)
		}
	})
}

type hangingKeys struct {
	session.Store
	hang  bool
	asked int
}

func (s *hangingKeys) Keys(ctx context.Context) ([]session.Key, time.Time, error) {
	if !s.hang {
		return s.Store.Keys(ctx)
	}
	s.asked++
	<-ctx.Done()
	return nil, time.Time{}, fmt.Errorf("%w: %w", session.ErrUnavailable, ctx.Err())
}

// A key of a kind that this version does not know, made by a later one, is left out, and the others are loaded.
func TestKeysOfUnknownKindsAreLeftOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	later, err := session.GenerateKey(session.PurposeAccess, session.HS256, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	later.Sequence, later.Algorithm, later.ActivatesAt = 2, "ML-DSA-65", w.clock.Now().Add(time.Hour)
	if err := w.store.InsertKey(w.ctx, later); err != nil {
		t.Fatal(err)
	}
	next, err := session.GenerateKey(session.PurposeAccess, session.HS256, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	next.Sequence, next.ActivatesAt = 3, w.clock.Now()
	if err := w.store.InsertKey(w.ctx, next); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(2 * time.Minute)
	token := w.login().AccessToken
	if other := newWorld(t).login().AccessToken; token[:90] == other[:90] {
		t.Fatal("headers do not differ by key")
	}
	header, err := base64.RawURLEncoding.DecodeString(strings.SplitN(token, ".", 2)[0])
	if err != nil || !strings.Contains(string(header), next.ID) {
		t.Errorf("the token is signed by %s, want %s", header, next.ID)
	}
}
