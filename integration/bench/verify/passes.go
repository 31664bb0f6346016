package verify

import (
	"context"
	"sync"
	"time"

	"github.com/watchword-dev/watchword/integration/bench/measure"
)

// passes verifies all tokens, and then again by another verifier, until the time is over. What it takes to make a verifier is not
// counted.
type passes struct {
	tokens  []string
	fresh   func(context.Context) (func(string) error, error)
	workers int // that share the tokens; zero: one
	times   int // each token in one pass; zero: once
}

func (p passes) run(ctx context.Context, d time.Duration) (measure.Work, error) {
	workers, times := max(p.workers, 1), max(p.times, 1)
	var w measure.Work
	for w.Took < d {
		if err := ctx.Err(); err != nil {
			return w, err
		}
		verify, err := p.fresh(ctx)
		if err != nil {
			return w, err
		}
		failed := make([]error, workers)
		work := func(worker int) {
			share := p.tokens[worker*len(p.tokens)/workers : (worker+1)*len(p.tokens)/workers]
			for range times {
				for _, token := range share {
					if err := verify(token); err != nil {
						failed[worker] = err
						return
					}
				}
			}
		}
		began := time.Now()
		if workers == 1 {
			work(0)
		} else {
			var all sync.WaitGroup
			for worker := range workers {
				all.Go(func() { work(worker) })
			}
			all.Wait()
		}
		w.Took += time.Since(began)
		w.Ops += times * len(p.tokens)
		for _, err := range failed {
			if err != nil {
				return w, err
			}
		}
	}
	return w, nil
}
