package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	driverpkg "github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/integration/mysqltest"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

// The tables of the schema, with the default prefix.
var tableNames = []string{"watchword_revocations", "watchword_schema_version", "watchword_sessions", "watchword_signing_keys"}

// unmigrated opens a store, and does not migrate.
func unmigrated(t *testing.T, dsn string) *mysql.Store {
	t.Helper()
	store, err := mysql.Open(t.Context(), dsn, mysql.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	unlimited(store.DB())
	return store
}

func history(t *testing.T) []mysql.Migration {
	t.Helper()
	all, err := mysql.Migrations(mysql.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// migrateTo applies the first migrations, by hand.
func migrateTo(t *testing.T, db *sql.DB, version int) {
	t.Helper()
	for _, m := range history(t)[:version] {
		for _, statement := range m.Statements {
			mustExec(t, db, statement)
		}
	}
}

// errorNumber is the server's, or 0.
func errorNumber(err error) uint16 {
	var server *driverpkg.MySQLError
	if errors.As(err, &server) {
		return server.Number
	}
	return 0
}

// tablesOf are the definitions of all tables, by name.
func tablesOf(t *testing.T, db *sql.DB) map[string]string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() ORDER BY 1")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	all := map[string]string{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		all[name] = ""
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for name := range all {
		var definition string
		if err := db.QueryRowContext(t.Context(), "SHOW CREATE TABLE `"+name+"`").Scan(&name, &definition); err != nil {
			t.Fatal(err)
		}
		all[name] = definition
	}
	return all
}

// versionsOf are the versions that are noted, with what they need.
func versionsOf(t *testing.T, db *sql.DB) (all string) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), "SELECT GROUP_CONCAT(CONCAT(version, ' needs ', needs) ORDER BY version) FROM watchword_schema_version").
		Scan(&all); err != nil {
		t.Fatal(err)
	}
	return all
}

// Pending tells what Migrate does, and does not do it.
func TestPending(t *testing.T) {
	t.Parallel()
	store := unmigrated(t, mysqltest.Database(t))
	all := history(t)
	for version := range len(all) + 1 {
		before := len(tablesOf(t, store.DB()))
		pending, err := store.Pending(t.Context())
		if err != nil || len(pending) != len(all)-version || len(pending) > 0 && pending[0].Version != version+1 {
			t.Fatalf("at version %d: got %d migrations, %v, want those of the %d from version %d on", version, len(pending), err, len(all), version+1)
		}
		if after := len(tablesOf(t, store.DB())); after != before {
			t.Errorf("at version %d: there were %d tables before, and %d after", version, before, after)
		}
		if version < len(all) {
			for _, statement := range pending[0].Statements {
				mustExec(t, store.DB(), statement)
			}
		}
	}
	if err := store.Migrate(t.Context()); err != nil {
		t.Error(err)
	}
}

