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

// raw is a row as it is read, in one piece of memory; what is copied from it anyway is not copied before.
type raw struct {
	payload, detail                             []byte
	handle, current, pending, previous          sql.RawBytes
	user, agent, address, label                 string
	now, currentAt, authAt, created, expires    int64
	pendingAt, handedAt, rotatedAt, pendingAuth sql.NullInt64
	ended                                       sql.NullInt64
	generation, handed                          int
	id                                          sql.Null[uint64]
	reason                                      sql.NullString
	fed                                         bool
}

func scanRecord(rows *sql.Rows) (record, error) {
	var c raw
	if err := rows.Scan(&c.payload, &c.now, &c.handle, &c.user, &c.current, &c.currentAt, &c.generation, &c.pending, &c.pendingAt,
		&c.handedAt, &c.handed, &c.previous, &c.rotatedAt, &c.authAt, &c.pendingAuth, &c.agent, &c.address, &c.label, &c.created, &c.expires,
		&c.ended, &c.id, &c.reason, &c.detail, &c.fed); err != nil {
		return record{}, err
	}
	r := record{now: moment(c.now), Ended: session.Ended{
		Row: session.Row{
			UserID: c.user, CurrentAt: moment(c.currentAt), Generation: c.generation, PendingAt: optionalMoment(c.pendingAt),
			HandedAt: optionalMoment(c.handedAt), Handed: c.handed, RotatedAt: optionalMoment(c.rotatedAt), AuthAt: moment(c.authAt),
			PendingAuthAt: optionalMoment(c.pendingAuth), Device: session.Device{UserAgent: c.agent, Address: c.address}, Label: c.label,
			Payload: c.payload, CreatedAt: moment(c.created), ExpiresAt: moment(c.expires),
		},
		End:     session.End{ID: session.Version(c.id.V), Reason: session.Reason(c.reason.String), Detail: c.detail, Fed: c.fed},
		EndedAt: optionalMoment(c.ended),
	}}
	return r, errors.Join(
		whole("handle", r.Handle[:], c.handle, false),
		whole("current_mark", r.Current[:], c.current, false),
		whole("pending_mark", r.Pending[:], c.pending, true),
		whole("previous_mark", r.Previous[:], c.previous, true),
	)
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
