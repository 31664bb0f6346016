//go:build clusters

package groupreplication_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// within is how long a call may take: the store's timeout for each of its attempts, and some for a machine that is busy. To end a session
// the Manager tries twice, with a time of its own for each.
func within(what string) time.Duration {
	attempts := time.Duration(1)
	if what == revoke {
		attempts = 2
	}
	return attempts*storeTimeout + 2*time.Second
}

// The kinds of calls.
const (
	create  = "create"
	refresh = "refresh"
	verify  = "verify"
	revoke  = "revoke"
)

// held is a session whose creation was acknowledged, with what its client holds. One goroutine uses it.
type held struct {
	handle          session.Handle
	user            string
	access, refresh string
	revoking        bool // a revocation was sent
	revoked         bool // and acknowledged
}

// client is one user agent with many sessions, each used by one request at a time, by either process.
type client struct {
	t        *testing.T
	user     string
	managers []*session.Manager
	meter    *meter
	held     []*held
	ended    []*held
}

// run makes calls until ctx is done. The call that is under way then comes to its end.
func (c *client) run(ctx context.Context) {
	calls := context.WithoutCancel(ctx)
	for ctx.Err() == nil {
		var ok bool
		switch n := rand.IntN(10); {
		case n < 2 || len(c.held) < 5:
			ok = c.create(calls)
		case n < 6:
			ok = c.refresh(calls, c.some())
		case n < 9:
			ok = c.verify(calls, c.some())
		default:
			ok = c.revoke(calls)
		}
		pause := 10 * time.Millisecond
		if !ok { // as a client does that is told to come again
			pause = 50 * time.Millisecond
		}
		time.Sleep(pause/2 + rand.N(pause))
	}
}

// look only verifies: a page that a user reads, which no outage may interrupt.
func (c *client) look(ctx context.Context) {
	calls := context.WithoutCancel(ctx)
	for ctx.Err() == nil && (len(c.held) > 0 || c.create(calls)) {
		c.verify(calls, c.held[0])
		time.Sleep(10 * time.Millisecond)
	}
}

func (c *client) some() *held { return c.held[rand.IntN(len(c.held))] }

// call makes one call by some process and reports whether it was acknowledged. An outage is no failure; anything else is, and so is a call
// that does not end.
func (c *client) call(what string, h *held, f func(m *session.Manager) error) bool {
	begun := time.Now()
	err := f(c.managers[rand.IntN(len(c.managers))])
	took := time.Since(begun)
	c.meter.note(what, begun, took, err)
	if took > within(what) {
		c.t.Errorf("%s took %v, want at most %v: %v", what, took, within(what), err)
	}
	switch {
	case err == nil:
		return true
	case errors.Is(err, session.ErrUnavailable):
		return false
	case h != nil:
		c.t.Errorf("%s of session %s: got %v, want success or ErrUnavailable", what, h.handle, err)
	default:
		c.t.Errorf("%s: got %v, want success or ErrUnavailable", what, err)
	}
	return false
}

func (c *client) create(ctx context.Context) bool {
	h := &held{user: c.user}
	ok := c.call(create, nil, func(m *session.Manager) error {
		s, tokens, err := m.Create(ctx, c.user, session.CreateOptions{Payload: "of " + c.user})
		if err == nil {
			h.handle, h.access, h.refresh = s.Handle(), tokens.AccessToken, tokens.RefreshToken
		}
		return err
	})
	if ok {
		c.held = append(c.held, h)
	}
	return ok
}

// refresh keeps the old token when there is no answer: the client comes again with that.
func (c *client) refresh(ctx context.Context, h *held) bool {
	return c.call(refresh, h, func(m *session.Manager) error {
		_, tokens, err := m.Refresh(ctx, h.refresh, session.RefreshOptions{})
		if err == nil {
			h.take(tokens)
		}
		return err
	})
}

func (h *held) take(tokens session.Tokens) {
	h.access = tokens.AccessToken
	if tokens.RefreshToken != "" {
		h.refresh = tokens.RefreshToken
	}
}

func (c *client) verify(ctx context.Context, h *held) bool {
	return c.call(verify, h, func(m *session.Manager) error {
		s, err := m.Verify(ctx, h.access, session.VerifyOptions{})
		if err != nil {
			return err
		}
		if tokens, ok := s.Renewed(); ok {
			h.take(tokens)
		}
		return nil
	})
}

// revoke ends any session. Until that is acknowledged nobody uses it, and the next call repeats it.
func (c *client) revoke(ctx context.Context) bool {
	var h *held
	for _, e := range c.ended {
		if !e.revoked {
			h = e
		}
	}
	if h == nil {
		i := rand.IntN(len(c.held))
		h = c.held[i]
		c.held = slices.Delete(c.held, i, i+1)
		c.ended = append(c.ended, h)
	}
	h.revoking = true
	h.revoked = c.call(revoke, h, func(m *session.Manager) error {
		_, err := m.Revoke(ctx, h.handle, session.RevokeOptions{})
		return err
	})
	return h.revoked
}

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
			_, err = there[0].Verify(ctx, h.access, session.VerifyOptions{})
		}
		return err
	}
	each(l.live, func(h *held) {
		if err := tokenOf(h); err != nil {
			t.Errorf("session %s was acknowledged and nobody ended it: got %v, want it to go on", h.handle, err)
		}
	})
	var theft *session.TheftError
	each(l.revoked, func(h *held) {
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
	each(l.doubtful, func(h *held) {
		if err := tokenOf(h); err != nil && (!errors.Is(err, session.ErrUnauthorised) || errors.As(err, &theft)) {
			t.Errorf("session %s, whose revocation is doubtful: got %v, want it to go on or to have ended", h.handle, err)
		}
	})
}

// each calls f for all of them, several at once.
func each[T any](all []T, f func(T)) {
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
