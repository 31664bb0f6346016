// Package vitess brings up Vitess: an unsharded keyspace and one with two shards, behind vtgate, with the VSchemas that store/mysql
// ships and the tables that it makes, several times over, each under a prefix of its own.
package vitess

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/integration/clusters/cluster"
	store "github.com/watchword-dev/watchword/store/mysql"
)

// The ports on which vtgate shows its pages, and speaks MySQL's protocol.
const (
	PagesPort = "33574" // vttestserver has gRPC, mysqld and MySQL's protocol follow it
	MySQLPort = "33577"
)

const (
	kind = "vitess"

	startWithin = 3 * time.Minute // on a slow machine; seven seconds is usual
)

// settings of mysqld: small, but a commit is on disk when it is acknowledged, since that is what Vitess promises.
const settings = `innodb_buffer_pool_size = 64M
innodb_redo_log_capacity = 64M
max_connections = 500
innodb_flush_log_at_trx_commit = 1
sync_binlog = 1
innodb_doublewrite = 1
`

// start runs vttestserver with the vtcombo of this directory in the place of its own.
const start = `mkdir -p /tmp/vt/bin && ln -s /vt/config /tmp/vt/config && ln -s /vt/bin/mysqlctl /tmp/vt/bin/ &&
ln -s /vt/tablets.sh /tmp/vt/bin/vtcombo && VTROOT=/tmp/vt exec /vt/bin/vttestserver "$@"`

// tablets gives vtcombo the settings of a real tablet, in place of those that vttestserver insists on. With pools of 4 and 5 minutes to
// wait for a place, statements of many callers that want a place on two shards wait for each other.
const tablets = `#!/bin/sh
exec /vt/bin/vtcombo "$@" --queryserver-config-pool-size 16 --queryserver-config-query-timeout 30s \
  --queryserver-config-transaction-cap 20 --queryserver-config-txpool-timeout 1s
`

// Up starts it and returns where it is, and what takes it down again. It is one container: vttestserver runs vtgate and the tablets in one
// process, over one mysqld.
func Up(ctx context.Context, log func(format string, args ...any)) (*cluster.Cluster, func() error, error) {
	image, err := Image(ctx, log)
	if err != nil {
		return nil, nil, err
	}
	schemas, err := VSchemas()
	if err != nil {
		return nil, nil, err
	}
	files := map[string]string{"/vt/watchword.cnf": settings, "/vt/tablets.sh": tablets}
	for keyspace, text := range schemas {
		files["/vt/schema/"+keyspace+"/vschema.json"] = text
	}
	network, err := cluster.NewNetwork(ctx)
	if err != nil {
		return nil, nil, err
	}
	server, err := network.Start(ctx, cluster.Spec{
		Name: "vitess", Image: image, Ports: []string{PagesPort, MySQLPort}, Files: files,
		Command: []string{
			"/bin/sh", "-c", start, "vttestserver", "--port", PagesPort, "--keyspaces", Unsharded + "," + Sharded, "--num-shards", "1,2",
			"--replica-count", "0", "--rdonly-count", "0", "--transaction-mode", "SINGLE", "--schema-dir", "/vt/schema",
			"--mysql-bind-host", "0.0.0.0", "--vtcombo-bind-host", "0.0.0.0", "--extra-my-cnf", "/vt/watchword.cnf",
			"--data-dir", "/vt/vtdataroot",
		},
	})
	if err != nil {
		return nil, nil, errors.Join(err, network.Remove())
	}
	c := &cluster.Cluster{
		Kind: kind, Writers: []string{Gate(server.Addr(MySQLPort)).FormatDSN()},
		Nodes: []cluster.Node{{Name: "vitess", Container: server.ID()}},
	}
	if err := Prepare(ctx, c.Writers[0], log); err != nil {
		said, _ := server.Logs(ctx, 20)
		return nil, nil, errors.Join(fmt.Errorf("%w; it said:\n%s", err, said), network.Remove())
	}
	return c, network.Remove, nil
}

// Gate is how vtgate is reached: in no keyspace, so that it finds each table by its name, in whichever it is. It lets anybody in.
func Gate(addr string) *mysql.Config {
	c := mysql.NewConfig()
	c.User, c.Net, c.Addr, c.DBName = "root", "tcp", addr, "@primary"
	c.Timeout, c.ReadTimeout, c.WriteTimeout = 5*time.Second, 30*time.Second, 10*time.Second
	return c
}

// Prepare waits until vtgate has found all shards, and then makes the tables, as an application does.
func Prepare(ctx context.Context, dsn string, log func(format string, args ...any)) error {
	if err := cluster.Await(ctx, "vtgate", startWithin, func(ctx context.Context) error {
		return ping(ctx, dsn)
	}); err != nil {
		return err
	}
	began := time.Now()
	for _, prefix := range Prefixes() {
		if err := migrate(ctx, dsn, prefix); err != nil {
			return fmt.Errorf("vitess: tables with the prefix %s: %w", prefix, err)
		}
	}
	log("made %d sets of tables in %.1f s", len(Prefixes()), time.Since(began).Seconds())
	return nil
}

// ping goes without the driver's log: until vtgate is up, each try would print a line.
func ping(ctx context.Context, dsn string) error {
	c, err := mysql.ParseDSN(dsn)
	if err != nil {
		return fmt.Errorf("vitess: %w", err)
	}
	c.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return fmt.Errorf("vitess: %w", err)
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	for _, keyspace := range []string{Unsharded, Sharded} {
		if _, err := db.ExecContext(ctx, "SHOW TABLES FROM "+keyspace); err != nil { //nolint:gosec // a name of this package's
			return fmt.Errorf("keyspace %s: %w", keyspace, err)
		}
	}
	return nil
}

func migrate(ctx context.Context, dsn, prefix string) error {
	s, err := store.Open(ctx, dsn, store.Options{TablePrefix: prefix})
	if err != nil {
		return err
	}
	return errors.Join(s.Migrate(ctx), s.Close())
}
