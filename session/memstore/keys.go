package memstore

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/watchword-dev/watchword/session"
)

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
