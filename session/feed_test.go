package session_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// inBubble runs a test in virtual time, with processes of one store whose Run goes on until the test ends.
func inBubble(t *testing.T, f func(b *bubble), change ...func(*session.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{t: t, store: &watchedStore{Store: memstore.New(nil), calls: map[string]int{}}}
		b.ctx, b.cancel = context.WithCancel(t.Context())
		b.cfg.OnEvent = func(e session.Event) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.events = append(b.events, e)
		}
		b.cfg.Logger = slog.New(slog.NewTextHandler(&b.log, &slog.HandlerOptions{Level: slog.LevelInfo}))
		for _, change := range change {
			change(&b.cfg)
		}
		f(b)
		b.cancel()
		synctest.Wait()
	})
}

type bubble struct {
	t      *testing.T
	ctx    context.Context
	cancel context.CancelFunc
	store  *watchedStore
	cfg    session.Config

	mu     sync.Mutex
	events []session.Event
	log    lockedBuffer
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// process starts another Manager, and its Run.
func (b *bubble) process() *session.Manager {
	b.t.Helper()
	m := b.manager()
	go m.Run(b.ctx)
	return m
}

func (b *bubble) manager() *session.Manager {
	b.t.Helper()
	m, err := session.New(b.ctx, b.store, b.cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	return m
}

func (b *bubble) login(m *session.Manager, user string) (session.Handle, session.Tokens) {
	b.t.Helper()
	s, tokens, err := m.Create(b.ctx, user, session.CreateOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	return s.Handle(), tokens
}

func (b *bubble) verify(m *session.Manager, tokens session.Tokens) error {
	_, err := m.Verify(b.ctx, tokens.AccessToken, session.VerifyOptions{})
	return err
}

// told returns the events of a kind since the last call, and forgets all.
func (b *bubble) told(kind session.EventKind) []session.Event {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	var told []session.Event
	for _, e := range b.events {
		if e.Kind == kind {
			told = append(told, e)
		}
	}
	b.events = nil
	return told
}

func endedFor(err error) session.Reason {
	var ended *session.EndedError
	if errors.As(err, &ended) && errors.Is(err, session.ErrUnauthorised) {
		return ended.Reason
	}
	return session.Reason(fmt.Sprintf("not ended: %v", err))
}

func TestFeedReachesOtherProcesses(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bubble) {
		here, there := b.process(), b.process()
		h, tokens := b.login(here, "user")
		if err := b.verify(there, tokens); err != nil {
			t.Fatal(err)
		}
		if ended, err := here.Revoke(b.ctx, h, session.RevokeOptions{Reason: session.ReasonPasswordChange}); err != nil || !ended {
			t.Fatal(ended, err)
		}
		if got := endedFor(b.verify(here, tokens)); got != session.ReasonPasswordChange {
			t.Errorf("at once, in the same process: got %s", got)
		}
		time.Sleep(session.DefaultFeedInterval)
		if got := endedFor(b.verify(there, tokens)); got != session.ReasonPasswordChange {
			t.Errorf("an interval later, in the other: got %s", got)
		}
		// One that starts now reads what it has missed.
		if got := endedFor(b.verify(b.manager(), tokens)); got != session.ReasonPasswordChange {
			t.Errorf("in a new one: got %s", got)
		}
	})
}

func TestVerifyAsksTheStoreAsTheModeSays(t *testing.T) {
	t.Parallel()
	for mode, want := range map[session.RevocationMode]int{
		session.RevocationFeed: 0, session.RevocationOff: 0, session.RevocationStrict: 100,
	} {
		w := newWorld(t, func(cfg *session.Config) { cfg.Revocation = mode })
		tokens := w.login()
		w.store.total()
		for range 100 {
			w.use(tokens.AccessToken)
		}
		calls := w.store.total()
		if calls["Get"] != want || len(calls) > 1 {
			t.Errorf("%s: 100 verifications made the calls %v, want %d of Get", mode, calls, want)
		}
	}
}

// Also of a user with very many sessions each is known, and those that were kept, or begin afterwards, are not concerned.
func TestFeedOfAUserWithManySessions(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bubble) {
		here, there := b.process(), b.process()
		var all []session.Tokens
		for range 2500 {
			_, tokens := b.login(here, "crowd")
			all = append(all, tokens)
		}
		keep, kept := b.login(here, "crowd")
		_, other := b.login(here, "other")
		time.Sleep(time.Second)
		if n, err := here.RevokeOthers(b.ctx, "crowd", keep, session.RevokeOptions{}); err != nil || n != 2500 {
			t.Fatalf("got %d, %v", n, err)
		}
		time.Sleep(session.DefaultFeedInterval)
		for _, m := range []*session.Manager{here, there} {
			for i, tokens := range all {
				if err := b.verify(m, tokens); err == nil {
					t.Fatalf("token %d passes", i)
				}
			}
			if err := b.verify(m, kept); err != nil {
				t.Errorf("the kept session: %v", err)
			}
			if err := b.verify(m, other); err != nil {
				t.Errorf("another user: %v", err)
			}
		}
		_, again := b.login(there, "crowd")
		for _, m := range []*session.Manager{here, there, b.manager()} {
			if err := errors.Join(b.verify(m, kept), b.verify(m, again)); err != nil {
				t.Errorf("after the revocation: %v", err)
			}
		}
	})
}

