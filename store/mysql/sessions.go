package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// The sizes of columns, in bytes. They are checked here because a server outside its strict mode cuts off what is too
// long, and two users would become one.
const (
	maxUserID = 512
	maxBlob   = 1<<24 - 1
)

func fits(doing, what string, size, limit int) error {
	if size > limit {
		return fmt.Errorf("%s: %w: %s of %d bytes, at most %d fit", doing, session.ErrTooLarge, what, size, limit)
	}
	return nil
}

// Insert implements session.Store.
func (s *Store) Insert(ctx context.Context, row session.NewRow) error {
	const doing = "insert session"
	if err := errors.Join(
		fits(doing, "user id", len(row.UserID), maxUserID),
		fits(doing, "payload", len(row.Payload), maxBlob),
		fits(doing, "data", len(row.Data), maxBlob),
	); err != nil {
		return err
	}
	life := min(row.Lifetimes.Idle, row.Lifetimes.Absolute)
	_, err := s.exec(ctx, doing,
		"INSERT INTO `{{prefix}}sessions` (handle, user_id, current_mark, current_at, handed, payload, data, data_version,"+
			" created_at, expires_at) VALUES (UNHEX(?), ?, UNHEX(?), {{now}}, 0, ?, ?, ?, {{now}}, {{now}} + ?)",
		binary(row.Handle[:]), []byte(row.UserID), binary(row.Current[:]), row.Payload, row.Data, uint64(row.DataVersion), life.Microseconds())
	return err
}

// columns are what scanSession reads, without payload and clock.
const columns = "handle, user_id, current_mark, current_at, pending_mark, pending_at, handed_at, handed, previous_mark," +
	" rotated_at, created_at, expires_at"

// sessionRow is a session next to the clock.
type sessionRow struct {
	session.Row
	now time.Time
}

func scanSession(rows *sql.Rows) (sessionRow, error) {
	var (
		r                                          sessionRow
		handle, userID, current, pending, previous []byte
		currentAt, createdAt, expiresAt, now       int64
		pendingAt, handedAt, rotatedAt             sql.NullInt64
	)
	err := rows.Scan(&handle, &userID, &current, &currentAt, &pending, &pendingAt, &handedAt, &r.Handed, &previous,
		&rotatedAt, &createdAt, &expiresAt, &r.Payload, &now)
	copy(r.Handle[:], handle)
	copy(r.Current[:], current)
	copy(r.Pending[:], pending)
	copy(r.Previous[:], previous)
	r.UserID = string(userID)
	r.CurrentAt, r.CreatedAt, r.ExpiresAt, r.now = moment(currentAt), moment(createdAt), moment(expiresAt), moment(now)
	r.PendingAt, r.HandedAt, r.RotatedAt = optionalMoment(pendingAt), optionalMoment(handedAt), optionalMoment(rotatedAt)
	return r, err
}

// Get implements session.Store.
func (s *Store) Get(ctx context.Context, h session.Handle) (session.Row, time.Time, error) {
	rows, err := query(ctx, s, scanSession, "read session",
		"SELECT "+columns+", payload, {{now}} FROM `{{prefix}}sessions` WHERE handle = UNHEX(?)"+alive, binary(h[:]))
	if err != nil {
		return session.Row{}, time.Time{}, err
	}
	if len(rows) == 0 {
		return session.Row{}, time.Time{}, session.ErrNotFound
	}
	return rows[0].Row, rows[0].now, nil
}

// List implements session.Store. It leaves the payload out.
func (s *Store) List(ctx context.Context, userID string, page session.Page) ([]session.Row, error) {
	statement := "SELECT " + columns + ", NULL, {{now}} FROM `{{prefix}}sessions` WHERE user_id = ?" + alive
	args := []any{[]byte(userID)}
	if !page.Before.IsZero() {
		statement += " AND handle < UNHEX(?)"
		args = append(args, binary(page.Before[:]))
	}
	rows, err := query(ctx, s, scanSession, "list sessions",
		statement+" ORDER BY handle DESC LIMIT ?", append(args, max(page.Limit, 0))...)
	if err != nil {
		return nil, err
	}
	list := make([]session.Row, len(rows))
	for i, row := range rows {
		list[i] = row.Row
	}
	return list, nil
}

// Delete implements session.Store.
func (s *Store) Delete(ctx context.Context, h session.Handle) (bool, error) {
	n, err := s.exec(ctx, "delete session", "DELETE FROM `{{prefix}}sessions` WHERE handle = UNHEX(?)", binary(h[:]))
	return n > 0, err
}

// DeleteUser implements session.Store.
func (s *Store) DeleteUser(ctx context.Context, userID string, keep session.Handle, limit int) (int, error) {
	n, err := s.exec(ctx, "delete sessions of a user",
		"DELETE FROM `{{prefix}}sessions` WHERE user_id = ? AND handle <> UNHEX(?) ORDER BY handle LIMIT ?",
		[]byte(userID), binary(keep[:]), max(limit, 0))
	return int(n), err
}
