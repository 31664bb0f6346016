package failover

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/clusters/cluster"
	"github.com/watchword-dev/watchword/session"
)

const (
	clients  = 8
	warmUp   = 3 * Grace       // by then most refreshes write
	coolDown = 5 * time.Second // after all kinds of calls succeed again
	enough   = 10              // live and revoked sessions each, or the run has shown nothing
)

// Exercise breaks the database under load, has it mended, and looks afterwards at what is left: nothing that was acknowledged is lost or has come
// back, nobody was taken for a thief, each call has ended in time, and none of the kinds of calls was without success for more than a second
// longer than the engine took no bare INSERTs.
func Exercise(t *testing.T, db Database, f Fault) {
	t.Helper()
	var thefts atomic.Int64
	cfg := session.Config{Grace: Grace, StoreTimeout: StoreTimeout}
	_, managers := beginAll(t, db, cfg, &thefts)

	m := newMeter()
	all := make([]*client, clients+1)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var load sync.WaitGroup
	for i := range all {
		all[i] = newClient(t, fmt.Sprintf("user-%d", i), managers, m)
		if i < clients {
			load.Go(func() { all[i].run(ctx) })
		} else {
			load.Go(func() { all[i].look(ctx) })
		}
	}
	for i, bare := range bareInserts(t, db.Engine) {
		load.Go(func() { m.insert(ctx, bare, i, len(db.Engine)) })
	}
	time.Sleep(warmUp)

	begun := time.Now()
	f.Break(t)
	if err := cluster.Await(ctx, "the cluster to take writes again", Recovery, f.Recovered); err != nil {
		t.Error(err)
	}
	m.awaitAll(ctx, t, time.Now())
	f.Mend(t)
	m.awaitAll(ctx, t, time.Now())
	resumes(ctx, t, managers)
	time.Sleep(coolDown)
	end := time.Now()
	stop()
	ended := make(chan struct{})
	go func() {
		load.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(2 * within(revoke)):
		t.Fatalf("clients are stuck: some call has not ended %v after the load did", 2*within(revoke))
	}

	l := settle(all)
	t.Logf("%v; slowest calls: %s; errors:%s", l, m.slow(), m.told())
	compare(t, f.Name, m, begun, end)
	time.Sleep(2 * session.DefaultFeedInterval) // the last revocations reach the other processes
	l.audit(t.Context(), t, Begin(t, db.Processes[0], cfg, &thefts).Manager, managers)
	if len(l.live) < enough || len(l.revoked) < enough {
		t.Errorf("%v: too few to show anything", l)
	}
	if n := thefts.Load(); n > 0 {
		t.Errorf("%d thefts were reported, and there was no thief", n)
	}
}

// awaitAll waits until all kinds of calls have succeeded since a moment.
func (m *meter) awaitAll(ctx context.Context, t *testing.T, since time.Time) {
	t.Helper()
	if err := cluster.Await(ctx, "all kinds of calls to succeed again", Recovery, func(context.Context) error {
		for _, what := range []string{engine, create, refresh, verify, revoke} {
			if !m.since(what, since) {
				return errors.New(what + " does not")
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// resumes waits until each of the processes does its work again: also one whose own server was broken, and without a restart of it.
func resumes(ctx context.Context, t *testing.T, managers []*session.Manager) {
	t.Helper()
	for i, m := range managers {
		if err := cluster.Await(ctx, fmt.Sprintf("process %d to create sessions again", i), Recovery, func(ctx context.Context) error {
			_, _, err := m.Create(ctx, "somebody else", session.CreateOptions{})
			return err
		}); err != nil {
			t.Error(err)
		}
	}
}
