//go:build clusters

package groupreplication_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/integration/clusters/cluster"
)

const (
	mendWithin = 90 * time.Second // until a group is whole again after whatever was done to it
	stepWithin = 20 * time.Second // one statement, or one thing that is done to a container
)

// server is one of the group's, to be broken.
type server struct {
	*cluster.Container
	name string
	db   *sql.DB // past the router
}

// group is the one that this process was started for.
type group struct {
	servers []*server
	writer  *mysql.Config // through the router, without a schema
	admin   *sql.DB       // the same
}

// openGroup finds the group and has it whole.
func openGroup(t *testing.T) *group {
	t.Helper()
	c, err := cluster.FromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	if c.Kind != "group-replication" {
		t.Fatalf("the cluster is of kind %q, want group-replication: these tests run by `clusters run group-replication go test …`", c.Kind)
	}
	g := &group{}
	if g.writer, err = mysql.ParseDSN(c.Writers[0]); err != nil {
		t.Fatal(err)
	}
	g.admin = pool(t, g.writer)
	for _, node := range c.Nodes {
		config, err := mysql.ParseDSN(node.DSN)
		if err != nil {
			t.Fatal(err)
		}
		container, err := cluster.Attach(t.Context(), node.Container)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = container.Detach() })
		g.servers = append(g.servers, &server{container, node.Name, pool(t, config)})
	}
	g.mend(t)
	return g
}

// pool is a small one that gives up soon and logs nothing, since it meets servers that are down.
func pool(t *testing.T, config *mysql.Config) *sql.DB {
	t.Helper()
	config = config.Clone()
	config.Timeout, config.ReadTimeout, config.WriteTimeout = 2*time.Second, stepWithin, stepWithin
	config.RejectReadOnly, config.InterpolateParams = true, true
	config.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(4)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// database makes an empty schema with a user who has no rights beyond it, and returns their DSN through the router.
func (g *group) database(t *testing.T) *mysql.Config {
	t.Helper()
	name := "watchword_test_" + strings.ToLower(rand.Text()[:12])
	user := "app_" + name[len(name)-12:]
	if err := cluster.Await(t.Context(), "a schema", stepWithin, func(ctx context.Context) error {
		for _, statement := range []string{
			"CREATE DATABASE IF NOT EXISTS " + name,
			"CREATE USER IF NOT EXISTS '" + user + "'@'%' IDENTIFIED BY 'app'",
			"GRANT ALL ON " + name + ".* TO '" + user + "'@'%'",
		} {
			if _, err := g.admin.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), stepWithin)
		defer cancel()
		if _, err := g.admin.ExecContext(ctx, "DROP DATABASE "+name); err != nil {
			t.Errorf("drop the test's schema: %v", err)
		}
	})
	config := g.writer.Clone()
	config.User, config.Passwd, config.DBName = user, "app", name
	config.Timeout, config.ReadTimeout, config.WriteTimeout = 0, 0, 0 // the store's own defaults
	return config
}

// state is what a server says of itself and of the group.
type state struct {
	own     string // its member state
	online  int    // members that it sees online
	primary bool   // it is the primary
	id      string
}

func (s *server) state(ctx context.Context) (st state, err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	err = s.db.QueryRowContext(ctx, "SELECT COALESCE(MAX(IF(MEMBER_ID = @@server_uuid, MEMBER_STATE, '')), ''),"+
		" COUNT(IF(MEMBER_STATE = 'ONLINE', 1, NULL)),"+
		" COALESCE(MAX(MEMBER_ID = @@server_uuid AND MEMBER_STATE = 'ONLINE' AND MEMBER_ROLE = 'PRIMARY'), 0), @@server_uuid"+
		" FROM performance_schema.replication_group_members").Scan(&st.own, &st.online, &st.primary, &st.id)
	return st, err
}

// primary is the server that says it is, and the two others.
func (g *group) primary(t *testing.T) (primary *server, others []*server) {
	t.Helper()
	for _, s := range g.servers {
		st, err := s.state(t.Context())
		if err == nil && st.primary {
			primary = s
		} else {
			others = append(others, s)
		}
	}
	if primary == nil || len(others) != len(g.servers)-1 {
		t.Fatalf("the group has no single primary; %d others", len(others))
	}
	return primary, others
}

// step does something to a server, or fails the test.
func step(t *testing.T, what func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), stepWithin)
	defer cancel()
	if err := what(ctx); err != nil {
		t.Errorf("%v", err)
	}
}

// mend has all servers back in the group, whatever was done to them.
func (g *group) mend(t *testing.T) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	if err := cluster.Await(ctx, "the group to be whole", mendWithin, func(ctx context.Context) error {
		var errs []error
		for _, s := range g.servers {
			errs = append(errs, s.mend(ctx, len(g.servers)))
		}
		return errors.Join(errs...)
	}); err != nil {
		t.Fatal(err)
	}
}

// mend brings one server a step nearer. Nil: it is online and sees all others so.
func (s *server) mend(ctx context.Context, all int) error {
	if up, err := s.Running(ctx); err != nil || !up {
		return errors.Join(fmt.Errorf("%s is down", s.name), err, s.StartAgain(ctx))
	}
	st, err := s.state(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", s.name, err)
	case st.own == "ONLINE" && st.online == all:
		return nil
	case st.own == "ERROR":
		_, err = s.db.ExecContext(ctx, "STOP GROUP_REPLICATION")
	case st.own == "OFFLINE" || st.own == "":
		_, err = s.db.ExecContext(ctx, "START GROUP_REPLICATION")
	}
	return errors.Join(fmt.Errorf("%s is %q and sees %d online", s.name, st.own, st.online), err)
}
