package histories_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/session"
)

// clusterEnv says where a running cluster is, as integration/clusters describes it. With it TestHistories runs there.
const clusterEnv = "WATCHWORD_TEST_CLUSTER"

const (
	brokenFor  = 8 * time.Second  // longer than the engines take to go on without those that are broken
	calmFor    = 3 * time.Second  // between two faults
	wholeAfter = 2 * time.Minute  // of a slow machine
	stepWithin = 20 * time.Second // one statement of an administrator's
	settled    = 2 * time.Second  // servers that have just come back may be given up yet by those that had missed them
)

// cluster is several servers, of which each has everything.
type cluster struct {
	breakage
	engine  engine
	writers []string // DSNs with the schema
	nodes   []*node
	turn    atomic.Int64
}

// engine is what the kinds of clusters do differently.
type engine interface {
	// writing is what a session of a store has to be set to, and reading that of somebody who may read at any node what was acknowledged
	// at another.
	writing() map[string]string
	reading() map[string]string
	// victim is the node whose loss hurts: the one that takes the writes, or any.
	victim(ctx context.Context, c *cluster, rng *mathrand.Rand) (*node, error)
	// spokesman is a node to be read while others write: any of those that are as new as each other, the n-th.
	spokesman(ctx context.Context, c *cluster, n int) (*node, error)
	// heal brings a node a step nearer to being part of a cluster of so many nodes. Nil: it is.
	heal(ctx context.Context, n *node, of int) error
	// trusted is nil if what the node says on a connection is what the cluster says.
	trusted(ctx context.Context, conn *sql.Conn) error
	// revive begins the cluster anew when all nodes have died and were started again.
	revive(ctx context.Context, c *cluster) error
	// move has another node take the writes, where one does.
	move(ctx context.Context, c *cluster, rng *mathrand.Rand) error
	// faults are the kinds that a run has to have.
	faults() []string
}

// engines are the kinds of clusters.
var engines = map[string]engine{"galera": galera{}, "group-replication": groupReplication{}}

// node is one server of a cluster.
type node struct {
	name string
	*container
	engine engine
	admin  *sql.DB // past the product and any router
	reader *sql.DB // the same, and nothing that it reads is stale
}

// openCluster makes a schema on a running cluster.
func openCluster(t *testing.T, h *history, text string) *cluster {
	t.Helper()
	var where struct {
		Kind    string
		Writers []string
		Nodes   []struct{ Name, Container, DSN string }
	}
	if err := decode([]byte(text), &where); err != nil {
		t.Fatalf("%s: %v", clusterEnv, err)
	}
	c := &cluster{breakage: newBreakage(t, h), engine: engines[where.Kind]}
	if c.engine == nil {
		t.Fatalf("%s: there are no faults for a cluster of kind %q, only for %q", clusterEnv, where.Kind, slices.Sorted(maps.Keys(engines)))
	}
	schema := "watchword_histories_" + rand.Text()
	admin := openPool(t, where.Writers[0], "", stepWithin, nil)
	if _, err := admin.ExecContext(t.Context(), "CREATE DATABASE "+schema); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), stepWithin)
		defer cancel()
		if _, err := admin.ExecContext(ctx, "DROP DATABASE "+schema); err != nil {
			t.Errorf("drop the test's schema: %v", err)
		}
	})
	for _, dsn := range where.Writers {
		config, err := mysql.ParseDSN(dsn)
		if err != nil {
			t.Fatal(err)
		}
		config.DBName, config.Params = schema, c.engine.writing()
		config.Timeout, config.ReadTimeout, config.WriteTimeout = 0, 0, 0 // the store's own defaults
		c.writers = append(c.writers, config.FormatDSN())
	}
	for _, n := range where.Nodes {
		c.nodes = append(c.nodes, &node{
			name: n.Name, container: attach(t, n.Container), engine: c.engine,
			admin: openPool(t, n.DSN, schema, stepWithin, nil), reader: openPool(t, n.DSN, schema, 2*time.Second, c.engine.reading()),
		})
	}
	t.Cleanup(func() { // where the test gave up in the middle of a fault
		ctx := context.WithoutCancel(t.Context())
		for _, n := range c.nodes {
			_ = n.thaw(ctx) // one that is not frozen minds neither
			_ = n.join(ctx)
		}
		c.heal(ctx)
	})
	c.heal(t.Context())
	return c
}

