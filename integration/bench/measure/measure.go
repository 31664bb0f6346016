// Package measure has contenders work by turns, in one process run, and says how they compare.
package measure

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Contender is one of those that are compared.
type Contender struct {
	Name string
	// Run works for about a while and says what it did.
	Run func(ctx context.Context, d time.Duration) (Work, error)
}

// Work is what a contender did in one turn.
type Work struct {
	Ops       int
	Took      time.Duration
	Latencies []time.Duration // of single operations, sorted; nil where they were not taken
}

// Result is what a contender did in all its turns but the first, which warms up.
type Result struct {
	Name   string
	Rounds []Work
}

// ByTurns has each contender work for a while, in rounds whose order is reversed each time, so that what drifts on the machine meets
// all alike.
func ByTurns(ctx context.Context, rounds int, each time.Duration, contenders ...Contender) ([]Result, error) {
	results := make([]Result, len(contenders))
	order := make([]int, len(contenders))
	for i := range contenders {
		results[i].Name, order[i] = contenders[i].Name, i
	}
	for round := range rounds + 1 {
		for _, i := range order {
			runtime.GC() // what another left behind is not this one's cost
			work, err := contenders[i].Run(ctx, each)
			if err == nil && work.Ops == 0 {
				err = fmt.Errorf("nothing was done within %v", each)
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", contenders[i].Name, err)
			}
			if round > 0 {
				results[i].Rounds = append(results[i].Rounds, work)
			}
		}
		slices.Reverse(order)
	}
	return results, nil
}

// Clients has n of them repeat an operation, each as soon as its last has ended, and takes the time of each.
func Clients(n int, op func(ctx context.Context, client int) error) func(context.Context, time.Duration) (Work, error) {
	return func(ctx context.Context, d time.Duration) (Work, error) {
		var (
			each   = make([]Work, n)
			failed = make([]error, n)
			all    sync.WaitGroup
			began  = time.Now()
		)
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		for client := range n {
			all.Go(func() {
				for at := began; at.Sub(began) < d && ctx.Err() == nil; {
					if err := op(ctx, client); err != nil {
						failed[client] = err
						cancel()
						return
					}
					now := time.Now()
					each[client].Ops++
					each[client].Latencies = append(each[client].Latencies, now.Sub(at))
					at = now
				}
			})
		}
		all.Wait()
		w := Work{Took: time.Since(began)}
		for client := range n {
			if failed[client] != nil {
				return w, failed[client]
			}
			w.Ops += each[client].Ops
			w.Latencies = append(w.Latencies, each[client].Latencies...)
		}
		slices.Sort(w.Latencies)
		return w, nil
	}
}

// Repeat has one client do an operation again and again, for operations that are too short for a clock: do does it n times.
func Repeat(do func(n int) error) func(context.Context, time.Duration) (Work, error) {
	return func(ctx context.Context, d time.Duration) (w Work, err error) {
		began := time.Now()
		for n := 1; w.Took < d && err == nil; n = min(2*n, 1<<12) {
			if err = ctx.Err(); err == nil {
				err = do(n)
			}
			w.Ops += n
			w.Took = time.Since(began)
		}
		return w, err
	}
}

// Throughput is the operations a second of each round.
func (r Result) Throughput() Spread {
	return spread(len(r.Rounds), func(i int) float64 { return float64(r.Rounds[i].Ops) / r.Rounds[i].Took.Seconds() })
}

// PerOp is the time of the clock that each operation of a round took, on average, in nanoseconds.
func (r Result) PerOp() Spread {
	return spread(len(r.Rounds), func(i int) float64 { return float64(r.Rounds[i].Took) / float64(r.Rounds[i].Ops) })
}

// Latency is a quantile of the single operations' times in each round, in nanoseconds: 0.5 for the median.
func (r Result) Latency(q float64) Spread {
	return spread(len(r.Rounds), func(i int) float64 { return float64(Quantile(r.Rounds[i].Latencies, q)) })
}

// Ratio is the throughput of one in terms of another's in the same round.
func Ratio(a, b Result) Spread {
	return spread(len(a.Rounds), func(i int) float64 {
		return float64(a.Rounds[i].Ops) / a.Rounds[i].Took.Seconds() / (float64(b.Rounds[i].Ops) / b.Rounds[i].Took.Seconds())
	})
}

// LatencyRatio is a quantile of one in terms of another's in the same round.
func LatencyRatio(a, b Result, q float64) Spread {
	return spread(len(a.Rounds), func(i int) float64 {
		return float64(Quantile(a.Rounds[i].Latencies, q)) / float64(Quantile(b.Rounds[i].Latencies, q))
	})
}

// Quantile of sorted times; zero where there are none.
func Quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// Spread is a figure that was taken in several rounds.
type Spread struct {
	Median, Low, High float64
}

func spread(n int, of func(i int) float64) Spread {
	all := make([]float64, n)
	for i := range all {
		all[i] = of(i)
	}
	slices.Sort(all)
	return Spread{Median: (all[(n-1)/2] + all[n/2]) / 2, Low: all[0], High: all[n-1]}
}
