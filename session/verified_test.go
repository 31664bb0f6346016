package session_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// verdict is what Verify makes of a token, for comparison.
func verdict(m *session.Manager, w *world, token string, opts session.VerifyOptions) string {
	s, err := m.Verify(w.ctx, token, opts)
	if err != nil {
		var ended *session.EndedError
		if errors.As(err, &ended) {
			return fmt.Sprintf("%v %v", ended.Handle, ended.Reason)
		}
		return err.Error()
	}
	_, renewed := s.Renewed()
	return fmt.Sprint(s.Handle(), s.UserID(), string(s.RawPayload()), s.AccessExpires(), s.AuthTime(), s.RefreshID(), renewed)
}

// TestVerifiedTokensMakeNoDifference: whatever happens, a Manager that remembers tokens, be it four at a time, says of each token what one says
// that checks every signature.
func TestVerifiedTokensMakeNoDifference(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			a := newAudit(t, func(cfg *session.Config) {
				cfg.VerifiedTokens = []int{1, 16, session.DefaultVerifiedTokens}[seed%3]
				cfg.Audience, cfg.AccessLifetime = "api", 10*time.Minute
				cfg.AccessKeyRotation, cfg.KeyPropagation, cfg.KeyPollInterval = 20*time.Minute, 2*time.Minute, time.Minute
				if seed%4 == 0 {
					cfg.Revocation = session.RevocationStrict
				}
			})
			a.cfg.VerifiedTokens = session.NoVerifiedTokens
			plain := a.process()
			a.other = plain // both read their feeds in readFeeds
			var all []session.Tokens
			verified := map[string]bool{}
			for step := range 400 {
				switch n := r.IntN(20); {
				case n < 4 || len(all) == 0:
					user := fmt.Sprint("user", r.IntN(3))
					_, tokens, err := a.Create(a.ctx, user, session.CreateOptions{AntiCSRF: r.IntN(2) == 0, Payload: step})
					if err != nil {
						t.Fatal(err)
					}
					all = append(all, tokens)
				case n < 8:
					if _, tokens, err := a.Refresh(a.ctx, all[r.IntN(len(all))].RefreshToken, session.RefreshOptions{AntiCSRF: r.IntN(2) == 0}); err == nil {
						if tokens.RefreshToken == "" {
							tokens.RefreshToken = all[0].RefreshToken
						}
						all = append(all, tokens)
					}
				case n < 9:
					if s, err := plain.Verify(a.ctx, all[r.IntN(len(all))].AccessToken, session.VerifyOptions{}); err == nil {
						_, _ = s.Revoke(a.ctx, session.RevokeOptions{})
					}
				case n == 9 && r.IntN(5) == 0:
					_, _ = a.RevokeUser(a.ctx, fmt.Sprint("user", r.IntN(3)), session.RevokeOptions{})
				case n == 10 && r.IntN(8) == 0:
					if err := a.RotateNow(a.ctx, session.PurposeAccess, "test", true); err != nil {
						t.Fatal(err)
					}
				case n < 13:
					a.clock.advance(time.Duration(r.IntN(200)) * time.Second)
				case n == 13 && r.IntN(4) == 0:
					a.clock.advance(-time.Duration(r.IntN(90)) * time.Second)
				}
				a.readFeeds()
				for range 5 {
					tokens := all[len(all)-1-r.IntN(min(len(all), 12))]
					token := tokens.AccessToken
					if r.IntN(4) == 0 {
						i := r.IntN(len(token))
						token = token[:i] + string("Ab0-"[r.IntN(4)]) + token[i+1:]
					}
					opts := session.VerifyOptions{CheckAntiCSRF: r.IntN(2) == 0, AntiCSRF: tokens.AntiCSRF}
					if r.IntN(8) == 0 {
						opts.AntiCSRF += "x"
					}
					if r.IntN(8) == 0 {
						opts.MaxAuthAge = time.Minute
					}
					if want, got := verdict(plain, a.world, token, opts), verdict(a.Manager, a.world, token, opts); got != want {
						t.Fatalf("seed %d, step %d: got %s, want %s", seed, step, got, want)
					} else if len(got) > 100 {
						verified[token] = true
					}
				}
			}
			if len(verified) < 20 {
				t.Errorf("seed %d: %d tokens were good: the test does not test much", seed, len(verified))
			}
		})
	}
}

// TestVerifiedTokensAreNotMixedUp by requests that displace each other's.
func TestVerifiedTokensAreNotMixedUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(cfg *session.Config) { cfg.VerifiedTokens = 1 })
	users := map[string]string{}
	for i := range 12 {
		user := fmt.Sprint("user", i)
		_, tokens, err := w.Create(w.ctx, user, session.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		users[tokens.AccessToken] = user
	}
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for range 100 {
				for token, user := range users { // in another order each time
					if s, err := w.Verify(w.ctx, token, session.VerifyOptions{}); err != nil || s.UserID() != user {
						t.Errorf("the token of %s: got %v, %v", user, s, err)
					}
				}
			}
		})
	}
	clients.Wait()
}

// TestVerifyOfAKnownTokenAllocatesOnce: the Session that it returns.
func TestVerifyOfAKnownTokenAllocatesOnce(t *testing.T) { //nolint:paralleltest // allocations are counted for the whole process
	w := newWorld(t, signedWith(session.EdDSA))
	w.csrf = true
	tokens := w.login()
	verifier := newEndpoint(w).verifier(w)
	for name, verify := range map[string]func() (*session.Session, error){
		"Manager": func() (*session.Session, error) {
			return w.Verify(w.ctx, tokens.AccessToken, session.VerifyOptions{CheckAntiCSRF: true, AntiCSRF: tokens.AntiCSRF})
		},
		"Verifier": func() (*session.Session, error) {
			return verifier.Verify(w.ctx, tokens.AccessToken, session.VerifyOptions{CheckAntiCSRF: true, AntiCSRF: tokens.AntiCSRF})
		},
	} {
		if n := testing.AllocsPerRun(100, func() {
			if _, err := verify(); err != nil {
				t.Fatal(err)
			}
		}); n > 1 {
			t.Errorf("%s: %v allocations, want 1", name, n)
		}
	}
}

// TestVerifiedTokensAreConfigured: none, or one that is too long to be remembered, verifies as well.
func TestVerifiedTokensAreConfigured(t *testing.T) {
	t.Parallel()
	for name, n := range map[string]int{"default": 0, "none": session.NoVerifiedTokens, "some": 5} {
		w := newWorld(t, func(cfg *session.Config) { cfg.VerifiedTokens = n })
		_, tokens, err := w.Create(w.ctx, "user", session.CreateOptions{Payload: strings.Repeat("x", 4000)})
		if err != nil {
			t.Fatal(err)
		}
		for _, token := range []string{tokens.AccessToken, w.login().AccessToken} {
			for range 2 {
				if s, err := w.Verify(w.ctx, token, session.VerifyOptions{}); err != nil || s.UserID() != "user" {
					t.Errorf("%s: a token of %d bytes: got %v, %v", name, len(token), s, err)
				}
			}
		}
	}
}
