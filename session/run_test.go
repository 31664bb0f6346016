package session_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// Run ends with its context also where RunSleep does not look at that.
func TestRunEndsWhateverRunSleepDoes(t *testing.T) {
	t.Parallel()
	polled := make(chan struct{}, 1)
	m, err := session.New(t.Context(), memstore.New(nil), session.Config{
		RunSleep: func(context.Context, time.Duration) error { time.Sleep(time.Millisecond); return nil },
		OnFeedPoll: func(session.FeedPoll) {
			select {
			case polled <- struct{}{}:
			default:
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		m.Run(ctx)
	}()
	<-polled
	cancel()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("Run has not ended")
	}
}

// A hook that revokes something does not wait for itself.
func TestFeedPollHookMayRevoke(t *testing.T) {
	t.Parallel()
	var (
		m       atomic.Pointer[session.Manager]
		once    atomic.Bool
		revoked = make(chan error, 1)
	)
	manager, err := session.New(t.Context(), memstore.New(nil), session.Config{OnFeedPoll: func(session.FeedPoll) {
		if m := m.Load(); m != nil && once.CompareAndSwap(false, true) {
			_, err := m.RevokeAll(context.Background(), session.RevokeOptions{})
			revoked <- err
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	m.Store(manager)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		manager.Run(ctx)
	}()
	select {
	case err := <-revoked:
		if err != nil {
			t.Errorf("got %v", err)
		}
	case <-time.After(3 * time.Second):
		t.Error("the hook waits for itself")
	}
	cancel()
	<-ended
}
