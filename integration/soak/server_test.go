package soak_test

import (
	"context"
	"database/sql"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	engine "github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"

	"github.com/watchword-dev/watchword/integration/mysqltest"
)

// victim is the server that is killed.
type victim struct {
	server *mysqltest.Server
	dsn    string
	prober *sql.DB // a new connection for each question
}

// kill is one death of the server.
type kill struct {
	at       time.Time // when it was sent SIGKILL
	returned time.Time // when a new connection first got an answer again
}

// plainly has two connections do the simplest of durable changes, again and again. How soon these are as fast as before tells how much
// of a slow recovery is the server's and the machine's.
func (v *victim) plainly(ctx context.Context, t *testing.T, m *meter) {
	config, err := mysql.ParseDSN(v.dsn)
	if err != nil {
		t.Error(err)
		return
	}
	config.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Error(err)
		return
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(ctx, "CREATE TABLE plain (id INT PRIMARY KEY, n INT)"); err != nil {
		t.Errorf("make the table of plain statements: %v", err)
		return
	}
	var all sync.WaitGroup
	for id := range 2 {
		all.Go(func() {
			for pause(ctx, 5*time.Millisecond) {
				if _, err := db.ExecContext(ctx, "INSERT INTO plain VALUES (?, 1) ON DUPLICATE KEY UPDATE n = n + 1", id); err == nil {
					m.tick(m.plain)
				}
			}
		})
	}
	all.Wait()
}

// startVictim starts a server that has written what it acknowledges.
func startVictim(t *testing.T) *victim {
	t.Helper()
	server := mysqltest.StartServer(t, "--innodb-flush-log-at-trx-commit=1", "--sync-binlog=1", "--max-connections=400")
	v := &victim{server: server, dsn: server.Database(t)}
	config, err := mysql.ParseDSN(v.dsn)
	if err != nil {
		t.Fatal(err)
	}
	if *direct {
		config.Addr = v.address(t.Context(), t)
		v.dsn = config.FormatDSN()
	}
	config.Timeout, config.ReadTimeout, config.WriteTimeout = time.Second, time.Second, time.Second
	config.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	v.prober = sql.OpenDB(connector)
	v.prober.SetMaxIdleConns(-1)
	t.Cleanup(func() { _ = v.prober.Close() })
	return v
}

// address is the server's own. A published port is a process of the engine's, which copies every byte: at full load that takes a sixth
// of two cores, and makes the throughput go up and down.
func (v *victim) address(ctx context.Context, t *testing.T) string {
	t.Helper()
	ip, err := v.server.Container.ContainerIP(ctx)
	if err != nil {
		t.Fatalf("-direct: the address of the container: %v", err)
	}
	return net.JoinHostPort(ip, "3306")
}

// kill ends mysqld with SIGKILL, starts it again, and returns when it answers.
func (v *victim) kill(t *testing.T, w *world) kill {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	docker, err := testcontainers.NewDockerClientWithOpts(ctx)
	if err != nil {
		t.Errorf("reach the engine: %v", err)
		return kill{}
	}
	defer func() { _ = docker.Close() }()
	w.down.Store(true)
	defer w.down.Store(false)
	w.meter.kills.Add(1)
	k := kill{at: time.Now()}
	if _, err := docker.ContainerKill(ctx, v.server.Container.GetContainerID(), engine.ContainerKillOptions{Signal: "SIGKILL"}); err != nil {
		t.Errorf("kill mysqld: %v", err)
		return k
	}
	if _, err := docker.ContainerStart(ctx, v.server.Container.GetContainerID(), engine.ContainerStartOptions{}); err != nil {
		t.Errorf("start mysqld again: %v", err)
		return k
	}
	if config, err := mysql.ParseDSN(v.dsn); *direct && err == nil && config.Addr != v.address(ctx, t) {
		t.Error("-direct: after its restart the container has another address")
		return k
	}
	for {
		var one int
		if err = v.prober.QueryRowContext(ctx, "SELECT 1").Scan(&one); err == nil {
			k.returned = time.Now()
			return k
		}
		if !pause(ctx, 10*time.Millisecond) {
			t.Errorf("mysqld has not returned after %v: %v", startTimeout, err)
			return k
		}
	}
}
