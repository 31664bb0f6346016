//go:build clusters

package vitess_test

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/clusters/cluster"
	"github.com/watchword-dev/watchword/integration/clusters/vitess"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/storetest"
	"github.com/watchword-dev/watchword/store/mysql"
)

// spreadEndings are the tests of the contract's suite that ask for what shards do not give: that one call which ends several sessions ends all
// of them at one moment, or none. Each shard commits its part by itself. The other way is a transaction over all of them, which Vitess does
// not promise to be atomic either. Each session ends at one moment, and a repeated call ends what is left.
const spreadEndings = "/ReadersSeeWholeEndings$|TestFaults/CancelledInFlight/^End(User|All|Expired)$"

func TestMain(m *testing.M) {
	flag.Parse()
	skip := flag.Lookup("test.skip").Value
	pattern := strings.Trim(skip.String()+"|"+spreadEndings, "|")
	if err := skip.Set(pattern); err != nil {
		panic(err)
	}
	fmt.Println("left out, since shards commit by themselves:", pattern)
	os.Exit(m.Run())
}

// on returns the cluster that the tests run on, and a DSN for a store on it.
func on(t *testing.T) (*cluster.Cluster, string) {
	t.Helper()
	c, err := cluster.FromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	if c.Kind != "vitess" && c.Kind != "vitess-shards" {
		t.Fatalf("this is the cluster %s, and these tests are Vitess's: run `clusters run vitess go test …`, or vitess-shards", c.Kind)
	}
	return c, c.Writers[0]
}

// free are the sets of tables that are empty.
var free = sync.OnceValue(func() chan string {
	all := vitess.Prefixes()
	sets := make(chan string, len(all))
	for _, prefix := range all {
		sets <- prefix
	}
	return sets
})

// tables gives the test a set of tables to itself, by their prefix, and empties it in the end.
func tables(t *testing.T) string {
	t.Helper()
	_, dsn := on(t)
	select {
	case prefix := <-free():
		t.Cleanup(func() {
			removeRows(t, dsn, prefix)
			free() <- prefix
		})
		return prefix
	case <-time.After(2 * time.Minute):
		t.Fatalf("all %d sets of tables are in use: run fewer tests at once, with -parallel", cap(free()))
		return ""
	}
}

func removeRows(t *testing.T, dsn, prefix string) {
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	for _, table := range []string{"sessions", "revocations", "signing_keys", "schema_version"} {
		if _, err := db.ExecContext(ctx, "DELETE /*vt+ MULTI_SHARD_AUTOCOMMIT=1 */ FROM "+prefix+table); err != nil {
			t.Errorf("empty %s%s: %v", prefix, table, err)
		}
	}
}

// open makes a store over a set of tables, as an application does.
func open(t *testing.T, prefix, params string, limit int) *mysql.Store {
	t.Helper()
	_, dsn := on(t)
	store, err := mysql.Open(t.Context(), dsn+params, mysql.Options{TablePrefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	store.DB().SetMaxOpenConns(limit)
	store.DB().SetMaxIdleConns(limit)
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return store
}

func TestContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) session.Store { return open(t, tables(t), "", 16) })
}

func TestContractOnOneConnection(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) session.Store { return open(t, tables(t), "", 1) })
}

// With statements that vtgate prepares.
func TestContractPrepared(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) session.Store {
		prefix := tables(t)
		open(t, prefix, "", 1) // migrates
		_, dsn := on(t)
		db, err := sql.Open("mysql", dsn+"&interpolateParams=false&clientFoundRows=true&transaction_mode=%27single%27")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		db.SetMaxOpenConns(16)
		store, err := mysql.New(db, mysql.Options{TablePrefix: prefix, Vitess: true})
		if err != nil {
			t.Fatal(err)
		}
		return store
	})
}

func TestFaults(t *testing.T) {
	t.Parallel()
	storetest.RunFaults(t, func(t *testing.T) session.Store { return open(t, tables(t), "", 16) })
}

// Migrate finds the tables that the keyspaces were made with, and makes no others.
func TestMigrate(t *testing.T) {
	t.Parallel()
	prefix := tables(t)
	store := open(t, prefix, "", 4)
	for range 2 {
		if err := store.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for keyspace, want := range map[string]int{"unsharded": 3, "sharded": 1} {
		if n := countTables(t, store.DB(), keyspace, prefix); n != want {
			t.Errorf("keyspace %s: got %d tables with the prefix %s, want %d", keyspace, n, prefix, want)
		}
	}
}

func countTables(t *testing.T, db *sql.DB, keyspace, prefix string) (n int) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), fmt.Sprintf("SHOW TABLES FROM `%s` LIKE '%s%%'", keyspace, prefix))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(name, "demo_") {
			n++
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return n
}
