package mysql

import (
	"context"
	"fmt"
)

// applied are the errors of a migration that was run before: table, column or key exists, or column or key is gone.
var applied = map[uint16]bool{1050: true, 1060: true, 1061: true, 1091: true}

const (
	errNoTable    = 1146
	selectVersion = "SELECT COALESCE(MAX(version), 0) FROM `{{prefix}}schema_version`"
	selectNeeds   = "SELECT COALESCE(MAX(needs), 1) FROM `{{prefix}}schema_version`"
)

// Migrate brings the schema up to date: it makes or changes the tables under the store's prefix, and no others. Any
// number of processes may run it at once, on an empty database too, and one that died half-way is no hindrance. Pending says beforehand
// what it would do.
//
// When there is nothing to do it is one SELECT on the table of versions. So each process calls it when it starts, also one whose user may not
// change the schema: where that is behind, the error says from which version to which it would have to be brought. See
// sql/grants_migrate.sql and sql/grants_api.sql of this package for the rights of both kinds of users.
//
// No migration keeps others from reading and writing a table, but each has to wait for transactions that have used it and are still open, a
// backup's for instance, and meanwhile others wait for it. "&lock_wait_timeout=5" in the DSN has it give up after five seconds; it is
// then tried again a few times. One that goes over all rows (WayInPlace) takes its time on a large table: readTimeout has to allow
// for that. Galera does it otherwise: it rolls back such transactions, and changes wait on all nodes until a migration is done.
//
// A schema that is newer than this library is no error, as long as it says that the library is new enough for it; see the package's
// documentation. The error matches session.ErrUnavailable, or says what the server refused.
func (s *Store) Migrate(ctx context.Context) error {
	pending, err := s.Pending(ctx)
	if err != nil {
		return err
	}
	for _, m := range pending {
		doing := fmt.Sprintf("migrate from version %d to %d, at %s", pending[0].Version-1, pending[len(pending)-1].Version, m.Name)
		for _, statement := range m.Statements {
			if err := s.apply(ctx, doing, statement); err != nil {
				return err
			}
		}
	}
	return nil
}

// Pending returns the migrations that Migrate would run now, in their order, and changes nothing. Of a schema that is newer than this
// library there are none. The error is as Migrate's.
func (s *Store) Pending(ctx context.Context) ([]Migration, error) {
	all, err := history(s.names)
	if err != nil {
		return nil, err
	}
	version, err := s.fromVersions(ctx, selectVersion)
	if number(err) == errNoTable {
		return all, nil
	}
	if err != nil {
		return nil, translate(ctx, "migrate: read the schema's version", err)
	}
	if version <= len(all) {
		return all[version:], nil
	}
	needed, err := s.fromVersions(ctx, selectNeeds)
	if err != nil {
		return nil, translate(ctx, "migrate: read what the schema needs", err)
	}
	if needed > len(all) {
		return nil, fmt.Errorf("migrate: the schema %q is at version %d, on which a library works that knows version %d or a later one, and this one "+
			"knows no later one than %d: use a newer one", s.prefix, version, needed, len(all))
	}
	return nil, nil
}

// fromVersions reads a number from the table of versions. Its error is the driver's.
func (s *Store) fromVersions(ctx context.Context, statement string) (n int, err error) {
	statement = s.names.Replace(statement)
	err = repeat(ctx, read, func() error { return s.db.QueryRowContext(ctx, statement).Scan(&n) })
	return n, err
}

// apply runs one statement of a migration.
func (s *Store) apply(ctx context.Context, doing, statement string) error {
	err := repeat(ctx, write, func() error {
		_, err := s.db.ExecContext(ctx, statement)
		return err
	})
	if applied[number(err)] {
		return nil
	}
	return translate(ctx, doing, err)
}
