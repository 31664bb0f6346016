package histories_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// fault is something that is done to a cluster, which is to be whole again some time after it returns.
type fault struct {
	what string
	do   func(ctx context.Context, rng *rand.Rand) error
}

// kinds are those that this cluster can meet.
func (c *cluster) kinds() []fault {
	one := func(f func(ctx context.Context, n *node) error) func(context.Context, *rand.Rand) error {
		return func(ctx context.Context, rng *rand.Rand) error {
			var n *node
			if err := eventually(ctx, func() (err error) {
				n, err = c.engine.victim(ctx, c, rng)
				return err
			}); err != nil {
				return err
			}
			return f(ctx, n)
		}
	}
	all := []fault{
		{killedServer, one(func(ctx context.Context, n *node) error { return forAWhile(ctx, n.kill, n.start) })},
		{frozenServer, one(func(ctx context.Context, n *node) error { return forAWhile(ctx, n.freeze, n.thaw) })},
		{cutServer, one(func(ctx context.Context, n *node) error { return forAWhile(ctx, n.cut, n.join) })},
		{lostMajority, func(ctx context.Context, rng *rand.Rand) error {
			spared := rng.IntN(len(c.nodes))
			lost := slices.Concat(c.nodes[:spared], c.nodes[spared+1:])
			return forAWhile(ctx,
				func(ctx context.Context) error { return onEach(lost, func(n *node) error { return n.freeze(ctx) }) },
				func(ctx context.Context) error { return onEach(lost, func(n *node) error { return n.thaw(ctx) }) })
		}},
		{switchedPrimary, func(ctx context.Context, rng *rand.Rand) error {
			return eventually(ctx, func() error { return c.engine.move(ctx, c, rng) })
		}},
	}
	return slices.DeleteFunc(all, func(f fault) bool { return !slices.Contains(c.engine.faults(), f.what) })
}

// eventually repeats what a cluster refuses for a moment, while it changes its members.
func eventually(ctx context.Context, f func() error) error {
	bounded, cancel := context.WithTimeout(ctx, stepWithin)
	defer cancel()
	for {
		err := f()
		if err == nil || !pause(bounded, 200*time.Millisecond) {
			return err
		}
	}
}

// forAWhile does something, and undoes it whatever happens meanwhile.
func forAWhile(ctx context.Context, do, undo func(context.Context) error) error {
	done := do(ctx)
	pause(ctx, brokenFor)
	return errors.Join(done, undo(context.WithoutCancel(ctx)))
}

// onEach calls f for all of them at once.
func onEach(all []*node, f func(*node) error) error {
	errs := make([]error, len(all))
	var calls sync.WaitGroup
	for i, n := range all {
		calls.Go(func() { errs[i] = f(n) })
	}
	calls.Wait()
	return errors.Join(errs...)
}

// faults are all kinds in any order, and again, until ctx is done; once at least.
func (c *cluster) faults(ctx context.Context, w *world) {
	rng := w.client(1<<20, 2).rng
	for round := 0; ; round++ {
		kinds := c.kinds()
		rng.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
		for _, f := range kinds {
			if round > 0 && ctx.Err() != nil || !pause(w.all, calmFor) {
				return
			}
			begun := time.Now()
			c.broke(f.what, func(*outage) bool {
				err := f.do(w.all, rng)
				if err != nil {
					c.t.Errorf("%s: %v", f.what, err)
				}
				c.heal(w.all)
				return err == nil
			})
			c.t.Logf("%s: whole again after %.1f s", f.what, time.Since(begun).Seconds())
		}
	}
}
