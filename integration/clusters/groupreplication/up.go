// Package groupreplication brings up MySQL Group Replication: three servers in one group with a single primary, and a router that
// forwards to it.
package groupreplication

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/integration/clusters/cluster"
)

const (
	kind     = "group-replication"
	port     = "3306"
	password = "watchword-test" // of throw-away servers that listen on loopback only
	members  = 3

	startWithin = 2 * time.Minute // of three servers at once on a slow machine
	joinWithin  = time.Minute     // of one server
)

// server is one of the group's while it is set up.
type server struct {
	name      string
	container *cluster.Container
	config    *mysql.Config
	db        *sql.DB
}

// Up starts the group and its router and returns where they are, and what takes them down again.
func Up(ctx context.Context, log func(format string, args ...any)) (*cluster.Cluster, func() error, error) {
	network, err := cluster.NewNetwork(ctx)
	if err != nil {
		return nil, nil, err
	}
	var servers []*server
	down := func() error {
		var errs []error
		for _, s := range servers {
			errs = append(errs, s.db.Close())
		}
		return errors.Join(append(errs, network.Remove())...)
	}
	if servers, err = start(ctx, network); err != nil {
		return nil, nil, errors.Join(err, down())
	}
	if err := form(ctx, servers, log); err != nil {
		return nil, nil, errors.Join(err, down())
	}
	router, err := route(ctx, servers, log)
	if err != nil {
		return nil, nil, errors.Join(err, down())
	}
	downAll := func() error { return errors.Join(router.Close(), down()) }
	if err := cluster.Await(ctx, "the router to find the primary", joinWithin, func(context.Context) error {
		if router.Primary() == "" {
			return errors.New("it knows of none")
		}
		return nil
	}); err != nil {
		return nil, nil, errors.Join(err, downAll())
	}
	c := &cluster.Cluster{Kind: kind, Writers: []string{settings(router.Addr()).FormatDSN()}}
	for _, s := range servers {
		c.Nodes = append(c.Nodes, cluster.Node{Name: s.name, Container: s.container.ID(), DSN: s.config.FormatDSN()})
	}
	return c, downAll, nil
}

// settings are those of a connection to a server or the router.
func settings(addr string) *mysql.Config {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr = "root", password, "tcp", addr
	c.Timeout, c.ReadTimeout, c.WriteTimeout = 10*time.Second, time.Minute, time.Minute
	return c
}

// start starts the servers, which know nothing of each other yet, and waits until they answer. It returns those that it has started
// also with an error.
func start(ctx context.Context, network *cluster.Network) ([]*server, error) {
	var servers []*server
	for i := 1; i <= members; i++ {
		name := fmt.Sprintf("gr%d", i)
		container, err := network.Start(ctx, cluster.Spec{
			Name: name, Image: image(), Command: flags(i, name), Ports: []string{port},
			Env: map[string]string{"MYSQL_ROOT_PASSWORD": password, "MYSQL_ROOT_HOST": "%"},
		})
		if err != nil {
			return servers, err
		}
		s := &server{name: name, container: container, config: settings(container.Addr(port))}
		quiet := s.config.Clone()
		quiet.Logger = &mysql.NopLogger{} // until the server is up, each try would print a line
		connector, err := mysql.NewConnector(quiet)
		if err != nil {
			return servers, fmt.Errorf("connect to %s: %w", name, err)
		}
		s.db = sql.OpenDB(connector)
		servers = append(servers, s)
	}
	for _, s := range servers {
		if err := cluster.Await(ctx, s.name+" to answer", startWithin, s.db.PingContext); err != nil {
			log, _ := s.container.Logs(ctx, 20)
			return servers, fmt.Errorf("%w\nits log ends with:\n%s", err, log)
		}
	}
	return servers, nil
}

// image is the one that other tests use: an official one has the plugin, and so has the one that is built here.
func image() string {
	if image := os.Getenv("WATCHWORD_TEST_MYSQL_IMAGE"); image != "" {
		return image
	}
	return "mysql:8.4"
}

// flags are mysqld's. The group's own begin with loose- since the official image starts a server without the plugin at first.
func flags(id int, name string) []string {
	var seeds []string
	for i := 1; i <= members; i++ {
		seeds = append(seeds, fmt.Sprintf("gr%d:33061", i))
	}
	return []string{
		fmt.Sprintf("--server-id=%d", id),
		"--report-host=" + name, "--report-port=" + port,
		"--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--log-bin=binlog",
		"--innodb-flush-log-at-trx-commit=1", "--sync-binlog=1", // a power cut takes nothing with it
		"--loose-mysqlx=OFF", "--max-connections=1000",
		"--plugin-load-add=group_replication.so",
		"--loose-group-replication-group-name=5d6a1c2e-8f3b-4b7e-9a41-c0ffee5e5510",
		"--loose-group-replication-start-on-boot=OFF",
		"--loose-group-replication-local-address=" + name + ":33061",
		"--loose-group-replication-group-seeds=" + strings.Join(seeds, ","),
		"--loose-group-replication-recovery-get-public-key=ON",
		// How the docs advise to run it: a new primary answers when it has caught up, and a dead one is given up at once.
		"--loose-group-replication-consistency=BEFORE_ON_PRIMARY_FAILOVER",
		"--loose-group-replication-member-expel-timeout=0",
		"--loose-group-replication-message-cache-size=134217728", // the least there is: a server takes 1 GiB otherwise
	}
}

// route starts the router over the servers.
func route(ctx context.Context, servers []*server, log func(format string, args ...any)) (*Router, error) {
	var backends []backend
	for _, s := range servers {
		s.db.SetMaxOpenConns(2)
		backends = append(backends, backend{host: s.name, addr: s.config.Addr, ask: func(ctx context.Context) (view, error) {
			return ask(ctx, s.db)
		}})
	}
	return newRouter(ctx, backends, usualPace(), log)
}
