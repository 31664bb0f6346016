// Package memstore keeps sessions in memory: for tests, for the demo, and for services of one process whose users may
// have to log in again after a restart. It is held to the contract of session.Store by package storetest.
package memstore

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// Store is a session.Store in memory. Make one with New.
type Store struct {
	clock func() time.Time

	mu     sync.Mutex
	rows   map[session.Handle]*record
	byUser map[string]map[session.Handle]*record
	keys   []session.Key
}

var _ session.Store = (*Store)(nil)

type record struct {
	session.Row
	data    []byte
	version session.Version
}

// New makes an empty store. Its clock is time.Now if clock is nil.
func New(clock func() time.Time) *Store {
	if clock == nil {
		clock = time.Now
	}
	return &Store{
		clock:  clock,
		rows:   map[session.Handle]*record{},
		byUser: map[string]map[session.Handle]*record{},
	}
}

// now is read under the lock, so that times in the store never run against the order of its changes.
func (s *Store) now() time.Time { return s.clock().UTC().Truncate(time.Microsecond) }

// lock takes the lock unless ctx is done.
func (s *Store) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", session.ErrUnavailable, err)
	}
	s.mu.Lock()
	return nil
}

// live returns the record of a session that is alive, or nil.
func (s *Store) live(h session.Handle, now time.Time) *record {
	if r := s.rows[h]; r != nil && now.Before(r.ExpiresAt) {
		return r
	}
	return nil
}

func (r *record) extend(now time.Time, life session.Lifetimes) {
	r.ExpiresAt = now.Add(life.Idle)
	if end := r.CreatedAt.Add(life.Absolute); end.Before(r.ExpiresAt) {
		r.ExpiresAt = end
	}
}

// Insert implements session.Store.
func (s *Store) Insert(ctx context.Context, row session.NewRow) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if s.rows[row.Handle] != nil {
		return session.ErrDuplicate
	}
	now := s.now()
	r := &record{
		Row: session.Row{
			Handle: row.Handle, UserID: row.UserID,
			Current: row.Current, CurrentAt: now,
			Payload: bytes.Clone(row.Payload), CreatedAt: now,
		},
		data: bytes.Clone(row.Data), version: row.DataVersion,
	}
	r.extend(now, row.Lifetimes)
	s.rows[row.Handle] = r
	if s.byUser[row.UserID] == nil {
		s.byUser[row.UserID] = map[session.Handle]*record{}
	}
	s.byUser[row.UserID][row.Handle] = r
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

// Confirm implements session.Store.
func (s *Store) Confirm(ctx context.Context, h session.Handle, pending session.Mark, next *session.Successor, life session.Lifetimes) (bool, error) {
	return s.change(ctx, h, func(r *record, now time.Time) bool {
		if pending.IsZero() || r.Pending != pending {
			return false
		}
		r.Previous, r.Current, r.CurrentAt, r.RotatedAt = r.Current, r.Pending, r.PendingAt, now
		r.Pending, r.PendingAt, r.HandedAt, r.Handed = session.Mark{}, time.Time{}, time.Time{}, 0
		if next != nil {
			r.offer(*next, now)
		}
		r.extend(now, life)
		return true
	})
}

// offer makes next pending.
func (r *record) offer(next session.Successor, now time.Time) {
	r.Pending, r.PendingAt, r.HandedAt = next.Mark, next.MintedAt, now
	r.Handed++
}

// HandOut implements session.Store.
func (s *Store) HandOut(ctx context.Context, h session.Handle, current, pending session.Mark, counts bool, life session.Lifetimes) (bool, error) {
	return s.change(ctx, h, func(r *record, now time.Time) bool {
		if pending.IsZero() || r.Current != current || r.Pending != pending {
			return false
		}
		if soonest := r.HandedAt.Add(time.Microsecond); now.Before(soonest) {
			r.HandedAt = soonest
		} else {
			r.HandedAt = now
		}
		if counts {
			r.Handed++
		}
		r.extend(now, life)
		return true
	})
}

// Mint implements session.Store.
func (s *Store) Mint(ctx context.Context, h session.Handle, current, pending session.Mark, handedAt time.Time, next session.Successor, life session.Lifetimes) (bool, error) {
	return s.change(ctx, h, func(r *record, now time.Time) bool {
		if r.Current != current || r.Pending != pending || !r.HandedAt.Equal(handedAt) {
			return false
		}
		r.offer(next, now)
		r.extend(now, life)
		return true
	})
}

