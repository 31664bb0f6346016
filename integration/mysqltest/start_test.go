package mysqltest_test

import (
	"errors"
	"os"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/integration/mysqltest"
)

// A program that is no test gets a server with its flags and schemas on it, and nothing is left when it has closed it.
func TestStartServesPrograms(t *testing.T) {
	t.Parallel()
	server, err := mysqltest.Start(t.Context(), "--innodb-lock-wait-timeout=9")
	if err != nil && os.Getenv("WATCHWORD_TEST_MYSQL_DSN") != "" {
		t.Skipf("no server can be started beside the one of WATCHWORD_TEST_MYSQL_DSN: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	t.Cleanup(func() {
		if !closed {
			_ = server.Close()
		}
	})
	dsn, drop, err := server.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	db := mysqltest.Open(t, dsn)
	exec(t, db, "CREATE TABLE things (id INT PRIMARY KEY)")
	var wait int
	if err := db.QueryRowContext(t.Context(), "SELECT @@innodb_lock_wait_timeout").Scan(&wait); err != nil || wait != 9 {
		t.Errorf("lock wait timeout: got %d, %v, want the flag's 9", wait, err)
	}
	if err := drop(); err != nil {
		t.Fatal(err)
	}
	const unknownDatabase = 1049
	var dbErr *mysql.MySQLError
	if err := mysqltest.Open(t, dsn).PingContext(t.Context()); !errors.As(err, &dbErr) || dbErr.Number != unknownDatabase {
		t.Errorf("ping of a dropped schema: got %v, want error %d", err, unknownDatabase)
	}
	err, closed = server.Close(), true
	if err != nil {
		t.Fatal(err)
	}
	if err := mysqltest.Open(t, dsn).PingContext(t.Context()); err == nil || errors.As(err, &dbErr) {
		t.Errorf("ping of a server that was removed: got %v, want an error of the network's", err)
	}
}

// A server that is there already is used as it is, and stays.
func TestStartTakesTheServerOfTheEnvironment(t *testing.T) { // not parallel: it sets the environment
	t.Setenv("WATCHWORD_TEST_MYSQL_DSN", mysqltest.Database(t))
	server, err := mysqltest.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if server.Container != nil {
		t.Error("a container was started")
	}
	dsn, drop, err := server.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	exec(t, mysqltest.Open(t, dsn), "CREATE TABLE things (id INT PRIMARY KEY)")
	if err := errors.Join(drop(), server.Close()); err != nil {
		t.Fatal(err)
	}
	if err := mysqltest.Open(t, os.Getenv("WATCHWORD_TEST_MYSQL_DSN")).PingContext(t.Context()); err != nil {
		t.Errorf("ping of the server after Close: %v, want it to be there still", err)
	}
}