func TestRevokeAllReachesEverybody(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bubble) {
		here, there := b.process(), b.process()
		var all []session.Tokens
		for i := range 1200 {
			_, tokens := b.login(here, fmt.Sprint("user", i))
			all = append(all, tokens)
		}
		time.Sleep(time.Second)
		if n, err := here.RevokeAll(b.ctx, session.RevokeOptions{}); err != nil || n != 1200 {
			t.Fatalf("got %d, %v", n, err)
		}
		if n := len(b.told(session.EventEnded)); n != 1200 {
			t.Errorf("%d events", n)
		}
		time.Sleep(10 * time.Millisecond)
		_, again := b.login(there, "user1")
		time.Sleep(session.DefaultFeedInterval)
		for _, m := range []*session.Manager{here, there, b.manager()} {
			for _, tokens := range all {
				if b.verify(m, tokens) == nil {
					t.Fatal("a token passes")
				}
				if _, _, err := m.Refresh(b.ctx, tokens.RefreshToken, session.RefreshOptions{}); endedFor(err) != session.ReasonRevoked {
					t.Fatalf("refresh: %v", err)
				}
			}
			if err := b.verify(m, again); err != nil {
				t.Errorf("a login after it: %v", err)
			}
		}
	})
}

// lateStore shows an entry of the feed only some time after it was made, as a transaction that commits late does.
type lateStore struct {
	session.Store
	late map[session.Handle]time.Time // from when on the session's entry is visible
}

func (s lateStore) Revocations(ctx context.Context, since time.Time, limit int) ([]session.Revocation, time.Time, error) {
	entries, now, err := s.Store.Revocations(ctx, since, limit)
	var visible []session.Revocation
	for _, e := range entries {
		if !now.Before(s.late[e.Handle]) {
			visible = append(visible, e)
		}
	}
	return visible, now, err
}