// remove deletes a record; the lock is held.
func (s *Store) remove(r *record) {
	delete(s.rows, r.Handle)
	delete(s.byUser[r.UserID], r.Handle)
	if len(s.byUser[r.UserID]) == 0 {
		delete(s.byUser, r.UserID)
	}
}

// Delete implements session.Store.
func (s *Store) Delete(ctx context.Context, h session.Handle) (bool, error) {
	if err := s.lock(ctx); err != nil {
		return false, err
	}
	defer s.mu.Unlock()
	r := s.rows[h]
	if r != nil {
		s.remove(r)
	}
	return r != nil, nil
}

// DeleteUser implements session.Store.
func (s *Store) DeleteUser(ctx context.Context, userID string, keep session.Handle, limit int) (int, error) {
	if err := s.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	n := 0
	for h, r := range s.byUser[userID] {
		if n == limit {
			break
		}
		if h != keep {
			s.remove(r)
			n++
		}
	}
	return n, nil
}

// List implements session.Store.
func (s *Store) List(ctx context.Context, userID string, page session.Page) ([]session.Row, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	now := s.now()
	var rows []session.Row
	for h, r := range s.byUser[userID] {
		if now.Before(r.ExpiresAt) && (page.Before.IsZero() || bytes.Compare(h[:], page.Before[:]) < 0) {
			row := r.Row
			row.Payload = nil
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b session.Row) int { return bytes.Compare(b.Handle[:], a.Handle[:]) })
	return rows[:min(len(rows), page.Limit)], nil
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

// DeleteExpired implements session.Store.
func (s *Store) DeleteExpired(ctx context.Context, limit int) (int, error) {
	if err := s.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	now := s.now()
	n := 0
	for _, r := range s.rows {
		if n == limit {
			break
		}
		if !now.Before(r.ExpiresAt) {
			s.remove(r)
			n++
		}
	}
	return n, nil
}

// Keys implements session.Store.
func (s *Store) Keys(ctx context.Context) ([]session.Key, time.Time, error) {
	if err := s.lock(ctx); err != nil {
		return nil, time.Time{}, err
	}
	defer s.mu.Unlock()
	keys := make([]session.Key, len(s.keys))
	for i, k := range s.keys {
		k.Material, k.Public = bytes.Clone(k.Material), bytes.Clone(k.Public)
		keys[i] = k
	}
	slices.SortFunc(keys, func(a, b session.Key) int {
		return cmp.Or(cmp.Compare(a.Purpose, b.Purpose), cmp.Compare(a.Sequence, b.Sequence))
	})
	return keys, s.now(), nil
}

// InsertKey implements session.Store.
func (s *Store) InsertKey(ctx context.Context, key session.Key) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	for _, k := range s.keys {
		if k.ID == key.ID || k.Purpose == key.Purpose && k.Sequence == key.Sequence {
			return session.ErrDuplicate
		}
	}
	key.Material, key.Public = bytes.Clone(key.Material), bytes.Clone(key.Public)
	key.ActivatesAt, key.RetiresAt = micro(key.ActivatesAt), micro(key.RetiresAt)
	s.keys = append(s.keys, key)
	return nil
}

// changeKey runs f on the key with an id, which reports whether its condition held.
func (s *Store) changeKey(ctx context.Context, id string, f func(i int) bool) (bool, error) {
	if err := s.lock(ctx); err != nil {
		return false, err
	}
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.keys, func(k session.Key) bool { return k.ID == id })
	return i >= 0 && f(i), nil
}

// RetireKey implements session.Store.
func (s *Store) RetireKey(ctx context.Context, id string) (bool, error) {
	return s.changeKey(ctx, id, func(i int) bool {
		if !s.keys[i].RetiresAt.IsZero() {
			return false
		}
		s.keys[i].RetiresAt = s.now()
		return true
	})
}

// SetKeyMaterial implements session.Store.
func (s *Store) SetKeyMaterial(ctx context.Context, id string, old, next []byte) (bool, error) {
	return s.changeKey(ctx, id, func(i int) bool {
		if !bytes.Equal(s.keys[i].Material, old) {
			return false
		}
		s.keys[i].Material = bytes.Clone(next)
		return true
	})
}

// DeleteKey implements session.Store.
func (s *Store) DeleteKey(ctx context.Context, id string) (bool, error) {
	return s.changeKey(ctx, id, func(i int) bool {
		s.keys = slices.Delete(s.keys, i, i+1)
		return true
	})
}

// micro keeps a time to the microsecond, as every store does.
func micro(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
