package memstore

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// record is a session that was not ended.
type record struct {
	session.Row
	data    []byte
	version session.Version
}

func (r *record) alive(now time.Time) bool { return now.Before(r.ExpiresAt) }

// extend moves the session's end. Parts of a microsecond are cut off each duration, as by every store.
func (r *record) extend(now time.Time, life session.Lifetimes) {
	r.ExpiresAt = now.Add(life.Idle.Truncate(time.Microsecond))
	if end := r.CreatedAt.Add(life.Absolute.Truncate(time.Microsecond)); end.Before(r.ExpiresAt) {
		r.ExpiresAt = end
	}
}

// live returns the record of a session that is alive, or nil.
func (s *Store) live(h session.Handle, now time.Time) *record {
	if r := s.sessions.byHandle[h]; r != nil && r.alive(now) {
		return r
	}
	return nil
}

// Insert implements session.Store.
func (s *Store) Insert(ctx context.Context, row session.NewRow) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if s.sessions.byHandle[row.Handle] != nil || s.endings.byHandle[row.Handle] != nil {
		return session.ErrDuplicate
	}
	now := s.now()
	r := &record{
		Row: session.Row{
			Handle: row.Handle, UserID: row.UserID,
			Current: row.Current, CurrentAt: now, AuthAt: now, CreatedAt: now,
			Device: row.Device, Label: row.Label, Payload: bytes.Clone(row.Payload),
		},
		data: bytes.Clone(row.Data), version: row.DataVersion,
	}
	r.extend(now, row.Lifetimes)
	s.sessions.add(row.Handle, row.UserID, r)
	return nil
}

// Get implements session.Store.
func (s *Store) Get(ctx context.Context, h session.Handle) (session.Row, time.Time, error) {
	if err := s.lock(ctx); err != nil {
		return session.Row{}, time.Time{}, err
	}
	defer s.mu.Unlock()
	now := s.now()
	r := s.live(h, now)
	if r == nil {
		return session.Row{}, time.Time{}, session.ErrNotFound
	}
	row := r.Row
	row.Payload = bytes.Clone(row.Payload)
	return row, now, nil
}

// List implements session.Store. It leaves the payload out.
func (s *Store) List(ctx context.Context, userID string, page session.Page) ([]session.Row, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	now := s.now()
	var rows []session.Row
	for h, r := range s.sessions.byUser[userID] {
		if r.alive(now) && (page.Before.IsZero() || compare(h, page.Before) < 0) {
			row := r.Row
			row.Payload = nil
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b session.Row) int { return compare(b.Handle, a.Handle) })
	return first(rows, page.Limit), nil
}

// change runs f on a live session, which reports whether its condition held.
func (s *Store) change(ctx context.Context, h session.Handle, f func(r *record, now time.Time) bool) (bool, error) {
	if err := s.lock(ctx); err != nil {
		return false, err
	}
	defer s.mu.Unlock()
	now := s.now()
	r := s.live(h, now)
	return r != nil && f(r, now), nil
}

// SetPayload implements session.Store.
func (s *Store) SetPayload(ctx context.Context, h session.Handle, payload []byte) (bool, error) {
	return s.change(ctx, h, func(r *record, _ time.Time) bool {
		r.Payload = bytes.Clone(payload)
		return true
	})
}

// SetLabel implements session.Store.
func (s *Store) SetLabel(ctx context.Context, h session.Handle, label string) (bool, error) {
	return s.change(ctx, h, func(r *record, _ time.Time) bool {
		r.Label = label
		return true
	})
}

// Data implements session.Store.
func (s *Store) Data(ctx context.Context, h session.Handle) ([]byte, session.Version, error) {
	if err := s.lock(ctx); err != nil {
		return nil, 0, err
	}
	defer s.mu.Unlock()
	r := s.live(h, s.now())
	if r == nil {
		return nil, 0, session.ErrNotFound
	}
	return bytes.Clone(r.data), r.version, nil
}

// SetData implements session.Store.
func (s *Store) SetData(ctx context.Context, h session.Handle, old, next session.Version, data []byte) (bool, error) {
	return s.change(ctx, h, func(r *record, _ time.Time) bool {
		if old != 0 && r.version != old {
			return false
		}
		r.data, r.version = bytes.Clone(data), next
		return true
	})
}
