package session_test

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// some returns the entries of a map of counts that are not zero.
func some[K comparable](counts map[K]uint64) map[K]uint64 {
	found := map[K]uint64{}
	for k, n := range counts {
		if n > 0 {
			found[k] = n
		}
	}
	return found
}

func wantCounts[K comparable](t *testing.T, what string, got, want map[K]uint64) {
	t.Helper()
	if got := some(got); !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

type (
	verified  = map[session.VerifyResult]uint64
	refreshed = map[session.RefreshResult]uint64
)

func TestVerificationsAreCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(cfg *session.Config) { cfg.Audience = "api" })
	tokens := w.login()
	for range 3 {
		w.use(tokens.AccessToken)
	}
	verify := func(token string, opts session.VerifyOptions) { _, _ = w.Verify(w.ctx, token, opts) }
	verify("", session.VerifyOptions{})
	verify("no token", session.VerifyOptions{})
	verify("e30.e30.e30", session.VerifyOptions{})
	verify(tokens.AccessToken[:len(tokens.AccessToken)-3]+"AAA", session.VerifyOptions{})
	verify(tokens.AccessToken, session.VerifyOptions{CheckAntiCSRF: true, AntiCSRF: "no"})
	w.cfg.Audience = "others"
	other := w.process()
	_, _ = other.Verify(w.ctx, tokens.AccessToken, session.VerifyOptions{})
	wantCounts(t, "another audience", other.Stats().Verified, verified{session.VerifyForeign: 1})

	w.clock.advance(time.Minute)
	verify(tokens.AccessToken, session.VerifyOptions{MaxAuthAge: time.Second})
	w.clock.advance(-3 * time.Minute)
	verify(tokens.AccessToken, session.VerifyOptions{})
	w.clock.advance(5 * time.Minute)
	next := w.refresh(tokens.RefreshToken)
	w.use(next.AccessToken)
	ended := w.login()
	if _, err := w.use(ended.AccessToken).Revoke(w.ctx, session.RevokeOptions{}); err != nil {
		t.Fatal(err)
	}
	verify(ended.AccessToken, session.VerifyOptions{})
	w.clock.advance(session.DefaultAccessLifetime)
	verify(tokens.AccessToken, session.VerifyOptions{})

	wantCounts(t, "verified", w.Stats().Verified, verified{
		session.VerifyMiss: 2, session.VerifyHit: 2, session.VerifyMalformed: 2, session.VerifyUnknownKey: 1, session.VerifySignature: 1,
		session.VerifyAntiCSRF: 1, session.VerifyReauthenticate: 1, session.VerifyEarly: 1, session.VerifyConfirmed: 1, session.VerifyEnded: 1,
		session.VerifyExpired: 1,
	})
}

func TestVerificationsThatTheStoreDecidesAreCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(cfg *session.Config) { cfg.Revocation = session.RevocationStrict })
	tokens := w.login()
	w.use(tokens.AccessToken)
	w.store.setFault(func(string, bool) error { return session.ErrUnavailable })
	_, _ = w.Verify(w.ctx, tokens.AccessToken, session.VerifyOptions{})
	w.store.setFault(func(string, bool) error { return errors.New("broken") })
	_, _ = w.Verify(w.ctx, tokens.AccessToken, session.VerifyOptions{})
	w.store.setFault(nil)
	wantCounts(t, "strict", w.Stats().Verified, verified{session.VerifyMiss: 1, session.VerifyUnavailable: 1, session.VerifyFailed: 1})

	w = newWorld(t)
	tokens = w.login()
	w.clock.advance(time.Minute)
	first := w.refresh(tokens.RefreshToken)
	w.store.setFault(func(string, bool) error { return session.ErrUnavailable })
	w.use(first.AccessToken)
	w.store.setFault(nil)
	w.clock.advance(time.Minute)
	second := w.refresh(tokens.RefreshToken) // replaces the first, which nobody has seen used
	_, err := w.Verify(w.ctx, first.AccessToken, session.VerifyOptions{})
	w.refused(err, session.ErrTryRefresh)
	w.use(second.AccessToken)
	wantCounts(t, "first uses", w.Stats().Verified, verified{session.VerifyUnconfirmed: 1, session.VerifySuperseded: 1, session.VerifyConfirmed: 1})
}

func TestRefreshesAreCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.login()
	w.refresh(first.RefreshToken) // kept: it is new
	w.clock.advance(time.Minute)
	second := w.refresh(first.RefreshToken) // rotated
	w.refresh(first.RefreshToken)           // repeated
	w.refresh(second.RefreshToken)          // confirmed
	w.refresh(first.RefreshToken)           // crossed
	w.clock.advance(time.Minute)
	_, _, err := w.Refresh(w.ctx, first.RefreshToken, session.RefreshOptions{})
	if !isTheft(err) {
		t.Fatalf("got %v, want a theft", err)
	}
	_, _, err = w.Refresh(w.ctx, second.RefreshToken, session.RefreshOptions{})
	w.refused(err, session.ErrUnauthorised)
	_, _, err = w.Refresh(w.ctx, "nonsense", session.RefreshOptions{})
	w.refused(err, session.ErrUnauthorised)
	third := w.login()
	w.store.setFault(func(string, bool) error { return session.ErrUnavailable })
	_, _, err = w.Refresh(w.ctx, third.RefreshToken, session.RefreshOptions{})
	w.refused(err, session.ErrUnavailable)
	w.store.setFault(func(string, bool) error { return errors.New("broken") })
	if _, _, err = w.Refresh(w.ctx, third.RefreshToken, session.RefreshOptions{}); err == nil {
		t.Error("a refresh without a store succeeded")
	}
	w.store.setFault(nil)

	stats := w.Stats()
	wantCounts(t, "refreshed", stats.Refreshed, refreshed{
		session.RefreshKept: 1, session.RefreshRotated: 1, session.RefreshRepeated: 1, session.RefreshConfirmed: 1, session.RefreshCrossed: 1,
		session.RefreshTheft: 1, session.RefreshEnded: 1, session.RefreshUnauthorised: 1, session.RefreshUnavailable: 1, session.RefreshFailed: 1,
	})
	wantCounts(t, "thefts", stats.Thefts, map[session.TheftKind]uint64{session.TheftReuse: 1})
	wantCounts(t, "ended", stats.Ended, map[session.Reason]uint64{session.ReasonTheft: 1})
	if stats.Created != 2 || stats.Confirmed != 1 {
		t.Errorf("got %d created and %d confirmed, want 2 and 1", stats.Created, stats.Confirmed)
	}
}

// TestSharedRefreshesAreCounted: the calls of Refresh are as many as their results, however many share an answer.
func TestSharedRefreshesAreCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		tokens := w.login()
		w.clock.advance(time.Minute)
		slow := make(chan struct{})
		w.store.setFault(func(string, bool) error { <-slow; return nil })
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { _, _, _ = w.Refresh(w.ctx, tokens.RefreshToken, session.RefreshOptions{}) })
		}
		synctest.Wait() // one is with the store, and the others wait for it
		close(slow)
		all.Wait()
		wantCounts(t, "refreshed", w.Stats().Refreshed, refreshed{session.RefreshRotated: 1, session.RefreshRepeated: 1, session.RefreshShared: 6})
	})
}

// TestEndingsAreCounted: with and without a hook, and with a feed and without, every session that ends counts once.
func TestEndingsAreCounted(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*session.Config){
		"feed":          func(*session.Config) {},
		"no feed":       func(cfg *session.Config) { cfg.Revocation = session.RevocationOff },
		"hook, no feed": func(cfg *session.Config) { cfg.Revocation, cfg.OnEvent = session.RevocationOff, func(session.Event) {} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, change)
			if _, err := w.use(w.login().AccessToken).Revoke(w.ctx, session.RevokeOptions{}); err != nil {
				t.Fatal(err)
			}
			w.login()
			w.login()
			if n, err := w.RevokeUser(w.ctx, "user", session.RevokeOptions{Reason: session.ReasonPasswordChange}); n != 2 || err != nil {
				t.Fatalf("got %d, %v", n, err)
			}
			w.login()
			if n, err := w.RevokeAll(w.ctx, session.RevokeOptions{}); n != 1 || err != nil {
				t.Fatalf("got %d, %v", n, err)
			}
			w.login()
			w.clock.advance(session.DefaultIdleLifetime + time.Second)
			if _, err := w.Cleanup(w.ctx); err != nil {
				t.Fatal(err)
			}
			stats := w.Stats()
			wantCounts(t, "ended", stats.Ended, map[session.Reason]uint64{
				session.ReasonLogout: 1, session.ReasonPasswordChange: 2, session.ReasonRevoked: 1, session.ReasonIdle: 1,
			})
			wantCounts(t, "cleanups", stats.Cleanup.Runs, map[session.CleanupResult]uint64{session.CleanupComplete: 1})
			if stats.Cleanup.Expired != 1 || stats.Cleanup.Purged == 0 || stats.Cleanup.Running != 0 {
				t.Errorf("got %+v", stats.Cleanup)
			}
		})
	}
}

func TestFailedCleanupsAreCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(w.ctx)
	cancel()
	if _, err := w.Cleanup(ctx); err == nil {
		t.Error("it succeeded without a context")
	}
	wantCounts(t, "cleanups", w.Stats().Cleanup.Runs, map[session.CleanupResult]uint64{session.CleanupFailed: 1})
}

func TestKeysAreDescribed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.clock.advance(time.Hour)
	if err := w.RotateNow(w.ctx, session.PurposeAccess, "test", false); err != nil {
		t.Fatal(err)
	}
	want := map[session.KeyPurpose]session.KeyStats{
		session.PurposeAccess:  {Good: 2, Age: time.Hour, Published: 2},
		session.PurposeRefresh: {Good: 1, Age: time.Hour, Published: 1},
	}
	if got := w.Stats().Keys; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	w.clock.advance(session.DefaultKeyPropagation + time.Minute)
	if got := w.Stats().Keys[session.PurposeAccess].Age; got != time.Minute {
		t.Errorf("the successor signs for %v, want 1m", got)
	}
}

// TestStatsWhileOthersWork is for the race detector, and sees that nothing is lost.
func TestStatsWhileOthersWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tokens := w.login()
	w.use(tokens.AccessToken)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1000 {
				_, _ = w.Verify(w.ctx, tokens.AccessToken, session.VerifyOptions{})
			}
		})
	}
	all.Go(func() {
		for range 100 {
			w.Stats()
		}
	})
	all.Wait()
	wantCounts(t, "verified", w.Stats().Verified, verified{session.VerifyMiss: 1, session.VerifyHit: 8000})
}
