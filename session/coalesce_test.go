package session

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// hold begins a refresh that ends when the function returned is called.
func hold(c *coalescer, mark Mark) (end func()) {
	begun, release, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		c.do(context.Background(), mark, func(context.Context) answer {
			close(begun)
			<-release
			return answer{}
		})
	}()
	<-begun
	return func() { close(release); <-ended }
}

func TestRefreshesThatComeMeanwhileShareOneRound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCoalescer()
		end := hold(c, Mark{1})
		rounds := 0
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				a := c.do(t.Context(), Mark{1}, func(context.Context) answer { rounds++; return answer{tokens: Tokens{ID: "x"}} })
				if a.tokens.ID != "x" || a.err != nil {
					t.Errorf("got %+v", a)
				}
			})
		}
		synctest.Wait()
		if other := c.do(t.Context(), Mark{2}, func(context.Context) answer { return answer{tokens: Tokens{ID: "y"}} }); other.tokens.ID != "y" {
			t.Errorf("another token's refresh got %+v", other)
		}
		if rounds != 0 {
			t.Error("a round began before the one under way had ended")
		}
		end()
		wg.Wait()
		if rounds != 1 || len(c.lines) != 0 {
			t.Errorf("got %d rounds, and %d lines are left; want 1 and 0", rounds, len(c.lines))
		}
	})
}

// Whoever waits may leave; the others are served, and a round of nobody does not take place.
func TestRefreshesThatWaitMayLeave(t *testing.T) {
	t.Parallel()
	for _, staying := range []int{0, 1, 3} {
		synctest.Test(t, func(t *testing.T) {
			c := newCoalescer()
			end := hold(c, Mark{1})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			rounds := 0
			refresh := func(ctx context.Context) answer { rounds++; return answer{err: ctx.Err()} }
			var leaving, wg sync.WaitGroup
			for range 3 {
				leaving.Go(func() {
					if a := c.do(ctx, Mark{1}, refresh); !errors.Is(a.err, ErrUnavailable) || !errors.Is(a.err, context.DeadlineExceeded) {
						t.Errorf("whoever left got %v", a.err)
					}
				})
			}
			synctest.Wait()
			for range staying {
				wg.Go(func() {
					if a := c.do(t.Context(), Mark{1}, refresh); a.err != nil {
						t.Errorf("whoever stayed got %v", a.err)
					}
				})
			}
			leaving.Wait() // a second later, while the first refresh is still under way
			end()
			wg.Wait()
			if rounds != min(staying, 1) || len(c.lines) != 0 {
				t.Errorf("with %d staying: got %d rounds, and %d lines are left", staying, rounds, len(c.lines))
			}
		})
	}
}

// A refresh that panics leaves nobody waiting, and nobody with neither session nor error.
func TestRefreshThatPanics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCoalescer()
		end := hold(c, Mark{1})
		var wg sync.WaitGroup
		panics := 0
		for range 5 {
			wg.Go(func() {
				defer func() {
					if recover() != nil {
						panics++
					}
				}()
				if a := c.do(t.Context(), Mark{1}, func(context.Context) answer { panic("oops") }); a.err == nil {
					t.Error("got neither a session nor an error")
				}
			})
		}
		synctest.Wait()
		end()
		wg.Wait()
		if panics != 1 || len(c.lines) != 0 {
			t.Errorf("got %d panics, and %d lines are left", panics, len(c.lines))
		}
	})
}

func TestConfirmationsAreBounded(t *testing.T) {
	t.Parallel()
	c := newConfirmations()
	now := time.Unix(0, 0)
	ask := func() outcome { return outcomeConfirmed }
	for i := range maxConfirmations * 2 {
		c.do(t.Context(), Mark{byte(i), byte(i >> 8), byte(i >> 16)}, now, now.Add(time.Hour), ask)
		if len(c.marks) > maxConfirmations {
			t.Fatalf("%d confirmations are remembered, at most %d should be", len(c.marks), maxConfirmations)
		}
	}
}

// A steady number of live tokens takes a steady memory: what has expired does not wait for the bound.
func TestConfirmationsAreForgottenWhenTheyExpire(t *testing.T) {
	t.Parallel()
	c := newConfirmations()
	ask := func() outcome { return outcomeConfirmed }
	const live = 2000 // at any time
	for i := range 20 * live {
		now := time.Unix(int64(i), 0)
		c.do(t.Context(), Mark{byte(i), byte(i >> 8), byte(i >> 16)}, now, now.Add(live*time.Second), ask)
		if len(c.marks) > 2*live+minConfirmations {
			t.Fatalf("%d confirmations are remembered after %d, while %d tokens are live", len(c.marks), i, live)
		}
	}
}

// A request whose time is up does not wait for another one's confirmation.
func TestConfirmationsAreNotWaitedForBeyondTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newConfirmations()
		release := make(chan struct{})
		go c.do(t.Context(), Mark{1}, time.Now(), time.Now().Add(time.Hour), func() outcome { <-release; return outcomeConfirmed })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if got := c.do(ctx, Mark{1}, began, began, nil); got != outcomeUnknown || time.Since(began) != time.Second {
			t.Errorf("got outcome %d after %v", got, time.Since(began))
		}
		close(release)
	})
}
