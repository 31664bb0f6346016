package mysql

import (
	"fmt"
	"strings"
	"testing"
)

// A first migration: look, make the table of versions, then each step and its version.
func TestMigrateFromNothing(t *testing.T) {
	t.Parallel()
	// Another process is at it, too: a table is there, and a column.
	f := &fake{errs: []error{server(errNoTable), nil, server(1050), nil, nil, nil, nil, nil, server(1060)}}
	if err := f.store(t).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"SELECT COALESCE(MAX(version), 0) FROM `watchword_schema_version`",
		"-- Which migrations",
		"-- One row is one login",
		"INSERT IGNORE INTO `watchword_schema_version`",
		"-- The unique key decides",
		"INSERT IGNORE INTO `watchword_schema_version`",
		"-- The entries of the feed",
		"INSERT IGNORE INTO `watchword_schema_version`",
		"-- Needs a library",
		"INSERT IGNORE INTO `watchword_schema_version`",
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

// To look is one SELECT, and what it finds is what Migrate does.
func TestPendingChangesNothing(t *testing.T) {
	t.Parallel()
	f := &fake{errs: []error{server(errNoTable)}}
	pending, err := f.store(t).Pending(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(f.statements) != 1 || !strings.HasPrefix(f.statements[0], "SELECT ") {
		t.Errorf("got the statements %q, want one SELECT", f.statements)
	}
	var listed []string
	for _, m := range pending {
		listed = append(listed, m.Statements...)
	}
	g := &fake{errs: []error{server(errNoTable)}}
	if err := g.store(t).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(g.statements[1:], "\n"), strings.Join(listed, "\n"); got != want {
		t.Errorf("Migrate ran\n%s\nand Pending had listed\n%s", got, want)
	}
}

func TestMigrateSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	f := &fake{errs: []error{server(errNoTable), server(1142)}}
	err := f.store(t).Migrate(t.Context())
	if err == nil {
		t.Fatal("without the right to create tables: got no error")
	}
	to := fmt.Sprintf("from version 0 to %d", len(allMigrations(t)))
	for _, want := range []string{to, "0001_sessions", "CREATE"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("without the right to create tables: got %q, want it to contain %q", err, want)
		}
	}
	f = &fake{errs: []error{server(1142)}}
	if err := f.store(t).Migrate(t.Context()); err == nil || len(f.statements) != 1 {
		t.Errorf("without the right to read the version: got %v after %q, want an error after one statement", err, f.statements)
	}
}
