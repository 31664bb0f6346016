//go:build clusters

// Package vitessreal_test breaks shards of Vitess in the ways in which such shards break, while clients of two processes work on them, and holds
// the store to everything that was acknowledged.
package vitessreal_test

import (
	"context"
	"errors"
	"testing"

	"github.com/watchword-dev/watchword/integration/clusters/failover"
	"github.com/watchword-dev/watchword/integration/clusters/vitess"
	"github.com/watchword-dev/watchword/integration/clusters/vitessreal"
)

func TestMain(m *testing.M) { failover.Main(m) }

// shardFault is something that is done to a shard.
type shardFault struct {
	name            string
	keyspace, shard string
	do              func(t *testing.T, s *shards, primary, replica vitessreal.Tablet)
	undo            func(primary vitessreal.Tablet) func(context.Context) error // nil: mending is all there is to do
	same            bool                                                        // the primary stays
	feed            bool                                                        // TestI4RevocationsDuringFailover does it, too
}

// faults are all that these tests do.
var faults = []shardFault{
	{name: "a primary's mysqld is killed", keyspace: vitess.Sharded, shard: firstShard, do: killMySQL},
	{name: "a primary is killed, vttablet and all", keyspace: vitess.Sharded, shard: firstShard, do: kill, feed: true},
	{name: "a primary is cut off", keyspace: vitess.Sharded, shard: firstShard,
		do:   func(t *testing.T, _ *shards, primary, _ vitessreal.Tablet) { step(t, primary.Cut) },
		undo: func(primary vitessreal.Tablet) func(context.Context) error { return primary.Join }},
	{name: "a primary stands still", keyspace: vitess.Sharded, shard: firstShard, do: freeze, undo: thaw, feed: true},
	{name: "a planned change of a shard's primary", keyspace: vitess.Sharded, shard: firstShard, do: reparent},
	{name: "a planned change of the primary that is not sharded", keyspace: vitess.Unsharded, shard: onlyShard, do: reparent, feed: true},
	{name: "the primary that is not sharded is killed", keyspace: vitess.Unsharded, shard: onlyShard, do: kill, feed: true},
	{name: "a replica is killed", keyspace: vitess.Sharded, shard: firstShard, same: true,
		do: func(t *testing.T, _ *shards, _, replica vitessreal.Tablet) { step(t, replica.Kill) }},
}

func kill(t *testing.T, _ *shards, primary, _ vitessreal.Tablet)      { step(t, primary.Kill) }
func killMySQL(t *testing.T, _ *shards, primary, _ vitessreal.Tablet) { step(t, primary.KillMySQL) }
func freeze(t *testing.T, _ *shards, primary, _ vitessreal.Tablet)    { step(t, primary.Pause) }
func thaw(primary vitessreal.Tablet) func(context.Context) error      { return primary.Unpause }

func reparent(t *testing.T, s *shards, primary, replica vitessreal.Tablet) {
	step(t, func(ctx context.Context) error {
		_, err := s.Order(ctx, "PlannedReparentShard", primary.Keyspace+"/"+primary.Shard, "--new-primary", replica.Alias())
		return err
	})
}

// fault is a shardFault on a cluster.
func (s *shards) fault(t *testing.T, f shardFault) failover.Fault {
	t.Helper()
	var primary vitessreal.Tablet
	broken := false
	mend := func(t *testing.T) {
		t.Helper()
		if broken && f.undo != nil {
			step(t, f.undo(primary))
		}
		broken = false
		s.mend(t)
	}
	t.Cleanup(func() { mend(t) }) // where a test gives up
	return failover.Fault{
		Name: f.name,
		Break: func(t *testing.T) {
			t.Helper()
			var others []vitessreal.Tablet
			primary, others = s.primary(t, f.keyspace, f.shard)
			broken = true
			f.do(t, s, primary, others[0])
		},
		Recovered: func(ctx context.Context) error {
			tablets, err := s.Tablets(ctx)
			if err != nil {
				return err
			}
			for _, tablet := range tablets {
				if tablet.Primary && tablet.Keyspace == f.keyspace && tablet.Shard == f.shard && (f.same || tablet.UID != primary.UID) {
					return nil
				}
			}
			return errors.New("no other tablet is the primary")
		},
		Mend: mend,
	}
}

// Two processes go on through whatever a shard goes through, as well as its engine does. All sessions lie on the shard that breaks.
func TestFaults(t *testing.T) {
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			s := open(t)
			s.gather(t)
			failover.Exercise(t, failover.Database{
				Processes: []string{s.dsn(), s.dsn()}, Engine: []string{s.at(f.keyspace, f.shard)},
			}, s.fault(t, f))
			if here, elsewhere := s.count(t, firstShard), s.count(t, secondShard); here == 0 || elsewhere > 0 {
				t.Errorf("%d sessions lie on the first shard and %d on the second: want all on the first", here, elsewhere)
			}
		})
	}
}

// count is how many sessions lie on a shard.
func (s *shards) count(t *testing.T, shard string) (n int) {
	t.Helper()
	if err := s.pool(t, s.at(vitess.Sharded, shard)).QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+sessionsTable).Scan(&n); err != nil {
		t.Fatalf("count the sessions of %s: %v", shard, err)
	}
	return n
}
