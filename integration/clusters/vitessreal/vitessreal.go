// Package vitessreal brings up Vitess as it is run in earnest: each tablet is a container with a mysqld of its own, a primary of each shard is
// followed by two replicas, one of which has a change before it is acknowledged, and vtorc appoints another primary where one is lost. Its
// keyspaces and tables are those of package vitess.
package vitessreal

import (
	"context"
	_ "embed" // the scripts
	"errors"
	"fmt"
	"time"

	"github.com/watchword-dev/watchword/integration/clusters/cluster"
	"github.com/watchword-dev/watchword/integration/clusters/vitess"
)

const (
	kind        = "vitess-shards"
	gateName    = "vtgate"
	controlName = "control"

	startWithin = 5 * time.Minute // of nine mysqlds at once on a slow machine; a minute is usual
)

var (
	//go:embed scripts/control.sh
	controlScript string
	//go:embed scripts/tablet.sh
	tabletScript string
)

// settings of mysqld: small, but a commit is on disk when it is acknowledged.
const settings = `innodb_buffer_pool_size = 32M
innodb_redo_log_capacity = 32M
max_connections = 200
table_open_cache = 200
table_definition_cache = 400
innodb_flush_log_at_trx_commit = 1
sync_binlog = 1
`

// shards are all there are, with the number before the first of their tablets.
var shards = []struct {
	keyspace, shard string
	before          int
}{
	{vitess.Unsharded, "0", 100},
	{vitess.Sharded, "-80", 200},
	{vitess.Sharded, "80-", 300},
}

// tabletsEach is how many there are of each shard: with two replicas there is one left to acknowledge a new primary's writes.
const tabletsEach = 3

// Up starts it and returns where it is, and what takes it down again.
func Up(ctx context.Context, log func(format string, args ...any)) (*cluster.Cluster, func() error, error) {
	image, err := vitess.Image(ctx, log)
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

func start(ctx context.Context, network *cluster.Network, image string, log func(format string, args ...any)) (*cluster.Cluster, error) {
	t := &Topology{}
	address := network.Reserve().String()
	if err := t.startControl(ctx, network, image, address); err != nil {
		return nil, err
	}
	if err := t.startTablets(ctx, network, image, address); err != nil {
		return nil, err
	}
	began := time.Now()
	if err := cluster.Await(ctx, "each shard to have its primary and replicas", startWithin, t.Whole); err != nil {
		return nil, t.explain(ctx, err)
	}
	log("the shards have their primaries after %.1f s", time.Since(began).Seconds())
	gate, err := startGate(ctx, network, image, address)
	if err != nil {
		return nil, err
	}
	c := &cluster.Cluster{
		Kind: kind, Writers: []string{vitess.Gate(gate.Addr(vitess.MySQLPort)).FormatDSN()},
		Nodes: []cluster.Node{{Name: gateName, Container: gate.ID()}, {Name: controlName, Container: t.control.ID()}},
	}
	for _, tablet := range t.containers {
		c.Nodes = append(c.Nodes, cluster.Node{Name: tablet.Name(), Container: tablet.ID()})
	}
	if err := vitess.Prepare(ctx, c.Writers[0], log); err != nil {
		said, _ := gate.Logs(ctx, 20)
		return nil, fmt.Errorf("%w; vtgate said:\n%s", err, said)
	}
	return c, nil
}

// startGate starts vtgate, which holds requests back while a primary is replaced. By default it does so once a minute at most.
func startGate(ctx context.Context, network *cluster.Network, image, control string) (*cluster.Container, error) {
	return network.Start(ctx, cluster.Spec{
		Name: gateName, Image: image, Ports: []string{vitess.PagesPort, vitess.MySQLPort},
		Command: []string{
			"/vt/bin/vtgate", "--topo-implementation", "etcd2", "--topo-global-server-address", control + ":2379",
			"--topo-global-root", "/vitess/global", "--cell", "cell", "--cells-to-watch", "cell", "--tablet-types-to-wait", "PRIMARY",
			"--tablet-refresh-interval", "1s", "--transaction-mode", "SINGLE", "--enable-buffer",
			"--buffer-min-time-between-failovers", "1s", "--service-map", "grpc-vtgateservice", "--grpc-port", "33575",
			"--port", vitess.PagesPort, "--mysql-server-port", vitess.MySQLPort, "--mysql-auth-server-impl", "none", "--log-format", "text",
		},
	})
}
