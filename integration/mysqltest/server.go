package mysqltest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/testcontainers/testcontainers-go"
	tcmysql "github.com/testcontainers/testcontainers-go/modules/mysql"
	"github.com/testcontainers/testcontainers-go/wait"
)

const (
	defaultImage = "mysql:8.4"
	rootPassword = "watchword-test" // of a throw-away server that listens on loopback only
	startTimeout = 2 * time.Minute  // of a slow machine; two seconds is usual

	// whatToDo ends the message when no server can be had.
	whatToDo = "run `make test`, or install Docker, or set " + dsnEnv + " to a MySQL server whose user may create schemas"
)

// Server is a MySQL server that one test has to itself, to pause, restart, kill or fill up. Tests that only need a
// database use [Database], whose server is already running.
type Server struct {
	// Container is the server's container; its host port stays the same across restarts.
	Container testcontainers.Container

	config *mysql.Config
}

// StartServer starts a server with the given mysqld flags, such as "--innodb-lock-wait-timeout=1", and removes it when the
// test ends. Unlike the shared server it writes as durably as MySQL does by default. It needs Docker, so where
// WATCHWORD_TEST_MYSQL_DSN stands in for Docker, the test is skipped if no container can be made.
func StartServer(t testing.TB, flags ...string) *Server {
	t.Helper()
	s, err := startContainer(t.Context(), flags)
	if s != nil {
		testcontainers.CleanupContainer(t, s.Container, testcontainers.StopTimeout(0))
	}
	if err != nil && s == nil && os.Getenv(dsnEnv) != "" {
		t.Skipf("mysqltest: this test breaks a server of its own, and the one of %s is not ours to break: %v", dsnEnv, err)
	}
	if err != nil {
		t.Fatalf("mysqltest: start a MySQL server in Docker: %v\n%s", err, whatToDo)
	}
	return s
}

// Database creates an empty schema on this server for the test and returns a DSN for it.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	db, err := openAdmin(s.config)
	if err != nil {
		t.Fatalf("mysqltest: %v", err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return createSchema(t, db, s.config, false) // the schema goes with the server
}

// startContainer returns the server as far as it came, also with an error, so that the caller can remove its container.
func startContainer(ctx context.Context, flags []string) (s *Server, err error) {
	defer func() { // testcontainers panics in places when it finds no engine
		if r := recover(); r != nil {
			err = fmt.Errorf("testcontainers: %v", r)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()

	image := os.Getenv("WATCHWORD_TEST_MYSQL_IMAGE")
	if image == "" {
		image = defaultImage
	}
	hostPort, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	config := mysql.NewConfig()
	config.User, config.Passwd, config.Net = "root", rootPassword, "tcp"
	setTimeouts(config)
	address := func(host, port string) *mysql.Config {
		c := config.Clone()
		c.Addr = net.JoinHostPort(host, port)
		return c
	}

	ctr, err := tcmysql.Run(ctx, image,
		tcmysql.WithUsername("root"), tcmysql.WithPassword(rootPassword), tcmysql.WithDatabase("watchword"),
		testcontainers.WithCmd(append([]string{"--loose-mysqlx=OFF"}, flags...)...),
		testcontainers.CustomizeRequestOption(func(req *testcontainers.GenericContainerRequest) error {
			req.ExposedPorts = []string{"3306/tcp"} // without the X protocol's
			return nil
		}),
		// On loopback, so that nobody else on the network reaches a server whose password is in this file; and by a port of
		// our choice, since one that the engine chooses changes when the container restarts.
		testcontainers.WithHostConfigModifier(func(hc *container.HostConfig) {
			hc.PortBindings = network.PortMap{network.MustParsePort("3306/tcp"): {
				{HostIP: netip.AddrFrom4([4]byte{127, 0, 0, 1}), HostPort: hostPort},
			}}
		}),
		// Not ForLog: its text differs between builds of MySQL, and after a restart it matches the old line at once.
		testcontainers.WithWaitStrategy(wait.ForSQL("3306/tcp", quietDriver, func(host string, port network.Port) string {
			return address(host, port.Port()).FormatDSN()
		}).WithStartupTimeout(startTimeout).WithPollInterval(50*time.Millisecond)),
	)
	if ctr != nil && ctr.Container != nil {
		s = &Server{Container: ctr}
	}
	if err != nil {
		return s, fmt.Errorf("image %s: %w", image, err)
	}
	host, err := ctr.Host(ctx)
	if err != nil {
		return s, fmt.Errorf("address of the container: %w", err)
	}
	s.config = address(host, hostPort)
	return s, nil
}

// terminate removes the server's container without waiting for mysqld to shut down: its data goes too.
func (s *Server) terminate() error {
	return testcontainers.TerminateContainer(s.Container, testcontainers.StopTimeout(0))
}

// freePort finds a port on loopback. Somebody else may take it before the container does; then the container does not
// start, and says so.
func freePort(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return "", errors.Join(errors.New("find a free port: not a TCP listener"), l.Close())
	}
	return strconv.Itoa(addr.Port), l.Close()
}

// setTimeouts makes a test that waits for a dead server fail, instead of the whole run at go test's timeout.
func setTimeouts(c *mysql.Config) {
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	if c.ReadTimeout == 0 {
		c.ReadTimeout = 60 * time.Second
	}
	if c.WriteTimeout == 0 {
		c.WriteTimeout = 60 * time.Second
	}
}

// quietDriver is the MySQL driver without its log: until the server is up, each try would print a line.
const quietDriver = "mysqltest-quiet"

func init() { sql.Register(quietDriver, quiet{}) }

type quiet struct{}

func (quiet) Open(dsn string) (driver.Conn, error) {
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	config.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	return connector.Connect(context.Background())
}
