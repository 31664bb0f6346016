package mysql

import (
	"context"
	"embed"
	"errors"
	"fmt"

	"github.com/watchword-dev/watchword/session"
)

// migrations holds the schema's history, one file for each version, in the order of their names.
//
// A file is one statement: MySQL commits each by itself, and a process may die between any two. It must do no harm when
// it is run again, or beside another process that runs it: CREATE TABLE IF NOT EXISTS, or an ALTER TABLE whose repetition
// fails with one of the errors in applied. A file that was released is never changed.
//
//go:embed migrations/*.sql
var migrations embed.FS

// applied are the errors of a migration that was run before: table, column or key exists, or column or key is gone.
var applied = map[uint16]bool{1050: true, 1060: true, 1061: true, 1091: true}

const (
	errNoTable     = 1146
	createVersions = "CREATE TABLE IF NOT EXISTS `{{prefix}}schema_version` (version INT NOT NULL, applied_at BIGINT NOT NULL," +
		" PRIMARY KEY (version)) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = binary"
	selectVersion = "SELECT COALESCE(MAX(version), 0) FROM `{{prefix}}schema_version`"
	insertVersion = "INSERT INTO `{{prefix}}schema_version` (version, applied_at) VALUES (?, {{now}})"
)

// Migrate brings the schema up to date: it makes or changes the tables under the store's prefix, and no others. Any
// number of processes may run it at once, on an empty database too, and one that died half-way is no hindrance.
// When there is nothing to do it is one SELECT, so the user needs rights to change the schema only when it changes:
// CREATE, ALTER and INDEX, beside SELECT, INSERT, UPDATE and DELETE.
//
// The error matches session.ErrUnavailable, or says what the server refused. A schema that is newer than this library
// is an error: going back needs the database as it was.
func (s *Store) Migrate(ctx context.Context) error {
	steps, err := s.steps()
	if err != nil {
		return err
	}
	version, err := s.version(ctx)
	if err != nil {
		return translate(ctx, "migrate: read the schema's version", err)
	}
	if version > len(steps) {
		return fmt.Errorf("migrate: the schema of %q is at version %d, but this library knows no later one than %d: use a newer one",
			s.prefix, version, len(steps))
	}
	if version == len(steps) {
		return nil
	}
	if _, err := s.exec(ctx, "migrate: create the table of versions", createVersions); err != nil {
		return err
	}
	for i := version; i < len(steps); i++ {
		if err := s.apply(ctx, i+1, steps[i]); err != nil {
			return err
		}
	}
	return nil
}

// steps returns the statements of all migrations; the first makes version 1.
func (s *Store) steps() ([]string, error) {
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	steps := make([]string, len(files))
	for i, file := range files {
		text, err := migrations.ReadFile("migrations/" + file.Name())
		if err != nil {
			return nil, fmt.Errorf("migrate: %w", err)
		}
		steps[i] = s.names.Replace(string(text))
	}
	return steps, nil
}

// version returns the schema's version; 0 before the first migration. Its error is the driver's.
func (s *Store) version(ctx context.Context) (version int, err error) {
	statement := s.names.Replace(selectVersion)
	err = repeat(ctx, read, func() error { return s.db.QueryRowContext(ctx, statement).Scan(&version) })
	if number(err) == errNoTable {
		return 0, nil
	}
	return version, err
}

// apply runs one migration and notes that it was run.
func (s *Store) apply(ctx context.Context, version int, step string) error {
	err := repeat(ctx, write, func() error {
		_, err := s.db.ExecContext(ctx, step)
		return err
	})
	if err != nil && !applied[number(err)] {
		return translate(ctx, fmt.Sprintf("migrate to version %d", version), err)
	}
	_, err = s.exec(ctx, fmt.Sprintf("migrate: note version %d", version), insertVersion, version)
	if errors.Is(err, session.ErrDuplicate) {
		return nil // another process was faster
	}
	return err
}
