// Package galera brings up three nodes of MariaDB with Galera, all of which take writes.
package galera

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/integration/clusters/cluster"
)

const (
	imageEnv = "WATCHWORD_TEST_GALERA_IMAGE"
	imageTag = "watchword/galera:debian"
	password = "watchword-test" // of servers that are thrown away and listen on loopback only; image/build.sh has it, too
	nodes    = 3

	nodeWithin = 90 * time.Second // of a slow machine; three seconds is usual
)

//go:embed image/build.sh image/entrypoint.sh
var recipe embed.FS

// Up brings the cluster up, and returns how it is taken down. The image is built from Debian's packages when there is none; elsewhere than on
// Debian WATCHWORD_TEST_GALERA_IMAGE names one of the official mariadb's kind. (That one starts by its own entrypoint, which has not been
// tried here: there a node that crashed comes back with a full copy of another's data, and a cluster of which all nodes crashed or were shut
// down does not come back by itself.)
func Up(ctx context.Context, log func(format string, args ...any)) (*cluster.Cluster, func() error, error) {
	scripts, err := fs.Sub(recipe, "image")
	if err != nil {
		return nil, nil, err
	}
	image, err := cluster.Image{Env: imageEnv, Tag: imageTag, Recipe: scripts, Needs: []string{"mmdebstrap"}}.Find(ctx, log)
	if err != nil {
		return nil, nil, err
	}
	network, err := cluster.NewNetwork(ctx)
	if err != nil {
		return nil, nil, err
	}
	c, err := start(ctx, network, image, log)
	if err != nil {
		return nil, nil, errors.Join(err, network.Remove())
	}
	return c, network.Remove, nil
}

// start starts one node after the other: each joins those before it.
func start(ctx context.Context, network *cluster.Network, image string, log func(format string, args ...any)) (*cluster.Cluster, error) {
	var addresses [nodes]netip.Addr
	for i := range addresses {
		addresses[i] = network.Reserve()
	}
	c := &cluster.Cluster{Kind: "galera"}
	for i := range nodes {
		name := fmt.Sprintf("galera%d", i+1)
		spec := cluster.Spec{
			Name: name, Image: image, Address: addresses[i], Ports: []string{"3306"},
			Env: map[string]string{
				"MARIADB_ROOT_PASSWORD": password, // of the official image
			},
			Files: map[string]string{"/etc/mysql/conf.d/watchword.cnf": settings(name, addresses, i)},
		}
		if i == 0 {
			spec.Env["WATCHWORD_BOOTSTRAP"] = "1"
			if image != imageTag {
				spec.Command = []string{"mariadbd", "--wsrep-new-cluster"}
			}
		}
		node, err := network.Start(ctx, spec)
		if err != nil {
			return nil, err
		}
		dsn := dataSource(node.Addr("3306"))
		err = cluster.Await(ctx, name+" to join the cluster", nodeWithin, func(ctx context.Context) error {
			if running, err := node.Running(ctx); err == nil && !running {
				return errors.New("it has ended")
			}
			return Synced(ctx, dsn, i+1)
		})
		if err != nil {
			lines, _ := node.Logs(context.WithoutCancel(ctx), 30) // without them the error has to do
			return nil, fmt.Errorf("%w\n%s", err, lines)
		}
		log("%s has joined", name)
		c.Writers = append(c.Writers, dsn)
		c.Nodes = append(c.Nodes, cluster.Node{Name: name, Container: node.ID(), DSN: dsn})
	}
	return c, nil
}

// settings are a node's. Those of durability and of the timeouts are the engine's own defaults, or what its documentation says is needed. The
// performance schema, which MySQL has switched on and MariaDB has not, is how tests count statements.
func settings(name string, addresses [nodes]netip.Addr, i int) string {
	peers := make([]string, nodes)
	for n, a := range addresses {
		peers[n] = a.String()
	}
	return `[mysqld]
character-set-server = utf8mb4
max_connections = 1000
innodb_buffer_pool_size = 128M
performance_schema = ON
innodb_flush_log_at_trx_commit = 1
binlog_format = ROW
default_storage_engine = InnoDB
innodb_autoinc_lock_mode = 2
wsrep_on = ON
wsrep_provider = /usr/lib/galera/libgalera_smm.so
wsrep_provider_options = "gcache.size=64M"
wsrep_cluster_name = watchword
wsrep_cluster_address = gcomm://` + strings.Join(peers, ",") + `
wsrep_node_name = ` + name + `
wsrep_node_address = ` + addresses[i].String() + `
wsrep_sst_method = mariabackup
wsrep_sst_auth = root:` + password + `
`
}

func dataSource(address string) string {
	config := mysql.NewConfig()
	config.User, config.Passwd, config.Net, config.Addr = "root", password, "tcp", address
	config.Timeout, config.ReadTimeout, config.WriteTimeout = 5*time.Second, 30*time.Second, 30*time.Second
	return config.FormatDSN()
}

// Synced returns nil where the node that the DSN names has all that the cluster has, takes writes, and sees at least so many nodes.
func Synced(ctx context.Context, dsn string, atLeast int) error {
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		return err
	}
	config.Logger = &mysql.NopLogger{} // until the node is up each try would write a line
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	const status = "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = ?"
	var (
		state, ready string
		size         int
	)
	for name, into := range map[string]any{"wsrep_local_state_comment": &state, "wsrep_ready": &ready, "wsrep_cluster_size": &size} {
		if err := db.QueryRowContext(ctx, status, name).Scan(into); err != nil {
			return fmt.Errorf("ask for %s: %w", name, err)
		}
	}
	if state != "Synced" || ready != "ON" || size < atLeast {
		return fmt.Errorf("its state is %q, ready is %s, and it sees %d nodes of %d", state, ready, size, atLeast)
	}
	return nil
}
