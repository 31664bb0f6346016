//go:build clusters

package galera_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/integration/clusters/cluster"
	"github.com/watchword-dev/watchword/integration/clusters/failover"
	"github.com/watchword-dev/watchword/integration/clusters/galera"
)

const (
	stepWithin      = 20 * time.Second // one thing that is done to a container
	majorityLostFor = 12 * time.Second
)

func TestMain(m *testing.M) { failover.Main(m) }

// node is one of the cluster's, to be broken.
type node struct {
	*cluster.Container
	dsn string
	db  *sql.DB
}

// nodes are all nodes, once they are whole.
func nodes(t *testing.T, c *cluster.Cluster) []*node {
	t.Helper()
	var all []*node
	for _, n := range c.Nodes {
		container, err := cluster.Attach(t.Context(), n.Container)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = container.Detach() })
		all = append(all, &node{container, n.DSN, failover.Bare(t, n.DSN)})
	}
	mend(t, all)
	return all
}

// mend has all nodes in one cluster again, whatever was done to them.
func mend(t *testing.T, all []*node) {
	t.Helper()
	for _, n := range all {
		err := cluster.Await(context.WithoutCancel(t.Context()), n.Name()+" to be whole", backWithin, func(ctx context.Context) error {
			if up, err := n.Running(ctx); err != nil || !up {
				return errors.Join(errors.New("it is down"), err, n.StartAgain(ctx))
			}
			return galera.Synced(ctx, n.dsn, len(all))
		})
		if err != nil {
			lines, _ := n.Logs(context.WithoutCancel(t.Context()), 30)
			t.Fatalf("%v\n%s", err, lines)
		}
	}
}

// step does something to a node, or fails the test.
func step(t *testing.T, what func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), stepWithin)
	defer cancel()
	if err := what(ctx); err != nil {
		t.Errorf("%v", err)
	}
}

// see is nil once one of these nodes takes writes and sees so many in the cluster.
func see(some []*node, want int) func(context.Context) error {
	return func(ctx context.Context) error {
		var errs []error
		for _, n := range some {
			err := galera.Synced(ctx, n.dsn, want)
			if err == nil {
				var size int
				const status = "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'wsrep_cluster_size'"
				if err = n.db.QueryRowContext(ctx, status).Scan(&size); err == nil && size == want {
					return nil
				}
				err = errors.Join(err, fmt.Errorf("it sees %d nodes, want %d", size, want))
			}
			errs = append(errs, fmt.Errorf("%s: %w", n.Name(), err))
		}
		return errors.Join(errs...)
	}
}

// lasting is a fault that is there until it is undone: of the nodes of which do and undo are called, the others are left.
func lasting(name string, all []*node, broken int, do, undo func(*node) func(context.Context) error) failover.Fault {
	return failover.Fault{
		Name: name,
		Break: func(t *testing.T) {
			t.Helper()
			failover.Each(all[:broken], func(n *node) { step(t, do(n)) })
		},
		Recovered: see(all[broken:], len(all)-broken),
		Mend: func(t *testing.T) {
			t.Helper()
			failover.Each(all[:broken], func(n *node) { step(t, undo(n)) })
			mend(t, all)
		},
	}
}

// passing is a loss of the majority that is over before anything can take writes again.
func passing(name string, all []*node, do, undo func(*node) func(context.Context) error) failover.Fault {
	f := lasting(name, all, len(all)/2+1, do, undo)
	lose, bringBack := f.Break, f.Mend
	f.Break = func(t *testing.T) {
		t.Helper()
		lose(t)
		time.Sleep(majorityLostFor)
		bringBack(t)
	}
	f.Recovered, f.Mend = see(all, len(all)), func(*testing.T) {}
	return f
}

// What is done to a node, and how it is undone.
func kill(n *node) func(context.Context) error   { return n.Kill }
func start(n *node) func(context.Context) error  { return n.StartAgain }
func freeze(n *node) func(context.Context) error { return n.Pause }
func thaw(n *node) func(context.Context) error   { return n.Unpause }
func cutOff(n *node) func(context.Context) error { return n.Cut }
func joinUp(n *node) func(context.Context) error { return n.Join }

// faults are all that these tests do to a cluster.
func faults(all []*node) []failover.Fault {
	return []failover.Fault{
		lasting("a node is killed", all, 1, kill, start),
		lasting("a node is frozen", all, 1, freeze, thaw),
		lasting("a node is cut off", all, 1, cutOff, joinUp),
		passing("the majority is frozen for 12 s", all, freeze, thaw),
		passing("the majority is cut off for 12 s", all, cutOff, joinUp),
		passing("the majority is killed and started after 12 s", all, kill, start),
	}
}

// database is a schema of its own with a process at each node.
func database(t *testing.T, c *cluster.Cluster) failover.Database {
	t.Helper()
	var db failover.Database
	name := schema(t, c)
	for _, n := range c.Nodes {
		config, err := mysql.ParseDSN(with(t, n.DSN, name, synced))
		if err != nil {
			t.Fatal(err)
		}
		config.Timeout, config.ReadTimeout, config.WriteTimeout = 0, 0, 0 // the store's own defaults
		db.Processes = append(db.Processes, config.FormatDSN())
	}
	db.Engine = db.Processes
	return db
}

// each runs f with each of some faults, on a cluster that is whole.
func eachFault(t *testing.T, only []string, f func(t *testing.T, db failover.Database, fault failover.Fault)) {
	t.Helper()
	c := theCluster(t)
	all := nodes(t, c)
	for _, fault := range faults(all) {
		chosen := len(only) == 0
		for _, name := range only {
			chosen = chosen || name == fault.Name
		}
		if !chosen {
			continue
		}
		t.Run(fault.Name, func(t *testing.T) {
			mend(t, all)
			db := database(t, c)
			mended := false
			mendOnce := fault.Mend
			fault.Mend = func(t *testing.T) {
				t.Helper()
				mended = true
				mendOnce(t)
			}
			t.Cleanup(func() {
				if !mended {
					fault.Mend(t)
				}
			})
			f(t, db, fault)
		})
	}
}

// Processes at three nodes go on through the loss of one of them, and of two, as well as the engine does.
func TestFaults(t *testing.T) {
	eachFault(t, nil, failover.Exercise)
}

// What was revoked at one node is refused by the processes at the others, also while nodes fail.
func TestI4RevocationsDuringFailover(t *testing.T) {
	eachFault(t, []string{"a node is killed", "a node is frozen", "the majority is frozen for 12 s"}, failover.Revocations)
}

// Processes at three nodes that rotate while one of these dies make one key, and go on to accept each other's tokens.
func TestI5RotationDuringFailover(t *testing.T) {
	eachFault(t, []string{"a node is killed", "a node is frozen"}, failover.Rotations)
}
