package session_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// The scenarios of the original's tests: S1 → R1 → S2 → R1 and S1 → R1 → R2 → R1.
func TestTheftAfterUseOfTheSuccessor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, strict)
	first := w.login()
	second := w.refresh(first.RefreshToken)
	w.use(second.AccessToken) // the client has the successor
	_, _, err := w.Refresh(w.ctx, first.RefreshToken, session.RefreshOptions{})
	w.expectTheft(err, session.TheftReuse)
	_, _, err = w.Refresh(w.ctx, second.RefreshToken, session.RefreshOptions{})
	w.refused(err, session.ErrUnauthorised)
	if isTheft(err) || len(w.thefts) != 1 {
		t.Errorf("got error %v and %d alarms, want one alarm for one theft", err, len(w.thefts))
	}
}

func TestTheftAfterRefreshWithTheSuccessor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, strict)
	first := w.login()
	second := w.refresh(first.RefreshToken)
	w.refresh(second.RefreshToken)
	_, _, err := w.Refresh(w.ctx, first.RefreshToken, session.RefreshOptions{})
	w.expectTheft(err, session.TheftReuse)
}

func TestNoTheftBeforeUseOfTheSuccessor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, strict)
	first := w.login()
	w.refresh(first.RefreshToken)
	newest := w.refresh(first.RefreshToken) // the first answer was lost
	w.use(newest.AccessToken)
	w.refresh(newest.RefreshToken)
}

func (w *world) expectTheft(err error, kind session.TheftKind) {
	w.t.Helper()
	var theft *session.TheftError
	if !errors.As(err, &theft) || theft.Kind != kind || theft.UserID != "user" || theft.Handle.IsZero() {
		w.t.Fatalf("got %v, want a theft (%s) of the user's session", err, kind)
	}
	if !errors.Is(err, session.ErrUnauthorised) {
		w.t.Errorf("%v does not match ErrUnauthorised", err)
	}
	if len(w.thefts) != 1 || w.thefts[0] != *theft {
		w.t.Errorf("the hook was told %v, want %v once", w.thefts, *theft)
	}
}

func TestBrandNewTokenIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.login()
	kept := w.refresh(first.RefreshToken)
	if kept.RefreshToken != "" || kept.ID != first.ID {
		t.Errorf("a refresh within grace of the creation gave out a new refresh token")
	}
	if s := w.use(kept.AccessToken); s.UserID() != "user" {
		t.Errorf("got user %q", s.UserID())
	}
	if _, renewed := w.use(kept.AccessToken).Renewed(); renewed {
		t.Errorf("an access token of a confirmed generation was renewed")
	}
}

func TestSameSuccessorIsHandedOutAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.process()
	first := w.login()
	w.clock.advance(time.Minute)
	a := w.refresh(first.RefreshToken)
	w.clock.advance(session.DefaultGrace)
	_, b, err := other.Refresh(w.ctx, first.RefreshToken, session.RefreshOptions{})
	if err != nil || a.RefreshToken == "" || a.RefreshToken != b.RefreshToken || a.ID != b.ID {
		t.Fatalf("two refreshes that crossed got different successors (%v)", err)
	}
	w.clock.advance(session.DefaultGrace + time.Microsecond)
	c := w.refresh(first.RefreshToken)
	if c.RefreshToken == b.RefreshToken || c.RefreshToken == "" {
		t.Errorf("long after grace the same successor was handed out")
	}
}

func TestPreviousWithinGraceGetsTheNewest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.login()
	w.clock.advance(time.Minute)
	second := w.refresh(first.RefreshToken)
	w.use(second.AccessToken)
	w.clock.advance(session.DefaultGrace)
	crossed := w.refresh(first.RefreshToken)
	if crossed.RefreshToken != second.RefreshToken {
		t.Errorf("a refresh that crossed with its confirmation did not get the newest token")
	}
	if _, renewed := w.use(crossed.AccessToken).Renewed(); renewed {
		t.Errorf("its access token counts as unconfirmed")
	}
	w.clock.advance(time.Microsecond)
	_, _, err := w.Refresh(w.ctx, first.RefreshToken, session.RefreshOptions{})
	w.expectTheft(err, session.TheftReuse)
}

func TestShadowIsTheft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.login()
	for i := range 32 {
		w.clock.advance(session.DefaultGrace + time.Second)
		if _, _, err := w.Refresh(w.ctx, first.RefreshToken, session.RefreshOptions{}); err != nil {
			t.Fatalf("hand-out %d: %v", i+1, err)
		}
	}
	w.clock.advance(session.DefaultGrace + time.Second)
	_, _, err := w.Refresh(w.ctx, first.RefreshToken, session.RefreshOptions{})
	w.expectTheft(err, session.TheftShadow)
}

func TestTheftReportOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, strict, func(cfg *session.Config) { cfg.Theft = session.TheftReport })
	first := w.login()
	second := w.refresh(first.RefreshToken)
	w.use(second.AccessToken)
	_, _, err := w.Refresh(w.ctx, first.RefreshToken, session.RefreshOptions{})
	w.expectTheft(err, session.TheftReuse)
	w.refresh(second.RefreshToken)
}

func TestTheftTellsTheHookOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, strict)
	first := w.login()
	w.use(w.refresh(first.RefreshToken).AccessToken)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if _, _, err := w.Refresh(w.ctx, first.RefreshToken, session.RefreshOptions{}); !errors.Is(err, session.ErrUnauthorised) {
				t.Errorf("got %v, want a refusal", err)
			}
		})
	}
	wg.Wait()
	if len(w.thefts) != 1 {
		t.Errorf("the hook was told %d times, want once", len(w.thefts))
	}
}

// A page may fire more requests at once than successors are handed out: in one process they share the work.
func TestI1ParallelRefreshesShareTheWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.login()
	w.clock.advance(time.Minute)
	tokens := make([]string, 64)
	// The first waits until the others have come, as many of them as a second's wait brings.
	reached, open := make(chan struct{}), make(chan struct{})
	w.store.setFault((&gate{call: "Get", reached: reached, open: open}).fault)
	time.AfterFunc(time.Second/2, func() { close(open) })
	w.store.total()
	var wg sync.WaitGroup
	for i := range tokens {
		wg.Go(func() {
			_, got, err := w.Refresh(w.ctx, first.RefreshToken, session.RefreshOptions{})
			if err != nil {
				t.Errorf("refresh %d: %v", i, err)
			}
			tokens[i] = got.RefreshToken
		})
	}
	wg.Wait()
	if calls := w.store.total(); calls["Get"] > 4 {
		t.Errorf("64 parallel refreshes asked the store %v, want two rounds, or few more", calls)
	}
	for _, token := range tokens {
		if token != tokens[0] || token == "" {
			t.Fatal("64 parallel refreshes got different successors")
		}
	}
}

func TestLifetimesEnd(t *testing.T) {
	t.Parallel()
	short := func(cfg *session.Config) {
		cfg.AccessLifetime, cfg.IdleLifetime, cfg.AbsoluteLifetime = time.Minute, time.Hour, 150*time.Minute
	}
	t.Run("idle", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, short)
		first := w.login()
		w.clock.advance(time.Hour - time.Microsecond)
		second := w.refresh(first.RefreshToken)
		w.clock.advance(time.Hour)
		_, _, err := w.Refresh(w.ctx, second.RefreshToken, session.RefreshOptions{})
		w.refused(err, session.ErrUnauthorised)
		if isTheft(err) {
			t.Errorf("an expired session was called stolen: %v", err)
		}
	})
	t.Run("absolute", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, short)
		tokens := w.login()
		for range 4 { // every half hour: never idle
			w.clock.advance(30 * time.Minute)
			tokens = w.refresh(tokens.RefreshToken)
			w.use(tokens.AccessToken)
		}
		w.clock.advance(29*time.Minute + 30*time.Second)
		last := w.refresh(tokens.RefreshToken)
		if left := last.AccessExpires.Sub(w.clock.Now()); left != 30*time.Second {
			t.Errorf("the last access token lives %v, want 30s: not beyond its session", left)
		}
		if left := last.RefreshExpires.Sub(w.clock.Now()); left != 30*time.Second {
			t.Errorf("the last refresh token lives %v, want 30s", left)
		}
		w.clock.advance(30 * time.Second)
		_, err := w.Verify(w.ctx, last.AccessToken, session.VerifyOptions{})
		w.refused(err, session.ErrTryRefresh)
		_, _, err = w.Refresh(w.ctx, last.RefreshToken, session.RefreshOptions{})
		w.refused(err, session.ErrUnauthorised)
	})
	t.Run("absolute, shortened afterwards", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		first := w.login()
		w.cfg.AbsoluteLifetime, w.cfg.IdleLifetime = 2*time.Hour, time.Hour
		shorter := w.process()
		w.clock.advance(2 * time.Hour)
		_, _, err := shorter.Refresh(w.ctx, first.RefreshToken, session.RefreshOptions{})
		w.refused(err, session.ErrUnauthorised)
	})
	t.Run("first use does not revive", func(t *testing.T) { // defect 1 of the original
		t.Parallel()
		w := newWorld(t, func(cfg *session.Config) {
			cfg.AccessLifetime, cfg.IdleLifetime, cfg.AbsoluteLifetime = 55*time.Minute, time.Hour, 90*time.Minute
		})
		first := w.login()
		w.clock.advance(59 * time.Minute)
		second := w.refresh(first.RefreshToken)
		w.clock.advance(31 * time.Minute)
		_, err := w.Verify(w.ctx, second.AccessToken, session.VerifyOptions{})
		if err == nil {
			t.Errorf("an access token outlived its session")
		}
		_, _, err = w.Refresh(w.ctx, second.RefreshToken, session.RefreshOptions{})
		w.refused(err, session.ErrUnauthorised)
		if _, err := w.Lookup(w.ctx, w.handleOf(first)); !errors.Is(err, session.ErrUnauthorised) {
			t.Errorf("Lookup of the expired session: got %v, want ErrUnauthorised", err)
		}
	})
}

func TestRankRefreshTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.login()
	w.clock.advance(time.Minute)
	a2 := w.refresh(a.RefreshToken)
	w.clock.advance(time.Minute)
	b := w.login()
	got := w.RankRefreshTokens(w.ctx, []string{"garbage", a.RefreshToken, a2.RefreshToken, "", b.RefreshToken, a.RefreshToken})
	if len(got) != 2 || got[0] != b.RefreshToken || got[1] != a2.RefreshToken {
		t.Errorf("got %d tokens, want the newest of either session, newest first", len(got))
	}
}

// A client's parallel requests are no shadow, however many, and wherever they arrive.
func TestI1BurstIsNoTheft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.process()
	first := w.login()
	w.clock.advance(time.Minute)
	for i := range 200 {
		m := []*session.Manager{w.Manager, other}[i%2]
		if _, _, err := m.Refresh(w.ctx, first.RefreshToken, session.RefreshOptions{}); err != nil {
			t.Fatalf("refresh %d of a burst: %v", i+1, err)
		}
		w.clock.advance(session.DefaultGrace / 4 / 200)
	}
	second := w.refresh(first.RefreshToken)
	w.use(second.AccessToken)
}

// Hanging up does not keep a theft quiet.
func TestTheftIsToldThoughTheThiefHangsUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, strict)
	first := w.login()
	w.use(w.refresh(first.RefreshToken).AccessToken)
	ctx, hangUp := context.WithCancel(w.ctx)
	w.store.setFault(func(call string, after bool) error {
		if call == "Get" && after {
			hangUp()
		}
		return nil
	})
	_, _, err := w.Refresh(ctx, first.RefreshToken, session.RefreshOptions{})
	w.expectTheft(err, session.TheftReuse)
}

// A refresh that confirms the presented token moves the session's end; a client that was away for long gets the token
// again, so that its copy lasts as long, and one that was not gets none.
func TestKeptTokenLastsAsLongAsTheSession(t *testing.T) {
	t.Parallel()
	for away, again := range map[time.Duration]bool{time.Minute: false, 20 * 24 * time.Hour: true} {
		w := newWorld(t)
		first := w.login()
		if got := first.RefreshExpires.Sub(w.clock.Now()); got != session.DefaultIdleLifetime {
			t.Errorf("at the login: kept for %v, want %v", got, session.DefaultIdleLifetime)
		}
		w.clock.advance(time.Hour)
		second := w.refresh(first.RefreshToken) // and its page is closed
		w.clock.advance(away)
		third := w.refresh(second.RefreshToken)
		want := ""
		if again {
			want = second.RefreshToken
		}
		if third.RefreshToken != want {
			t.Errorf("after %v: sent again %v, want %v", away, third.RefreshToken != "", again)
		}
		if got := third.RefreshExpires.Sub(w.clock.Now()); got != session.DefaultIdleLifetime {
			t.Errorf("after %v: kept for %v, want %v", away, got, session.DefaultIdleLifetime)
		}
	}
}

// A store that takes no writes is not asked again and again.
func TestLostAnswersAreFew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.login()
	w.clock.advance(time.Minute)
	w.store.setFault(func(call string, _ bool) error {
		if call == "Mint" {
			return errCut
		}
		return nil
	})
	_, _, err := w.Refresh(w.ctx, first.RefreshToken, session.RefreshOptions{})
	w.refused(err, session.ErrUnavailable)
	if calls := w.store.total(); calls["Mint"] != 2 {
		t.Errorf("store calls: got %v, want two attempts to write", calls)
	}
}

// Processes whose clocks are ahead of the store's rank tokens like any other.
func TestRankRefreshTokensUnderClockSkew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.cfg.Clock = func() time.Time { return w.clock.Now().Add(2 * time.Minute) }
	ahead := w.process()
	_, first, err := ahead.Create(w.ctx, "user", session.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.clock.advance(time.Minute)
	_, second, err := ahead.Refresh(w.ctx, first.RefreshToken, session.RefreshOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := ahead.RankRefreshTokens(w.ctx, []string{first.RefreshToken, second.RefreshToken}); len(got) != 1 || got[0] != second.RefreshToken {
		t.Error("the older token of a session counts as its newest")
	}
}
