package faults_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/testcontainers/testcontainers-go"
	tcmysql "github.com/testcontainers/testcontainers-go/modules/mysql"
	"github.com/testcontainers/testcontainers-go/wait"

	"github.com/watchword-dev/watchword/integration/mysqltest"
)

const diskPassword = "watchword-test" // of a throw-away server that listens on loopback only

// smallDisk is a server whose binary log is on a file system of its own, that can be filled up. (Where InnoDB's files are on a full
// one, too, MySQL 9.7 goes on for a while or aborts itself, which is the column "killed"; and CREATE TABLE gets error 3675.)
type smallDisk struct {
	container testcontainers.Container
	dsn       string // without a schema's name behind it
	admin     *sql.DB
}

func newSmallDisk(t *testing.T) *smallDisk {
	t.Helper()
	image := os.Getenv("WATCHWORD_TEST_MYSQL_IMAGE")
	if image == "" {
		image = "mysql:8.4"
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	dsn := "root:" + diskPassword + "@tcp(127.0.0.1:" + port + ")/"
	ctr, err := tcmysql.Run(t.Context(), image,
		tcmysql.WithUsername("root"), tcmysql.WithPassword(diskPassword), tcmysql.WithDatabase("watchword"),
		testcontainers.WithCmd("--loose-mysqlx=OFF", "--log-bin=/binlog/binlog", "--max-connections=1000"),
		testcontainers.CustomizeRequestOption(func(req *testcontainers.GenericContainerRequest) error {
			req.ExposedPorts = []string{"3306/tcp"}
			return nil
		}),
		testcontainers.WithHostConfigModifier(func(hc *container.HostConfig) {
			hc.Tmpfs = map[string]string{"/binlog": "rw,size=16m,mode=1777"}
			hc.PortBindings = network.PortMap{network.MustParsePort("3306/tcp"): {{HostIP: netip.AddrFrom4([4]byte{127, 0, 0, 1}), HostPort: port}}}
		}),
		testcontainers.WithWaitStrategy(wait.ForSQL("3306/tcp", "mysql", func(string, network.Port) string { return dsn }).
			WithStartupTimeout(2*time.Minute).WithPollInterval(100*time.Millisecond)),
	)
	if ctr != nil {
		testcontainers.CleanupContainer(t, ctr, testcontainers.StopTimeout(0))
	}
	if err != nil {
		if os.Getenv("WATCHWORD_TEST_MYSQL_DSN") != "" {
			t.Skipf("this test fills the disk of a server of its own: %v", err)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		if logs, err := ctr.Logs(context.WithoutCancel(t.Context())); err == nil {
			text, _ := io.ReadAll(logs)
			t.Logf("the server's log ends with\n%s", text[max(0, len(text)-4000):])
			_ = logs.Close()
		}
	})
	d := &smallDisk{container: ctr, dsn: dsn, admin: mysqltest.Open(t, dsn+"watchword")}
	if _, err := d.admin.ExecContext(t.Context(), "CREATE TABLE filler (text VARCHAR(300))"); err != nil {
		t.Fatal(err)
	}
	return d
}

// database makes a schema.
func (d *smallDisk) database(t *testing.T) func() string {
	n := 0
	return func() string {
		t.Helper()
		n++
		name := fmt.Sprint("cells", n)
		if _, err := d.admin.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
			t.Fatal(err)
		}
		return d.dsn + name + "?timeout=10s&readTimeout=90s&writeTimeout=90s"
	}
}

func (d *smallDisk) exec(t *testing.T, wantCode int, command ...string) {
	t.Helper()
	code, out, err := d.container.Exec(t.Context(), command)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(out)
	if code != wantCode {
		t.Fatalf("%s: exit code %d: %s", strings.Join(command, " "), code, text)
	}
}

// fill fills the disk, and then writes until a commit gets stuck: the server goes on in what its files have left.
func (d *smallDisk) fill(t *testing.T) {
	t.Helper()
	d.exec(t, 1, "dd", "if=/dev/zero", "of=/binlog/fill", "bs=4k")
	for range 1000 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err := d.admin.ExecContext(ctx, "INSERT INTO watchword.filler VALUES (REPEAT('x', 250))")
		cancel()
		var refused *driver.MySQLError
		switch {
		case errors.As(err, &refused):
			t.Logf("a full disk: the server answers %v", refused)
			return
		case errors.Is(err, context.DeadlineExceeded):
			t.Logf("a full disk: the server does not answer to changes")
			return
		case err != nil:
			t.Fatal(err)
		}
	}
	t.Fatal("the disk does not fill up")
}

// empty makes room again, and waits until the server has noticed: it looks once a minute.
func (d *smallDisk) empty(t *testing.T) {
	t.Helper()
	d.exec(t, 0, "rm", "/binlog/fill")
	begin := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	if _, err := d.admin.ExecContext(ctx, "INSERT INTO watchword.filler VALUES ('x')"); err != nil {
		t.Fatalf("there is room again, but the server takes no change: %v", err)
	}
	t.Logf("there is room again: the server went on after %v", time.Since(begin).Round(time.Second))
}
