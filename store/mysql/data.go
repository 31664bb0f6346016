package mysql

import (
	"context"
	"database/sql"
	"errors"

	"github.com/watchword-dev/watchword/session"
)

// document is a session's data.
type document struct {
	data    []byte
	version session.Version
}

func scanDocument(rows *sql.Rows) (d document, err error) {
	err = rows.Scan(&d.data, &d.version)
	return d, err
}

// Data implements session.LiveStore.
func (s *Store) Data(ctx context.Context, h session.Handle) ([]byte, session.Version, error) {
	rows, err := query(ctx, s, scanDocument, "read session data",
		"SELECT data, data_version FROM `{{prefix}}sessions` WHERE handle = UNHEX(?)"+alive, binary(h[:]))
	if err != nil {
		return nil, 0, err
	}
	if len(rows) == 0 {
		return nil, 0, session.ErrNotFound
	}
	return rows[0].data, rows[0].version, nil
}

// SetData implements session.LiveStore.
func (s *Store) SetData(ctx context.Context, h session.Handle, old, next session.Version, data []byte) (bool, error) {
	const doing = "write session data"
	if err := fits(doing, "data", len(data), maxBlob); err != nil {
		return false, err
	}
	statement := "UPDATE `{{prefix}}sessions` SET data = ?, data_version = ? WHERE handle = UNHEX(?)" + alive
	args := []any{data, uint64(next), binary(h[:])}
	if old != 0 {
		statement += " AND data_version = ?"
		args = append(args, uint64(old))
	}
	n, err := s.exec(ctx, doing, statement, args...)
	if err != nil || n > 0 || old != 0 && old != next {
		return n > 0, err
	}
	// No row was changed. Either none is alive, or this very write was done before and its answer lost: the driver counts
	// changed rows, and an equal write changes none.
	_, version, err := s.Data(ctx, h)
	if errors.Is(err, session.ErrNotFound) {
		return false, nil
	}
	return version == next, err
}

// SetPayload implements session.LiveStore.
func (s *Store) SetPayload(ctx context.Context, h session.Handle, payload []byte) (bool, error) {
	return s.set(ctx, "write session payload", h, "payload", payload, maxBlob)
}

// SetLabel implements session.LiveStore.
func (s *Store) SetLabel(ctx context.Context, h session.Handle, label string) (bool, error) {
	return s.set(ctx, "label session", h, "label", []byte(label), maxLabel)
}

// set replaces one column of a live session.
func (s *Store) set(ctx context.Context, doing string, h session.Handle, column string, value []byte, limit int) (bool, error) {
	if err := fits(doing, column, len(value), limit); err != nil {
		return false, err
	}
	n, err := s.exec(ctx, doing, "UPDATE `{{prefix}}sessions` SET "+column+" = ? WHERE handle = UNHEX(?)"+alive, value, binary(h[:]))
	if err != nil || n > 0 {
		return n > 0, err
	}
	// No row was changed. Either none is alive, or it has this value already. A session that is alive now was alive then.
	handles, err := query(ctx, s, scanHandle, doing, "SELECT handle FROM `{{prefix}}sessions` WHERE handle = UNHEX(?)"+alive, binary(h[:]))
	return len(handles) > 0, err
}
