package failover

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// The kinds of calls.
const (
	create  = "create"
	refresh = "refresh"
	verify  = "verify"
	revoke  = "revoke"
)

// avoidFor is how long a client leaves a process alone that was unavailable, as long as there is another: so do the load balancers before them.
const avoidFor = 3 * time.Second

// within is how long a call may take: the store's timeout for each of its attempts, and some for a machine that is busy. To end a session
// the Manager tries twice, with a time of its own for each.
func within(what string) time.Duration {
	attempts := time.Duration(1)
	if what == revoke {
		attempts = 2
	}
	return attempts*StoreTimeout + 2*time.Second
}

// held is a session whose creation was acknowledged, with what its client holds. One goroutine uses it.
type held struct {
	handle          session.Handle
	user            string
	access, refresh string
	revoking        bool // a revocation was sent
	revoked         bool // and acknowledged
}

func (h *held) take(tokens session.Tokens) {
	h.access = tokens.AccessToken
	if tokens.RefreshToken != "" {
		h.refresh = tokens.RefreshToken
	}
}

// client is one user agent with many sessions, each used by one request at a time, by any process.
type client struct {
	t        *testing.T
	user     string
	managers []*session.Manager
	avoid    []time.Time // until when each of them is left alone
	meter    *meter
	held     []*held
	ended    []*held
}

func newClient(t *testing.T, user string, managers []*session.Manager, m *meter) *client {
	t.Helper()
	return &client{t: t, user: user, managers: managers, avoid: make([]time.Time, len(managers)), meter: m}
}

// run makes calls until ctx is done. The call that is under way then comes to its end.
func (c *client) run(ctx context.Context) {
	calls := context.WithoutCancel(ctx)
	for ctx.Err() == nil {
		var ok bool
		switch n := random(10); {
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
		time.Sleep(pause/2 + time.Duration(random(int(pause))))
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

func (c *client) some() *held { return c.held[random(len(c.held))] }

// process chooses one of those that are not left alone, or any.
func (c *client) process() int {
	now := time.Now()
	var up []int
	for i, until := range c.avoid {
		if now.After(until) {
			up = append(up, i)
		}
	}
	if len(up) == 0 {
		return random(len(c.managers))
	}
	return up[random(len(up))]
}

// call makes one call by some process and reports whether it was acknowledged. An outage is no failure; anything else is, and so is a call
// that does not end.
func (c *client) call(what string, h *held, f func(m *session.Manager) error) bool {
	at := c.process()
	begun := time.Now()
	err := f(c.managers[at])
	took := time.Since(begun)
	c.meter.note(what, begun, took, err)
	if took > within(what) {
		c.t.Errorf("%s took %v, want at most %v: %v", what, took, within(what), err)
	}
	switch {
	case err == nil:
		return true
	case errors.Is(err, session.ErrUnavailable):
		c.avoid[at] = time.Now().Add(avoidFor)
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
		i := random(len(c.held))
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

// random is a number below n.
func random(n int) int { return rand.IntN(n) } //nolint:gosec // what clients happen to do is no secret
