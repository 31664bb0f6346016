package lab

import (
	"context"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// Here are the calls that end sessions, or tell that others have. Each time the session's own record says how it ended.

// End implements session.EndingStore.
func (s *recorded) End(ctx context.Context, h session.Handle, end session.End) (bool, error) {
	if err := s.call(ctx, "End", h); err != nil {
		return false, err
	}
	done, err := s.Store.End(ctx, h, end)
	if j := s.recorder.known(h); done && j != nil {
		s.ended(ctx, j)
	}
	return done, err
}

// Ending implements session.EndingStore.
func (s *recorded) Ending(ctx context.Context, h session.Handle) (session.Ended, error) {
	if err := s.call(ctx, "Ending", h); err != nil {
		return session.Ended{}, err
	}
	record, err := s.Store.Ending(ctx, h)
	if j := s.recorder.known(h); err == nil && j != nil {
		j.end(record.Reason, record.EndedAt)
	}
	return record, err
}

// EndUser implements session.EndingStore.
func (s *recorded) EndUser(ctx context.Context, userID string, keep session.Handle, end session.End, limit int) (int, error) {
	if err := s.call(ctx, "EndUser", session.Handle{}); err != nil {
		return 0, err
	}
	n, err := s.Store.EndUser(ctx, userID, keep, end, limit)
	if n > 0 {
		s.ended(ctx, s.live(func(j *journal) bool { return j.user() == userID })...)
	}
	return n, err
}

// EndAll implements session.EndingStore.
func (s *recorded) EndAll(ctx context.Context, before time.Time, end session.End, limit int) ([]session.Ended, error) {
	if err := s.call(ctx, "EndAll", session.Handle{}); err != nil {
		return nil, err
	}
	list, err := s.Store.EndAll(ctx, before, end, limit)
	if len(list) > 0 {
		s.ended(ctx, s.live(func(*journal) bool { return true })...)
	}
	return list, err
}

// EndExpired implements session.EndingStore.
func (s *recorded) EndExpired(ctx context.Context, h session.Handle, absolute time.Duration, id session.Version, limit int) ([]session.Ended, error) {
	if err := s.call(ctx, "EndExpired", h); err != nil {
		return nil, err
	}
	list, err := s.Store.EndExpired(ctx, h, absolute, id, limit)
	for _, e := range list {
		if j := s.recorder.known(e.Handle); j != nil {
			s.ended(ctx, j)
		}
	}
	return list, err
}

// Revocations implements session.FeedStore: this is how a process hears of what others have ended.
func (s *recorded) Revocations(ctx context.Context, since time.Time, limit int) ([]session.Revocation, time.Time, error) {
	if err := s.call(ctx, "Revocations", session.Handle{}); err != nil {
		return nil, time.Time{}, err
	}
	entries, now, err := s.Store.Revocations(ctx, since, limit)
	for _, e := range entries {
		s.ended(ctx, s.live(func(j *journal) bool {
			return e.Handle == j.handle || e.Handle.IsZero() && e.KeyID == "" && (e.UserID == "" || e.UserID == j.user())
		})...)
	}
	return entries, now, err
}

// live returns the journals of sessions that are not known to have ended, and that a condition holds for.
func (s *recorded) live(condition func(*journal) bool) []*journal {
	return s.recorder.all(func(j *journal) bool { return !j.ended() && condition(j) })
}

func (j *journal) user() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.userID
}

// ended looks for the records of sessions that may have ended.
func (s *recorded) ended(ctx context.Context, journals ...*journal) {
	began := time.Now()
	t := traceOf(ctx)
	defer func() { t.watched(time.Since(began)) }()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTimeout)
	defer cancel()
	for _, j := range journals {
		if record, err := s.Store.Ending(ctx, j.handle); err == nil {
			t.touch(j.handle)
			j.end(record.Reason, record.EndedAt)
		}
	}
}
