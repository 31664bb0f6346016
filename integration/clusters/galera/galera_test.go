//go:build clusters

// Package galera_test shows what holds for the store on several nodes at once. It runs on a cluster that is up:
//
//	cd integration/clusters && ../engine.sh run go run . run galera go test -tags clusters -count=1 ./galera
package galera_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/integration/clusters/cluster"
	"github.com/watchword-dev/watchword/session"
	store "github.com/watchword-dev/watchword/store/mysql"
)

// synced is the parameter of the DSN that has a node catch up before it answers a SELECT, an UPDATE or a DELETE. The store's contract
// needs it where several nodes take statements. unsynced is the engine's default.
const (
	synced   = "3"
	onlyRead = "1"
	unsynced = "0"
)

// theCluster is the one that this run was started on. Without one the test fails: a run that tested nothing must not look like one that
// passed.
func theCluster(t *testing.T) *cluster.Cluster {
	t.Helper()
	c, err := cluster.FromEnvironment()
	if err != nil {
		t.Fatalf("%v: for these `clusters run galera go test -tags clusters ./galera` in integration/clusters", err)
	}
	if c.Kind != "galera" {
		t.Fatalf("the cluster is one of %s: these tests are about galera", c.Kind)
	}
	if len(c.Nodes) != 3 {
		t.Fatalf("the cluster has %d nodes, want 3", len(c.Nodes))
	}
	return c
}

// schema makes a schema, and returns its name once every node has it.
func schema(t *testing.T, c *cluster.Cluster) string {
	t.Helper()
	name := "watchword_galera_" + rand.Text()
	first := pool(t, c.Nodes[0].DSN)
	exec(t, first, "CREATE DATABASE "+name)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
		defer cancel()
		if _, err := first.ExecContext(ctx, "DROP DATABASE "+name); err != nil {
			t.Errorf("drop the test's schema: %v", err)
		}
	})
	for _, node := range c.Nodes {
		db := pool(t, with(t, node.DSN, name, synced))
		if err := cluster.Await(t.Context(), node.Name+" to have the schema", 10*time.Second, db.PingContext); err != nil {
			t.Fatal(err)
		}
	}
	return name
}

// with is a DSN with a schema and a value of wsrep_sync_wait.
func with(t *testing.T, dsn, schema, syncWait string) string {
	t.Helper()
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	config.DBName = schema
	config.Params = map[string]string{"wsrep_sync_wait": syncWait}
	return config.FormatDSN()
}

func pool(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func exec(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// stores are one store on each node, over one schema that has its tables.
func stores(t *testing.T, c *cluster.Cluster, syncWait string) []*store.Store {
	t.Helper()
	return storesIn(t, c, schema(t, c), syncWait)
}

func storesIn(t *testing.T, c *cluster.Cluster, schema, syncWait string) []*store.Store {
	t.Helper()
	var all []*store.Store
	for _, node := range c.Nodes {
		s, err := store.Open(t.Context(), with(t, node.DSN, schema, syncWait), store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		all = append(all, s)
	}
	if err := all[0].Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, s := range all {
		err := cluster.Await(t.Context(), c.Nodes[i].Name+" to have the tables", 10*time.Second, func(ctx context.Context) error {
			_, _, err := s.Keys(ctx)
			_, listed := s.List(ctx, "nobody", session.Page{Limit: 1})
			_, _, fed := s.Revocations(ctx, time.Now(), 1)
			return errors.Join(err, listed, fed)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// row is a session with nothing but what it needs.
func row(t *testing.T, user string) session.NewRow {
	t.Helper()
	r := session.NewRow{UserID: user, DataVersion: 1, Lifetimes: lifetimes}
	for _, b := range [][]byte{r.Handle[:], r.Current[:]} {
		if _, err := rand.Read(b); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

var lifetimes = session.Lifetimes{Idle: time.Hour, Absolute: 24 * time.Hour}

// atOnce calls f for each of n at the same moment, and returns when all have returned.
func atOnce(n int, f func(i int)) {
	var (
		all   sync.WaitGroup
		begin = make(chan struct{})
	)
	for i := range n {
		all.Go(func() {
			<-begin
			f(i)
		})
	}
	close(begin)
	all.Wait()
}

// percentiles are the median, the 99th percentile and the worst.
func percentiles(all []time.Duration) string {
	slices.Sort(all)
	at := func(share float64) time.Duration { return all[min(int(share*float64(len(all))), len(all)-1)] }
	return fmt.Sprintf("median %v, 99 %% %v, worst %v of %d", at(0.5).Round(10*time.Microsecond),
		at(0.99).Round(10*time.Microsecond), all[len(all)-1].Round(10*time.Microsecond), len(all))
}
