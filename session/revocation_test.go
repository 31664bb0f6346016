package session_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// Batches that were ended before the store went away are known everywhere, whatever the repetition still finds.
func TestRepeatedRevokeUserOfManyBatches(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		var all []session.Tokens
		for range 2500 {
			all = append(all, a.login())
		}
		a.clock.advance(time.Minute)
		n := 0
		a.store.setFault(func(call string, after bool) error {
			if call == "EndUser" && !after {
				if n++; n == 3 {
					return errCut
				}
			}
			return nil
		})
		total, err := a.RevokeUser(a.ctx, "user", session.RevokeOptions{})
		t.Log(total, err)
		total, err = a.RevokeUser(a.ctx, "user", session.RevokeOptions{})
		t.Log(total, err)
		if err != nil {
			t.Fatal(err)
		}
		a.store.setFault(nil)
		for range 3 {
			a.clock.advance(time.Minute)
			a.readFeeds()
			if n := passing(a, a.other, all); n > 0 {
				t.Errorf("there %d of %d ended sessions' tokens pass", n, len(all))
			}
		}
	}, func(cfg *session.Config) { cfg.OnEvent = nil })
}

// An administrator's process in another mode revokes for those with the feed, too.
func TestRevocationByAProcessWithoutFeed(t *testing.T) {
	t.Parallel()
	for _, mode := range []session.RevocationMode{session.RevocationStrict, session.RevocationOff} {
		for _, what := range []string{"user", "all"} {
			t.Run(string(mode)+" "+what, func(t *testing.T) {
				inAudit(t, func(t *testing.T, a *audit) {
					var all []session.Tokens
					for range 1500 {
						all = append(all, a.login())
					}
					a.clock.advance(time.Minute)
					cfg := a.cfg
					cfg.Revocation = mode
					admin, err := session.New(a.ctx, a.store, cfg)
					if err != nil {
						t.Fatal(err)
					}
					if what == "user" {
						_, err = admin.RevokeUser(a.ctx, "user", session.RevokeOptions{})
					} else {
						_, err = admin.RevokeAll(a.ctx, session.RevokeOptions{})
					}
					if err != nil {
						t.Fatal(err)
					}
					a.clock.advance(time.Minute)
					a.readFeeds()
					if n := passing(a, a.other, all); n > 0 {
						t.Errorf("%s revokes %s: %d of %d pass in a feed process", mode, what, n, len(all))
					}
				}, func(cfg *session.Config) { cfg.OnEvent = nil })
			})
		}
	}
}

// A token that was minted when access tokens lived longer is not forgotten with those that are minted now.
func TestRevokedStaysRevokedWhenAccessTokensLiveShorter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New(nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer func() { cancel(); synctest.Wait() }()
		old, err := session.New(ctx, store, session.Config{AccessLifetime: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		s, tokens, err := old.Create(ctx, "user", session.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		now, err := session.New(ctx, store, session.Config{AccessLifetime: 5 * time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		go now.Run(ctx)
		if _, err := now.Revoke(ctx, s.Handle(), session.RevokeOptions{}); err != nil {
			t.Fatal(err)
		}
		for m := range 60 {
			time.Sleep(time.Minute)
			if _, err := now.Verify(ctx, tokens.AccessToken, session.VerifyOptions{}); err == nil {
				t.Fatalf("%d min after its revocation the token passes", m+1)
			}
		}
	})
}

// Where a theft ends all sessions of the user, two that are found at once end each other's session. Both are told.
func TestTwoTheftsOfOneUserAreBothTold(t *testing.T) {
	t.Parallel()
	told := map[int]int{}
	everyInterleaving(func(choices []int) (widths []int) {
		inAudit(t, func(t *testing.T, a *audit) {
			var stolen []session.Tokens
			for range 2 {
				first := a.login()
				a.clock.advance(time.Minute)
				a.use(a.refresh(first.RefreshToken).AccessToken)
				a.clock.advance(time.Minute)
				stolen = append(stolen, first)
			}
			a.told()
			g := &gates{waiting: map[string]chan struct{}{}}
			a.store.Store = gatedStore{a.store.Store, g}
			widths = g.interleave(a.ctx, choices, []operation{
				{"one", func(ctx context.Context) { _, _, _ = a.Refresh(ctx, stolen[0].RefreshToken, session.RefreshOptions{}) }},
				{"two", func(ctx context.Context) {
					_, _, _ = a.other.Refresh(ctx, stolen[1].RefreshToken, session.RefreshOptions{})
				}},
			})
			told[len(ofKind(a.told(), session.EventTheft))]++
		}, theftIs(session.TheftRevokeUser))
		return widths
	})
	t.Log(told)
	if told[0] > 0 {
		t.Errorf("in %d orders neither theft is told: %v", told[0], told)
	}
}

// passing counts the tokens that a process accepts.
func passing(a *audit, m *session.Manager, all []session.Tokens) (n int) {
	for _, tokens := range all {
		if _, err := m.Verify(a.ctx, tokens.AccessToken, session.VerifyOptions{}); err == nil {
			n++
		}
	}
	return n
}

// TestDoubtfulRevocationNamesTheUser, when it is repeated: nobody knows which sessions the first call has ended. It is done once,
// and only then.
func TestDoubtfulRevocationNamesTheUser(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		revoke := func(want int) {
			t.Helper()
			a.store.total()
			if _, err := a.RevokeOthers(a.ctx, "user", session.Handle{1}, session.RevokeOptions{}); err != nil {
				t.Fatal(err)
			}
			if got := a.store.total()["Publish"]; got != want {
				t.Errorf("the user was published %d times, want %d", got, want)
			}
		}
		revoke(0)
		lost := a.login()
		a.store.setFault(func(call string, after bool) error {
			if call == "EndUser" && after {
				return errCut
			}
			return nil
		})
		_, err := a.RevokeUser(a.ctx, "user", session.RevokeOptions{})
		a.refused(err, session.ErrUnavailable)
		a.store.setFault(nil)
		a.login()
		a.clock.advance(time.Minute) // so long that the entries of the first call are read no more
		revoke(1)
		revoke(0)
		a.readFeeds()
		if passing(a, a.other, []session.Tokens{lost}) != 0 {
			t.Error("a token of a session that the first call has ended passes")
		}
	})
}