// TestFeedMissesNoEntryThatAppearsLate: entries become visible up to as long after their time as a statement may take, while
// later ones have been read.
func TestFeedMissesNoEntryThatAppearsLate(t *testing.T) {
	t.Parallel()
	for _, late := range []time.Duration{500 * time.Millisecond, 3 * time.Second, 14900 * time.Millisecond} {
		inBubble(t, func(b *bubble) {
			store := lateStore{b.store.Store, map[session.Handle]time.Time{}}
			b.store.Store = store
			here, there := b.process(), b.process()
			h, slow := b.login(here, "user")
			store.late[h] = time.Now().Add(late)
			if _, err := here.Revoke(b.ctx, h, session.RevokeOptions{}); err != nil {
				t.Fatal(err)
			}
			for range 20 {
				quick, tokens := b.login(here, "user")
				if _, err := here.Revoke(b.ctx, quick, session.RevokeOptions{}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(session.DefaultFeedInterval)
				if b.verify(there, tokens) == nil {
					t.Errorf("late by %v: a quick revocation is missed", late)
				}
				if !time.Now().Before(store.late[h].Add(session.DefaultFeedInterval)) && b.verify(there, slow) == nil {
					t.Fatalf("late by %v: the slow revocation is missed", late)
				}
			}
		})
	}
}

func TestFeedForgetsWhatHasExpired(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bubble) {
		here, there := b.process(), b.process()
		h, _ := b.login(here, "user")
		if _, err := here.Revoke(b.ctx, h, session.RevokeOptions{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(session.DefaultAccessLifetime)
		if known := there.Health().Feed.Known; known != 1 {
			t.Errorf("after an access lifetime: %d entries, want 1", known)
		}
		time.Sleep(session.DefaultAccessLifetime)
		for _, m := range []*session.Manager{here, there, b.manager()} {
			if known := m.Health().Feed.Known; known != 0 {
				t.Errorf("when the last token has expired: %d entries", known)
			}
		}
		entries, _, err := b.store.Revocations(b.ctx, time.Unix(0, 0), 10)
		if kept := slices.DeleteFunc(entries, func(r session.Revocation) bool { return r.KeyID != "" }); err != nil || len(kept) != 0 {
			t.Errorf("the store keeps %v, %v", kept, err)
		}
	})
}

func TestStaleFeed(t *testing.T) {
	t.Parallel()
	for _, policy := range []session.StaleFeedPolicy{"", session.StaleFeedAccept, session.StaleFeedRefuse} {
		inBubble(t, func(b *bubble) {
			here := b.process()
			_, tokens := b.login(here, "user")
			time.Sleep(time.Minute)
			b.told("")
			var away atomic.Bool
			away.Store(true)
			b.store.setFault(func(call string, _ bool) error {
				if away.Load() {
					return errCut
				}
				return nil
			})
			time.Sleep(session.DefaultMaxFeedAge - 2*time.Second)
			if health := here.Health().Feed; health.Stale || b.verify(here, tokens) != nil {
				t.Errorf("%q: stale too early: %+v", policy, health)
			}
			time.Sleep(time.Minute)
			health := here.Health().Feed
			if !health.Stale || health.Age < time.Minute || health.Mode != session.RevocationFeed {
				t.Errorf("%q: got health %+v", policy, health)
			}
			err := b.verify(here, tokens)
			if policy == session.StaleFeedRefuse && !errors.Is(err, session.ErrUnavailable) || policy != session.StaleFeedRefuse && err != nil {
				t.Errorf("%q: got %v", policy, err)
			}
			if told := b.told(session.EventFeedStale); len(told) != 1 || told[0].FeedAge <= session.DefaultMaxFeedAge {
				t.Errorf("%q: got events %+v", policy, told)
			}
			away.Store(false)
			time.Sleep(2 * time.Second)
			if health := here.Health().Feed; health.Stale || b.verify(here, tokens) != nil {
				t.Errorf("%q: still stale: %+v", policy, health)
			}
			if told := b.told(session.EventFeedFresh); len(told) != 1 {
				t.Errorf("%q: got events %+v", policy, told)
			}
			stale, fresh := strings.Count(b.log.String(), "is stale"), strings.Count(b.log.String(), "read again")
			if stale != 1 || fresh != 1 {
				t.Errorf("%q: %d lines for stale, %d for fresh, want one each:\n%s", policy, stale, fresh, b.log.String())
			}
		}, func(cfg *session.Config) { cfg.StaleFeed = policy })
	}
}

// Without Run nobody reads the feed: that is said, once, although nothing else goes on.
func TestFeedWithoutRunIsLoud(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bubble) {
		m := b.manager()
		_, tokens := b.login(m, "user")
		time.Sleep(time.Minute)
		for range 3 {
			if err := b.verify(m, tokens); err != nil {
				t.Fatal(err)
			}
		}
		if n := strings.Count(b.log.String(), "is Manager.Run running, or has it ended"); n != 1 && strings.Count(b.log.String(), "is stale") != 1 {
			t.Errorf("got log %s", b.log.String())
		}
	})
}

