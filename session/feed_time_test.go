package session_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// A token and a revocation of many bear the store's time to the millisecond: of one millisecond, the token is over.
func TestRevocationOfManyAndTokensOfThatMoment(t *testing.T) {
	t.Parallel()
	for _, user := range []string{"", "user"} {
		for _, late := range []time.Duration{0, time.Millisecond - time.Microsecond, time.Millisecond} {
			inAudit(t, func(t *testing.T, a *audit) {
				if err := a.store.Publish(a.ctx, session.Revocation{UserID: user, Reason: session.ReasonRevoked}); err != nil {
					t.Fatal(err)
				}
				a.clock.advance(late)
				_, tokens, err := a.process().Create(a.ctx, "user", session.CreateOptions{}) // one that has just read the store's clock
				if err != nil {
					t.Fatal(err)
				}
				a.readFeeds()
				_, err = a.other.Verify(a.ctx, tokens.AccessToken, session.VerifyOptions{})
				if refused := errors.Is(err, session.ErrTryRefresh); refused != (late < time.Millisecond) {
					t.Errorf("minted %v after the revocation of %q: got %v", late, user, err)
				}
			})
		}
	}
}

// A process whose clock runs fast, by a thousandth at most, does not date tokens later than a revocation that comes after them.
func TestRevocationWithAClockThatRunsFast(t *testing.T) {
	t.Parallel()
	for _, since := range []time.Duration{0, time.Second, 20 * time.Second, time.Hour} {
		inAudit(t, func(t *testing.T, a *audit) {
			a.clock.advance(since)
			a.behind = -since / 1000
			_, tokens, err := a.other.Create(a.ctx, "user", session.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if n, err := a.RevokeAll(a.ctx, session.RevokeOptions{}); n != 1 || err != nil {
				t.Fatalf("got %d, %v", n, err)
			}
			a.readFeeds()
			if _, err := a.other.Verify(a.ctx, tokens.AccessToken, session.VerifyOptions{}); !errors.Is(err, session.ErrTryRefresh) {
				t.Errorf("%v after the last reading: got %v, want ErrTryRefresh", since, err)
			}
		})
	}
}

// Nor does one whose last reading of the store's clock has taken a while, wherever in between the clock was read.
func TestRevocationAfterASlowReading(t *testing.T) {
	t.Parallel()
	for _, answered := range []bool{false, true} {
		inAudit(t, func(t *testing.T, a *audit) {
			a.store.setFault(func(call string, after bool) error {
				if (call == "Revocations" || call == "Keys") && after == answered {
					a.clock.advance(2 * time.Second)
				}
				return nil
			})
			a.clock.advance(time.Minute)
			a.readFeeds()
			a.store.setFault(nil)
			_, tokens, err := a.other.Create(a.ctx, "user", session.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			a.clock.advance(time.Second)
			if n, err := a.RevokeAll(a.ctx, session.RevokeOptions{}); n != 1 || err != nil {
				t.Fatalf("got %d, %v", n, err)
			}
			a.readFeeds()
			if _, err := a.other.Verify(a.ctx, tokens.AccessToken, session.VerifyOptions{}); !errors.Is(err, session.ErrTryRefresh) {
				t.Errorf("the clock was read first: %v: got %v, want ErrTryRefresh", answered, err)
			}
		})
	}
}

// TestRevocationThatIsPublishedButNotRead: this process refuses what is older all the same, and nothing that is minted later, however
// long the reading took to fail.
func TestRevocationThatIsPublishedButNotRead(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		login := func() session.Tokens {
			t.Helper()
			_, tokens, err := a.other.Create(a.ctx, "user", session.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return tokens
		}
		old := login()
		a.clock.advance(time.Second)
		var young session.Tokens
		a.store.setFault(func(call string, after bool) error {
			if call != "Revocations" || after {
				return nil
			}
			a.store.setFault(nil)
			a.clock.advance(time.Second)
			a.readFeeds() // not this process, which is about to fail
			young = login()
			a.clock.advance(10 * time.Second)
			return errCut
		})
		if n, err := a.RevokeAll(a.ctx, session.RevokeOptions{}); n != 1 || err != nil {
			t.Fatalf("got %d, %v", n, err)
		}
		if _, err := a.Verify(a.ctx, old.AccessToken, session.VerifyOptions{}); !errors.Is(err, session.ErrTryRefresh) {
			t.Errorf("an older token: got %v, want ErrTryRefresh", err)
		}
		if _, err := a.Verify(a.ctx, young.AccessToken, session.VerifyOptions{}); err != nil {
			t.Errorf("a younger token: got %v", err)
		}
	})
}

// The feed is as old as the moment before the store was asked.
func TestFeedAgeCountsTheReading(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		a.store.setFault(func(call string, after bool) error {
			if call == "Revocations" && !after {
				a.clock.advance(2 * time.Second)
			}
			return nil
		})
		a.clock.advance(time.Minute)
		a.readFeeds()
		a.clock.advance(time.Second)
		if got := a.other.Health().Feed.Age; got != 3*time.Second {
			t.Errorf("got an age of %v, want 3s", got)
		}
	})
}

