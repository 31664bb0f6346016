package histories_test

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/session"
)

// site is the database of a run, with what it takes to break it: one server, or a cluster.
type site interface {
	table
	// dsns are where processes connect to the schema: by turns, where there are several.
	dsns() []string
	// copies are the sessions table in all places where it is kept, for when nobody writes.
	copies() []table
	// faults are what is done to it until ctx is done. Each returns when the database is whole again.
	faults(ctx context.Context, w *world)
	// killConnections ends some connections of the product's, in the middle of whatever they are doing.
	killConnections(ctx context.Context, rng *rand.Rand)
	// restart ends the whole database as a power cut does, and starts it again.
	restart(ctx context.Context)
	// unseen are faults that a run has to have and that there were none of.
	unseen() []string
}

// openSite is the cluster that WATCHWORD_TEST_CLUSTER names, or a server of the test's own.
func openSite(t *testing.T, h *history) site {
	t.Helper()
	if text := os.Getenv(clusterEnv); text != "" {
		return openCluster(t, h, text)
	}
	return startServer(t, h)
}

// onCluster: what a failover takes is several seconds.
func onCluster() bool { return os.Getenv(clusterEnv) != "" }

// breakage keeps account of what was broken.
type breakage struct {
	t       *testing.T
	history *history

	mu     sync.Mutex // one breakage at a time
	counts map[string]int
}

func newBreakage(t *testing.T, h *history) breakage {
	t.Helper()
	return breakage{t: t, history: h, counts: map[string]int{}}
}

// broke notes an outage that begins with f and ends when the database is whole again. f reports whether it broke anything.
func (b *breakage) broke(what string, f func(o *outage) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := outage{What: what, From: b.history.now()}
	if f(&o) {
		b.counts[what]++
	}
	o.To = b.history.now()
	b.history.addOutage(o)
}

// missing are those of some faults that there were none of.
func (b *breakage) missing(faults ...string) (none []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, what := range faults {
		if b.counts[what] == 0 {
			none = append(none, what)
		}
	}
	return none
}

// openPool is a pool past the product, which gives up soon and logs nothing, since it meets servers that are down. Parameters are of the
// session, as the driver sets them.
func openPool(t *testing.T, dsn, schema string, patience time.Duration, params map[string]string) *sql.DB {
	t.Helper()
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	if schema != "" {
		config.DBName = schema
	}
	config.Timeout, config.ReadTimeout, config.WriteTimeout = time.Second, patience, patience
	config.InterpolateParams = true
	config.Params = params
	config.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// killSome ends some of the connections to the pool's schema.
func killSome(ctx context.Context, db *sql.DB, rng *rand.Rand) (killed bool) {
	var ids sql.NullString
	if err := db.QueryRowContext(ctx, "SELECT GROUP_CONCAT(processlist_id) FROM performance_schema.threads"+
		" WHERE processlist_db = DATABASE() AND processlist_id <> CONNECTION_ID()").Scan(&ids); err != nil || !ids.Valid {
		return false
	}
	all := strings.Split(ids.String, ",")
	for range 1 + rng.IntN(4) {
		if id, err := strconv.Atoi(all[rng.IntN(len(all))]); err == nil {
			_, err = db.ExecContext(ctx, "KILL "+strconv.Itoa(id)) // it may be gone already
			killed = killed || err == nil
		}
	}
	return killed
}

// querier is a pool, or one of its connections.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// rowsOf reads rows of the sessions table.
func rowsOf(ctx context.Context, db querier, handles []session.Handle) (map[session.Handle]tableRow, error) {
	found := map[session.Handle]tableRow{}
	for len(handles) > 0 {
		some := handles[:min(len(handles), 200)]
		handles = handles[len(some):]
		if err := someRows(ctx, db, some, found); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func someRows(ctx context.Context, db querier, handles []session.Handle, found map[session.Handle]tableRow) error {
	args := make([]any, len(handles))
	for i, h := range handles {
		args[i] = h[:]
	}
	rows, err := db.QueryContext(ctx, "SELECT handle, current_mark, pending_mark, previous_mark, generation, data_version, data,"+
		" IF(ended_at IS NULL, '', ending_reason) FROM watchword_sessions WHERE handle IN (?"+strings.Repeat(", ?", len(args)-1)+")", args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var (
			r                                  tableRow
			handle, current, pending, previous []byte
			data                               sql.NullString
		)
		if err := rows.Scan(&handle, &current, &pending, &previous, &r.Generation, &r.Version, &data, &r.Ended); err != nil {
			return err
		}
		copy(r.current[:], current)
		copy(r.pending[:], pending)
		copy(r.previous[:], previous)
		if r.HasData = r.Ended == ""; r.HasData {
			if r.Value, err = strconv.Atoi(data.String); err != nil {
				return err
			}
		}
		found[session.Handle(handle)] = r
	}
	return rows.Err()
}
