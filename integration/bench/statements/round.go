package statements

import (
	"context"
	"database/sql"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/watchword-dev/watchword/integration/bench/measure"
)

// side is one of the two that are compared: it begins a number of sessions, and then takes each of them through the steps.
type side interface {
	begin(n int)
	do(ctx context.Context, step, session int) error
}

// outlay is what a step of a round cost this process.
type outlay struct {
	work   measure.Work
	cpu    time.Duration
	allocs uint64
	served served
}

// contender is a side and what it has done so far, by step.
type contender struct {
	side

	name    string
	server  *sql.DB // whose counters are read around each step; nil: none
	outlays [steps][]outlay
}

func (c *contender) result(step int) measure.Result {
	r := measure.Result{Name: c.name}
	for _, o := range c.outlays[step] {
		r.Rounds = append(r.Rounds, o.work)
	}
	return r
}

// mean is what an operation of the step cost on average over all rounds.
func (c *contender) mean(step int) (cpu time.Duration, allocs float64) {
	ops := 0
	for _, o := range c.outlays[step] {
		ops += o.work.Ops
		cpu += o.cpu
		allocs += float64(o.allocs)
	}
	return cpu / time.Duration(ops), allocs / float64(ops)
}

// compare has the contenders live rounds of lives, step by step by turns, with so many clients. About each is how long a step is to
// take: the first round, which does not count, is short, and tells how many sessions that is.
func compare(ctx context.Context, rounds, clients int, about time.Duration, which []int, contenders ...*contender) error {
	sessions := 8 * clients
	for round := range rounds + 1 {
		began := time.Now()
		for _, c := range contenders {
			c.begin(sessions)
		}
		for _, step := range which {
			for _, c := range contenders {
				o, err := c.take(ctx, step, sessions, clients)
				if err != nil {
					return fmt.Errorf("%s of %s with %d clients: %w", names[step], c.name, clients, err)
				}
				if round > 0 {
					c.outlays[step] = append(c.outlays[step], o)
				}
			}
		}
		if took := time.Since(began) / time.Duration(len(which)*len(contenders)); round == 0 && took < about {
			sessions = min(int(float64(sessions)*float64(about)/float64(took)), 1<<16)
		}
		slices.Reverse(contenders)
	}
	return nil
}

// take has all sessions take one step.
func (c *contender) take(ctx context.Context, step, sessions, clients int) (outlay, error) {
	runtime.GC() // what another left behind is not this one's cost
	before, err := countersOf(ctx, c.server)
	if err != nil {
		return outlay{}, err
	}
	o, err := spend(func() (measure.Work, error) {
		return each(ctx, sessions, clients, func(ctx context.Context, i int) error { return c.do(ctx, step, i) })
	})
	if err != nil {
		return o, err
	}
	after, err := countersOf(ctx, c.server)
	o.served = served{after.logged - before.logged, after.pages - before.pages}
	return o, err
}

// each does something for each of n, by so many clients at once.
func each(ctx context.Context, n, clients int, do func(ctx context.Context, i int) error) (measure.Work, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		all       sync.WaitGroup
		next      atomic.Int64
		latencies = make([]time.Duration, n)
		began     = time.Now()
	)
	for range clients {
		all.Go(func() {
			for at := time.Now(); ctx.Err() == nil; {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := do(ctx, i); err != nil {
					cancel(err)
					return
				}
				now := time.Now()
				latencies[i], at = now.Sub(at), now
			}
		})
	}
	all.Wait()
	w := measure.Work{Ops: n, Took: time.Since(began), Latencies: latencies}
	slices.Sort(latencies)
	return w, context.Cause(ctx)
}

// spend takes what something costs this process beside time.
func spend(do func() (measure.Work, error)) (o outlay, err error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu := processorTime()
	o.work, err = do()
	o.cpu = processorTime() - cpu
	runtime.ReadMemStats(&after)
	o.allocs = after.Mallocs - before.Mallocs
	return o, err
}

// processorTime is what this process has used of the processors so far.
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
