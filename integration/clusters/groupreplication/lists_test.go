//go:build clusters

package groupreplication_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/integration/clusters/cluster"
	"github.com/watchword-dev/watchword/integration/clusters/failover"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

// TestListsOfASecondary: lists that a secondary answers are as far behind as it is, but for sessions that the process knows to have ended; and
// they are all that is behind.
func TestListsOfASecondary(t *testing.T) {
	g := openGroup(t)
	t.Cleanup(func() { g.mend(t) })
	config := g.database(t)
	_, others := g.primary(t)
	secondary := others[0]
	asReplica := config.Clone()
	asReplica.Addr = addrOf(t, secondary)

	var thefts atomic.Int64
	cfg := session.Config{StoreTimeout: storeTimeout, MaxSessions: 3}
	failover.Begin(t, config.FormatDSN(), cfg, &thefts) // makes the tables
	if err := cluster.Await(t.Context(), "the tables on the secondary", stepWithin, func(ctx context.Context) error {
		_, err := secondary.db.ExecContext(ctx, "SELECT 1 FROM "+config.DBName+".watchword_signing_keys LIMIT 1")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	replica, err := mysql.Open(t.Context(), asReplica.FormatDSN(), mysql.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = replica.Close() })
	cfg.Lists = replica
	m := failover.Begin(t, config.FormatDSN(), cfg, &thefts).Manager

	ctx := t.Context()
	create := func() session.Handle {
		t.Helper()
		s, _, err := m.Create(ctx, "user", session.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return s.Handle()
	}
	shows := func(want ...session.Handle) error {
		infos, err := m.Sessions(ctx, "user", session.Page{})
		var got []session.Handle
		for _, info := range infos {
			got = append(got, info.Handle)
		}
		if err == nil && !slices.Equal(got, want) {
			err = fmt.Errorf("Sessions: got %v, want %v", got, want)
		}
		return err
	}
	first, second := create(), create()
	began := time.Now()
	if err := cluster.Await(ctx, "the secondary to follow", stepWithin, func(context.Context) error { return shows(second, first) }); err != nil {
		t.Fatal(err)
	}
	t.Logf("lists showed what had just begun after %v", time.Since(began).Round(time.Millisecond))

	goOn := standStill(t, secondary, config.DBName)
	third := create()
	if _, err := m.Revoke(ctx, first, session.RevokeOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := shows(second); err != nil {
		t.Errorf("of a secondary that stands still, without what has ended: %v", err)
	}
	fourth, fifth := create(), create() // the limit is three, so that the second session has to end
	if _, err := m.Lookup(ctx, second); err == nil {
		t.Error("the limit was counted by what the secondary has")
	}
	if endings, err := m.Endings(ctx, "user", session.EndingsPage{}); err != nil || len(endings) != 0 {
		t.Errorf("Endings: got %v, %v, want none: the secondary stands still", endings, err)
	}

	goOn()
	began = time.Now()
	if err := cluster.Await(ctx, "the secondary to catch up", stepWithin, func(context.Context) error { return shows(fifth, fourth, third) }); err != nil {
		t.Error(err)
	}
	t.Logf("lists had caught up %v after the secondary went on", time.Since(began).Round(time.Millisecond))
	if endings, err := m.Endings(ctx, "user", session.EndingsPage{}); err != nil || len(endings) != 2 {
		t.Errorf("Endings: got %v, %v, want two", endings, err)
	}
}

// standStill keeps a secondary from carrying out what the primary has done to sessions, by a lock that readers do not mind, until goOn is called.
func standStill(t *testing.T, s *server, schema string) (goOn func()) {
	t.Helper()
	held, err := s.db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = held.Close() })
	exec := func(statement string) {
		t.Helper()
		step(t, func(ctx context.Context) error {
			_, err := held.ExecContext(ctx, statement)
			return err
		})
	}
	exec("LOCK TABLES " + schema + ".watchword_sessions READ")
	return func() { exec("UNLOCK TABLES") }
}

// addrOf is where a server listens past the router.
func addrOf(t *testing.T, s *server) string {
	t.Helper()
	c, err := cluster.FromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range c.Nodes {
		if node.Name == s.name {
			config, err := driver.ParseDSN(node.DSN)
			if err != nil {
				t.Fatal(err)
			}
			return config.Addr
		}
	}
	t.Fatalf("no node is called %q", s.name)
	return ""
}
