//go:build clusters

// Package groupreplication_test breaks a group of MySQL servers in the ways that such groups break, while clients of two processes work on
// it, and holds the store to everything that was acknowledged.
package groupreplication_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/integration/clusters/cluster"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

const (
	clients = 8

	// Shorter than the defaults, so that each session is rotated and confirmed many times in a test.
	grace        = 3 * time.Second
	storeTimeout = 2 * time.Second

	warmUp   = 3 * grace       // by then most refreshes write
	coolDown = 5 * time.Second // after all kinds of calls succeed again
	slack    = time.Second     // what we may add to the engine's own gap
	recovery = time.Minute     // of the group, and of the clients

	majorityLostFor = 12 * time.Second
)

// report is a row for each fault, in the documentation's format.
var report struct {
	sync.Mutex
	rows []string
}

func TestMain(m *testing.M) {
	if err := driver.SetLogger(&driver.NopLogger{}); err != nil { // it tells of each broken connection
		panic(err)
	}
	code := m.Run()
	if len(report.rows) > 0 {
		fmt.Println("\n| fault | engine's gap | create | refresh | revoke | verify | slowest call | calls that failed |\n" +
			"| --- | --- | --- | --- | --- | --- | --- | --- |")
		for _, row := range report.rows {
			fmt.Println(row)
		}
	}
	os.Exit(code)
}

// process is a program with a store and a Manager of its own.
type process struct {
	store   *mysql.Store
	manager *session.Manager
}

// begin starts a process. thefts counts what it takes for theft.
func begin(t *testing.T, dsn string, cfg session.Config, thefts *atomic.Int64) *process {
	t.Helper()
	store, err := mysql.Open(t.Context(), dsn, mysql.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := &process{store: store}
	t.Cleanup(func() { _ = store.Close() })
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	cfg.OnTheft = func(_ context.Context, theft *session.TheftError) {
		thefts.Add(1)
		t.Errorf("reported as theft: %v", theft)
	}
	if p.manager, err = session.New(t.Context(), store, cfg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.manager.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return p
}

// fault breaks the group and returns what is nil once the group takes writes again.
type fault func(t *testing.T, g *group) (recovered func(context.Context) error)

func TestFaults(t *testing.T) {
	for _, f := range []struct {
		name string
		fault
	}{
		{"the primary is killed", func(t *testing.T, g *group) func(context.Context) error {
			primary, others := g.primary(t)
			step(t, primary.Kill)
			return another(others)
		}},
		{"the primary is cut off", func(t *testing.T, g *group) func(context.Context) error {
			primary, others := g.primary(t)
			step(t, primary.Cut)
			t.Cleanup(func() { step(t, primary.Join) })
			return another(others)
		}},
		{"the primary stands still", func(t *testing.T, g *group) func(context.Context) error {
			primary, others := g.primary(t)
			step(t, primary.Pause)
			t.Cleanup(func() { step(t, primary.Unpause) })
			return another(others)
		}},
		{"a majority is lost and comes back", func(t *testing.T, g *group) func(context.Context) error {
			primary, others := g.primary(t)
			each(others, func(s *server) { step(t, s.Pause) })
			time.Sleep(majorityLostFor)
			each(others, func(s *server) { step(t, s.Unpause) })
			return another([]*server{primary, others[0], others[1]})
		}},
		{"planned switch-over", func(t *testing.T, g *group) func(context.Context) error {
			_, others := g.primary(t)
			step(t, func(ctx context.Context) error {
				st, err := others[0].state(ctx)
				if err != nil {
					return err
				}
				var said string
				return others[1].db.QueryRowContext(ctx, "SELECT group_replication_set_as_primary(?)", st.id).Scan(&said)
			})
			return another(others[:1])
		}},
	} {
		t.Run(f.name, func(t *testing.T) {
			exercise(t, f.name, f.fault)
		})
	}
}

// another is nil once one of the servers is the primary and has a majority.
func another(servers []*server) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, s := range servers {
			if st, err := s.state(ctx); err == nil && st.primary && st.online > 1 {
				return nil
			}
		}
		return errors.New("none of the servers is the primary")
	}
}

// exercise breaks the group under load, and looks afterwards at what is left.
func exercise(t *testing.T, name string, breakIt fault) {
	g := openGroup(t)
	t.Cleanup(func() { g.mend(t) }) // after the fault's own cleanup
	config := g.database(t)
	var thefts atomic.Int64
	cfg := session.Config{Grace: grace, StoreTimeout: storeTimeout}
	a, b := begin(t, config.FormatDSN(), cfg, &thefts), begin(t, config.FormatDSN(), cfg, &thefts)
	managers := []*session.Manager{a.manager, b.manager}

	m := newMeter()
	all := make([]*client, clients+1)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var load sync.WaitGroup
	for i := range all {
		all[i] = &client{t: t, user: fmt.Sprintf("user-%d", i), managers: managers, meter: m}
		if i < clients {
			load.Go(func() { all[i].run(ctx) })
		} else {
			load.Go(func() { all[i].look(ctx) })
		}
	}
	bare := bareConnection(t, config)
	load.Go(func() { m.insert(ctx, bare) })
	time.Sleep(warmUp)

	begun := time.Now()
	recovered := breakIt(t, g)
	if err := cluster.Await(ctx, "the group to take writes again", recovery, recovered); err != nil {
		t.Error(err)
	}
	back := time.Now()
	if err := cluster.Await(ctx, "all kinds of calls to succeed again", recovery, func(context.Context) error {
		for _, what := range []string{engine, create, refresh, verify, revoke} {
			if !m.since(what, back) {
				return errors.New(what + " does not")
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
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
	compare(t, name, m, begun, end)
	time.Sleep(2 * session.DefaultFeedInterval) // the last revocations reach the other process
	l.audit(t.Context(), t, begin(t, config.FormatDSN(), cfg, &thefts).manager, managers)
	if len(l.live) < 10 || len(l.revoked) < 10 {
		t.Errorf("%v: too few to show anything", l)
	}
	if n := thefts.Load(); n > 0 {
		t.Errorf("%d thefts were reported, and there was no thief", n)
	}
}

// bareConnection is one connection with a table for bare INSERTs. It gives up after a second.
func bareConnection(t *testing.T, config *driver.Config) *sql.DB {
	t.Helper()
	config = config.Clone()
	config.Timeout, config.ReadTimeout, config.WriteTimeout = time.Second, time.Second, time.Second
	config.RejectReadOnly, config.InterpolateParams = true, true
	connector, err := driver.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE engine (id BIGINT NOT NULL PRIMARY KEY)"); err != nil {
		t.Fatal(err)
	}
	return db
}

// compare holds our gaps against the engine's own, and puts them into the report.
func compare(t *testing.T, name string, m *meter, begun, end time.Time) {
	t.Helper()
	own := m.gap(engine, begun, end)
	row := fmt.Sprintf("| %s | %s |", name, seconds(own))
	for _, what := range []string{create, refresh, revoke, verify} {
		gap := m.gap(what, begun, end)
		row += fmt.Sprintf(" %s |", seconds(gap))
		if gap > own+slack {
			t.Errorf("%s: no success for %v, want at most the engine's own gap of %v and %v more", what, gap, own, slack)
		}
	}
	failed, slowest := m.failed()
	row += fmt.Sprintf(" %s | %d |", seconds(slowest), failed)
	t.Log(row)
	report.Lock()
	defer report.Unlock()
	report.rows = append(report.rows, row)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
