package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// record is a row of the table of sessions, next to the clock. While the session is alive, nothing of how it ended is set.
type record struct {
	session.Ended
	now time.Time
}

// selectRecord begins a statement whose rows scanRecord reads; selectRecordLight leaves the payload out.
const (
	selectRecord      = "SELECT payload, " + columns
	selectRecordLight = "SELECT NULL, " + columns

	columns = "{{now}}, handle, user_id, current_mark, current_at, generation, pending_mark, pending_at, handed_at, handed," +
		" previous_mark, rotated_at, auth_at, pending_auth_at, user_agent, address, label, created_at, expires_at," +
		" ended_at, ending_id, ending_reason, ending_detail, fed_at IS NOT NULL FROM `{{prefix}}sessions`"
)

func scanRecord(rows *sql.Rows) (record, error) {
	var (
		r                                           record
		handle, current, pending, previous          []byte
		now, currentAt, authAt, created, expires    int64
		pendingAt, handedAt, rotatedAt, pendingAuth sql.NullInt64
		ended                                       sql.NullInt64
		id                                          sql.Null[uint64]
		reason                                      sql.NullString
	)
	err := rows.Scan(&r.Payload, &now, &handle, &r.UserID, &current, &currentAt, &r.Generation, &pending, &pendingAt, &handedAt, &r.Handed,
		&previous, &rotatedAt, &authAt, &pendingAuth, &r.Device.UserAgent, &r.Device.Address, &r.Label, &created, &expires,
		&ended, &id, &reason, &r.Detail, &r.Fed)
	if err == nil {
		err = errors.Join(
			whole("handle", r.Handle[:], handle, false),
			whole("current_mark", r.Current[:], current, false),
			whole("pending_mark", r.Pending[:], pending, true),
			whole("previous_mark", r.Previous[:], previous, true),
		)
	}
	r.now = moment(now)
	r.CurrentAt, r.AuthAt, r.CreatedAt, r.ExpiresAt = moment(currentAt), moment(authAt), moment(created), moment(expires)
	r.PendingAt, r.HandedAt, r.RotatedAt = optionalMoment(pendingAt), optionalMoment(handedAt), optionalMoment(rotatedAt)
	r.PendingAuthAt, r.EndedAt = optionalMoment(pendingAuth), optionalMoment(ended)
	r.ID, r.Reason = session.Version(id.V), session.Reason(reason.String)
	return r, err
}

// corruptError says that a row is none that this package has written.
type corruptError struct {
	column string
	size   int
}

// Error says nothing of what the column holds.
func (e *corruptError) Error() string {
	return fmt.Sprintf("a row is corrupted: its %s has %d bytes", e.column, e.size)
}

// whole copies a column of a fixed size. Cut off or filled up it would name another session or token.
func whole(column string, to, from []byte, nullable bool) error {
	if nullable && from == nil {
		return nil
	}
	if len(from) != len(to) {
		return &corruptError{column, len(from)}
	}
	copy(to, from)
	return nil
}

// endings runs a statement that begins with selectRecordLight.
func (s *Store) endings(ctx context.Context, doing, statement string, args ...any) ([]session.Ended, error) {
	records, err := query(ctx, s, scanRecord, doing, statement, args...)
	if err != nil {
		return nil, err
	}
	list := make([]session.Ended, len(records))
	for i, r := range records {
		list[i] = r.Ended
	}
	return list, nil
}

// scanHandle reads a handle, as an argument of UNHEX(?).
func scanHandle(rows *sql.Rows) (any, error) {
	var handle []byte
	err := rows.Scan(&handle)
	return binary(handle), err
}
