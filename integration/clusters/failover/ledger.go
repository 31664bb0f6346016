package failover

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/watchword-dev/watchword/session"
)

// ledger is what all clients know when they have come to an end.
type ledger struct {
	live, revoked, doubtful []*held // doubtful: a revocation was sent and not acknowledged
}

func settle(clients []*client) (l ledger) {
	for _, c := range clients {
		l.live = append(l.live, c.held...)
		for _, h := range c.ended {
			if h.revoked {
				l.revoked = append(l.revoked, h)
			} else {
				l.doubtful = append(l.doubtful, h)
			}
		}
	}
	return l
}

func (l ledger) String() string {
	return fmt.Sprintf("%d live, %d revoked, %d doubtful", len(l.live), len(l.revoked), len(l.doubtful))
}

// audit holds the store to all that was acknowledged: by fresh, a process that has just started, and by those that were there all along.
func (l ledger) audit(ctx context.Context, t *testing.T, fresh *session.Manager, there []*session.Manager) {
	t.Helper()
	tokenOf := func(h *held) error {
		_, tokens, err := fresh.Refresh(ctx, h.refresh, session.RefreshOptions{})
		if err == nil {
			h.take(tokens)
			_, err = there[random(len(there))].Verify(ctx, h.access, session.VerifyOptions{})
		}
		return err
	}
	Each(l.live, func(h *held) {
		if err := tokenOf(h); err != nil {
			t.Errorf("session %s was acknowledged and nobody ended it: got %v, want it to go on", h.handle, err)
		}
	})
	var theft *session.TheftError
	Each(l.revoked, func(h *held) {
		access := h.access
		if err := tokenOf(h); !errors.Is(err, session.ErrUnauthorised) || errors.As(err, &theft) {
			t.Errorf("refresh of session %s, whose revocation was acknowledged: got %v, want ErrUnauthorised", h.handle, err)
		}
		for i, m := range append([]*session.Manager{fresh}, there...) {
			if _, err := m.Verify(ctx, access, session.VerifyOptions{}); !errors.Is(err, session.ErrUnauthorised) {
				t.Errorf("access token of session %s, whose revocation was acknowledged, in process %d: got %v, want ErrUnauthorised", h.handle, i, err)
			}
		}
	})
	Each(l.doubtful, func(h *held) {
		if err := tokenOf(h); err != nil && (!errors.Is(err, session.ErrUnauthorised) || errors.As(err, &theft)) {
			t.Errorf("session %s, whose revocation is doubtful: got %v, want it to go on or to have ended", h.handle, err)
		}
	})
}

// Each calls f for all of them, several at once, and returns when all have returned.
func Each[T any](all []T, f func(T)) {
	var (
		wg   sync.WaitGroup
		next = make(chan T)
	)
	for range 8 {
		wg.Go(func() {
			for h := range next {
				f(h)
			}
		})
	}
	for _, h := range all {
		next <- h
	}
	close(next)
	wg.Wait()
}
