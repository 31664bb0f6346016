//go:build clusters

package vitessreal_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/integration/clusters/cluster"
	"github.com/watchword-dev/watchword/integration/clusters/vitess"
	"github.com/watchword-dev/watchword/integration/clusters/vitessreal"
)

const (
	mendWithin    = 4 * time.Minute  // until all tablets are whole again, whatever was done to them
	comesBackIn   = 30 * time.Second // by itself; then a tablet is started anew
	stepWithin    = 40 * time.Second // one thing that is done to a container, or ordered
	hash          = "watchword_hash" // the vindex of sessions
	routesWithin  = 10 * time.Second // until vtgate goes by another VSchema
	firstShard    = "-80"
	secondShard   = "80-"
	onlyShard     = "0" // of the keyspace that is not sharded
	clearsWithin  = 30 * time.Second
	sessionsTable = "watchword_sessions"
)

// shards is the cluster that this process was started for.
type shards struct {
	*vitessreal.Topology
	gate *mysql.Config // in no keyspace
}

// open finds the cluster, has it whole and its tables empty.
func open(t *testing.T) *shards {
	t.Helper()
	c, err := cluster.FromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	topology, err := vitessreal.Attach(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = topology.Detach() })
	gate, err := mysql.ParseDSN(c.Writers[0])
	if err != nil {
		t.Fatal(err)
	}
	gate.Timeout, gate.ReadTimeout, gate.WriteTimeout = 0, 0, 0 // the store's own defaults
	s := &shards{topology, gate}
	s.mend(t)
	s.clear(t)
	return s
}

// dsn is how an application connects.
func (s *shards) dsn() string { return s.gate.FormatDSN() }

// at is the DSN of one shard's primary, through vtgate.
func (s *shards) at(keyspace, shard string) string {
	config := s.gate.Clone()
	config.DBName = keyspace + ":" + shard + "@primary"
	return config.FormatDSN()
}

// pool is one connection that gives up soon.
func (s *shards) pool(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	config.Timeout, config.ReadTimeout, config.WriteTimeout = 2*time.Second, stepWithin, stepWithin
	config.InterpolateParams = true
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// clear removes all rows of the default tables, and the tables for bare INSERTs.
func (s *shards) clear(t *testing.T) {
	t.Helper()
	exec := func(db *sql.DB, statement string) {
		if err := cluster.Await(t.Context(), statement, clearsWithin, func(ctx context.Context) error {
			_, err := db.ExecContext(ctx, statement)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	everywhere := s.pool(t, s.dsn())
	for _, table := range []string{sessionsTable, "watchword_revocations", "watchword_signing_keys"} {
		exec(everywhere, "DELETE /*vt+ MULTI_SHARD_AUTOCOMMIT=1 */ FROM "+table)
	}
	for keyspace, all := range map[string][]string{vitess.Unsharded: {onlyShard}, vitess.Sharded: {firstShard, secondShard}} {
		for _, shard := range all {
			exec(s.pool(t, s.at(keyspace, shard)), "DROP TABLE IF EXISTS engine")
		}
	}
}

// gather has all new sessions lie on the first shard until the test ends, so that what is measured of sessions is measured of that.
func (s *shards) gather(t *testing.T) {
	t.Helper()
	texts, err := vitess.VSchemas()
	if err != nil {
		t.Fatal(err)
	}
	usual := texts[vitess.Sharded]
	var all struct {
		Sharded  bool                       `json:"sharded"`
		Vindexes map[string]json.RawMessage `json:"vindexes"`
		Tables   map[string]json.RawMessage `json:"tables"`
	}
	if err := json.Unmarshal([]byte(usual), &all); err != nil {
		t.Fatal(err)
	}
	if _, ok := all.Vindexes[hash]; !ok {
		t.Fatalf("the VSchema has no vindex %s:\n%s", hash, usual)
	}
	all.Vindexes[hash] = json.RawMessage(`{"type":"null"}`) // gives each row to the first shard
	gathered, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	apply := func(text, want string) {
		step(t, func(ctx context.Context) error {
			_, err := s.Order(ctx, "ApplyVSchema", "--vschema", text, vitess.Sharded)
			return err
		})
		db := s.pool(t, s.dsn())
		if err := cluster.Await(context.WithoutCancel(t.Context()), "vtgate to go by the VSchema", routesWithin, func(ctx context.Context) error {
			var column, name, kind, params, owner sql.NullString
			err := db.QueryRowContext(ctx, "SHOW VSCHEMA VINDEXES ON sharded."+sessionsTable).Scan(&column, &name, &kind, &params, &owner)
			if err == nil && kind.String != want {
				err = fmt.Errorf("it goes by a vindex of type %q, want %q", kind.String, want)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { apply(usual, "xxhash") })
	apply(string(gathered), "null")
}

// primary is a shard's, and the others are the shard's replicas.
func (s *shards) primary(t *testing.T, keyspace, shard string) (primary vitessreal.Tablet, others []vitessreal.Tablet) {
	t.Helper()
	tablets, err := s.Tablets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, tablet := range tablets {
		switch {
		case tablet.Keyspace != keyspace || tablet.Shard != shard:
		case tablet.Primary:
			primary = tablet
		default:
			others = append(others, tablet)
		}
	}
	if primary.Container == nil || len(others) < 2 {
		t.Fatalf("%s/%s has no primary with two replicas: %+v", keyspace, shard, tablets)
	}
	return primary, others
}

// step does something to a container, or fails the test.
func step(t *testing.T, what func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), stepWithin)
	defer cancel()
	if err := what(ctx); err != nil {
		t.Errorf("%v", err)
	}
}

// mend has all tablets back, whatever was done to them.
func (s *shards) mend(t *testing.T) {
	t.Helper()
	again := time.Now().Add(comesBackIn)
	if err := cluster.Await(context.WithoutCancel(t.Context()), "the cluster to be whole", mendWithin, func(ctx context.Context) error {
		tablets, err := s.Tablets(ctx)
		if err != nil {
			return err
		}
		for _, tablet := range tablets {
			if up, err := tablet.Running(ctx); err != nil || !up {
				if err := errors.Join(err, tablet.StartAgain(ctx)); err != nil {
					return err
				}
			}
		}
		whole := s.Whole(ctx)
		if whole != nil && time.Now().After(again) {
			again = time.Now().Add(comesBackIn)
			startStragglers(ctx, t, tablets)
		}
		return whole
	}); err != nil {
		t.Fatal(err)
	}
}

// startStragglers starts replicas anew that do not follow a primary that there is.
func startStragglers(ctx context.Context, t *testing.T, tablets []vitessreal.Tablet) {
	t.Helper()
	primaries := map[string]bool{}
	for _, tablet := range tablets {
		if tablet.Primary {
			_, err := tablet.Ask(ctx, "SELECT 1")
			primaries[tablet.Keyspace+"/"+tablet.Shard] = err == nil
		}
	}
	for _, tablet := range tablets {
		if tablet.Primary || !primaries[tablet.Keyspace+"/"+tablet.Shard] {
			continue
		}
		if follows, err := tablet.Follows(ctx); err == nil && follows {
			continue
		}
		t.Logf("%s follows nobody: it begins anew", tablet.Name())
		if err := errors.Join(tablet.Forget(ctx), tablet.Kill(ctx), tablet.StartAgain(ctx)); err != nil {
			t.Log(err)
		}
	}
}
