package store_test

import (
	"database/sql"
	"regexp"
	"strings"
	"testing"

	driverpkg "github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/integration/sqlrecord"
	"github.com/watchword-dev/watchword/store/mysql"
)

// handles is a list of them, in all its lengths.
var handles = regexp.MustCompile(` IN \(UNHEX\(\?\)(, UNHEX\(\?\))*\)`)

// form is what all statements have in common that differ in their arguments only.
func form(s sqlrecord.Statement, prefix string) string {
	return strings.ReplaceAll(handles.ReplaceAllString(s.Text, " IN (…)"), "`"+prefix, "`")
}

// namingTables is a tape for the statements that name one of the tables with a prefix.
func namingTables(prefix string) *sqlrecord.Tape {
	return &sqlrecord.Tape{Wanted: func(text string) bool {
		return strings.Contains(text, "`"+prefix) && !strings.Contains(text, "`"+prefix+"schema_version`") &&
			!strings.Contains(text, "CREATE TABLE") && !strings.HasPrefix(text, "EXPLAIN")
	}}
}

// recorded makes a store over tables with a prefix, whose statements are written down.
func recorded(t *testing.T, dsn, prefix string, to *sqlrecord.Tape) *mysql.Store {
	t.Helper()
	cfg, err := driverpkg.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	cfg.InterpolateParams = true
	inner, err := driverpkg.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(to.Record(inner))
	t.Cleanup(func() { _ = db.Close() })
	unlimited(db)
	store, err := mysql.New(db, mysql.Options{TablePrefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return store
}
