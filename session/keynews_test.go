package session_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// Keys that one process cuts off are refused by another within an interval of the feed, and not of the keys.
func TestCutOffTravelsByTheFeed(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bubble) {
		here, there := b.process(), b.process()
		_, tokens := b.login(here, "user")
		time.Sleep(10 * time.Second)
		if err := b.verify(there, tokens); err != nil {
			t.Fatal(err)
		}
		if err := here.RotateNow(b.ctx, session.PurposeAccess, "leaked", true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(session.DefaultFeedInterval)
		synctest.Wait()
		if err := b.verify(there, tokens); !errors.Is(err, session.ErrTryRefresh) {
			t.Errorf("a token of a key that was cut off a second ago, elsewhere: got %v, want ErrTryRefresh", err)
		}
		if _, _, err := there.Refresh(b.ctx, tokens.RefreshToken, session.RefreshOptions{}); err != nil {
			t.Errorf("its session goes on: %v", err)
		}
		if err := here.RotateNow(b.ctx, session.PurposeRefresh, "leaked", true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(session.DefaultFeedInterval)
		synctest.Wait()
		if _, _, err := there.Refresh(b.ctx, tokens.RefreshToken, session.RefreshOptions{}); endedFor(err) != session.ReasonKeyCompromise {
			t.Errorf("a refresh token of a key that was cut off: got %v, want %q", err, session.ReasonKeyCompromise)
		}
	})
}

// News that could not be followed up, since the keys could not be read then, are followed up by a later reading.
func TestNewsOfKeysAreNotLost(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bubble) {
		b.store.Store = watchedRest{b.store.Store, b.store}
		here, there := b.process(), b.process()
		_, tokens := b.login(here, "user")
		time.Sleep(10 * time.Second)
		if err := here.RotateNow(b.ctx, session.PurposeAccess, "leaked", true); err != nil {
			t.Fatal(err)
		}
		b.store.setFault(func(call string, _ bool) error {
			if call == "Keys" {
				return fmt.Errorf("%w: a fault of the test", session.ErrUnavailable)
			}
			return nil
		})
		time.Sleep(20 * time.Second)
		if err := b.verify(there, tokens); err != nil {
			t.Fatalf("the fault should have kept the news from this process: %v", err)
		}
		b.store.setFault(nil)
		time.Sleep(2 * session.DefaultFeedInterval)
		synctest.Wait()
		if err := b.verify(there, tokens); !errors.Is(err, session.ErrTryRefresh) {
			t.Errorf("got %v, want ErrTryRefresh", err)
		}
	})
}

// Where the feed cannot be read it has no news, which is no news of the keys.
func TestKeysAreReadWhereTheFeedIsNot(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bubble) {
		b.store.Store = watchedRest{b.store.Store, b.store}
		b.process()
		time.Sleep(time.Hour)
		b.store.setFault(func(call string, _ bool) error {
			if call == "Revocations" {
				return fmt.Errorf("%w: a fault of the test", session.ErrUnavailable)
			}
			return nil
		})
		time.Sleep(2 * session.DefaultKeyPollInterval)
		b.store.total()
		time.Sleep(10 * session.DefaultKeyPollInterval)
		if n := b.store.total()["Keys"]; n < 9 {
			t.Errorf("in ten intervals the keys were read %d times, while the feed could not be", n)
		}
	})
}

// A process hears of a new key when it is published, and looks after the keys itself as ever: each is published by one of them when it is due.
func TestRotationTravelsByTheFeed(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bubble) {
		b.store.Store = watchedRest{b.store.Store, b.store}
		for range 3 {
			b.process()
		}
		time.Sleep(session.DefaultAccessKeyRotation - session.DefaultKeyPropagation - time.Second)
		b.store.total()
		time.Sleep(session.DefaultKeyPollInterval + 2*time.Second)
		synctest.Wait()
		calls := b.store.total()
		keys, _, err := b.store.Keys(b.ctx)
		if err != nil {
			t.Fatal(err)
		}
		access := 0
		for _, k := range keys {
			if k.Purpose == session.PurposeAccess {
				access++
			}
		}
		if access != 2 {
			t.Errorf("there are %d access keys, want the first and its successor", access)
		}
		// Each finds that it is due by what it knows, reads, and reads again what it has published, or hears of.
		if calls["Keys"] > 3*3 {
			t.Errorf("the keys were read %d times", calls["Keys"])
		}
	})
}
