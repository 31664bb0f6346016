package session_test

import (
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

func TestCleanupCounts(t *testing.T) {
	t.Parallel()
	const tokensLive = session.DefaultAccessLifetime + 3*time.Minute // with what clocks may differ by, on either side
	for _, test := range []struct {
		name      string
		retention time.Duration
		kept      time.Duration
	}{
		{"default", 0, 30 * 24 * time.Hour},
		{"a day", 24 * time.Hour, 24 * time.Hour},
		{"none", session.NoEndings, tokensLive},
		{"less than access tokens live", time.Second, tokensLive},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			inAudit(t, func(t *testing.T, a *audit) {
				for range 3 {
					a.login()
				}
				a.clock.advance(a.cfg.IdleLifetime / 2)
				var revoked []session.Handle
				for range 2 {
					revoked = append(revoked, a.handle(a.login().AccessToken))
				}
				lives := a.login()
				a.clock.advance(a.cfg.IdleLifetime / 2)
				for _, h := range revoked {
					if _, err := a.Revoke(a.ctx, h, session.RevokeOptions{}); err != nil {
						t.Fatal(err)
					}
				}
				a.told()
				expect := func(what string, want session.Cleaned, records int) {
					t.Helper()
					for i, m := range []*session.Manager{a.other, a.Manager} {
						if cleaned, err := m.Cleanup(a.ctx); err != nil || cleaned != want {
							t.Errorf("%s: process %d got %+v, %v, want %+v", what, i, cleaned, err, want)
						}
						want = session.Cleaned{}
					}
					if endings, err := a.Endings(a.ctx, "user", session.EndingsPage{}); err != nil || len(endings) != records {
						t.Errorf("%s: %d records are left, %v, want %d", what, len(endings), err, records)
					}
				}
				// Three have expired at this moment, and two were revoked.
				expect("at once", session.Cleaned{Expired: 3}, 5)
				if told := a.told(); len(told) != 3 {
					t.Errorf("got the events %+v, want three", told)
				}
				a.clock.advance(tokensLive)
				expect("while tokens live", session.Cleaned{}, 5)
				a.clock.advance(time.Microsecond)
				if test.kept == tokensLive {
					expect("when they have expired", session.Cleaned{Purged: 2 + 5}, 0)
				} else {
					expect("when they have expired", session.Cleaned{Purged: 2}, 5)
					a.clock.advance(test.kept - tokensLive - time.Microsecond)
					expect("one tick before", session.Cleaned{}, 5)
					a.clock.advance(time.Microsecond)
					expect("at its end", session.Cleaned{Purged: 5}, 0)
				}
				if told := a.told(); len(told) != 0 {
					t.Errorf("to forget is no event, got %+v", told)
				}
				a.refresh(lives.RefreshToken)
			}, func(cfg *session.Config) {
				cfg.EndingRetention, cfg.IdleLifetime, cfg.AbsoluteLifetime = test.retention, 100*24*time.Hour, 200*24*time.Hour
			})
		})
	}
}

func TestRunCleansUp(t *testing.T) {
	t.Parallel()
	for _, interval := range []time.Duration{0, time.Hour, session.NoCleanup} {
		inBubble(t, func(b *bubble) {
			b.store.Store = watchedRest{b.store.Store, b.store}
			b.process()
			m := b.process()
			h, _ := b.login(m, "user")
			b.store.setFault(func(call string, _ bool) error {
				if call == "EndExpired" {
					return errCut
				}
				return nil
			})
			wait := interval
			if wait <= 0 {
				wait = session.DefaultCleanupInterval
			}
			time.Sleep(b.cfg.IdleLifetime + wait + time.Second)
			if told := b.told(session.EventEnded); len(told) != 0 {
				t.Errorf("every %v: got the events %+v while the store is away", interval, told)
			}
			b.store.setFault(nil)
			time.Sleep(wait + time.Second)
			want := 1
			if interval == session.NoCleanup {
				want = 0
			}
			told := b.told(session.EventEnded)
			if len(told) != want || want > 0 && (told[0].Handle != h || told[0].Reason != session.ReasonIdle) {
				t.Errorf("every %v: got the events %+v, want %d", interval, told, want)
			}
			if endings, err := m.Endings(b.ctx, "user", session.EndingsPage{}); err != nil || len(endings) != want {
				t.Errorf("every %v: got %d records, %v, want %d", interval, len(endings), err, want)
			}
			failed, done := strings.Count(b.log.String(), "could not be removed"), strings.Count(b.log.String(), "cleaned up")
			if (failed > 0) != (want > 0) || done != want {
				t.Errorf("every %v: %d lines of failures and %d of success, want %d:\n%s", interval, failed, done, want, b.log.String())
			}
		}, func(cfg *session.Config) {
			cfg.Revocation, cfg.CleanupInterval = session.RevocationOff, interval
			cfg.AccessLifetime, cfg.IdleLifetime = 10*time.Minute, 25*time.Minute
		})
	}
}
