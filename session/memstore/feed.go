package memstore

import (
	"context"
	"slices"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// from returns the position of the feed's first entry that is not before a time.
func (s *Store) from(at time.Time) int {
	i, _ := slices.BinarySearchFunc(s.feed, at, func(r session.Revocation, at time.Time) int { return r.At.Compare(at) })
	return i
}

// publish adds an entry to the feed: to its end, unless the clock was set back since the last one. An earlier entry of the same
// session stays.
func (s *Store) publish(r session.Revocation) {
	s.feed = slices.Insert(s.feed, s.from(r.At.Add(time.Microsecond)), r)
}

// forget removes up to limit entries of the feed that are before a time, and says how many.
func (s *Store) forget(before time.Time, limit int) int {
	n := min(s.from(before), max(limit, 0))
	s.feed = slices.Delete(s.feed, 0, n)
	return n
}

// Publish implements session.Store.
func (s *Store) Publish(ctx context.Context, r session.Revocation) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	r.At = s.now()
	s.publish(r)
	return nil
}

// Revocations implements session.Store.
func (s *Store) Revocations(ctx context.Context, since time.Time, limit int) ([]session.Revocation, time.Time, error) {
	if err := s.lock(ctx); err != nil {
		return nil, time.Time{}, err
	}
	defer s.mu.Unlock()
	since = micro(since)
	entries := slices.Clone(first(s.feed[s.from(since):], limit))
	for _, k := range s.keys {
		at := k.RetiresAt
		if at.IsZero() {
			at = k.ActivatesAt
		}
		if !at.Before(since) {
			entries = append(entries, session.Revocation{KeyID: k.ID, At: at})
		}
	}
	slices.SortStableFunc(entries, func(a, b session.Revocation) int { return a.At.Compare(b.At) })
	return first(entries, limit), s.now(), nil
}
