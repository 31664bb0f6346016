package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// manyClients: clients that do one thing after the other, on a store that fails a third of all calls, are never logged out,
// whatever is late; and when all is quiet again each of them goes on.
func manyClients(t *testing.T, s suite) {
	const seed = 1
	faulty := Faulty(s.Store)
	process := s.manager(t, faulty, eagerly)
	eager := s.manager(t, s.Store, eagerly)
	faulty.Play(Random(seed, 0.35, Refused, Unheard, Late, Cancelled, HungUp, Slow))
	var (
		wg, postman sync.WaitGroup
		stop        atomic.Bool
	)
	postman.Go(func() {
		for !stop.Load() {
			faulty.CatchUp()
			time.Sleep(time.Millisecond)
		}
	})
	for i := range uint64(8) {
		c := &client{suite: s, t: t, faulty: faulty, process: process, eager: eager, user: fmt.Sprint("user ", i)}
		c.login()
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, i)) //nolint:gosec // is replayed by its seed
			for range 40 {
				if what, err := c.something(rng); err != nil && !errors.Is(err, session.ErrUnavailable) {
					t.Errorf("I9: client %d: %s gave %v, want the outcome or ErrUnavailable", i, what, err)
					return
				}
				moment()
			}
			c.settle()
		})
		defer func() {
			if !t.Failed() {
				c.goesOn()
			}
		}()
	}
	wg.Wait()
	faulty.Play(nil)
	stop.Store(true)
	postman.Wait()
	faulty.CatchUp()
}

// something does one of the things that a client does.
func (c *client) something(rng *rand.Rand) (what string, err error) {
	attempt := func(f func(context.Context, *client) error) error { return c.attempt(f) }
	switch rng.IntN(6) {
	case 0, 1:
		return "Refresh", attempt(refresh)
	case 2, 3:
		return "Verify", attempt(func(ctx context.Context, c *client) error {
			_, err := c.process.Verify(ctx, c.tokens.AccessToken, session.VerifyOptions{})
			return err
		})
	case 4:
		return "SetLabel", attempt(func(ctx context.Context, c *client) error {
			return c.process.SetLabel(ctx, c.handle, fmt.Sprint(rng.IntN(100)))
		})
	default:
		return "SetPayload", attempt(func(ctx context.Context, c *client) error {
			return c.process.SetPayload(ctx, c.handle, rng.IntN(100), session.PayloadOptions{})
		})
	}
}

// settle repeats the last refresh until it is answered, as a client does.
func (c *client) settle() {
	for range rounds {
		err := c.attempt(refresh)
		if err == nil {
			return
		}
		if !errors.Is(err, session.ErrUnavailable) {
			c.t.Errorf("I9: Refresh gave %v, want the outcome or ErrUnavailable", err)
			return
		}
	}
	c.t.Errorf("Refresh was never answered: %v", errEndless)
}
