package session_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// TestTokensMintedDuringALongRevocation: of a user with more sessions than one statement ends, those that are refreshed between two
// statements are over, too, when the call has returned.
func TestTokensMintedDuringALongRevocation(t *testing.T) {
	t.Parallel()
	for name, revoke := range map[string]func(a *audit, keep session.Handle) error{
		"RevokeUser": func(a *audit, _ session.Handle) error {
			_, err := a.RevokeUser(a.ctx, "user", session.RevokeOptions{})
			return err
		},
		"RevokeOthers": func(a *audit, keep session.Handle) error {
			_, err := a.RevokeOthers(a.ctx, "user", keep, session.RevokeOptions{})
			return err
		},
		"RevokeAll": func(a *audit, _ session.Handle) error {
			_, err := a.RevokeAll(a.ctx, session.RevokeOptions{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inAudit(t, func(t *testing.T, a *audit) {
				keep := a.handle(a.login().AccessToken)
				tokens := map[session.Handle]session.Tokens{}
				for range 1050 {
					s, own, err := a.Create(a.ctx, "user", session.CreateOptions{})
					if err != nil {
						t.Fatal(err)
					}
					tokens[s.Handle()] = own
				}
				a.clock.advance(time.Minute)
				var minted []session.Tokens
				calls := 0
				a.store.setFault(func(call string, after bool) error {
					if after || call != "EndUser" && call != "EndAll" {
						return nil
					}
					if calls++; calls != 2 {
						return nil
					}
					a.clock.advance(5 * time.Second)
					for _, own := range tokens {
						if _, got, err := a.other.Refresh(a.ctx, own.RefreshToken, session.RefreshOptions{}); err == nil {
							minted = append(minted, got)
						}
					}
					return nil
				})
				if err := revoke(a, keep); err != nil {
					t.Fatal(err)
				}
				a.store.setFault(nil)
				a.readFeeds()
				if len(minted) < 50 {
					t.Fatalf("%d tokens were minted between the statements, want 50", len(minted))
				}
				for who, m := range map[string]*session.Manager{"here": a.Manager, "there": a.other} {
					passed := 0
					for _, got := range minted {
						if _, err := m.Verify(a.ctx, got.AccessToken, session.VerifyOptions{}); err == nil {
							passed++
						}
					}
					if passed > 0 {
						t.Errorf("%s %d of %d access tokens pass that were minted between the statements", who, passed, len(minted))
					}
				}
			}, func(cfg *session.Config) { cfg.OnEvent = nil })
		})
	}
}

// TestRevokeUserTellsItsOwnEndings, and not those that there were, although they bear the same time.
func TestRevokeUserTellsItsOwnEndings(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		for range 9 {
			a.login()
		}
		all := a.handles("user")
		for i := range 3 {
			if _, err := a.Revoke(a.ctx, all[3*i+1], session.RevokeOptions{Reason: session.ReasonLogout}); err != nil {
				t.Fatal(err)
			}
		}
		a.told()
		left := a.handles("user")
		if n, err := a.RevokeUser(a.ctx, "user", session.RevokeOptions{}); n != 6 || err != nil {
			t.Fatalf("got %d, %v", n, err)
		}
		var told []session.Handle
		for _, e := range ofKind(a.told(), session.EventEnded) {
			if told = append(told, e.Handle); e.Reason != session.ReasonRevoked {
				t.Errorf("got the event %+v, want it for %s", e, session.ReasonRevoked)
			}
		}
		slices.SortFunc(told, func(x, y session.Handle) int { return strings.Compare(x.String(), y.String()) })
		if !slices.Equal(told, left) {
			t.Errorf("got the events of %v, want those of %v", told, left)
		}
	})
}

// Of more sessions than are listed at once, each is told once.
func TestRevokeUserTellsOfMany(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		const many = 2100
		for range many {
			a.login()
		}
		a.told()
		if n, err := a.RevokeUser(a.ctx, "user", session.RevokeOptions{}); n != many || err != nil {
			t.Fatalf("got %d, %v", n, err)
		}
		told := map[session.Handle]bool{}
		events := ofKind(a.told(), session.EventEnded)
		for _, e := range events {
			told[e.Handle] = true
		}
		if len(events) != many || len(told) != many {
			t.Errorf("got %d events of %d sessions, want %d", len(events), len(told), many)
		}
	})
}

