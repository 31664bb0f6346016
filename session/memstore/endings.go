package memstore

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// end moves a session from the live ones to the ended. What the contract does not ask for goes: payload, data and marks.
func (s *Store) end(r *record, how session.End, at time.Time) {
	if how.Fed {
		s.publish(session.Revocation{Handle: r.Handle, At: s.now(), Reason: how.Reason})
	}
	how.Detail = bytes.Clone(how.Detail)
	ended := &session.Ended{Row: r.Row, End: how, EndedAt: at}
	ended.Payload, ended.Handed = nil, 0
	ended.Current, ended.Pending, ended.Previous = session.Mark{}, session.Mark{}, session.Mark{}
	s.sessions.remove(r.Handle, r.UserID)
	s.endings.add(r.Handle, r.UserID, ended)
}

// result is what a method says of a session that it has ended: of the row no more than the contract asks for, so that nobody
// comes to rely on the rest.
func (s *Store) result(r *record) session.Ended {
	ended := clone(s.endings.byHandle[r.Handle])
	ended.Row = session.Row{Handle: r.Handle, UserID: r.UserID}
	return ended
}

func clone(ended *session.Ended) session.Ended {
	c := *ended
	c.Detail = bytes.Clone(c.Detail)
	return c
}

// End implements session.Store.
func (s *Store) End(ctx context.Context, h session.Handle, end session.End) (bool, error) {
	if err := s.lock(ctx); err != nil {
		return false, err
	}
	defer s.mu.Unlock()
	now := s.now()
	r := s.live(h, now)
	if r != nil {
		s.end(r, end, now)
	} else if ended := s.endings.byHandle[h]; ended != nil && end.Fed {
		s.publish(session.Revocation{Handle: h, At: now, Reason: ended.Reason})
	}
	return r != nil, nil
}

// EndUser implements session.Store.
func (s *Store) EndUser(ctx context.Context, userID string, keep session.Handle, end session.End, limit int) (int, error) {
	if err := s.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	now := s.now()
	chosen := some(s.sessions.byUser[userID], limit, func(r *record) bool { return r.alive(now) && r.Handle != keep })
	for _, r := range chosen {
		s.end(r, end, now)
	}
	return len(chosen), nil
}

// EndAll implements session.Store. It looks through all sessions.
func (s *Store) EndAll(ctx context.Context, before time.Time, end session.End, limit int) ([]session.Ended, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	now, before := s.now(), micro(before)
	chosen := some(s.sessions.byHandle, limit, func(r *record) bool { return r.alive(now) && r.CreatedAt.Before(before) })
	var ended []session.Ended
	for _, r := range chosen {
		s.end(r, end, now)
		ended = append(ended, s.result(r))
	}
	return ended, nil
}

// EndExpired implements session.Store. Without a handle it looks through all sessions.
func (s *Store) EndExpired(ctx context.Context, h session.Handle, absolute time.Duration, id session.Version, limit int) ([]session.Ended, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	from := s.sessions.byHandle
	if !h.IsZero() {
		from, limit = map[session.Handle]*record{}, 1
		if r := s.sessions.byHandle[h]; r != nil {
			from[h] = r
		}
	}
	now := s.now()
	var ended []session.Ended
	for _, r := range some(from, limit, func(r *record) bool { return !r.alive(now) }) {
		end := session.End{ID: id, Reason: session.ReasonIdle}
		if r.ExpiresAt.Sub(r.CreatedAt) >= absolute.Truncate(time.Microsecond) {
			end.Reason = session.ReasonAbsolute
		}
		s.end(r, end, r.ExpiresAt)
		ended = append(ended, s.result(r))
	}
	return ended, nil
}

// Ending implements session.Store.
func (s *Store) Ending(ctx context.Context, h session.Handle) (session.Ended, error) {
	if err := s.lock(ctx); err != nil {
		return session.Ended{}, err
	}
	defer s.mu.Unlock()
	ended := s.endings.byHandle[h]
	if ended == nil {
		return session.Ended{}, session.ErrNotFound
	}
	return clone(ended), nil
}

// Endings implements session.Store.
func (s *Store) Endings(ctx context.Context, userID string, page session.EndingsPage) ([]session.Ended, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	order := func(at time.Time, h session.Handle, other *session.Ended) int {
		return cmp.Or(at.Compare(other.EndedAt), compare(h, other.Handle))
	}
	var chosen []*session.Ended
	for _, ended := range s.endings.byUser[userID] {
		if page.EndedAt.IsZero() || order(micro(page.EndedAt), page.Handle, ended) > 0 {
			chosen = append(chosen, ended)
		}
	}
	slices.SortFunc(chosen, func(a, b *session.Ended) int { return order(b.EndedAt, b.Handle, a) })
	var list []session.Ended
	for _, ended := range first(chosen, page.Limit) {
		list = append(list, clone(ended))
	}
	return list, nil
}

// Purge implements session.Store. It looks through all ended sessions. The feed's entries of single sessions go by their
// age, as all others do, whether or not their session's ending has gone.
func (s *Store) Purge(ctx context.Context, endings, revocations time.Duration, limit int) (int, error) {
	if err := s.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	now := s.now()
	old := now.Add(-endings)
	chosen := some(s.endings.byHandle, limit, func(e *session.Ended) bool { return e.EndedAt.Before(old) })
	for _, ended := range chosen {
		s.endings.remove(ended.Handle, ended.UserID)
	}
	return len(chosen) + s.forget(now.Add(-revocations), limit), nil
}
