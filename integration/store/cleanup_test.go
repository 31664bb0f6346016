package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/mysqltest"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

// copies adds copies of a session, up to 10,000, which began long ago and expired long ago, but not all at once.
func copies(t *testing.T, db *sql.DB, of session.Handle, n int) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT column_name FROM information_schema.columns"+
		" WHERE table_schema = DATABASE() AND table_name = 'watchword_sessions'")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var columns, values []string
	for rows.Next() {
		var column string
		if err := rows.Scan(&column); err != nil {
			t.Fatal(err)
		}
		value := "`" + column + "`"
		columns = append(columns, value)
		switch column {
		case "handle":
			value = "RANDOM_BYTES(16)"
		case "user_id":
			value = "CONCAT('gone', n)"
		case "created_at", "expires_at":
			value += " - 40 * 86400000000 + n"
		}
		values = append(values, value)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	const digit = "(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4" +
		" UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)"
	mustExec(t, db, "INSERT INTO watchword_sessions ("+strings.Join(columns, ", ")+") SELECT "+strings.Join(values, ", ")+
		" FROM (SELECT s.*, a.d + 10 * b.d + 100 * c.d + 1000 * e.d AS n FROM watchword_sessions s JOIN "+
		digit+" a JOIN "+digit+" b JOIN "+digit+" c JOIN "+digit+" e WHERE s.handle = ?) filled LIMIT ?", of[:], n)
}

// cleaners counts what several processes clean up, and how many at one time.
type cleaners struct {
	inside, most  atomic.Int64
	ended, purged atomic.Int64
	warnings      log
}

// watched is a store whose cleanup is counted.
type watched struct {
	*mysql.Store
	cleaners *cleaners
}

func (s watched) Elect(ctx context.Context, f func(session.Cleaner) error) (bool, error) {
	return s.Store.Elect(ctx, func(c session.Cleaner) error { return f(watchedCleaner{c, s.cleaners}) })
}

type watchedCleaner struct {
	session.Cleaner
	cleaners *cleaners
}

func (c watchedCleaner) count() (done func()) {
	if n := c.cleaners.inside.Add(1); n > c.cleaners.most.Load() {
		c.cleaners.most.Store(n)
	}
	return func() { c.cleaners.inside.Add(-1) }
}

func (c watchedCleaner) EndExpired(ctx context.Context, h session.Handle, absolute time.Duration, id session.Version, limit int) ([]session.Ended, error) {
	defer c.count()()
	ended, err := c.Cleaner.EndExpired(ctx, h, absolute, id, limit)
	c.cleaners.ended.Add(int64(len(ended)))
	return ended, err
}

func (c watchedCleaner) Purge(ctx context.Context, endings, revocations time.Duration, limit int) (int, error) {
	defer c.count()()
	n, err := c.Cleaner.Purge(ctx, endings, revocations, limit)
	c.cleaners.purged.Add(int64(n))
	return n, err
}

// Five processes clean up twenty thousand sessions while clients refresh theirs: nobody fails, one process works at a time, and
// nothing is left of what has expired. integration/bench has it with two million.
func TestCleanupWhileClientsRefresh(t *testing.T) {
	t.Parallel()
	const (
		processes = 5
		clients   = 200
		expired   = 20_000
		every     = 20 * time.Millisecond
	)
	dsn := mysqltest.Database(t)
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	var (
		c        cleaners
		managers [processes]*session.Manager
		stores   [processes]*mysql.Store
		runs     sync.WaitGroup
	)
	logger := slog.New(slog.NewTextHandler(&c.warnings, &slog.HandlerOptions{Level: slog.LevelWarn}))
	for i := range managers {
		stores[i] = openAt(t, dsn, unlimited)
		managers[i] = manager(t, watched{stores[i], &c}, session.Config{
			Grace: session.NoGrace, StoreTimeout: patient, EndingRetention: session.NoEndings,
			CleanupInterval: 20 * time.Millisecond, CleanupShare: 0.5, Logger: logger,
		})
	}
	var jars [clients]string
	var first session.Handle
	for i := range jars {
		s, tokens, err := managers[i%processes].Create(ctx, fmt.Sprint("client", i), session.CreateOptions{Payload: "editor", Data: strings.Repeat("x", 200)})
		if err != nil {
			t.Fatal(err)
		}
		jars[i], first = tokens.RefreshToken, s.Handle()
	}
	for range expired / 10_000 {
		copies(t, stores[0].DB(), first, 10_000)
	}

	running, stop := context.WithCancel(ctx)
	for _, m := range managers {
		runs.Go(func() { m.Run(running) })
	}
	var refreshes sync.WaitGroup
	n := 0
	for ; ctx.Err() == nil && (c.purged.Load() < expired || n < 2*clients); n++ {
		jar := n % clients
		if jar == 0 { // a jar is used by one at a time
			refreshes.Wait()
		}
		refreshes.Go(func() {
			_, tokens, err := managers[jar%processes].Refresh(ctx, jars[jar], session.RefreshOptions{})
			if err != nil {
				t.Errorf("refresh %d: %v", n, err)
			}
			jars[jar] = tokens.RefreshToken
		})
		time.Sleep(every)
	}
	refreshes.Wait()
	stop()
	runs.Wait()

	var all, alive int
	if err := stores[0].DB().QueryRowContext(t.Context(), "SELECT COUNT(*), COALESCE(SUM(ended_at IS NULL), 0) FROM watchword_sessions").Scan(&all, &alive); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d refreshes; %d sessions ended, %d records removed", n, c.ended.Load(), c.purged.Load())
	if all != clients || alive != clients {
		t.Errorf("%d sessions are left, %d of them alive, want those of the %d clients", all, alive, clients)
	}
	if c.ended.Load() != expired || c.purged.Load() != expired {
		t.Errorf("%d sessions were ended and %d records removed, want %d of each: none twice", c.ended.Load(), c.purged.Load(), expired)
	}
	if most := c.most.Load(); most != 1 {
		t.Errorf("up to %d processes cleaned up at one time, want one", most)
	}
	if complaints := c.warnings.String(); complaints != "" {
		t.Errorf("what Run had to say:\n%s", complaints)
	}
	for i, store := range stores {
		if n := store.DB().Stats().InUse; n != 0 {
			t.Errorf("process %d: %d connections are still in use", i, n)
		}
	}
}

// A process starts with three statements where tables and keys are there: the schema's version, the keys, and the feed.
func TestStartCostsThreeStatements(t *testing.T) {
	t.Parallel()
	dsn := mysqltest.Database(t)
	manager(t, openAt(t, dsn, oneConnection), session.Config{}) // which makes them
	store, err := mysql.Open(t.Context(), dsn, mysql.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	oneConnection(store.DB())
	spent := cost(t, store, func() {
		if err := store.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		manager(t, store, session.Config{})
	})
	if len(spent) != 2 || spent["Questions"] != 3 || spent["Com_select"] != 3 {
		t.Errorf("the server counted %v, want three SELECTs", spent)
	}
}
