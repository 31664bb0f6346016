package mysql

import (
	"context"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// The updates of this file are the compare-and-sets of the rotation protocol. Two things hold for each of them:
//
// No assignment reads a column that the same statement assigns before it, so that MySQL, which works from left to right,
// and MariaDB's SIMULTANEOUS_ASSIGNMENT, which does not, do the same. (A column assigned from itself reads the old value
// in both.)
//
// Where the condition holds, at least one column gets another value (handed, handed_at or pending_mark), so that the
// number of changed rows, which is what the driver reports without clientFoundRows, is the number of rows that matched.

// alive is the condition under which any session is changed, and moved is how its end moves.
const (
	alive = " AND expires_at > {{now}}"
	moved = " expires_at = LEAST({{now}} + ?, created_at + ?)"
)

// Confirm implements session.Store.
func (s *Store) Confirm(ctx context.Context, h session.Handle, pending session.Mark, next *session.Successor, life session.Lifetimes) (bool, error) {
	var (
		offered session.Successor
		handed  int
	)
	if next != nil {
		offered, handed = *next, 1
	}
	n, err := s.exec(ctx, "confirm refresh token",
		"UPDATE `{{prefix}}sessions` SET previous_mark = current_mark, current_mark = UNHEX(?), current_at = pending_at,"+
			" rotated_at = {{now}}, pending_mark = UNHEX(?), pending_at = ?, handed_at = IF(? > 0, {{now}}, NULL), handed = ?,"+moved+
			" WHERE handle = UNHEX(?) AND pending_mark = UNHEX(?)"+alive,
		binary(pending[:]), mark(offered.Mark), optional(offered.MintedAt), handed, handed, micros(life.Idle), micros(life.Absolute),
		binary(h[:]), mark(pending))
	return n > 0, err
}

// HandOut implements session.Store.
func (s *Store) HandOut(ctx context.Context, h session.Handle, current, pending session.Mark, counts bool, life session.Lifetimes) (bool, error) {
	n, err := s.exec(ctx, "hand out refresh token",
		"UPDATE `{{prefix}}sessions` SET handed_at = GREATEST({{now}}, handed_at + 1), handed = handed + IF(?, 1, 0),"+moved+
			" WHERE handle = UNHEX(?) AND current_mark = UNHEX(?) AND pending_mark = UNHEX(?)"+alive,
		counts, micros(life.Idle), micros(life.Absolute), binary(h[:]), binary(current[:]), mark(pending))
	return n > 0, err
}

// Mint implements session.Store.
func (s *Store) Mint(ctx context.Context, h session.Handle, current, pending session.Mark, handedAt time.Time, next session.Successor, life session.Lifetimes) (bool, error) {
	n, err := s.exec(ctx, "offer refresh token",
		"UPDATE `{{prefix}}sessions` SET pending_mark = UNHEX(?), pending_at = ?, handed_at = {{now}}, handed = handed + 1,"+moved+
			" WHERE handle = UNHEX(?) AND current_mark = UNHEX(?) AND pending_mark <=> UNHEX(?) AND handed_at <=> ?"+alive,
		mark(next.Mark), optional(next.MintedAt), micros(life.Idle), micros(life.Absolute), binary(h[:]), binary(current[:]), mark(pending), optional(handedAt))
	return n > 0, err
}

func micros(d time.Duration) int64 { return d.Microseconds() }
