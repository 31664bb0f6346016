package mysql

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// The sizes of columns, in bytes. They are checked here because a server outside its strict mode cuts off what is too
// long, and two users would become one.
const (
	maxUserID    = 512
	maxUserAgent = 256
	maxAddress   = 64
	maxLabel     = 256
	maxReason    = 32
	maxDetail    = 1<<16 - 1
	maxBlob      = 1<<24 - 1
)

func fits(doing, what string, size, limit int) error {
	if size > limit {
		return fmt.Errorf("%s: %w: %s of %d bytes, at most %d fit", doing, session.ErrTooLarge, what, size, limit)
	}
	return nil
}

func fitsDevice(doing string, d session.Device) error {
	return errors.Join(fits(doing, "user agent", len(d.UserAgent), maxUserAgent), fits(doing, "address", len(d.Address), maxAddress))
}

// alive is the condition under which a session is returned or changed.
const alive = " AND ended_at IS NULL AND expires_at > {{now}}"

// Insert implements session.LiveStore.
func (s *Store) Insert(ctx context.Context, row session.NewRow) error {
	const doing = "insert session"
	if err := errors.Join(
		fits(doing, "user id", len(row.UserID), maxUserID),
		fits(doing, "label", len(row.Label), maxLabel),
		fits(doing, "payload", len(row.Payload), maxBlob),
		fits(doing, "data", len(row.Data), maxBlob),
		fitsDevice(doing, row.Device),
	); err != nil {
		return err
	}
	life := min(row.Lifetimes.Idle, row.Lifetimes.Absolute)
	_, err := s.exec(ctx, doing,
		"INSERT INTO `{{prefix}}sessions` (handle, user_id, current_mark, current_at, generation, handed, auth_at, user_agent,"+
			" address, label, payload, data, data_version, created_at, expires_at)"+
			" VALUES (UNHEX(?), ?, UNHEX(?), {{now}}, 0, 0, {{now}}, ?, ?, ?, ?, ?, ?, {{now}}, {{now}} + ?)",
		binary(row.Handle[:]), []byte(row.UserID), binary(row.Current[:]), []byte(row.Device.UserAgent), []byte(row.Device.Address),
		[]byte(row.Label), row.Payload, row.Data, uint64(row.DataVersion), micros(life))
	return err
}

// Get implements session.LiveStore.
func (s *Store) Get(ctx context.Context, h session.Handle) (session.Row, time.Time, error) {
	const statement = selectRecord + " WHERE handle = UNHEX(?)" + alive
	records, err := query(ctx, s, scanRecord, "read session", statement, binary(h[:]))
	if err != nil {
		return session.Row{}, time.Time{}, err
	}
	if len(records) == 0 {
		return session.Row{}, time.Time{}, session.ErrNotFound
	}
	return records[0].Row, records[0].now, nil
}

// List implements session.LiveStore. It leaves the payload out.
func (s *Store) List(ctx context.Context, userID string, page session.Page) ([]session.Row, error) {
	const (
		ofUser  = selectRecordLight + " WHERE user_id = ?" + alive
		ordered = " ORDER BY handle DESC LIMIT ?"
	)
	statement, args := ofUser+ordered, []any{[]byte(userID)}
	if !page.Before.IsZero() {
		statement, args = ofUser+" AND handle < UNHEX(?)"+ordered, append(args, binary(page.Before[:]))
	}
	records, err := query(ctx, s, scanRecord, "list sessions", statement, append(args, max(page.Limit, 0))...)
	if err != nil {
		return nil, err
	}
	list := make([]session.Row, len(records))
	for i, r := range records {
		list[i] = r.Row
	}
	return list, nil
}