func TestRevokeKeepsToItsOptions(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		d := a.doom()
		h := d.info.Handle
		bad := session.RevokeOptions{Reason: "because"}
		for name, revoke := range map[string]func() error{
			"Revoke":         func() error { _, err := a.Revoke(a.ctx, h, bad); return err },
			"Session.Revoke": func() error { _, err := d.own[a.Manager].Revoke(a.ctx, bad); return err },
			"RevokeUser":     func() error { _, err := a.RevokeUser(a.ctx, "user", bad); return err },
			"RevokeOthers":   func() error { _, err := a.RevokeOthers(a.ctx, "user", h, bad); return err },
			"RevokeAll":      func() error { _, err := a.RevokeAll(a.ctx, bad); return err },
		} {
			if err := revoke(); !errors.Is(err, session.ErrInvalidReason) {
				t.Errorf("%s for an unknown reason: got %v, want ErrInvalidReason", name, err)
			}
		}
		noCalls(t, a.store.total())

		// A handle of somebody else's is none.
		if ended, err := a.RevokeOwned(a.ctx, "somebody", h, session.RevokeOptions{}); ended || err != nil {
			t.Errorf("a foreign handle: got %v, %v", ended, err)
		}
		if calls := a.store.total(); calls["End"] != 0 {
			t.Errorf("a foreign handle reached the store: %v", calls)
		}
		a.use(d.newest.AccessToken)
		yours := session.RevokeOptions{Reason: session.ReasonRevokedByUser}
		for i, want := range []bool{true, false, false} {
			if ended, err := a.RevokeOwned(a.ctx, "user", h, yours); ended != want || err != nil {
				t.Errorf("the user's own handle, time %d: got %v, %v", i+1, ended, err)
			}
		}
		a.store.total()
		if _, err := a.RevokeOwned(a.ctx, "user", h, yours); err != nil || a.store.total()["End"] != 1 {
			t.Errorf("a repetition has to reach the store, so that the feed names the session again; got %v", err)
		}
		if ended, err := a.RevokeOwned(a.ctx, "somebody", h, yours); ended || err != nil || a.store.total()["End"] != 0 {
			t.Errorf("a foreign handle of an ended session: got %v, %v, or it reached the store", ended, err)
		}
		for i := range 2 {
			if ended, err := a.RevokeOwned(a.ctx, "user", session.Handle{byte(i)}, yours); ended || err != nil {
				t.Errorf("an unknown handle: got %v, %v", ended, err)
			}
		}
		if told := a.told(); len(told) != 1 || told[0].Reason != session.ReasonRevokedByUser {
			t.Errorf("got the events %+v, want one", told)
		}
	})
}

// Where nobody is told, a revocation costs one call, and one more to see whose session it is, or which ones these were.
func TestRevokeCosts(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		one, two := a.doom(), a.doom()
		for _, test := range []struct {
			calls  string
			revoke func() error
		}{
			{"map[End:1]", func() error { _, err := a.Revoke(a.ctx, one.info.Handle, session.RevokeOptions{}); return err }},
			{"map[End:1 Get:1]", func() error {
				_, err := a.RevokeOwned(a.ctx, "user", two.info.Handle, session.RevokeOptions{})
				return err
			}},
			{"map[EndUser:1 Endings:1]", func() error { _, err := a.RevokeUser(a.ctx, "user", session.RevokeOptions{}); return err }},
		} {
			a.store.total()
			if err := test.revoke(); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(a.store.total()); got != test.calls {
				t.Errorf("got the calls %s, want %s", got, test.calls)
			}
		}
	}, func(cfg *session.Config) { cfg.OnEvent = nil })
}

// In the strict mode a verification depends on the store, and says so while that is away.
func TestStrictVerificationNeedsTheStore(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		tokens := a.login()
		a.store.setFault(func(string, bool) error { return errCut })
		_, err := a.Verify(a.ctx, tokens.AccessToken, session.VerifyOptions{})
		if !errors.Is(err, session.ErrUnavailable) || errors.Is(err, session.ErrUnauthorised) || errors.Is(err, session.ErrTryRefresh) {
			t.Errorf("got %v, want ErrUnavailable", err)
		}
		a.store.setFault(nil)
		a.use(tokens.AccessToken)
	}, func(cfg *session.Config) { cfg.Revocation = session.RevocationStrict })
}