// TestFeedOfMoreThanAPage: none is passed over where one reading takes several pages, though all of them may bear the same time.
func TestFeedOfMoreThanAPage(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		const many = 5500
		var all []session.Tokens
		revoke := func(apart time.Duration) {
			t.Helper()
			var handles []session.Handle
			for range many / 2 {
				s, tokens, err := a.Create(a.ctx, "user", session.CreateOptions{})
				if err != nil {
					t.Fatal(err)
				}
				all, handles = append(all, tokens), append(handles, s.Handle())
			}
			for _, h := range handles {
				if _, err := a.Revoke(a.ctx, h, session.RevokeOptions{Reason: session.ReasonLogout}); err != nil {
					t.Fatal(err)
				}
				a.clock.advance(apart)
			}
		}
		revoke(time.Microsecond)
		revoke(0)
		revoke(0)
		a.readFeeds()
		for name, m := range map[string]*session.Manager{"one that has run": a.other, "a new one": a.process()} {
			missed := 0
			for _, tokens := range all {
				if _, err := m.Verify(a.ctx, tokens.AccessToken, session.VerifyOptions{}); endedFor(err) != session.ReasonLogout {
					missed++
				}
			}
			if missed > 0 {
				t.Errorf("%s does not know of %d of %d", name, missed, len(all))
			}
		}
	}, func(cfg *session.Config) { cfg.OnEvent = nil })
}

// stuckStore answers nothing that makes an entry of the feed until the context ends.
type stuckStore struct{ session.Store }

func stuck(ctx context.Context) error {
	<-ctx.Done()
	return fmt.Errorf("%w: %w", session.ErrUnavailable, ctx.Err())
}

func (stuckStore) End(ctx context.Context, _ session.Handle, _ session.End) (bool, error) {
	return false, stuck(ctx)
}

func (stuckStore) EndUser(ctx context.Context, _ string, _ session.Handle, _ session.End, _ int) (int, error) {
	return 0, stuck(ctx)
}

func (stuckStore) Publish(ctx context.Context, _ session.Revocation) error { return stuck(ctx) }

// Whatever StoreTimeout is, no statement that makes an entry may take so long that a reading which goes back behind the last one would
// miss it.
func TestStatementsOfTheFeedAreBounded(t *testing.T) {
	t.Parallel()
	for _, timeout := range []time.Duration{0, time.Second, time.Hour} {
		inBubble(t, func(b *bubble) {
			m := b.manager()
			h, _ := b.login(m, "user")
			b.store.Store = stuckStore{b.store.Store}
			most := 15 * time.Second
			if timeout == 0 {
				most = session.DefaultStoreTimeout
			} else if timeout < most {
				most = timeout
			}
			for name, revoke := range map[string]func() error{
				"Revoke":     func() error { _, err := m.Revoke(b.ctx, h, session.RevokeOptions{}); return err },
				"RevokeUser": func() error { _, err := m.RevokeUser(b.ctx, "user", session.RevokeOptions{}); return err },
				"RevokeAll":  func() error { _, err := m.RevokeAll(b.ctx, session.RevokeOptions{}); return err },
			} {
				began := time.Now()
				err := revoke()
				if took := time.Since(began); !errors.Is(err, session.ErrUnavailable) || took > 2*most || took < most {
					b.t.Errorf("timeout %v, %s: got %v after %v, want ErrUnavailable after two attempts of %v", timeout, name, err, took, most)
				}
			}
		}, func(cfg *session.Config) { cfg.StoreTimeout = timeout })
	}
}
