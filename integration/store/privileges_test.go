package store_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	driverpkg "github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/integration/mysqltest"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/storetest"
)

// newUser makes a user of the server without any rights, who is gone when the test ends.
func newUser(t *testing.T, admin *sql.DB, kind string) (name, password string) {
	t.Helper()
	name, password = kind+strings.ToLower(rand.Text()[:12]), rand.Text()
	mustExec(t, admin, fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY '%s'", name, password))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
		defer cancel()
		if _, err := admin.ExecContext(ctx, fmt.Sprintf("DROP USER '%s'@'%%'", name)); err != nil {
			t.Errorf("drop the user %s: %v", name, err)
		}
	})
	return name, password
}

var grantee = regexp.MustCompile(`'watchword_\w+'@`)

// grant runs a script of rights on the schema that a DSN names, for a user, and returns the DSN of that user.
func grant(t *testing.T, admin *sql.DB, file, dsn, name, password string) string {
	t.Helper()
	cfg, err := driverpkg.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../store/mysql/sql/" + file)
	if err != nil {
		t.Fatal(err)
	}
	script := strings.ReplaceAll(grantee.ReplaceAllString(string(text), "'"+name+"'@"), "`app`", "`"+cfg.DBName+"`")
	for statement := range strings.SplitSeq(strings.TrimSpace(script), ";\n") {
		mustExec(t, admin, strings.TrimSuffix(statement, ";"))
	}
	cfg.User, cfg.Passwd = name, password
	return cfg.FormatDSN()
}

// An administrator's pool, of a schema of the test's.
func administrator(t *testing.T) (dsn string, db *sql.DB) {
	t.Helper()
	dsn = mysqltest.Database(t)
	return dsn, mysqltest.Open(t, dsn)
}

// refused holds statements to be refused for want of a right.
func refused(t *testing.T, who string, db *sql.DB, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		_, err := db.ExecContext(t.Context(), statement)
		switch errorNumber(err) {
		case 1044, 1142, 1143, 1227: // access to a schema, a table, a column, or what an administrator does
		default:
			t.Errorf("%s: %s: got %v, want it to be denied", who, statement, err)
		}
	}
}

