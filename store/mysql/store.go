package mysql

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// DefaultTablePrefix is what the names of the tables begin with unless Options say otherwise.
const DefaultTablePrefix = "watchword_"

// Options are the options of Open and New. The zero value of a field means its documented default.
type Options struct {
	// TablePrefix begins the name of every table: 1 to 32 letters of ASCII, digits and underscores; default
	// DefaultTablePrefix.
	TablePrefix string
	// Vitess says that the server is Vitess's vtgate. Open sees it by the database of the DSN; see package vschema.
	Vitess bool
}

// prefix is what the names of the tables begin with.
func (o Options) prefix() (string, error) {
	if o.TablePrefix == "" {
		return DefaultTablePrefix, nil
	}
	if !validPrefix.MatchString(o.TablePrefix) {
		return "", fmt.Errorf("%w: Options.TablePrefix is %q: it must be 1 to 32 letters of ASCII, digits and underscores",
			session.ErrInvalidConfig, o.TablePrefix)
	}
	return o.TablePrefix, nil
}

// Store is a session.Store in MySQL. Make one with Open or New. It is safe for concurrent use.
type Store struct {
	db    *sql.DB
	on    conn // db, or one of its connections; see Elect
	owned bool // db was made by Open

	reached *reached
	vitess  bool
	prefix  string
	names   *names
}

var _ session.Store = (*Store)(nil)

var validPrefix = regexp.MustCompile(`^[A-Za-z0-9_]{1,32}$`)

// New makes a store over a pool of the caller's, who sets its limits and closes it. It does not connect: the schema has
// to be in place (see Migrate) when the first method is called. The error matches session.ErrInvalidConfig.
//
// The pool must use github.com/go-sql-driver/mysql, with these settings in its DSN:
//
//   - timeout, readTimeout and writeTimeout, so that a frozen server cannot hold requests;
//   - rejectReadOnly=true, so that a failover drops connections to the server that has become read-only;
//   - interpolateParams=true, with which each method is one round trip. Without it the driver prepares and closes every
//     statement, which takes two round trips and has the server count a Com_stmt_prepare and a Com_stmt_close with each.
//
// Its connections must be in autocommit mode, as they are by default. Their time zone, sql_mode, character set,
// parseTime and clientFoundRows do not matter, except that interpolateParams is unsafe with the character sets big5,
// cp932, gb2312, gbk and sjis. Their isolation level may be any but READ UNCOMMITTED, in which an ending that is rolled
// back looks like one that happened.
func New(db *sql.DB, opts Options) (*Store, error) {
	if db == nil {
		return nil, fmt.Errorf("%w: a database is required", session.ErrInvalidConfig)
	}
	prefix, err := opts.prefix()
	if err != nil {
		return nil, err
	}
	return &Store{
		db:      db,
		on:      db,
		reached: new(reached),
		vitess:  opts.Vitess,
		prefix:  prefix,
		names:   newNames(prefix),
	}, nil
}

// DB returns the store's pool, for its limits and its statistics.
func (s *Store) DB() *sql.DB { return s.db }

// Close closes the pool if Open made it. A pool that was given to New is its owner's to close.
func (s *Store) Close() error {
	if !s.owned {
		return nil
	}
	return s.db.Close()
}

// exec runs one changing statement and returns how many rows it changed. The prefix and the clock are all that is ever
// put into the text of a statement; values are bound, strings as []byte, so that no character set touches them.
func (s *Store) exec(ctx context.Context, doing, statement string, args ...any) (changed int64, err error) {
	statement = s.names.Replace(statement)
	err = repeat(ctx, write, func() error {
		result, err := s.on.ExecContext(ctx, statement, args...)
		if err != nil {
			return err
		}
		changed, err = result.RowsAffected()
		return err
	})
	return changed, translate(ctx, doing, err)
}

// query runs one reading statement and returns what scan makes of each row.
func query[T any](ctx context.Context, s *Store, scan func(*sql.Rows) (T, error), doing, statement string, args ...any) ([]T, error) {
	statement = s.names.Replace(statement)
	if s.vitess {
		statement = unshared(statement)
	}
	var all []T
	err := repeat(ctx, read, func() error {
		all = nil
		rows, err := s.on.QueryContext(ctx, statement, args...)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }() // it only repeats what rows.Err says
		for rows.Next() {
			one, err := scan(rows)
			if err != nil {
				return err
			}
			all = append(all, one)
		}
		return rows.Err()
	})
	return all, translate(ctx, doing, err)
}

// with is args and some more, in a slice of its own.
func with(args []any, more ...any) []any { return slices.Concat(args, more) }

// optional is a time as a nullable column holds it; the zero time is NULL.
func optional(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMicro(), Valid: !t.IsZero()}
}

func moment(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

func optionalMoment(micros sql.NullInt64) time.Time {
	if !micros.Valid {
		return time.Time{}
	}
	return moment(micros.Int64)
}

// binary is the argument of an UNHEX(?): handles, marks and keys travel as hexadecimal digits. With interpolateParams the
// raw bytes would be part of the statement's text, and while such a statement runs, MySQL 8 and 9 answer queries of
// information_schema.PROCESSLIST and INNODB_TRX with an error, as the text is not UTF-8.
func binary(b []byte) string { return hex.EncodeToString(b) }

// optionalBinary is binary for a nullable column; nil is NULL.
func optionalBinary(b []byte) any {
	if b == nil {
		return nil
	}
	return binary(b)
}

// mark is a mark as a nullable column takes it, by UNHEX(?); the zero mark is NULL.
func mark(m session.Mark) any {
	if m.IsZero() {
		return nil
	}
	return binary(m[:])
}
