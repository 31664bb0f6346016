package mysqltest

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// turnTimeout is how long a test waits for its turn with the one database that there is.
const turnTimeout = 8 * time.Minute

// fixed is the database of a server on which no schema can be made for a test: Vitess, where a schema that a test makes would not be
// sharded. One test at a time has it.
var fixed = struct {
	turn   chan struct{}
	holder atomic.Value // the name of the test that has the turn, or ""
}{turn: make(chan struct{}, 1)}

// isFixed reports whether a DSN names no schema but a type of Vitess's tablets.
func isFixed(config *mysql.Config) bool { return strings.HasPrefix(config.DBName, "@") }

// takeTurn gives the test the one database there is, without rows. A test that needs a second one fails.
func takeTurn(t testing.TB, config *mysql.Config) string {
	t.Helper()
	test, _, _ := strings.Cut(t.Name(), "/")
	select {
	case fixed.turn <- struct{}{}:
	default:
		if fixed.holder.Load() == test {
			t.Fatal("mysqltest: this test needs two databases, and on Vitess there is one: leave it out by name, with -skip")
		}
		select {
		case fixed.turn <- struct{}{}:
		case <-time.After(turnTimeout):
			t.Fatalf("mysqltest: another test has had the only database for %v", turnTimeout)
		}
	}
	fixed.holder.Store(test)
	t.Cleanup(func() {
		fixed.holder.Store("")
		<-fixed.turn
	})
	if err := removeRows(t.Context(), config); err != nil {
		t.Fatalf("mysqltest: empty the tables at %s: %v", config.Addr, err)
	}
	return config.FormatDSN()
}

// removeRows empties the tables of the default prefix, in all keyspaces.
func removeRows(ctx context.Context, config *mysql.Config) error {
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	keyspaces, err := column(ctx, db, "SHOW KEYSPACES")
	if err != nil {
		return err
	}
	for _, keyspace := range keyspaces {
		tables, err := column(ctx, db, "SHOW TABLES FROM `"+keyspace+"`")
		if err != nil {
			return err
		}
		for _, table := range tables {
			if !strings.HasPrefix(table, "watchword_") {
				continue
			}
			//nolint:gosec // names that the server gave
			if _, err := db.ExecContext(ctx, "DELETE /*vt+ MULTI_SHARD_AUTOCOMMIT=1 */ FROM `"+keyspace+"`.`"+table+"`"); err != nil {
				return err
			}
		}
	}
	return nil
}

// column reads a statement's first column.
func column(ctx context.Context, db *sql.DB, statement string) (all []string, err error) {
	rows, err := db.QueryContext(ctx, statement)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}
