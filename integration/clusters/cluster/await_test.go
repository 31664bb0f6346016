package cluster_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/clusters/cluster"
)

func TestAwait(t *testing.T) {
	t.Parallel()
	notYet := errors.New("not yet")
	calls := 0
	err := cluster.Await(t.Context(), "the third try", time.Minute, func(context.Context) error {
		if calls++; calls < 3 {
			return notYet
		}
		return nil
	})
	if err != nil || calls != 3 {
		t.Errorf("got %v after %d calls, want success after 3", err, calls)
	}
	err = cluster.Await(t.Context(), "nothing", 50*time.Millisecond, func(context.Context) error { return notYet })
	if !errors.Is(err, notYet) {
		t.Errorf("what never comes: got %v, want what was wrong: %v", err, notYet)
	}
	err = cluster.Await(t.Context(), "what hangs", 50*time.Millisecond, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("what hangs: got %v, want it to be ended", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := cluster.Await(gone, "nothing", time.Minute, func(context.Context) error { return notYet }); !errors.Is(err, context.Canceled) {
		t.Errorf("by a caller who gave up: got %v, want %v", err, context.Canceled)
	}
}
