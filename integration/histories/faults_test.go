package histories_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/watchword-dev/watchword/integration/mysqlproxy"
)

// The faults, as outages are called by them.
const (
	killedConnections = "connections killed"
	killedProcess     = "process killed"
	frozenServer      = "server frozen"
	killedServer      = "server killed"
	cutServer         = "server cut off"
	lostMajority      = "majority lost"
	switchedPrimary   = "primary switched"
	killedAll         = "all servers killed"
)

// wreak breaks something at random moments, until ctx is done.
func (w *world) wreak(ctx context.Context, s site, all []*process) {
	var faults sync.WaitGroup
	defer faults.Wait()
	faults.Go(func() {
		w.every(ctx, 1, 100*time.Millisecond, 700*time.Millisecond, func(rng *rand.Rand) { s.killConnections(w.all, rng) })
	})
	faults.Go(func() { s.faults(ctx, w) })
	faults.Go(func() {
		w.every(ctx, 4, 500*time.Millisecond, 3*time.Second, func(rng *rand.Rand) {
			p := all[rng.IntN(len(all))]
			o := outage{What: killedProcess, From: w.history.now()}
			p.kill()
			if err := p.start(); err != nil {
				p.t.Error(err)
			}
			o.To = w.history.now()
			w.history.addOutage(o)
		})
	})
}

// every calls f after a while and then again and again, until ctx is done.
func (w *world) every(ctx context.Context, stream uint64, from, to time.Duration, f func(rng *rand.Rand)) {
	c := w.client(1<<20, stream)
	for pause(ctx, c.between(from, to)) {
		f(c.rng)
	}
}

// cutConnections breaks connections of the product's at the points that matter: before the server has a statement, after it has
// carried one out, and in the middle of its answer.
func (w *world) cutConnections(proxies []*mysqlproxy.Proxy) (faults []*mysqlproxy.Armed) {
	for n, p := range proxies {
		for i, at := range []mysqlproxy.Point{mysqlproxy.Sent, mysqlproxy.Answered, mysqlproxy.Halfway} {
			c := &chance{rng: w.client(1<<20, uint64(10+10*n+i)).rng}
			faults = append(faults, p.Arm(mysqlproxy.Fault{
				At: at, Times: mysqlproxy.Always, Do: mysqlproxy.Cut, Match: func(mysqlproxy.Statement) bool { return c.in(250) },
			}))
		}
	}
	return faults
}
