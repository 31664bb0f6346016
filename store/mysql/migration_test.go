package mysql

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/watchword-dev/watchword/session"
)

var update = flag.Bool("update", false, "write the files of sql/ anew")

func allMigrations(t *testing.T) []Migration {
	t.Helper()
	all, err := Migrations(Options{})
	if err != nil || len(all) == 0 {
		t.Fatalf("got %d migrations, %v", len(all), err)
	}
	return all
}

// What Migrate relies on: see the comment on migrations.
func TestMigrationFiles(t *testing.T) {
	t.Parallel()
	least := 1
	for i, m := range allMigrations(t) {
		if want := fmt.Sprintf("%04d_", i+1); m.Version != i+1 || !strings.HasPrefix(m.Name, want) {
			t.Errorf("%s: got version %d, want %d and a name that begins with %s", m.Name, m.Version, i+1, want)
		}
		if m.Needs > m.Version || m.Needs < least {
			t.Errorf("%s: it needs a library that knows version %d, want one from %d, which an earlier one needs, to its own", m.Name, m.Needs, least)
		}
		least = m.Needs
		if strings.Contains(m.SQL(), "{{") {
			t.Errorf("%s: a placeholder is left:\n%s", m.Name, m.SQL())
		}
		for _, statement := range m.Statements {
			bare := comments.ReplaceAllString(statement, "")
			if !strings.Contains(bare, "`"+DefaultTablePrefix) || strings.Count(bare, "`") != 2 {
				t.Errorf("%s: it does not name one table, with the prefix:\n%s", m.Name, statement)
			}
			if !strings.HasPrefix(bare, "CREATE TABLE") {
				continue
			}
			for _, want := range []string{"IF NOT EXISTS", "ENGINE = InnoDB", "ROW_FORMAT = DYNAMIC", "CHARACTER SET = binary", "PRIMARY KEY"} {
				if !strings.Contains(bare, want) {
					t.Errorf("%s: %s is missing:\n%s", m.Name, want, statement)
				}
			}
		}
	}
}

// A library that does not know a column inserts rows without it, and goes on using those that it knows.
func TestMigrationsAreForOlderLibrariesToo(t *testing.T) {
	t.Parallel()
	added := regexp.MustCompile(`ADD COLUMN [^,]*`)
	for _, m := range allMigrations(t) {
		for _, statement := range m.Statements {
			if !strings.Contains(statement, "ALTER TABLE") {
				continue
			}
			for _, column := range added.FindAllString(statement, -1) {
				if strings.Contains(column, "NOT NULL") && !strings.Contains(column, "DEFAULT") {
					t.Errorf("%s: %s: want it to be NULL or to have a default", m.Name, column)
				}
			}
			for _, never := range []string{"RENAME", "FIRST", "AFTER"} { // the last two are no INSTANT everywhere
				if strings.Contains(statement, never) {
					t.Errorf("%s: want no %s:\n%s", m.Name, never, statement)
				}
			}
		}
	}
}

func TestReadMigration(t *testing.T) {
	t.Parallel()
	const needs3 = "-- Needs a library that knows version 3.\n"
	for name, test := range map[string]struct {
		version int
		text    string
		way     Way // empty: it is refused
		needs   int
	}{
		"a table":                       {1, "CREATE TABLE IF NOT EXISTS `t` (a INT)\n", WayCreate, 1},
		"a table, with comments":        {2, "-- So it is.\nCREATE TABLE IF NOT EXISTS `t` (\n-- and so\na INT)", WayCreate, 1},
		"a column":                      {4, needs3 + "ALTER TABLE `t` ADD COLUMN a INT NULL, ALGORITHM = INSTANT\n", WayInstant, 3},
		"an index":                      {5, needs3 + "ALTER TABLE `t`\n ADD KEY b (a),\n ALGORITHM = INPLACE, LOCK = NONE", WayInPlace, 3},
		"it may copy":                   {5, needs3 + "ALTER TABLE `t` ADD COLUMN a INT NULL", "", 3},
		"it does copy":                  {5, needs3 + "ALTER TABLE `t` MODIFY a BIGINT, ALGORITHM = COPY", "", 3},
		"it may lock":                   {5, needs3 + "ALTER TABLE `t` ADD KEY b (a), ALGORITHM = INPLACE", "", 3},
		"it locks":                      {5, needs3 + "ALTER TABLE `t` ADD KEY b (a), ALGORITHM = INPLACE, LOCK = SHARED", "", 3},
		"in a comment only":             {5, needs3 + "-- , ALGORITHM = INSTANT\nALTER TABLE `t` ADD KEY b (a)", "", 3},
		"not to be repeated":            {2, "CREATE TABLE `t` (a INT)", "", 1},
		"rows":                          {2, "UPDATE `t` SET a = 1", "", 1},
		"it destroys":                   {2, "DROP TABLE `t`", "", 1},
		"two statements":                {2, "CREATE TABLE IF NOT EXISTS `t` (a INT); CREATE TABLE IF NOT EXISTS `u` (a INT)", "", 1},
		"it does not say what it needs": {4, "CREATE TABLE IF NOT EXISTS `t` (a INT)", "", 1},
	} {
		m, err := readMigration(test.version, name, test.text)
		if (err == nil) != (test.way != "") || m.Way != test.way || m.Needs != test.needs {
			t.Errorf("%s: got way %q, needs %d, %v, want way %q and needs %d", name, m.Way, m.Needs, err, test.way, test.needs)
		}
		if err == nil && !strings.Contains(m.Statements[len(m.Statements)-1], fmt.Sprintf("(%d, ", test.version)) {
			t.Errorf("%s: got the statements %q, want the last one to note version %d", name, m.Statements, test.version)
		}
	}
}