func (c *cluster) dsns() []string { return c.writers }

func (c *cluster) copies() []table {
	all := make([]table, len(c.nodes))
	for i, n := range c.nodes {
		all[i] = n
	}
	return all
}

// rows implements table: what the cluster says while it is at work, by another node each time.
func (c *cluster) rows(ctx context.Context, handles []session.Handle) (map[session.Handle]tableRow, error) {
	turn := int(c.turn.Add(1))
	n, err := c.engine.spokesman(ctx, c, turn)
	if err != nil {
		return nil, err
	}
	found, err := n.rows(ctx, handles)
	if err != nil {
		return nil, err
	}
	if after, err := c.engine.spokesman(ctx, c, turn); err != nil || after != n {
		return nil, errors.Join(errors.New("another node speaks for the cluster by now"), err)
	}
	return found, nil
}

// rows implements table: what one node says when it is asked for nothing older than what was acknowledged.
func (n *node) rows(ctx context.Context, handles []session.Handle) (map[session.Handle]tableRow, error) {
	conn, err := n.reader.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	if err := n.engine.trusted(ctx, conn); err != nil {
		return nil, err
	}
	return rowsOf(ctx, conn, handles)
}

// heal has all nodes in one cluster again.
func (c *cluster) heal(ctx context.Context) {
	c.t.Helper()
	bounded, cancel := context.WithTimeout(ctx, wholeAfter)
	defer cancel()
	for since := time.Now(); ; {
		var errs []error
		for _, n := range c.nodes {
			if err := n.heal(bounded, len(c.nodes)); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", n.name, err))
			}
		}
		switch {
		case len(errs) > 0:
			since = time.Now()
		case time.Since(since) >= settled:
			return
		}
		if !pause(bounded, 100*time.Millisecond) {
			c.t.Errorf("the cluster is not whole again: %v", errors.Join(errs...))
			return
		}
	}
}

func (n *node) heal(ctx context.Context, of int) error {
	up, err := n.running(ctx)
	if err != nil {
		return err
	}
	if !up {
		return errors.Join(errors.New("it is down"), n.start(ctx))
	}
	return n.engine.heal(ctx, n, of)
}

func (c *cluster) unseen() []string {
	return c.missing(append(c.engine.faults(), killedConnections, killedAll)...)
}

func (c *cluster) killConnections(ctx context.Context, rng *mathrand.Rand) {
	c.broke(killedConnections, func(*outage) bool {
		n, err := c.engine.victim(ctx, c, rng)
		return err == nil && killSome(ctx, n.admin, rng)
	})
}

// restart is a power cut of the whole cluster.
func (c *cluster) restart(ctx context.Context) {
	c.broke(killedAll, func(o *outage) bool {
		if err := onEach(c.nodes, func(n *node) error { return n.kill(ctx) }); err != nil {
			c.t.Errorf("kill all servers: %v", err)
			return false
		}
		o.DeadFrom = c.history.now()
		pause(ctx, 300*time.Millisecond) // for everybody to notice
		o.DeadTo = c.history.now()
		if err := onEach(c.nodes, func(n *node) error { return n.start(ctx) }); err != nil {
			c.t.Errorf("start all servers again: %v", err)
			return false
		}
		if err := c.engine.revive(ctx, c); err != nil {
			c.t.Errorf("begin the cluster anew: %v", err)
			return false
		}
		c.heal(ctx)
		return true
	})
}
