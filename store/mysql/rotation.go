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
// Where the condition holds, at least one column gets another value (generation, handed_at or pending_mark), so that the
// number of changed rows, which is what the driver reports without clientFoundRows, is the number of rows that matched.

// change is one of these statements, but for the end of the condition, which all have: one that notes a device, too, and one that
// does not.
type change struct{ withDevice, plain string }

func newChange(set, condition string) change {
	const (
		begin   = "UPDATE `{{prefix}}sessions` SET "
		renewed = ", expires_at = LEAST({{now}} + ?, created_at + ?)" // what every refresh moves
		device  = ", user_agent = ?, address = ?"
		where   = " WHERE handle = UNHEX(?) AND "
	)
	return change{begin + set + renewed + device + where + condition + alive, begin + set + renewed + where + condition + alive}
}

var (
	confirm = newChange("previous_mark = current_mark, current_mark = UNHEX(?), current_at = pending_at, generation = generation + 1,"+
		" rotated_at = {{now}}, auth_at = COALESCE(pending_auth_at, auth_at), pending_mark = UNHEX(?), pending_at = ?,"+
		" pending_auth_at = ?, handed_at = IF(? > 0, {{now}}, NULL), handed = ?",
		"pending_mark = UNHEX(?)")
	handOut = newChange("handed_at = GREATEST({{now}}, handed_at + 1), handed = handed + IF(?, 1, 0)",
		"current_mark = UNHEX(?) AND pending_mark = UNHEX(?)")
	mint = newChange("pending_mark = UNHEX(?), pending_at = ?, pending_auth_at = ?, handed_at = {{now}}, handed = handed + 1",
		"current_mark = UNHEX(?) AND pending_mark <=> UNHEX(?) AND handed_at <=> ?")
)

// rotate runs a compare-and-set: a change of one session, with the arguments of what it sets and of its condition.
func (s *Store) rotate(ctx context.Context, doing string, h session.Handle, renewal session.Renewal, c change, set []any, match ...any) (bool, error) {
	if err := fitsDevice(doing, renewal.Device); err != nil {
		return false, err
	}
	statement := c.plain
	args := make([]any, 0, len(set)+5+len(match))
	args = append(args, set...)
	args = append(args, micros(renewal.Lifetimes.Idle), micros(renewal.Lifetimes.Absolute))
	if renewal.Device != (session.Device{}) {
		statement = c.withDevice
		args = append(args, []byte(renewal.Device.UserAgent), []byte(renewal.Device.Address))
	}
	args = append(args, binary(h[:]))
	n, err := s.exec(ctx, doing, statement, append(args, match...)...)
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
	return s.rotate(ctx, "confirm refresh token", h, renewal, confirm,
		[]any{binary(pending[:]), mark(offered.Mark), optional(offered.MintedAt), optional(offered.AuthAt), handed, handed},
		mark(pending))
}

// HandOut implements session.LiveStore.
func (s *Store) HandOut(ctx context.Context, h session.Handle, current, pending session.Mark, counts bool, renewal session.Renewal) (bool, error) {
	return s.rotate(ctx, "hand out refresh token", h, renewal, handOut, []any{counts},
		binary(current[:]), mark(pending))
}

// Mint implements session.LiveStore.
func (s *Store) Mint(ctx context.Context, h session.Handle, current, pending session.Mark, handedAt time.Time, next session.Successor, renewal session.Renewal) (bool, error) {
	return s.rotate(ctx, "offer refresh token", h, renewal, mint,
		[]any{mark(next.Mark), optional(next.MintedAt), optional(next.AuthAt)},
		binary(current[:]), mark(pending), optional(handedAt))
}

func micros(d time.Duration) int64 { return d.Microseconds() }
