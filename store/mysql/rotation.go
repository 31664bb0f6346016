package mysql

import (
	"context"
	"slices"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// The updates of this file are the compare-and-sets of the rotation protocol. Two things hold for each of them:
//
// No assignment reads a column that the same statement assigns before it, so that MySQL, which works from left to right,
// and MariaDB's SIMULTANEOUS_ASSIGNMENT, which does not, do the same. (A column assigned from itself reads the old value
// in both.)
//
// Where the condition holds, at least one column gets another value (generation, handed_at or pending_mark), so that the
// number of changed rows, which is what the driver reports without clientFoundRows, is the number of rows that matched.

// renewed is what every refresh moves, as assignments with their arguments.
func renewed(r session.Renewal) (assignments string, args []any) {
	assignments = " expires_at = LEAST({{now}} + ?, created_at + ?)"
	args = []any{micros(r.Lifetimes.Idle), micros(r.Lifetimes.Absolute)}
	if r.Device != (session.Device{}) {
		assignments += ", user_agent = ?, address = ?"
		args = append(args, []byte(r.Device.UserAgent), []byte(r.Device.Address))
	}
	return assignments, args
}

// rotate runs a compare-and-set: the assignments given and those of the renewal, of one session under a condition.
func (s *Store) rotate(ctx context.Context, doing string, h session.Handle, renewal session.Renewal, set string, args []any, condition string, match ...any) (bool, error) {
	if err := fitsDevice(doing, renewal.Device); err != nil {
		return false, err
	}
	renew, renewArgs := renewed(renewal)
	n, err := s.exec(ctx, doing,
		"UPDATE `{{prefix}}sessions` SET "+set+","+renew+" WHERE handle = UNHEX(?)"+condition+alive,
		slices.Concat(args, renewArgs, []any{binary(h[:])}, match)...)
	return n > 0, err
}

// Confirm implements session.LiveStore.
func (s *Store) Confirm(ctx context.Context, h session.Handle, pending session.Mark, next *session.Successor, renewal session.Renewal) (bool, error) {
	var (
		offered session.Successor
		handed  int
	)
	if next != nil {
		offered, handed = *next, 1
	}
	return s.rotate(ctx, "confirm refresh token", h, renewal,
		"previous_mark = current_mark, current_mark = UNHEX(?), current_at = pending_at, generation = generation + 1,"+
			" rotated_at = {{now}}, auth_at = COALESCE(pending_auth_at, auth_at), pending_mark = UNHEX(?), pending_at = ?,"+
			" pending_auth_at = ?, handed_at = IF(? > 0, {{now}}, NULL), handed = ?",
		[]any{binary(pending[:]), mark(offered.Mark), optional(offered.MintedAt), optional(offered.AuthAt), handed, handed},
		" AND pending_mark = UNHEX(?)", mark(pending))
}

// HandOut implements session.LiveStore.
func (s *Store) HandOut(ctx context.Context, h session.Handle, current, pending session.Mark, counts bool, renewal session.Renewal) (bool, error) {
	return s.rotate(ctx, "hand out refresh token", h, renewal,
		"handed_at = GREATEST({{now}}, handed_at + 1), handed = handed + IF(?, 1, 0)", []any{counts},
		" AND current_mark = UNHEX(?) AND pending_mark = UNHEX(?)", binary(current[:]), mark(pending))
}

// Mint implements session.LiveStore.
func (s *Store) Mint(ctx context.Context, h session.Handle, current, pending session.Mark, handedAt time.Time, next session.Successor, renewal session.Renewal) (bool, error) {
	return s.rotate(ctx, "offer refresh token", h, renewal,
		"pending_mark = UNHEX(?), pending_at = ?, pending_auth_at = ?, handed_at = {{now}}, handed = handed + 1",
		[]any{mark(next.Mark), optional(next.MintedAt), optional(next.AuthAt)},
		" AND current_mark = UNHEX(?) AND pending_mark <=> UNHEX(?) AND handed_at <=> ?",
		binary(current[:]), mark(pending), optional(handedAt))
}

func micros(d time.Duration) int64 { return d.Microseconds() }
