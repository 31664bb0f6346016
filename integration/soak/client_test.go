package soak_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// maxParked is how many sessions a client leaves open elsewhere.
const maxParked = 3

// proof is the one call that waits by design: for answers to other tabs that may be under way.
const proof = "reauthenticate"

// errEnded: the session has ended because its client ended it.
var errEnded = errors.New("ended by its client")

// client is a user with a session in a jar, which tabs share, and some that lie idle on other devices. Its first tab does what
// changes something; the others look.
type client struct {
	w    *world
	dep  *deployment
	user string

	mu      sync.Mutex // held while sessions begin or end, and while the parked ones are looked at
	current *entry
	parked  []*entry
	left    []session.Handle // forgotten, to expire
	ready   chan struct{}    // closed when the first session is there
}

func newClient(w *world, i int) *client {
	d := w.deployments[i%len(w.deployments)]
	c := &client{w: w, dep: d, user: fmt.Sprintf("user-%d", i), ready: make(chan struct{})}
	w.clients = append(w.clients, c)
	return c
}

func (c *client) tabs() int { return c.dep.tabs }

// run is one tab, until ctx is done. What has begun then is brought to its end, so that its outcome is known.
func (c *client) run(ctx context.Context, tab int) {
	ctx, calls := context.WithoutCancel(ctx), ctx
	if tab > 0 {
		for calls.Err() == nil {
			select {
			case <-c.ready:
			case <-calls.Done():
				return
			}
			e := c.session()
			switch err := c.browse(ctx, e, false); {
			case errors.Is(err, errEnded):
				pause(calls, 10*time.Millisecond) // until there is another
			case err != nil:
				c.failed(e, err)
				return
			}
		}
		return
	}
	for calls.Err() == nil {
		e, err := c.login(ctx)
		if err != nil {
			c.failed(nil, err)
			return
		}
		life := c.dep.cfg.AccessLifetime
		until := time.Now().Add(life/4 + rand.N(3*life))
		for err == nil && calls.Err() == nil && time.Now().Before(until) {
			if err = c.browse(ctx, e, true); err == nil {
				err = c.visit(ctx)
			}
		}
		if err == nil && calls.Err() == nil {
			err = c.leave(ctx)
		}
		if err != nil && e.idle() > c.dep.cfg.IdleLifetime {
			err = c.overslept(ctx, e, err)
		}
		if err != nil {
			c.failed(e, err)
			return
		}
	}
}

// overslept forgives a failure where nobody could refresh the session for its idle lifetime, and it has expired for that reason.
func (c *client) overslept(ctx context.Context, e *entry, err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if refreshErr := c.refresh(ctx, e); refreshErr == nil || c.expired(e, refreshErr) != nil {
		return err
	}
	return nil
}

func (c *client) failed(e *entry, err error) {
	if e == nil {
		c.w.fail("%s of %s: %v", c.user, c.dep.name, err)
		return
	}
	c.w.fail("%s of %s, session %s, refreshed %v ago: %v", c.user, c.dep.name, e.handle, e.idle().Round(time.Millisecond), err)
}

func (c *client) session() *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current
}

// ask repeats a call while the store is unavailable, each time by some process, and counts its acknowledgement.
func (c *client) ask(what string, call func(m *session.Manager) error) error {
	begun := time.Now()
	for try := 0; ; try++ {
		asked := time.Now()
		err := call(c.dep.any())
		if what != proof { // which waits by design
			c.w.meter.waited(asked)
		}
		if !errors.Is(err, session.ErrUnavailable) {
			if err == nil {
				c.w.meter.count()
				return nil
			}
			return fmt.Errorf("%s: %w", what, err)
		}
		c.w.meter.refuse(c.w.down.Load())
		if time.Since(begun) > startTimeout {
			return fmt.Errorf("%s: %w: %w", what, errStuck, err)
		}
		backOff(try)
	}
}

// backOff is what a client does that is told to come again: 20 to 40 ms at first, and up to 320.
func backOff(try int) {
	least := 20 * time.Millisecond << min(try, 3)
	time.Sleep(least + rand.N(least))
}

// login begins a session.
func (c *client) login(ctx context.Context) (*entry, error) {
	e := &entry{user: c.user, data: number()}
	asked := time.Now()
	err := c.ask("create", func(m *session.Manager) error {
		s, tokens, err := m.Create(ctx, c.user, session.CreateOptions{Data: e.data, Payload: map[string]string{"role": "user"}, Label: "soak"})
		switch {
		case errors.Is(err, session.ErrUnavailable):
			c.w.ledger.orphan(c.dep.name + "/" + c.user)
		case err == nil:
			e.handle = s.Handle()
			e.put(tokens, asked)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	first := c.current == nil
	c.current = e
	if first {
		close(c.ready)
	}
	return e, nil
}

// verify presents the access token, and refreshes where that is refused, as clients do. It returns the good session.
func (c *client) verify(ctx context.Context, e *entry) (*session.Session, error) {
	for begun := time.Now(); time.Since(begun) < startTimeout; {
		access, _ := e.tokens()
		s, err := c.dep.any().Verify(ctx, access, session.VerifyOptions{})
		switch {
		case err == nil:
			if tokens, ok := s.Renewed(); ok {
				e.put(tokens, time.Time{})
			}
			c.w.meter.verified.Add(1)
			return s, nil
		case errors.Is(err, session.ErrTryRefresh):
			if err := c.refresh(ctx, e); err != nil {
				return nil, err
			}
		default:
			return nil, c.explain(e, fmt.Errorf("verify: %w", err))
		}
	}
	return nil, fmt.Errorf("verify: %w: refreshing does not help", errStuck)
}

func (c *client) refresh(ctx context.Context, e *entry) error {
	for begun := time.Now(); ; {
		asked := time.Now()
		err := c.ask("refresh", func(m *session.Manager) error {
			_, token := e.tokens()
			asked = time.Now()
			_, tokens, err := m.Refresh(ctx, token, session.RefreshOptions{Device: session.Device{UserAgent: "soak"}})
			if err == nil {
				e.put(tokens, asked)
			}
			return err
		})
		if !errors.Is(err, session.ErrTryRefresh) || time.Since(begun) > startTimeout {
			return c.explain(e, err)
		}
		c.w.meter.crossed.Add(1)
		time.Sleep(50 * time.Millisecond)
	}
}

// explain makes errEnded of a refusal that the client has brought about itself.
func (c *client) explain(e *entry, err error) error {
	var theft *session.TheftError
	if !errors.Is(err, session.ErrUnauthorised) || errors.As(err, &theft) || e.ended() == "" {
		return err
	}
	var ended *session.EndedError
	idle := e.idle() > c.dep.cfg.IdleLifetime // it may have expired before
	if !errors.As(err, &ended) || ended.Reason == "" || ended.Reason == e.ended() || idle && ended.Reason == session.ReasonIdle {
		return errEnded
	}
	return err
}
