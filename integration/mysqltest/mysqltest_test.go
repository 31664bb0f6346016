package mysqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/integration/mysqltest"
)

func TestMain(m *testing.M) { mysqltest.Main(m) }

// Parallel tests that use the same table name do not see each other.
func TestDatabaseIsolatesParallelTests(t *testing.T) {
	t.Parallel()
	for _, who := range []string{"one", "two", "three"} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			db := mysqltest.Open(t, mysqltest.Database(t))
			exec(t, db, "CREATE TABLE things (name VARCHAR(20) PRIMARY KEY)")
			exec(t, db, "INSERT INTO things VALUES (?)", who)
			var name string
			if err := db.QueryRowContext(t.Context(), "SELECT name FROM things").Scan(&name); err != nil {
				t.Fatal(err)
			}
			if name != who {
				t.Errorf("the only row: got %q, want %q", name, who)
			}
		})
	}
}

func TestDatabaseIsDroppedWhenTheTestEnds(t *testing.T) {
	t.Parallel()
	var dsn string
	t.Run("inner", func(t *testing.T) { dsn = mysqltest.Database(t) })
	const unknownDatabase = 1049
	var dbErr *mysql.MySQLError
	if err := mysqltest.Open(t, dsn).PingContext(t.Context()); !errors.As(err, &dbErr) || dbErr.Number != unknownDatabase {
		t.Errorf("ping of a dropped schema: got %v, want error %d", err, unknownDatabase)
	}
}

func TestTextComesBackAsWritten(t *testing.T) {
	t.Parallel()
	db := mysqltest.Open(t, mysqltest.Database(t))
	exec(t, db, "CREATE TABLE texts (text VARCHAR(100)) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
	for _, want := range []string{"plain", "Zürich ẞ", "🕯️ Losung 🗝️", `quote ' back \ slash`, "日本語"} {
		exec(t, db, "DELETE FROM texts")
		exec(t, db, "INSERT INTO texts VALUES (?)", want)
		var got string
		if err := db.QueryRowContext(t.Context(), "SELECT text FROM texts WHERE text = ?", want).Scan(&got); err != nil {
			t.Fatalf("read %q back: %v", want, err)
		}
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A test that waits for ever would take the whole run with it.
func TestConnectionsHaveTimeouts(t *testing.T) {
	t.Parallel()
	config, err := mysql.ParseDSN(mysqltest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	if config.Timeout == 0 || config.ReadTimeout == 0 || config.WriteTimeout == 0 {
		t.Errorf("timeouts: got connect %v, read %v, write %v; want all set", config.Timeout, config.ReadTimeout, config.WriteTimeout)
	}
}

// The same DSN reaches a server of a test's own, with its flags and its data, after it was killed and started again.
func TestServerComesBackAtTheSameAddress(t *testing.T) {
	t.Parallel()
	server := mysqltest.StartServer(t, "--innodb-lock-wait-timeout=7")
	db := mysqltest.Open(t, server.Database(t))
	exec(t, db, "CREATE TABLE things (id INT PRIMARY KEY)")
	exec(t, db, "INSERT INTO things VALUES (1)")

	if err := server.Container.Stop(t.Context(), new(time.Duration)); err != nil {
		t.Fatalf("kill the server: %v", err)
	}
	if err := db.PingContext(t.Context()); err == nil {
		t.Error("ping while the server is down: got no error, want one")
	}
	if err := server.Container.Start(t.Context()); err != nil {
		t.Fatalf("start the server again: %v", err)
	}
	var id, wait int
	if err := db.QueryRowContext(t.Context(), "SELECT id, @@innodb_lock_wait_timeout FROM things").Scan(&id, &wait); err != nil {
		t.Fatalf("read after the restart: %v", err)
	}
	if id != 1 || wait != 7 {
		t.Errorf("after the restart: got row %d and lock wait %d, want 1 and 7", id, wait)
	}
}

func exec(t *testing.T, db *sql.DB, query string, args ...any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := db.ExecContext(ctx, query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}
