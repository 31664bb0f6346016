// Package soak_test runs clients against processes whose database server is killed again and again, and keeps a ledger of
// everything that was acknowledged. The short form is part of the suite. The long one:
//
//	./engine.sh run go test -v -timeout 30m ./soak -args -duration=15m -kill-every=30s -recovery=2s -direct
package soak_test

import (
	"context"
	"flag"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/watchword-dev/watchword/integration/mysqltest"
)

var (
	duration  = flag.Duration("duration", 34*time.Second, "how long the load lasts")
	killEvery = flag.Duration("kill-every", 12*time.Second, "how often the server is killed")
	recovery  = flag.Duration("recovery", 20*time.Second, "how long after the server's return 90 % of the throughput before may be missed")
	direct    = flag.Bool("direct", false, "reach the server at its container's own address, which works on Linux with a local engine, and while no other container starts")
	clients   = flag.Int("clients", 48, "how many cookie jars there are")
	progress  = flag.Duration("progress", 30*time.Second, "how often to say how it goes; needs -v")
)

func TestMain(m *testing.M) { mysqltest.Main(m) }

// afterKill is how long the load lasts at least after the last kill.
const afterKill = 8 * time.Second

// startTimeout is how long a server that was killed may take to return, on a busy machine.
const startTimeout = time.Minute

// TestSoak: whatever was acknowledged survives the death of the server, nobody is logged out or taken for a thief by it, the
// throughput returns with the server, and nothing grows.
func TestSoak(t *testing.T) {
	victim := startVictim(t)
	unknown := goleak.IgnoreCurrent()
	w := newWorld(t, victim.dsn)
	working, finish := context.WithCancel(t.Context())
	defer finish()

	var load, attendants sync.WaitGroup
	for i := range *clients {
		c := newClient(w, i)
		for tab := range c.tabs() {
			load.Go(func() { c.run(working, tab) })
		}
	}
	attendants.Go(func() { w.gauge.run(working) })
	attendants.Go(func() { w.report(working) })
	attendants.Go(func() { victim.plainly(working, t, w.meter) })

	var kills []kill
	end := w.begun.Add(*duration)
	for next := w.begun.Add(*killEvery); next.Before(w.begun.Add(*duration)) && !t.Failed(); next = later(next.Add(*killEvery), time.Now().Add(*killEvery/3)) {
		pause(working, time.Until(next))
		k := victim.kill(t, w)
		kills = append(kills, k)
		end = later(end, k.returned.Add(afterKill)) // on a busy machine the server takes its time
		attendants.Go(func() {
			if pause(working, time.Second) { // so that the sample is not what hinders the recovery
				w.sample(t.Context())
			}
		})
	}
	if !t.Failed() {
		pause(working, time.Until(end))
	}
	finish()
	load.Wait()
	attendants.Wait()

	w.audit(t.Context())
	w.close()
	w.judgeRecovery(kills)
	w.gauge.judge(t)
	w.summary()
	if len(kills) == 0 {
		t.Error("the server was never killed")
	}
	runtime.GC()
	if err := goleak.Find(unknown); err != nil {
		t.Errorf("when every Manager has ended: %v", err)
	}
}

// pause waits, and reports false if ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
