package soak_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

// deployment is an application with processes of its own, and tables of its own in the shared database.
type deployment struct {
	name     string
	cfg      session.Config
	tabs     int // that share a jar
	managers []*session.Manager
	stores   []*mysql.Store
}

const (
	processes = 2  // of each deployment
	poolSize  = 16 // connections of each process
)

// deployments: in one sessions live long, with the default grace, and jars are shared by two tabs that do not coordinate. In
// the other tokens are renewed each second, and who is idle for a while is logged out. In both, everything that Run does
// happens all the time.
func deployments() []*deployment {
	frequent := session.Config{
		FeedInterval: 250 * time.Millisecond, EndingRetention: session.NoEndings, CleanupInterval: time.Second,
		AccessKeyRotation: 4 * time.Second, RefreshKeyRotation: 6 * time.Second,
		KeyPropagation: time.Second, KeyPollInterval: 400 * time.Millisecond, // shorter than an outage
		// Remembered tokens stay until others take their places. With the default it would take most of the run until all places are
		// taken, and the heap has stopped to grow.
		VerifiedTokens: 512,
	}
	lasting, rapid := frequent, frequent
	lasting.AccessLifetime = 11 * time.Second // longer than the grace, so that a refresh rotates
	lasting.IdleLifetime = 24 * time.Hour
	rapid.Grace = 500 * time.Millisecond
	rapid.AccessLifetime = time.Second
	rapid.IdleLifetime = 20 * time.Second
	rapid.AbsoluteLifetime = 24 * time.Hour
	return []*deployment{{name: "lasting", cfg: lasting, tabs: 2}, {name: "rapid", cfg: rapid, tabs: 1}}
}

// any is the process that a load balancer happens to choose.
func (d *deployment) any() *session.Manager {
	return d.managers[rand.N(len(d.managers))]
}

// world is everything that a run consists of.
type world struct {
	t           *testing.T
	begun       time.Time
	deployments []*deployment
	clients     []*client
	meter       *meter
	gauge       *gauge
	ledger      *ledger
	down        atomic.Bool // the server is

	stop   context.CancelFunc // of the Managers
	runs   sync.WaitGroup
	failed atomic.Int64
}

func newWorld(t *testing.T, dsn string) *world {
	t.Helper()
	w := &world{t: t, deployments: deployments(), ledger: newLedger()}
	// The driver has one logger for the whole process, and would print a line for each connection that breaks.
	if err := driver.SetLogger(&driver.NopLogger{}); err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	w.stop = stop
	t.Cleanup(w.close) // again, if the test ended early
	for _, d := range w.deployments {
		d.cfg.OnTheft = func(_ context.Context, theft *session.TheftError) { w.fail("the theft hook was told of %v", theft) }
		d.cfg.OnEvent = w.ledger.heed
		for range processes {
			store, err := mysql.Open(t.Context(), dsn, mysql.Options{TablePrefix: d.name + "_"})
			if err != nil {
				t.Fatal(err)
			}
			d.stores = append(d.stores, store)
			store.DB().SetMaxOpenConns(poolSize)
			store.DB().SetMaxIdleConns(poolSize)
			if err := store.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			m, err := session.New(t.Context(), store, d.cfg)
			if err != nil {
				t.Fatal(err)
			}
			d.managers = append(d.managers, m)
			w.runs.Go(func() { m.Run(running) })
		}
	}
	w.begun = time.Now()
	w.meter = newMeter(w.begun, *duration+2*startTimeout)
	w.gauge = &gauge{w: w}
	return w
}

// close ends the Managers and their pools.
func (w *world) close() {
	w.stop()
	w.runs.Wait()
	for _, d := range w.deployments {
		for _, s := range d.stores {
			if err := s.Close(); err != nil {
				w.t.Errorf("close the pool of %s: %v", d.name, err)
			}
		}
		d.stores = nil
	}
}

// maxFailures are told; a run that goes wrong would fill the log otherwise.
const maxFailures = 25

func (w *world) fail(format string, args ...any) {
	if n := w.failed.Add(1); n <= maxFailures {
		w.t.Errorf("%6.2fs: %s", time.Since(w.begun).Seconds(), fmt.Sprintf(format, args...))
	}
}

// report says how it goes.
func (w *world) report(ctx context.Context) {
	before := w.meter.total()
	for last := time.Now(); pause(ctx, *progress); last = time.Now() {
		now := w.meter.total()
		w.t.Logf("%6.0fs: %5.0f store operations/s, %6.0f verifications/s, %d unavailable, %d kills, %d failures, heap %s, %d goroutines, %s",
			time.Since(w.begun).Seconds(), float64(now.stored-before.stored)/time.Since(last).Seconds(),
			float64(now.verified-before.verified)/time.Since(last).Seconds(),
			now.unavailable-before.unavailable, w.meter.kills.Load(), w.failed.Load(), w.gauge.latest(), w.gauge.goroutines(), w.ledger)
		before = now
	}
}

// errStuck: something was unavailable for longer than any outage of this test.
var errStuck = errors.New("the store has been unavailable for too long")
