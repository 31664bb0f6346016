//go:build clusters

// Package groupreplication_test breaks a group of MySQL servers in the ways that such groups break, while clients of several processes work on
// it, and holds the store to everything that was acknowledged.
package groupreplication_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/clusters/failover"
)

const (
	storeTimeout    = failover.StoreTimeout
	recovery        = failover.Recovery
	majorityLostFor = 12 * time.Second
)

func TestMain(m *testing.M) { failover.Main(m) }

// broken is a group that was broken: how it is seen to have recovered, and how what was done is undone.
type broken struct {
	recovered func(context.Context) error
	undo      func(context.Context) error
}

// faults are all that these tests do to a group.
var faults = []struct {
	name string
	do   func(t *testing.T, g *group) broken
}{
	{"the primary is killed", func(t *testing.T, g *group) broken {
		primary, others := g.primary(t)
		step(t, primary.Kill)
		return broken{another(others), primary.StartAgain}
	}},
	{"the primary is cut off", func(t *testing.T, g *group) broken {
		primary, others := g.primary(t)
		step(t, primary.Cut)
		return broken{another(others), primary.Join}
	}},
	{"the primary stands still", func(t *testing.T, g *group) broken {
		primary, others := g.primary(t)
		step(t, primary.Pause)
		return broken{another(others), primary.Unpause}
	}},
	{"a majority is lost and comes back", func(t *testing.T, g *group) broken {
		_, others := g.primary(t)
		failover.Each(others, func(s *server) { step(t, s.Pause) })
		time.Sleep(majorityLostFor)
		failover.Each(others, func(s *server) { step(t, s.Unpause) })
		return broken{another(g.servers), nil}
	}},
	{"planned switch-over", func(t *testing.T, g *group) broken {
		_, others := g.primary(t)
		step(t, func(ctx context.Context) error {
			st, err := others[0].state(ctx)
			if err != nil {
				return err
			}
			var said string
			return others[1].db.QueryRowContext(ctx, "SELECT group_replication_set_as_primary(?)", st.id).Scan(&said)
		})
		return broken{another(others[:1]), nil}
	}},
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

// eachFault runs f with each of some faults, or with all, on a group that is whole.
func eachFault(t *testing.T, only []string, processes int, f func(t *testing.T, db failover.Database, fault failover.Fault)) {
	t.Helper()
	for _, fault := range faults {
		if len(only) > 0 && !slices.Contains(only, fault.name) {
			continue
		}
		t.Run(fault.name, func(t *testing.T) {
			g := openGroup(t)
			dsn := g.database(t).FormatDSN()
			var b broken
			undo := func(t *testing.T) {
				t.Helper()
				if b.undo != nil {
					step(t, b.undo)
					b.undo = nil
				}
				g.mend(t)
			}
			t.Cleanup(func() { undo(t) }) // where f gives up
			f(t, failover.Database{Processes: slices.Repeat([]string{dsn}, processes), Engine: []string{dsn}}, failover.Fault{
				Name:      fault.name,
				Break:     func(t *testing.T) { t.Helper(); b = fault.do(t, g) },
				Recovered: func(ctx context.Context) error { return b.recovered(ctx) },
				Mend:      undo,
			})
		})
	}
}

// Two processes go on through whatever the group goes through, as well as the engine does.
func TestFaults(t *testing.T) {
	eachFault(t, nil, 2, failover.Exercise)
}

// What was revoked is refused by other processes, also while the primary fails.
func TestI4RevocationsDuringFailover(t *testing.T) {
	eachFault(t, []string{"the primary is killed", "the primary stands still", "a majority is lost and comes back"}, 3, failover.Revocations)
}

// Processes that rotate while the primary dies make one key, and go on to accept each other's tokens.
func TestI5RotationDuringFailover(t *testing.T) {
	eachFault(t, []string{"the primary is killed", "the primary stands still"}, 3, failover.Rotations)
}
