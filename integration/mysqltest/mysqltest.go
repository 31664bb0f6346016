// Package mysqltest gives tests a real MySQL: one server for a package's run, one schema for each test.
//
// A package that uses it hands its run over in TestMain; then each test takes a schema of its own:
//
//	func TestMain(m *testing.M) { mysqltest.Main(m) }
//
//	func TestSomething(t *testing.T) {
//		t.Parallel()
//		db := mysqltest.Open(t, mysqltest.Database(t))
//		...
//	}
//
// The server is the one that WATCHWORD_TEST_MYSQL_DSN names, if set; else a container of WATCHWORD_TEST_MYSQL_IMAGE (mysql:8.4
// by default), started when the first test asks for it. Without either, tests fail. They are never skipped: a suite
// that did not run must not look like one that passed. [StartServer] gives a test a server to break.
package mysqltest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/goleak"
)

const dsnEnv = "WATCHWORD_TEST_MYSQL_DSN"

// shared is the package run's server. Main owns it; the first call of Database starts it.
var shared struct {
	inMain bool

	start  sync.Once
	err    error // of start
	server *Server
	config *mysql.Config
	admin  *sql.DB
}

// Main runs the package's tests, removes the MySQL container if they used one, and exits. Call it from TestMain. A goroutine that
// the tests leave behind fails the run. atEnd is called before it exits.
func Main(m *testing.M, atEnd ...func()) {
	shared.inMain = true
	code := m.Run()
	for _, f := range atEnd {
		f()
	}
	if err := stopShared(); err != nil {
		fmt.Fprintln(os.Stderr, "mysqltest: remove the MySQL container:", err)
		code = max(code, 1)
	}
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, "mysqltest: goroutines are left after the tests:", err)
		code = 1
	}
	os.Exit(code)
}

// Database creates an empty schema for the test and returns a go-sql-driver DSN for it, whose user may do anything there. The
// schema has the server's default character set and is dropped when the test ends. Parallel tests may call it.
func Database(t testing.TB) string {
	t.Helper()
	if !shared.inMain {
		t.Fatal("mysqltest: this package needs `func TestMain(m *testing.M) { mysqltest.Main(m) }`, which removes the server's container")
	}
	shared.start.Do(func() { shared.err = startShared() })
	if shared.err != nil {
		t.Fatalf("mysqltest: no MySQL for this test: %v\n%s", shared.err, whatToDo)
	}
	if isFixed(shared.config) {
		return takeTurn(t, shared.config)
	}
	return createSchema(t, shared.admin, shared.config, true)
}

// Open opens dsn and closes the pool when the test ends. See [Limit] for how many connections it may have.
func Open(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatalf("mysqltest: open database: %v", err)
	}
	if n := MaxConns(); n > 0 {
		Limit(db, n)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("mysqltest: close database: %v", err)
		}
	})
	return db
}

func startShared() error {
	if dsn := os.Getenv(dsnEnv); dsn != "" {
		config, err := mysql.ParseDSN(dsn)
		if err != nil {
			return fmt.Errorf("%s: %w", dsnEnv, err) // the driver's parse errors do not repeat the DSN, which holds a password
		}
		setTimeouts(config)
		shared.config = config
	} else {
		// No test of this package's survives a crash of the server, so nothing needs to reach the disk.
		server, err := startContainer(context.Background(), []string{
			"--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0", "--innodb-doublewrite=OFF", "--max-connections=1000",
		})
		shared.server = server
		if err != nil {
			return err
		}
		shared.config = server.config
	}
	var err error
	shared.admin, err = openAdmin(shared.config)
	return err
}

func stopShared() error {
	if shared.admin != nil {
		_ = shared.admin.Close()
	}
	if shared.server == nil {
		return nil
	}
	return shared.server.terminate()
}

// openAdmin opens the small pool that creates and drops schemas.
func openAdmin(server *mysql.Config) (*sql.DB, error) {
	config := server.Clone()
	config.DBName = ""
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("connect to MySQL: %w", err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(4)
	return db, nil
}

func createSchema(t testing.TB, admin *sql.DB, server *mysql.Config, drop bool) string {
	t.Helper()
	// Unique across processes: several packages may run against one server.
	name := "watchword_test_" + rand.Text()
	if _, err := admin.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatalf("mysqltest: create a schema at %s: %v\n%s", server.Addr, err, whatToDo)
	}
	if drop {
		t.Cleanup(func() {
			// The test's context is done by now. A transaction that it left open would hold the drop up.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
			defer cancel()
			if _, err := admin.ExecContext(ctx, "DROP DATABASE "+name); err != nil {
				t.Errorf("mysqltest: drop the test's schema (is a transaction still open?): %v", err)
			}
		})
	}
	config := server.Clone()
	config.DBName = name
	return config.FormatDSN()
}
