//go:build clusters

package galera_test

import (
	"context"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/clusters/cluster"
	"github.com/watchword-dev/watchword/integration/clusters/galera"
	"github.com/watchword-dev/watchword/session"
)

const backWithin = 2 * time.Minute // of a slow machine

// A node that was killed comes back and catches up; the cluster comes back when all its nodes were killed at once, and when all were
// shut down one after the other. What was acknowledged is there each time.
func TestNodesComeBack(t *testing.T) {
	c := theCluster(t)
	name := schema(t, c)
	before := storesIn(t, c, name, synced)
	var containers []*cluster.Container
	for _, node := range c.Nodes {
		container, err := cluster.Attach(t.Context(), node.Container)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = container.Detach() })
		containers = append(containers, container)
	}
	var kept []session.Handle
	insert := func(node int) {
		t.Helper()
		r := row(t, "user")
		// A node that has just lost another takes no writes until the two that are left know that they are the majority.
		err := cluster.Await(t.Context(), "a write to be taken", time.Minute, func(ctx context.Context) error {
			return before[node].Insert(ctx, r)
		})
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, r.Handle)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	allBack := func(what string, begin time.Time) {
		t.Helper()
		for i, node := range c.Nodes {
			err := cluster.Await(t.Context(), node.Name+" to come back", backWithin, func(ctx context.Context) error {
				return galera.Synced(ctx, node.DSN, len(c.Nodes))
			})
			if err != nil {
				lines, _ := containers[i].Logs(t.Context(), 30)
				t.Fatalf("%s: %v\n%s", what, err, lines)
			}
		}
		t.Logf("%s: all back after %v", what, time.Since(begin).Round(100*time.Millisecond))
		for i, s := range storesIn(t, c, name, synced) {
			for _, h := range kept {
				if _, _, err := s.Get(t.Context(), h); err != nil {
					t.Errorf("%s: node %d lacks a session that was acknowledged: %v", what, i+1, err)
				}
			}
		}
	}

	insert(2)
	must(containers[2].Kill(t.Context()))
	killed := time.Now()
	insert(0)
	t.Logf("a node killed: the next write was taken after %v", time.Since(killed).Round(100*time.Millisecond))
	insert(1)
	begin := time.Now()
	must(containers[2].StartAgain(t.Context()))
	allBack("one node killed", begin)

	insert(0)
	atOnce(len(containers), func(i int) {
		if err := containers[i].Kill(t.Context()); err != nil {
			t.Error(err)
		}
	})
	begin = time.Now()
	for _, container := range containers {
		must(container.StartAgain(t.Context()))
	}
	allBack("all killed at once", begin)

	insert(1)
	for i, container := range containers {
		must(container.Stop(t.Context(), 30*time.Second))
		if i < len(containers)-1 {
			insert(len(containers) - 1) // the last has what the others lack
		}
	}
	begin = time.Now()
	for i := range containers { // the last to go is the first to come
		must(containers[len(containers)-1-i].StartAgain(t.Context()))
	}
	allBack("all shut down", begin)
}
