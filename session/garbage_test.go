package session_test

import (
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// TestI8GarbageIsFreeInEveryMode: what this deployment did not mint costs one look at the keys at most.
func TestI8GarbageIsFreeInEveryMode(t *testing.T) {
	t.Parallel()
	for _, mode := range []session.RevocationMode{session.RevocationFeed, session.RevocationStrict, session.RevocationOff} {
		for _, policy := range []session.StaleFeedPolicy{session.StaleFeedAccept, session.StaleFeedRefuse} {
			inAudit(t, func(t *testing.T, a *audit) {
				own, foreign := a.doom(), newAudit(t).doom() // of another deployment
				a.clock.advance(2 * time.Hour)               // so that the feed is stale
				garbage := []string{
					"", ".", "..", "x", strings.Repeat("A", 181), strings.Repeat("A", 9000), "\x00", own.info.Handle.String(),
					foreign.newest.AccessToken, foreign.newest.RefreshToken, foreign.first.RefreshToken,
				}
				for _, token := range []string{own.newest.AccessToken, own.newest.RefreshToken, own.first.RefreshToken} {
					for i := 0; i < len(token); i += 7 {
						flipped := []byte(token)
						flipped[i] ^= 1
						garbage = append(garbage, token[:i], token[i:], string(flipped))
					}
					garbage = append(garbage, token+"A", " "+token, strings.ToUpper(token))
				}
				for _, m := range []*session.Manager{a.Manager, a.other} {
					m.RankRefreshTokens(a.ctx, garbage)
					for _, token := range garbage {
						if token != own.newest.RefreshToken && token != own.first.RefreshToken {
							if _, _, err := m.Refresh(a.ctx, token, session.RefreshOptions{Device: thiefsDevice}); err != session.ErrUnauthorised { //nolint:errorlint // uniform: this very error, without any detail
								t.Errorf("%s: refresh with %.40q: got %v, want ErrUnauthorised itself", mode, token, err)
							}
						}
						if token != own.newest.AccessToken {
							if _, err := m.Verify(a.ctx, token, session.VerifyOptions{MaxAuthAge: time.Second}); err != session.ErrTryRefresh { //nolint:errorlint // uniform: this very error, without any detail
								t.Errorf("%s: verification of %.40q: got %v, want ErrTryRefresh itself", mode, token, err)
							}
						}
					}
				}
				calls := a.store.total()
				if calls["Keys"] > 2 {
					t.Errorf("%s: the keys were looked at %d times, want once for each process", mode, calls["Keys"])
				}
				delete(calls, "Keys")
				noCalls(t, calls)
				if told := a.told(); len(told) != 0 || len(a.thefts) != 0 {
					t.Errorf("%s: garbage was told: %+v", mode, told)
				}
			}, func(cfg *session.Config) {
				cfg.Revocation, cfg.StaleFeed, cfg.MaxFeedAge, cfg.AccessLifetime = mode, policy, time.Hour, 10*time.Hour
			})
		}
	}
}

// Tokens of a key that was cut off are told from garbage, and cost nothing either.
func TestTokensOfALostKeyAreFree(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		d := a.doom()
		for range 2 {
			if err := a.RotateNow(a.ctx, session.PurposeRefresh, "test", true); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.RotateNow(a.ctx, session.PurposeAccess, "test", true); err != nil {
			t.Fatal(err)
		}
		a.store.total()
		for _, token := range []string{d.first.RefreshToken, d.newest.RefreshToken} {
			_, _, err := a.Refresh(a.ctx, token, session.RefreshOptions{})
			if got := endedFor(err); got != session.ReasonKeyCompromise {
				t.Errorf("got %s", got)
			}
		}
		flipped := []byte(d.newest.RefreshToken)
		flipped[len(flipped)/2] ^= 1
		if _, _, err := a.Refresh(a.ctx, string(flipped), session.RefreshOptions{}); err != session.ErrUnauthorised { //nolint:errorlint // uniform: this very error, without any detail
			t.Errorf("a forged token of the lost key: got %v", err)
		}
		if _, err := a.Verify(a.ctx, d.newest.AccessToken, session.VerifyOptions{}); err != session.ErrTryRefresh { //nolint:errorlint // uniform: this very error, without any detail
			t.Errorf("an access token of the lost key: got %v", err)
		}
		noCalls(t, a.store.total())
	})
}
