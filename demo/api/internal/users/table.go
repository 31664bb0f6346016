package users

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/session"
)

// Table is a Directory in MySQL. Make one with NewTable.
type Table struct {
	db   *sql.DB
	name string
}

// queryTimeout bounds one statement.
const queryTimeout = 5 * time.Second

// duplicateEntry is the server's number for a key that exists.
const duplicateEntry = 1062

// NewTable makes the table <prefix>demo_users unless it exists; any number of processes may do so at once. The prefix
// has to be one that store/mysql takes.
func NewTable(ctx context.Context, db *sql.DB, prefix string) (*Table, error) {
	t := &Table{db: db, name: "`" + prefix + "demo_users`"}
	// Where it exists, the right to create tables is not needed.
	if _, _, err := t.Hash(ctx, ""); err == nil {
		return t, nil
	}
	// Bytes, so that ids which a collation holds for equal are two users; 512 of them are 128 characters of UTF-8.
	_, err := db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS `+t.name+` (
		user_id    VARBINARY(512) NOT NULL,
		password   VARBINARY(255) NOT NULL,
		created_at BIGINT         NOT NULL,
		PRIMARY KEY (user_id)
	) ENGINE = InnoDB ROW_FORMAT = DYNAMIC`)
	if err != nil {
		return nil, translate("create the table of users", err)
	}
	return t, nil
}

// Add implements Directory.
func (t *Table) Add(ctx context.Context, userID, hash string) error {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	//nolint:gosec // the table's name is made of the prefix, which is letters, digits and underscores
	_, err := t.db.ExecContext(ctx, "INSERT INTO "+t.name+" (user_id, password, created_at) VALUES (?, ?, ?)",
		[]byte(userID), []byte(hash), time.Now().UnixMicro())
	return translate("add user", err)
}

// Hash implements Directory.
func (t *Table) Hash(ctx context.Context, userID string) (string, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	var hash []byte
	err := t.db.QueryRowContext(ctx, "SELECT password FROM "+t.name+" WHERE user_id = ?", []byte(userID)).Scan(&hash)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return string(hash), err == nil, translate("look up user", err)
}

// Replace implements Directory.
func (t *Table) Replace(ctx context.Context, userID, old, next string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	//nolint:gosec // as in Add
	result, err := t.db.ExecContext(ctx, "UPDATE "+t.name+" SET password = ? WHERE user_id = ? AND password = ?",
		[]byte(next), []byte(userID), []byte(old))
	if err != nil {
		return false, translate("change password", err)
	}
	n, err := result.RowsAffected()
	return n == 1, translate("change password", err)
}

// translate leaves out the text of a server's error, which may hold values of the statement.
func translate(doing string, err error) error {
	var server *mysql.MySQLError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &server):
		return fmt.Errorf("%s: %w", doing, session.ErrUnavailable)
	case server.Number == duplicateEntry:
		return ErrTaken
	default:
		return fmt.Errorf("%s: %w: MySQL error %d", doing, session.ErrUnavailable, server.Number)
	}
}