func TestMigrationsOfAPrefix(t *testing.T) {
	t.Parallel()
	all, err := Migrations(Options{TablePrefix: "app_"})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if sql := m.SQL(); strings.Contains(sql, DefaultTablePrefix) || !strings.Contains(sql, "`app_") {
			t.Errorf("%s: got\n%s\nwant the prefix app_ only", m.Name, sql)
		}
	}
	if _, err := Migrations(Options{TablePrefix: "`"}); !errors.Is(err, session.ErrInvalidConfig) {
		t.Errorf("with a prefix that is none: got %v", err)
	}
}

// TestPlainFiles: the files of sql/ are what Migrate runs.
func TestPlainFiles(t *testing.T) {
	t.Parallel()
	var want []string
	for _, m := range allMigrations(t) {
		file := filepath.Join("sql", m.Name+".sql")
		want = append(want, file)
		text := fmt.Sprintf("-- Version %d of the schema of store/mysql, as Store.Migrate makes it.\n"+
			"-- Written by `go test . -run TestPlainFiles -update`.\n\n%s", m.Version, m.SQL())
		if *update {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(file)
		if err != nil || string(got) != text {
			t.Errorf("%s is not what Migrate runs (%v): go test . -run TestPlainFiles -update", file, err)
		}
	}
	files, err := filepath.Glob(filepath.Join("sql", "[0-9]*"))
	if err != nil || !slices.Equal(files, want) {
		t.Errorf("got the files %q, %v, want %q", files, err, want)
	}
}

// Both scripts of rights name each table that there is, and no right that lets a table disappear.
func TestGrantsNameEachTable(t *testing.T) {
	t.Parallel()
	var want []string
	for _, m := range allMigrations(t) {
		for _, made := range regexp.MustCompile("(?m)^CREATE TABLE IF NOT EXISTS `(\\w+)`").FindAllStringSubmatch(m.SQL(), -1) {
			want = append(want, made[1])
		}
	}
	slices.Sort(want)
	grant := regexp.MustCompile("(?m)^GRANT ([A-Z, ]+) ON `app`\\.`(\\w+)` TO '(\\w+)'@'%';$")
	for file, rights := range map[string][]string{
		"grants_migrate.sql": {"SELECT", "INSERT", "CREATE", "ALTER", "INDEX"},
		"grants_api.sql":     {"SELECT", "INSERT", "UPDATE", "DELETE"},
	} {
		text, err := os.ReadFile(filepath.Join("sql", file))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, g := range grant.FindAllStringSubmatch(string(text), -1) {
			got = append(got, g[2])
			for right := range strings.SplitSeq(g[1], ", ") {
				if !slices.Contains(rights, right) {
					t.Errorf("%s: it grants %s on %s, want none but %q", file, right, g[2], rights)
				}
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s: got the tables %q, want %q", file, got, want)
		}
		if n := strings.Count(string(text), "GRANT "); n != len(got) {
			t.Errorf("%s: got %d grants, of which %d could be read", file, n, len(got))
		}
	}
}
