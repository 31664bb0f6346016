//go:build clusters

package galera_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"sync/atomic"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/storetest"
	store "github.com/watchword-dev/watchword/store/mysql"
)

// turns connects to each node in turn, so that the statements of one pool go to all of them.
type turns struct {
	nodes []driver.Connector
	next  atomic.Uint64
}

func (c *turns) Connect(ctx context.Context) (driver.Conn, error) {
	return c.nodes[c.next.Add(1)%uint64(len(c.nodes))].Connect(ctx)
}

func (c *turns) Driver() driver.Driver { return &mysql.MySQLDriver{} }

// everywhere is a store whose statements go to all nodes, mixed as the pool happens to mix them. As a session.Store it is no Elector: each node
// elects for itself, which costs work done twice and nothing else.
func everywhere(t *testing.T, c *turns) session.Store {
	t.Helper()
	db := sql.OpenDB(c)
	t.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(12)
	db.SetMaxIdleConns(12)
	s, err := store.New(db, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return struct{ session.Store }{s}
}

// The whole contract of session.Store holds where each statement may go to another node than the one before.
func TestContractOnAllNodes(t *testing.T) {
	c := theCluster(t)
	open := func(t *testing.T) session.Store {
		t.Helper()
		name, all := schema(t, c), &turns{}
		storesIn(t, c, name, synced) // migrates
		for _, node := range c.Nodes {
			config, err := mysql.ParseDSN(with(t, node.DSN, name, synced))
			if err != nil {
				t.Fatal(err)
			}
			config.InterpolateParams = true
			connector, err := mysql.NewConnector(config)
			if err != nil {
				t.Fatal(err)
			}
			all.nodes = append(all.nodes, connector)
		}
		return everywhere(t, all)
	}
	t.Run("Run", func(t *testing.T) { storetest.Run(t, open) })
	t.Run("RunFaults", func(t *testing.T) { storetest.RunFaults(t, open) })
}
