package failover

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

// Process is a program with a store and a Manager of its own.
type Process struct {
	Store   *mysql.Store
	Manager *session.Manager
}

// Begin starts a process, which runs until the test ends. What it takes for theft fails the test, and is counted in thefts.
func Begin(t *testing.T, dsn string, cfg session.Config, thefts *atomic.Int64) *Process {
	t.Helper()
	store, err := mysql.Open(t.Context(), dsn, mysql.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := &Process{Store: store}
	t.Cleanup(func() { _ = store.Close() })
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	cfg.OnTheft = func(_ context.Context, theft *session.TheftError) {
		thefts.Add(1)
		t.Errorf("reported as theft: %v", theft)
	}
	if p.Manager, err = session.New(t.Context(), store, cfg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.Manager.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return p
}

// beginAll starts a process for each of the database's DSNs.
func beginAll(t *testing.T, db Database, cfg session.Config, thefts *atomic.Int64) (all []*Process, managers []*session.Manager) {
	t.Helper()
	for _, dsn := range db.Processes {
		p := Begin(t, dsn, cfg, thefts)
		all, managers = append(all, p), append(managers, p.Manager)
	}
	return all, managers
}