// With the rights of grants_migrate.sql a user makes the schema, and alters it, but neither reads it nor destroys anything.
func TestUserWhoMigrates(t *testing.T) {
	t.Parallel()
	dsn, admin := administrator(t)
	name, password := newUser(t, admin, "migrate_")
	store := unmigrated(t, grant(t, admin, "grants_migrate.sql", dsn, name, password))
	if pending, err := store.Pending(t.Context()); err != nil || len(pending) != len(history(t)) {
		t.Errorf("on an empty schema: got %d pending migrations, %v, want all %d", len(pending), err, len(history(t)))
	}
	for range 2 {
		if err := store.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, statement := range nextMigrations {
		if !strings.HasPrefix(statement, "CREATE TABLE") { // of a table that the script does not know
			mustExec(t, store.DB(), statement)
		}
	}
	refused(t, "who migrates", store.DB(),
		"SELECT * FROM watchword_signing_keys", "SELECT handle FROM watchword_sessions", "SELECT user_id FROM watchword_revocations",
		"UPDATE watchword_sessions SET label = ''", "DELETE FROM watchword_revocations", "DELETE FROM watchword_schema_version",
		"DROP TABLE watchword_sessions", "TRUNCATE watchword_signing_keys", "CREATE TABLE others (n INT)",
		"RENAME TABLE watchword_sessions TO watchword_old", "CREATE USER 'somebody'@'%'",
	)
}

// With the rights of grants_api.sql the whole contract of a store holds.
func TestContractForTheUserOfTheAPI(t *testing.T) {
	t.Parallel()
	_, admin := administrator(t)
	name, password := newUser(t, admin, "api_")
	storetest.Run(t, func(t *testing.T) session.Store {
		dsn, admin := administrator(t)
		openAt(t, dsn, oneConnection) // migrates
		return unmigrated(t, grant(t, admin, "grants_api.sql", dsn, name, password))
	})
}

// So does a Manager's life: feed, cleanup with an election, rotation of keys. The schema cannot be changed.
func TestUserOfTheAPI(t *testing.T) {
	t.Parallel()
	dsn, admin := administrator(t)
	openAt(t, dsn, oneConnection) // migrates
	name, password := newUser(t, admin, "api_")
	store := unmigrated(t, grant(t, admin, "grants_api.sql", dsn, name, password))
	if err := store.Migrate(t.Context()); err != nil {
		t.Errorf("migrate, where nothing is to be done: %v", err)
	}
	elect(t, "the user of the API", store, true, nothing)
	var warnings log
	m, err := session.New(t.Context(), store, session.Config{
		StoreTimeout: patient, Grace: session.NoGrace, FeedInterval: 50 * time.Millisecond, CleanupInterval: 50 * time.Millisecond,
		EndingRetention: session.NoEndings, KeyPollInterval: 50 * time.Millisecond, KeyPropagation: 100 * time.Millisecond,
		AccessKeyRotation: 200 * time.Millisecond, RefreshKeyRotation: 300 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(&warnings, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { m.Run(ctx) })
	for until, n := time.Now().Add(2*time.Second), 0; time.Now().Before(until); n++ {
		if err := lifetime(ctx, m, fmt.Sprint("user", n)); err != nil {
			t.Error(err)
		}
		if _, err := m.Cleanup(ctx); err != nil {
			t.Errorf("clean up: %v", err)
		}
	}
	mustExec(t, admin, "UPDATE watchword_sessions SET ended_at = 1 WHERE ended_at IS NOT NULL") // long ago
	if cleaned, err := m.Cleanup(ctx); err != nil || cleaned.Purged == 0 {
		t.Errorf("clean up what ended long ago: got %+v, %v, want some to be purged", cleaned, err)
	}
	stop()
	all.Wait()
	if complaints := warnings.String(); complaints != "" {
		t.Errorf("what Run had to say:\n%s", complaints)
	}
	if _, err := m.RevokeAll(t.Context(), session.RevokeOptions{}); err != nil {
		t.Errorf("revoke all: %v", err)
	}
	if err := m.RotateNow(t.Context(), session.PurposeRefresh, "a test", true); err != nil {
		t.Errorf("rotate now: %v", err)
	}
	var keys, revocations int
	if err := admin.QueryRowContext(t.Context(), "SELECT (SELECT COUNT(*) FROM watchword_signing_keys), (SELECT COUNT(*) FROM watchword_revocations)").
		Scan(&keys, &revocations); err != nil || keys < 6 || revocations == 0 {
		t.Errorf("got %d keys and %d revocations, %v: the Manager did not do its work", keys, revocations, err)
	}

	before := tablesOf(t, admin)
	for _, table := range tableNames {
		refused(t, "the API", store.DB(),
			"ALTER TABLE "+table+" ADD COLUMN more INT NULL", "DROP TABLE "+table, "TRUNCATE "+table, "CREATE INDEX more ON "+table+" (`"+firstColumn(t, admin, table)+"`)",
			"RENAME TABLE "+table+" TO others", "LOCK TABLES "+table+" WRITE",
		)
	}
	refused(t, "the API", store.DB(),
		"CREATE TABLE others (n INT)", "CREATE VIEW others AS SELECT 1", "UPDATE watchword_revocations SET reason = ''",
		"INSERT INTO watchword_schema_version (version, applied_at) VALUES (99, 0)", "UPDATE watchword_schema_version SET needs = 99",
		"DELETE FROM watchword_schema_version", "CREATE USER 'somebody'@'%'", "GRANT SELECT ON watchword_sessions TO 'watchword'@'%'",
		"SELECT User FROM mysql.user",
	)
	for name, definition := range tablesOf(t, admin) {
		if before[name] != definition {
			t.Errorf("%s has become\n%s", name, definition)
		}
	}
}

func firstColumn(t *testing.T, db *sql.DB, table string) (name string) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?"+
		" AND ORDINAL_POSITION = 1", table).Scan(&name); err != nil {
		t.Fatal(err)
	}
	return name
}

// Where a migration is missing, a process that may not run it says from which version to which.
func TestUserOfTheAPIBehind(t *testing.T) {
	t.Parallel()
	dsn, admin := administrator(t)
	const at = 3
	migrateTo(t, admin, at)
	name, password := newUser(t, admin, "api_")
	store := unmigrated(t, grant(t, admin, "grants_api.sql", dsn, name, password))
	if pending, err := store.Pending(t.Context()); err != nil || len(pending) != len(history(t))-at {
		t.Errorf("got %d pending migrations, %v, want %d", len(pending), err, len(history(t))-at)
	}
	err := store.Migrate(t.Context())
	if err == nil {
		t.Fatal("got no error")
	}
	for _, want := range []string{fmt.Sprintf("from version %d to %d", at, len(history(t))), "permission denied", "ALTER"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want it to contain %q", err, want)
		}
	}
	if n := mustCount(t, admin, "SELECT MAX(version) FROM watchword_schema_version"); n != at {
		t.Errorf("the schema is at version %d, want it to be still at %d", n, at)
	}
}

func mustCount(t *testing.T, db *sql.DB, query string) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}
