package mysql

import (
	"fmt"
	"strings"
	"testing"
)

// What Migrate relies on: see the comment on migrations.
func TestMigrationFiles(t *testing.T) {
	t.Parallel()
	store := (&fake{}).store(t)
	steps, err := store.steps()
	if err != nil || len(steps) == 0 {
		t.Fatalf("got %d migrations, %v", len(steps), err)
	}
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		t.Fatal(err)
	}
	for i, step := range steps {
		name := files[i].Name()
		if want := fmt.Sprintf("%04d_", i+1); !strings.HasPrefix(name, want) {
			t.Errorf("%s: got this as version %d, want a name that begins with %s", name, i+1, want)
		}
		if strings.Contains(step, "{{") {
			t.Errorf("%s: a placeholder is left:\n%s", name, step)
		}
		if !strings.Contains(step, "`"+DefaultTablePrefix) {
			t.Errorf("%s: does not name a table with the prefix:\n%s", name, step)
		}
		if strings.Contains(step, ";") {
			t.Errorf("%s: a migration is one statement", name)
		}
		if strings.Contains(step, "CREATE TABLE") {
			for _, want := range []string{"CREATE TABLE IF NOT EXISTS", "ENGINE = InnoDB", "ROW_FORMAT = DYNAMIC", "CHARACTER SET = binary"} {
				if !strings.Contains(step, want) {
					t.Errorf("%s: %s is missing", name, want)
				}
			}
		}
	}
}

// A first migration: look, make the table of versions, then each step and its version.
func TestMigrateFromNothing(t *testing.T) {
	t.Parallel()
	f := &fake{errs: []error{server(errNoTable), nil, server(1050), server(1062)}} // another process is at it, too
	if err := f.store(t).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"SELECT COALESCE(MAX(version), 0) FROM `watchword_schema_version`",
		"CREATE TABLE IF NOT EXISTS `watchword_schema_version`",
		"-- One row is one login",
		"INSERT INTO `watchword_schema_version`",
		"-- The unique key decides",
		"INSERT INTO `watchword_schema_version`",
		"-- The entries of the feed",
		"INSERT INTO `watchword_schema_version`",
	}
	if len(f.statements) != len(want) {
		t.Fatalf("got %d statements, want %d:\n%s", len(f.statements), len(want), strings.Join(f.statements, "\n"))
	}
	for i, got := range f.statements {
		if !strings.HasPrefix(got, want[i]) {
			t.Errorf("statement %d: got %q, want it to begin with %q", i, got, want[i])
		}
	}
}

func TestMigrateSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	f := &fake{errs: []error{server(errNoTable), server(1142)}}
	err := f.store(t).Migrate(t.Context())
	if err == nil || !strings.Contains(err.Error(), "migrate") || !strings.Contains(err.Error(), "CREATE") {
		t.Errorf("without the right to create tables: got %v", err)
	}
}