// The plain files of store/mysql/sql make the schema that Migrate makes, and Migrate finds nothing to do there.
func TestPlainFilesMakeTheSchema(t *testing.T) {
	t.Parallel()
	migrated := open(t, "", unlimited).DB()
	dsn := mysqltest.Database(t)
	plain := mysqltest.Open(t, dsn+"&multiStatements=true")
	files, err := filepath.Glob("../../store/mysql/sql/[0-9]*.sql")
	if err != nil || len(files) != len(history(t)) {
		t.Fatalf("got %d files, %v, want one for each migration", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		mustExec(t, plain, string(text))
	}
	got, want := tablesOf(t, plain), tablesOf(t, migrated)
	if len(got) != len(want) || len(want) != len(tableNames) {
		t.Errorf("got %d tables, want %d, and %d of Migrate's", len(got), len(tableNames), len(want))
	}
	for _, name := range tableNames {
		if got[name] != want[name] {
			t.Errorf("%s: the files make\n%s\nMigrate makes\n%s", name, got[name], want[name])
		}
	}
	if got, want := versionsOf(t, plain), versionsOf(t, migrated); got != want {
		t.Errorf("the files note %q, Migrate notes %q", got, want)
	}
	store := unmigrated(t, dsn)
	if pending, err := store.Pending(t.Context()); err != nil || len(pending) > 0 {
		t.Errorf("after the files: got %d pending migrations, %v, want none", len(pending), err)
	}
	if err := store.Migrate(t.Context()); err != nil {
		t.Error(err)
	}
}

// fillTables adds 20,000 rows to each table that a schema at some version has, but that of versions.
func fillTables(t *testing.T, db *sql.DB) {
	t.Helper()
	const n = " FROM (WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 999)" +
		" SELECT a.n * 1000 + b.n AS i FROM n AS a JOIN n AS b WHERE a.n < 20) AS numbered"
	for table, statement := range map[string]string{
		"watchword_sessions": "INSERT INTO watchword_sessions (handle, user_id, current_mark, current_at, generation, handed, auth_at, user_agent, address," +
			" label, data_version, created_at, expires_at) SELECT RANDOM_BYTES(16), CONCAT('user', i), RANDOM_BYTES(32), 0, 0, 0, 0, '', '', '', 1, 0," +
			fmt.Sprint(time.Now().Add(time.Hour).UnixMicro()) + n,
		"watchword_signing_keys": "INSERT INTO watchword_signing_keys (kid, purpose, sequence, algorithm, material, activates_at)" +
			" SELECT CONCAT('kid', i), 'none', i, 'HS256', 'x', 0" + n,
		"watchword_revocations": "INSERT INTO watchword_revocations (revoked_at, id, user_id, reason) SELECT 0, RANDOM_BYTES(16), CONCAT('user', i), 'revoked'" + n,
	} {
		if _, there := tablesOf(t, db)[table]; there {
			mustExec(t, db, "DELETE FROM "+table)
			mustExec(t, db, statement)
		}
	}
}

// tableIDs are InnoDB's numbers of the tables. One that was copied, or built anew, has another.
func tableIDs(t *testing.T, db *sql.DB) map[string]int {
	t.Helper()
	from := "INNODB_TABLES"
	if isMariaDB(t, db) {
		from = "INNODB_SYS_TABLES"
	}
	ids := map[string]int{}
	for name := range tablesOf(t, db) {
		var id int
		if err := db.QueryRowContext(t.Context(), "SELECT TABLE_ID FROM information_schema."+from+" WHERE NAME = CONCAT(DATABASE(), '/', ?)", name).Scan(&id); err != nil {
			t.Fatalf("InnoDB's number of %s: %v", name, err)
		}
		ids[name] = id
	}
	return ids
}

// Each migration is applied to full tables in the way that it declares, by the server: what is no CREATE has it in its text, and copies or
// builds anew no table.
func TestMigrationsAreAppliedAsDeclared(t *testing.T) {
	t.Parallel()
	db := unmigrated(t, mysqltest.Database(t)).DB()
	altered := 0
	for i, m := range history(t) {
		migrateTo(t, db, i)
		fillTables(t, db)
		before := tableIDs(t, db)
		for _, statement := range m.Statements {
			mustExec(t, db, statement)
		}
		after := tableIDs(t, db)
		for name, id := range before {
			if after[name] != id {
				t.Errorf("%s: %s was built anew", m.Name, name)
			}
		}
		clause := map[mysql.Way]string{mysql.WayInstant: ", ALGORITHM = INSTANT", mysql.WayInPlace: ", ALGORITHM = INPLACE, LOCK = NONE"}[m.Way]
		change := m.Statements[len(m.Statements)-2]
		switch m.Way {
		case mysql.WayCreate:
			if len(after) == len(before) {
				t.Errorf("%s: it makes no table", m.Name)
			}
		case mysql.WayInstant, mysql.WayInPlace:
			altered++
			if !strings.HasSuffix(change, clause) {
				t.Errorf("%s: got\n%s\nwant it to end with %q", m.Name, change, clause)
			}
		default:
			t.Errorf("%s: got the way %q", m.Name, m.Way)
		}
		mustExec(t, db, "DROP TABLE "+strings.Join(keysOf(after), ", "))
	}
	if altered == 0 {
		t.Error("no migration alters a table")
	}
}

func keysOf[V any](m map[string]V) []string {
	var all []string
	for k := range m {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

// What a migration declares the server keeps: it refuses what it could not do in that way, and changes nothing.
func TestServerKeepsToTheWay(t *testing.T) {
	t.Parallel()
	db := open(t, "", unlimited).DB()
	before := tablesOf(t, db)
	for what, statement := range map[string]string{
		"an index, at once":                "ALTER TABLE watchword_sessions ADD KEY by_address (address), ALGORITHM = INSTANT",
		"another type, at once":            "ALTER TABLE watchword_sessions MODIFY generation BIGINT NOT NULL, ALGORITHM = INSTANT",
		"another type, without a copy":     "ALTER TABLE watchword_sessions MODIFY generation BIGINT NOT NULL, ALGORITHM = INPLACE, LOCK = NONE",
		"a shorter column, without a copy": "ALTER TABLE watchword_sessions MODIFY label VARBINARY(100) NOT NULL, ALGORITHM = INPLACE, LOCK = NONE",
	} {
		const notSupported, notSupportedReason = 1845, 1846
		_, err := db.ExecContext(t.Context(), statement)
		if n := errorNumber(err); n != notSupported && n != notSupportedReason {
			t.Errorf("%s: got %v, want it to be refused", what, err)
		}
	}
	for name, definition := range tablesOf(t, db) {
		if before[name] != definition {
			t.Errorf("%s has become\n%s", name, definition)
		}
	}
}

// nextMigrations are what a later version of the library might do to the schema: all that rules allow.
var nextMigrations = []string{
	"ALTER TABLE watchword_sessions ADD COLUMN country VARBINARY(2) NULL, ADD COLUMN risk INT NOT NULL DEFAULT 7, ALGORITHM = INSTANT",
	"ALTER TABLE watchword_signing_keys ADD COLUMN origin VARBINARY(32) NOT NULL DEFAULT 'x', ALGORITHM = INSTANT",
	"ALTER TABLE watchword_revocations ADD COLUMN country VARBINARY(2) NULL, ALGORITHM = INSTANT",
	"ALTER TABLE watchword_sessions ADD KEY by_device (address, user_agent), ALGORITHM = INPLACE, LOCK = NONE",
	"ALTER TABLE watchword_revocations ADD KEY by_user (user_id), ALGORITHM = INPLACE, LOCK = NONE",
	"CREATE TABLE IF NOT EXISTS watchword_countries (country VARBINARY(2) NOT NULL, PRIMARY KEY (country))",
	"ALTER TABLE watchword_schema_version ADD COLUMN applied_by VARBINARY(64) NULL, ALGORITHM = INSTANT",
}

// ahead makes the schema one that a later version of the library would have made, which needs one that knows so much.
func ahead(t *testing.T, db *sql.DB, needs int) {
	t.Helper()
	for _, statement := range nextMigrations {
		mustExec(t, db, statement)
	}
	mustExec(t, db, "INSERT INTO watchword_schema_version (version, needs, applied_at) VALUES (?, ?, 0)", len(history(t))+1, needs)
}

// While a later version's migrations run, of both ways, on full tables, processes of this one go on, and nobody gets an error.
func TestMigrationsUnderLoad(t *testing.T) {
	t.Parallel()
	store := open(t, "", unlimited)
	fillTables(t, store.DB())
	mustExec(t, store.DB(), "DELETE FROM watchword_signing_keys")
	m := manager(t, store, session.Config{StoreTimeout: patient, Grace: session.NoGrace, FeedInterval: 50 * time.Millisecond})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var (
		all   sync.WaitGroup
		lives atomic.Int64
	)
	all.Go(func() { m.Run(ctx) })
	for i := range 4 {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if err := lifetime(t.Context(), m, fmt.Sprintf("user.%d.%d", i, n)); err != nil {
					t.Errorf("while the schema changes: %v", err)
					return
				}
				lives.Add(1)
			}
		})
	}
	lived := func(more int64) { // so that something goes on before and after
		t.Helper()
		until := lives.Load() + more
		for deadline := time.Now().Add(patient); lives.Load() < until && !t.Failed(); {
			if time.Now().After(deadline) {
				t.Fatalf("got %d lives within %v, want %d", lives.Load(), patient, until)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	lived(4)
	before := lives.Load()
	ahead(t, store.DB(), len(history(t)))
	during := lives.Load() - before
	lived(4)
	stop()
	all.Wait()
	t.Logf("%d lives before, %d while the schema was changed, %d in all", before, during, lives.Load())
}

// onGalera reports whether the server is a node of Galera.
func onGalera(t *testing.T, db *sql.DB) bool {
	t.Helper()
	var on string
	err := db.QueryRowContext(t.Context(), "SHOW VARIABLES LIKE 'wsrep_on'").Scan(new(string), &on)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		t.Fatal(err)
	}
	return on == "ON"
}

// A transaction that has used a table and stays open holds a migration up, which gives up when it is told to, and is done later. On Galera it is
// the transaction that gives way.
func TestMigrationGivesUp(t *testing.T) {
	t.Parallel()
	dsn := mysqltest.Database(t)
	db := mysqltest.Open(t, dsn)
	migrateTo(t, db, 3)
	held, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Rollback() }()
	if err := held.QueryRowContext(t.Context(), "SELECT MAX(version) FROM watchword_schema_version").Scan(new(int)); err != nil {
		t.Fatal(err)
	}
	store := unmigrated(t, dsn+"&lock_wait_timeout=1")
	begun := time.Now()
	err = store.Migrate(t.Context())
	if onGalera(t, db) {
		const deadlock = 1213
		if held := held.Rollback(); err != nil || errorNumber(held) != deadlock {
			t.Errorf("on Galera: got %v, and the transaction %v, want no error, and the transaction rolled back", err, held)
		}
		return
	}
	if !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("while the table is in use: got %v, want ErrUnavailable", err)
	}
	if took := time.Since(begun); took > time.Minute {
		t.Errorf("it gave up after %v, want some seconds", took)
	}
	if err := held.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := store.Migrate(t.Context()); err != nil {
		t.Errorf("when the table is free: %v", err)
	}
}
