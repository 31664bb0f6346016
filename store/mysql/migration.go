package mysql

import (
	"embed"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// migrations holds the schema's history, one file for each version, in the order of their names.
//
// A file is one statement: MySQL commits each by itself, and a process may die between any two. It must do no harm when
// it is run again, or beside another process that runs it: CREATE TABLE IF NOT EXISTS, or an ALTER TABLE whose repetition
// fails with one of the errors in applied. A file that was released is never changed.
//
// An ALTER TABLE ends with how it is to be applied, so that a server which cannot do so refuses, and holds nobody up. What it adds is
// NULL or has a default, and it removes nothing that the library before it uses. Where it removes something that an older one uses, the
// file's first line says how old a library may be.
//
//go:embed migrations/*.sql
var migrations embed.FS

// Way is how the server applies a migration, which says whom it holds up.
type Way string

// The ways. There is no other: a migration never copies a table, and never keeps others from writing to it.
const (
	WayCreate  Way = "CREATE"  // makes a table
	WayInstant Way = "INSTANT" // ALGORITHM=INSTANT: changes what the server knows of a table, and none of its rows
	WayInPlace Way = "INPLACE" // ALGORITHM=INPLACE, LOCK=NONE: goes over a table's rows, while others read and write them
)

// Migration is one step of the schema's history.
type Migration struct {
	Version int    // of the schema, when it is done: 1, 2, 3 …
	Name    string // such as "0001_sessions"
	Way     Way
	// Needs is the version that a library has to know, at least, to work on the schema when this is done.
	Needs int
	// Statements are what Migrate runs, in this order: the change, and a note of the version in the table of versions, which the
	// first migration makes. To run one again does no harm, but that a server refuses an ALTER TABLE which it has done.
	Statements []string
}

// SQL is the migration as a script.
func (m Migration) SQL() string {
	return strings.Join(m.Statements, ";\n\n") + ";\n"
}

// Migrations returns the schema's whole history, with the prefix of the options, for tools that apply it in the store's place. For
// DefaultTablePrefix the same is in the files sql/0001_sessions.sql and so on of this package. The error matches session.ErrInvalidConfig.
func Migrations(opts Options) ([]Migration, error) {
	prefix, err := opts.prefix()
	if err != nil {
		return nil, err
	}
	return history(newNames(prefix))
}

const createVersions = "-- Which migrations were applied.\n" +
	"CREATE TABLE IF NOT EXISTS `{{prefix}}schema_version` (\n" +
	"  version    INT    NOT NULL,\n" +
	"  applied_at BIGINT NOT NULL,\n" +
	"  PRIMARY KEY (version)\n" +
	") ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = binary"

// columnSince is the version from which on the table of versions has a column for what a migration needs; before, it is 1.
const columnSince = 4

// history reads the migrations.
func history(names *names) ([]Migration, error) {
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	all := make([]Migration, len(files))
	for i, file := range files {
		text, err := migrations.ReadFile("migrations/" + file.Name())
		if err != nil {
			return nil, fmt.Errorf("migrations: %w", err)
		}
		m, err := readMigration(i+1, strings.TrimSuffix(file.Name(), ".sql"), string(text))
		if err != nil {
			return nil, err
		}
		for j, statement := range m.Statements {
			m.Statements[j] = names.replacer.Replace(statement)
		}
		all[i] = m
	}
	return all, nil
}

var (
	needsLine = regexp.MustCompile(`^-- Needs a library that knows version (\d+)\.\n`)
	comments  = regexp.MustCompile(`(?m)^--.*\n`)
	byCreate  = regexp.MustCompile("^CREATE TABLE IF NOT EXISTS `")
	byInstant = regexp.MustCompile("(?s)^ALTER TABLE `.*,\\s+ALGORITHM = INSTANT$")
	byInPlace = regexp.MustCompile("(?s)^ALTER TABLE `.*,\\s+ALGORITHM = INPLACE, LOCK = NONE$")
)

// readMigration reads a file. Its error is one of whoever wrote that.
func readMigration(version int, name, text string) (Migration, error) {
	m := Migration{Version: version, Name: name, Needs: 1}
	statement := strings.TrimSpace(text)
	if found := needsLine.FindStringSubmatch(text); found != nil {
		m.Needs, _ = strconv.Atoi(found[1]) // digits
	} else if version >= columnSince {
		return m, fmt.Errorf("migration %s does not say what it needs", name)
	}
	switch bare := comments.ReplaceAllString(statement, ""); {
	case strings.Contains(text, ";"): // in a comment neither, since tools split scripts there
		return m, fmt.Errorf("migration %s is not one statement", name)
	case byCreate.MatchString(bare):
		m.Way = WayCreate
	case byInstant.MatchString(bare):
		m.Way = WayInstant
	case byInPlace.MatchString(bare):
		m.Way = WayInPlace
	default:
		return m, fmt.Errorf("migration %s is applied in no known way", name)
	}
	note := fmt.Sprintf("INSERT IGNORE INTO `{{prefix}}schema_version` (version, applied_at) VALUES (%d, {{now}})", version)
	if version >= columnSince {
		note = fmt.Sprintf("INSERT IGNORE INTO `{{prefix}}schema_version` (version, needs, applied_at) VALUES (%d, %d, {{now}})", version, m.Needs)
	}
	if version == 1 {
		m.Statements = append(m.Statements, createVersions)
	}
	m.Statements = append(m.Statements, statement, note)
	return m, nil
}
