//go:build clusters

package vitess_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/capacity/workload"
	"github.com/watchword-dev/watchword/integration/clusters/cluster"
)

// The schemas of the shards, and of the keyspace that has one, in the mysqld that they share.
const (
	firstShard  = "vt_sharded_-80"
	secondShard = "vt_sharded_80-"
	otherTables = "vt_unsharded_0"
)

// The names of what a tablet puts around a change.
const (
	begin  = "BEGIN"
	commit = "COMMIT"
)

// servers is mysqld as its tablets see it, past vtgate.
type servers struct {
	t         *testing.T
	container *cluster.Container
}

func behind(t *testing.T) *servers {
	t.Helper()
	c, _ := on(t)
	if c.Kind != "vitess" {
		t.Fatal("what each shard's mysqld is asked is counted on the cluster vitess, where all shards have one")
	}
	container, err := cluster.Attach(t.Context(), c.Nodes[0].Container)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = container.Detach() })
	return &servers{t, container}
}

// query returns the rows of a statement's answer, as texts.
func (s *servers) query(statement string) [][]string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	out, err := s.container.Exec(ctx, "/bin/sh", "-c",
		`exec mysql --no-defaults -u vt_dba -S "$(ls /vt/vtdataroot/*/mysql.sock)" --batch --skip-column-names -e "$0"`, statement)
	if err != nil {
		s.t.Fatalf("mysqld: %v", err)
	}
	var rows [][]string
	for row := range strings.Lines(out) {
		rows = append(rows, strings.Split(strings.TrimSuffix(row, "\n"), "\t"))
	}
	return rows
}

func (s *servers) number(text string) int64 {
	s.t.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		s.t.Fatalf("mysqld answers %q where a number was asked for", text)
	}
	return n
}

// seen is how often a statement was run since mysqld started, by its schema and then its name.
type seen map[string]map[string]int64

// statements reads mysqld's own counts of what concerns a set of tables, or no table.
func (s *servers) statements(prefix string) seen {
	s.t.Helper()
	all := seen{firstShard: {}, secondShard: {}, otherTables: {}}
	for _, row := range s.query("SELECT COALESCE(SCHEMA_NAME, ''), COALESCE(DIGEST_TEXT, ''), COUNT_STAR FROM performance_schema.events_statements_summary_by_digest") {
		if len(row) != 3 {
			s.t.Fatalf("mysqld answers %q where three columns were asked for", row)
		}
		schema, text, n := row[0], row[1], s.number(row[2])
		if schema == "" && text == "" && n > 0 {
			s.t.Fatalf("mysqld has no room for all statements, and has counted %d together", n)
		}
		name := workload.Name(text)
		switch known := all[schema]; {
		case known == nil:
		case strings.Contains(text, "`"+prefix) && name == workload.Other:
			s.t.Logf("%s: not known to the model: %s", schema, text)
			known[name] += n
		case strings.Contains(text, "`"+prefix), name == "election", name == "feed" && !strings.Contains(text, " FROM `"):
			known[name] += n
		case text == begin || text == commit:
			known[text] += n
		}
	}
	return all
}

// since is what was run between two moments.
func (s seen) since(before seen) seen {
	all := seen{}
	for schema, names := range s {
		all[schema] = map[string]int64{}
		for name, n := range names {
			if n -= before[schema][name]; n != 0 {
				all[schema][name] = n
			}
		}
	}
	return all
}

// bytes are those of a shard's table of sessions: of its rows, and of its indexes beside the primary key.
func (s *servers) bytes(schema, prefix string) (primary, indexes int64) {
	s.t.Helper()
	// What the table keeps of rows that have moved is purged a little later.
	for settled, last := 0, int64(-1); settled < 3; {
		s.query(fmt.Sprintf("ANALYZE NO_WRITE_TO_BINLOG TABLE `%s`.`%ssessions`", schema, prefix))
		rows := s.query(fmt.Sprintf("SELECT DATA_LENGTH, INDEX_LENGTH FROM information_schema.TABLES WHERE TABLE_SCHEMA = '%s' AND TABLE_NAME = '%ssessions'",
			schema, prefix))
		if len(rows) != 1 || len(rows[0]) != 2 {
			s.t.Fatalf("%s: got the sizes %q", schema, rows)
		}
		primary, indexes = s.number(rows[0][0]), s.number(rows[0][1])
		if primary+indexes == last {
			settled++
		} else {
			settled, last = 0, primary+indexes
		}
		time.Sleep(200 * time.Millisecond)
	}
	return primary, indexes
}

// rows counts a shard's sessions.
func (s *servers) rows(schema, prefix string) int64 {
	s.t.Helper()
	return s.number(s.query(fmt.Sprintf("SELECT COUNT(*) FROM `%s`.`%ssessions`", schema, prefix))[0][0])
}
