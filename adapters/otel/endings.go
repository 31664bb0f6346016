package otelsession

import (
	"context"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// End implements session.EndingStore.
func (s *store) End(ctx context.Context, h session.Handle, how session.End) (ok bool, err error) {
	ctx, done := s.calls["End"].begin(ctx)
	defer func() { done(err) }()
	return s.inner.End(ctx, h, how)
}

// EndUser implements session.EndingStore.
func (s *store) EndUser(ctx context.Context, userID string, keep session.Handle, how session.End, limit int) (n int, err error) {
	ctx, done := s.calls["EndUser"].begin(ctx)
	defer func() { done(err) }()
	return s.inner.EndUser(ctx, userID, keep, how, limit)
}

// EndAll implements session.EndingStore.
func (s *store) EndAll(ctx context.Context, before time.Time, how session.End, limit int) (list []session.Ended, err error) {
	ctx, done := s.calls["EndAll"].begin(ctx)
	defer func() { done(err) }()
	return s.inner.EndAll(ctx, before, how, limit)
}

// EndExpired implements session.EndingStore.
func (s *store) EndExpired(ctx context.Context, h session.Handle, absolute time.Duration, id session.Version, limit int) ([]session.Ended, error) {
	return cleaner{s.inner, s.calls}.EndExpired(ctx, h, absolute, id, limit)
}

// Ending implements session.EndingStore.
func (s *store) Ending(ctx context.Context, h session.Handle) (one session.Ended, err error) {
	ctx, done := s.calls["Ending"].begin(ctx)
	defer func() { done(err) }()
	return s.inner.Ending(ctx, h)
}

// Endings implements session.EndingStore.
func (s *store) Endings(ctx context.Context, userID string, page session.EndingsPage) ([]session.Ended, error) {
	return (&lister{s.inner, s.calls}).Endings(ctx, userID, page)
}

// Purge implements session.EndingStore.
func (s *store) Purge(ctx context.Context, endings, revocations time.Duration, limit int) (int, error) {
	return cleaner{s.inner, s.calls}.Purge(ctx, endings, revocations, limit)
}

// cleaner measures the calls of a cleanup, in an election and without.
type cleaner struct {
	inner session.Cleaner
	calls map[string]*call
}

// EndExpired implements session.Cleaner.
func (c cleaner) EndExpired(ctx context.Context, h session.Handle, absolute time.Duration, id session.Version, limit int) (list []session.Ended, err error) {
	ctx, done := c.calls["EndExpired"].begin(ctx)
	defer func() { done(err) }()
	return c.inner.EndExpired(ctx, h, absolute, id, limit)
}

// Purge implements session.Cleaner.
func (c cleaner) Purge(ctx context.Context, endings, revocations time.Duration, limit int) (n int, err error) {
	ctx, done := c.calls["Purge"].begin(ctx)
	defer func() { done(err) }()
	return c.inner.Purge(ctx, endings, revocations, limit)
}

// lister measures the calls of who answers lists.
type lister struct {
	inner session.Lister
	calls map[string]*call
}

// List implements session.Lister.
func (l *lister) List(ctx context.Context, userID string, page session.Page) (rows []session.Row, err error) {
	ctx, done := l.calls["List"].begin(ctx)
	defer func() { done(err) }()
	return l.inner.List(ctx, userID, page)
}

// Endings implements session.Lister.
func (l *lister) Endings(ctx context.Context, userID string, page session.EndingsPage) (list []session.Ended, err error) {
	ctx, done := l.calls["Endings"].begin(ctx)
	defer func() { done(err) }()
	return l.inner.Endings(ctx, userID, page)
}

// electingStore is a store that elects.
type electingStore struct {
	*store
	elector session.Elector
}

// Elect implements session.Elector. What the one elected does is measured by itself, and is no part of what the election took.
func (s *electingStore) Elect(ctx context.Context, f func(session.Cleaner) error) (elected bool, err error) {
	c := s.calls["Elect"]
	begun := time.Now()
	var work time.Duration
	var workErr error
	within, span := c.span(ctx)
	elected, err = s.elector.Elect(within, func(inner session.Cleaner) error {
		started := time.Now()
		workErr = f(cleaner{inner, s.calls})
		work = time.Since(started)
		return workErr
	})
	own := err
	if workErr != nil {
		own = nil // it is told of by the call that has failed
	}
	c.end(within, span, time.Since(begun)-work, own)
	return elected, err
}