func TestFeedPollsAreMeasured(t *testing.T) {
	t.Parallel()
	var (
		mu    sync.Mutex
		polls []session.FeedPoll
	)
	inBubble(t, func(b *bubble) {
		m := b.process()
		h, _ := b.login(m, "user")
		if _, err := m.Revoke(b.ctx, h, session.RevokeOptions{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
	}, func(cfg *session.Config) {
		cfg.OnFeedPoll = func(p session.FeedPoll) {
			mu.Lock()
			defer mu.Unlock()
			polls = append(polls, p)
		}
	})
	mu.Lock()
	defer mu.Unlock()
	if last := polls[len(polls)-1]; len(polls) < 10 || len(polls) > 14 || last.Err != nil || last.Entries != 1 || last.Known != 1 {
		t.Errorf("%d polls, the last %+v", len(polls), last)
	}
}

type feedless struct{ session.Store }

func (feedless) Publish(context.Context, session.Revocation) error { return errors.ErrUnsupported }

func (feedless) Revocations(context.Context, time.Time, int) ([]session.Revocation, time.Time, error) {
	return nil, time.Time{}, fmt.Errorf("no feed: %w", errors.ErrUnsupported)
}

func TestStoreWithoutFeed(t *testing.T) {
	t.Parallel()
	store := feedless{memstore.New(nil)}
	m, err := session.New(t.Context(), store, session.Config{})
	if err != nil || m.Health().Feed.Mode != session.RevocationOff {
		t.Fatalf("got %v, want mode off", err)
	}
	_, tokens, err := m.Create(t.Context(), "user", session.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := m.RevokeUser(t.Context(), "user", session.RevokeOptions{}); err != nil || n != 1 {
		t.Errorf("got %d, %v", n, err)
	}
	if _, err := m.RevokeAll(t.Context(), session.RevokeOptions{}); err != nil {
		t.Error(err)
	}
	if _, err := m.Verify(t.Context(), tokens.AccessToken, session.VerifyOptions{}); err != nil {
		t.Errorf("without a feed the token is good until it expires: %v", err)
	}
	_, err = session.New(t.Context(), store, session.Config{Revocation: session.RevocationFeed})
	if !errors.Is(err, session.ErrInvalidConfig) || !strings.Contains(err.Error(), "Revocation ") {
		t.Errorf("got %v, want ErrInvalidConfig that names Revocation", err)
	}
}

// A token is compared by the store's clock, whatever the processes' clocks say.
func TestRevokeUserWithClocksApart(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{-30 * time.Second, 30 * time.Second} {
		inBubble(t, func(b *bubble) {
			here := b.process()
			b.cfg.Clock = func() time.Time { return time.Now().Add(skew) }
			there := b.process()
			_, old := b.login(there, "user")
			time.Sleep(5 * time.Millisecond)
			b.store.setFault(cutOnce("EndUser", true)) // so that the feed names the user
			if _, err := here.RevokeUser(b.ctx, "user", session.RevokeOptions{}); err != nil {
				t.Fatal(err)
			}
			b.store.setFault(nil)
			time.Sleep(5 * time.Millisecond)
			_, again := b.login(there, "user")
			time.Sleep(session.DefaultFeedInterval)
			for _, m := range []*session.Manager{here, there} {
				if b.verify(m, old) == nil {
					t.Errorf("skew %v: a revoked token passes", skew)
				}
				if err := b.verify(m, again); err != nil {
					t.Errorf("skew %v: a later login is refused: %v", skew, err)
				}
			}
		})
	}
}