// TestLoginCrossesWithRevokeAll, in every order of their store calls: when both have returned, a session that has ended has no good
// access token, and one that lives on is asked to refresh at worst.
func TestLoginCrossesWithRevokeAll(t *testing.T) {
	t.Parallel()
	lived, ended := 0, 0
	everyInterleaving(func(choices []int) (widths []int) {
		inAudit(t, func(t *testing.T, a *audit) {
			g := &gates{waiting: map[string]chan struct{}{}}
			a.store.Store = gatedRest{gatedStore{a.store.Store, g}}
			var (
				s      *session.Session
				tokens session.Tokens
				errs   [2]error
			)
			widths = g.interleave(a.ctx, choices, []operation{
				{"login", func(ctx context.Context) {
					s, tokens, errs[0] = a.other.Create(ctx, "user", session.CreateOptions{})
				}},
				{"revoke", func(ctx context.Context) { _, errs[1] = a.RevokeAll(ctx, session.RevokeOptions{}) }},
			})
			if err := errors.Join(errs[:]...); err != nil {
				t.Fatalf("order %v: %v", choices, err)
			}
			a.clock.advance(time.Second)
			a.readFeeds()
			_, err := a.Lookup(a.ctx, s.Handle())
			for _, m := range []*session.Manager{a.Manager, a.other} {
				access := tokens.AccessToken
				_, verified := m.Verify(a.ctx, access, session.VerifyOptions{})
				if err != nil {
					ended++
					if verified == nil {
						t.Errorf("order %v: the access token of an ended session passes", choices)
					}
					continue
				}
				lived++
				if verified != nil {
					a.refused(verified, session.ErrTryRefresh)
					access = a.refresh(tokens.RefreshToken).AccessToken
				}
				if _, err := m.Verify(a.ctx, access, session.VerifyOptions{}); err != nil {
					t.Errorf("order %v: after a refresh: %v", choices, err)
				}
			}
		})
		return widths
	})
	if lived == 0 || ended == 0 {
		t.Errorf("%d sessions lived on and %d ended, want some of each", lived, ended)
	}
}

// A change of password ends all sessions and begins a new one, whose tokens are good.
func TestLoginAfterRevokeUserIsGood(t *testing.T) {
	t.Parallel()
	for _, mode := range []session.RevocationMode{session.RevocationFeed, session.RevocationStrict, session.RevocationOff} {
		inAudit(t, func(t *testing.T, a *audit) {
			d := a.doom()
			if n, err := a.RevokeUser(a.ctx, "user", session.RevokeOptions{Reason: session.ReasonPasswordChange}); err != nil || n != 2 {
				t.Fatalf("got %d, %v", n, err)
			}
			again := a.login()
			if _, err := a.Verify(a.ctx, again.AccessToken, session.VerifyOptions{}); err != nil {
				t.Errorf("%s: the new session's token: %v", mode, err)
			}
			if _, err := a.Verify(a.ctx, d.newest.AccessToken, session.VerifyOptions{}); (err == nil) != (mode == session.RevocationOff) {
				t.Errorf("%s: the old session's token: got %v", mode, err)
			}
		}, func(cfg *session.Config) { cfg.Revocation = mode })
	}
}

// A reset of a password may come when nobody is logged in.
func TestLoginAfterRevokeUserOfNobodyIsGood(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		a.readFeeds()
		if n, err := a.RevokeUser(a.ctx, "user", session.RevokeOptions{Reason: session.ReasonPasswordChange}); err != nil || n != 0 {
			t.Fatalf("got %d, %v", n, err)
		}
		again := a.login()
		for _, when := range []string{"at once", "when the feed has been read"} {
			for i, m := range []*session.Manager{a.Manager, a.other} {
				if _, err := m.Verify(a.ctx, again.AccessToken, session.VerifyOptions{}); err != nil {
					t.Errorf("%s, process %d: the new session's token: %v", when, i, err)
				}
			}
			a.clock.advance(time.Second)
			a.readFeeds()
		}
	})
}
