package limit

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/session"
)

// Table is a Store in MySQL, which several processes share. Make one with NewTable.
type Table struct {
	db   *sql.DB
	name string
}

const (
	// queryTimeout bounds one statement.
	queryTimeout = 5 * time.Second
	// maxTries is how often a statement is tried that the server keeps rolling back.
	maxTries = 5
	// batch is how many rows Clean removes at once.
	batch = 1000

	// serverNow is the server's clock, in microseconds since 1970, so that the processes' own need not agree. It stands still within a statement.
	serverNow = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))"
)

// rolledBack are the server's numbers for statements that it has undone because of others: a lock wait timeout, a deadlock.
var rolledBack = map[uint16]bool{1205: true, 1213: true}

// NewTable makes the table <prefix>demo_attempts unless it exists; any number of processes may do so at once. The prefix has to be one
// that store/mysql takes.
func NewTable(ctx context.Context, db *sql.DB, prefix string) (*Table, error) {
	t := &Table{db: db, name: "`" + prefix + "demo_attempts`"}
	// Where it exists, the right to create tables is not needed.
	if _, err := t.expired(ctx); err == nil {
		return t, nil
	}
	_, err := db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS "+t.name+` (
		id       BINARY(32) NOT NULL,
		empty_at BIGINT     NOT NULL,
		PRIMARY KEY (id),
		KEY by_empty (empty_at)
	) ENGINE = InnoDB ROW_FORMAT = DYNAMIC`)
	if err != nil {
		return nil, unavailable("create the table of attempts", err)
	}
	return t, nil
}

// Take implements Store: one statement, by primary key. The server's answer to it brings along what LAST_INSERT_ID was given, which is
// how long to wait.
func (t *Table) Take(ctx context.Context, key Key, rate Rate) (time.Duration, error) {
	every, full := rate.Every.Microseconds(), rate.full().Microseconds()
	// No bucket is more than full, whatever the server's clock has done: that is the first LEAST. IF looks at empty_at as it was.
	result, err := t.exec(ctx, "count an attempt", "INSERT INTO "+t.name+
		" (id, empty_at) VALUES (UNHEX(?), "+serverNow+" + ? + LAST_INSERT_ID(0)) ON DUPLICATE KEY UPDATE empty_at ="+
		" IF(LAST_INSERT_ID(GREATEST(LEAST(empty_at, "+serverNow+" + ?) + ? - "+serverNow+" - ?, 0)) > 0,"+
		" LEAST(empty_at, "+serverNow+" + ?), GREATEST(empty_at, "+serverNow+") + ?)",
		hex.EncodeToString(key[:]), every, full, every, full, full, every)
	if err != nil {
		return 0, err
	}
	wait, err := result.LastInsertId()
	if err != nil {
		return 0, unavailable("count an attempt", err)
	}
	return time.Duration(wait) * time.Microsecond, nil
}

// GiveBack implements Store.
func (t *Table) GiveBack(ctx context.Context, key Key, rate Rate) error {
	_, err := t.exec(ctx, "give an attempt back", "UPDATE "+t.name+" SET empty_at = empty_at - ? WHERE id = UNHEX(?)",
		rate.Every.Microseconds(), hex.EncodeToString(key[:]))
	return err
}

// Clean implements Store. Rows are found by index, without locks, and removed by primary key: a DELETE along the index would lock its
// gaps, into which every attempt inserts. The 0 that is added keeps the optimiser off the index.
func (t *Table) Clean(ctx context.Context) error {
	for {
		ids, err := t.expired(ctx)
		if err != nil || len(ids) == 0 {
			return err
		}
		_, err = t.exec(ctx, "forget attempts", "DELETE FROM "+t.name+" WHERE empty_at + 0 <= "+serverNow+
			" AND id IN (UNHEX(?)"+strings.Repeat(", UNHEX(?)", len(ids)-1)+")", ids...)
		if err != nil || len(ids) < batch {
			return err
		}
	}
}

// expired returns up to batch ids of rows that are no longer needed.
func (t *Table) expired(ctx context.Context) (ids []any, err error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	const doing = "look for old attempts"
	//nolint:gosec // the table's name is made of the prefix, which is letters, digits and underscores
	rows, err := t.db.QueryContext(ctx, "SELECT HEX(id) FROM "+t.name+" WHERE empty_at <= "+serverNow+" ORDER BY empty_at LIMIT ?", batch)
	if err != nil {
		return nil, unavailable(doing, err)
	}
	defer func() { _ = rows.Close() }() // it only repeats what rows.Err says
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, unavailable(doing, err)
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		return nil, unavailable(doing, err)
	}
	return ids, nil
}

// exec runs one statement, and again while the server rolls it back.
func (t *Table) exec(ctx context.Context, doing, statement string, args ...any) (sql.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	for try := 1; ; try++ {
		result, err := t.db.ExecContext(ctx, statement, args...)
		if err == nil {
			return result, nil
		}
		if !rolledBack[number(err)] || try == maxTries || ctx.Err() != nil {
			return nil, unavailable(doing, err)
		}
	}
}

// unavailable leaves out the text of a server's error, which may hold values of the statement.
func unavailable(doing string, err error) error {
	if n := number(err); n != 0 {
		return fmt.Errorf("%s: %w: MySQL error %d", doing, session.ErrUnavailable, n)
	}
	return fmt.Errorf("%s: %w", doing, session.ErrUnavailable)
}

// number returns the server's error number, or 0.
func number(err error) uint16 {
	var server *mysql.MySQLError
	if errors.As(err, &server) {
		return server.Number
	}
	return 0
}
