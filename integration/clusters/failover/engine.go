package failover

import (
	"context"
	"database/sql"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/integration/clusters/cluster"
)

// engine is the kind of what the engine itself does: bare INSERTs.
const engine = "engine"

// engineGivesUp bounds each of the engine's own statements.
const engineGivesUp = time.Second

// Bare is one connection, which gives up after a second and is replaced when it breaks.
func Bare(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	config, err := driver.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	config.Timeout, config.ReadTimeout, config.WriteTimeout = engineGivesUp, engineGivesUp, engineGivesUp
	config.RejectReadOnly, config.InterpolateParams = true, true
	config.Logger = &driver.NopLogger{}
	connector, err := driver.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// EngineTable makes the table that bare INSERTs go to.
func EngineTable(t *testing.T, db *sql.DB) {
	t.Helper()
	if err := cluster.Await(t.Context(), "a table for bare INSERTs", Recovery, func(ctx context.Context) error {
		_, err := db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS engine (id BIGINT NOT NULL PRIMARY KEY)")
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// bareInserts are one connection for each of the DSNs, with a table for them.
func bareInserts(t *testing.T, dsns []string) []*sql.DB {
	t.Helper()
	var all []*sql.DB
	for _, dsn := range dsns {
		all = append(all, Bare(t, dsn))
	}
	EngineTable(t, all[0])
	return all
}

// insert writes single rows until ctx is done, with short timeouts and nothing else: what the engine makes possible at the best. Where
// there are several connections, each writes every n-th row.
func (m *meter) insert(ctx context.Context, db *sql.DB, first, every int) {
	for n := first; ctx.Err() == nil; n += every {
		begun := time.Now()
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), engineGivesUp)
		_, err := db.ExecContext(bounded, "INSERT INTO engine (id) VALUES (?)", n)
		cancel()
		m.note(engine, begun, time.Since(begun), err)
		time.Sleep(10 * time.Millisecond)
	}
}
