package adapters_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// fault is what becomes of a call of the store.
type fault int

const (
	healthy fault = iota
	away          // it does not arrive
	lost          // it is carried out, and its answer gets lost
)

var errAway = fmt.Errorf("%w: away", session.ErrUnavailable)

// watchedStore counts what requests have it do, and fails where a test says so.
type watchedStore struct {
	session.Store

	mu     sync.Mutex
	calls  []string
	faults func(n int, call string) fault // n counts from 1
}

// reset forgets the calls and sets what is to fail from now on; nil: nothing.
func (s *watchedStore) reset(faults func(n int, call string) fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls, s.faults = nil, faults
}

// asked returns the calls since the last reset, but for looks at the keys: see TestI8GarbageIsFreeInEveryMode in session.
func (s *watchedStore) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var calls []string
	for _, call := range s.calls {
		if call != "Keys" {
			calls = append(calls, call)
		}
	}
	return calls
}

func (s *watchedStore) next(call string) fault {
	s.mu.Lock()
	s.calls = append(s.calls, call)
	n, faults := len(s.calls), s.faults
	s.mu.Unlock()
	if faults == nil {
		return healthy
	}
	return faults(n, call)
}

// ask carries out a call, or not.
func ask[T any](s *watchedStore, call string, f func() (T, error)) (T, error) {
	var nothing T
	what := s.next(call)
	if what == away {
		return nothing, errAway
	}
	result, err := f()
	if what == lost {
		return nothing, errAway
	}
	return result, err
}

func (s *watchedStore) Insert(ctx context.Context, row session.NewRow) error {
	_, err := ask(s, "Insert", func() (struct{}, error) { return struct{}{}, s.Store.Insert(ctx, row) })
	return err
}

func (s *watchedStore) Get(ctx context.Context, h session.Handle) (session.Row, time.Time, error) {
	var now time.Time
	row, err := ask(s, "Get", func() (row session.Row, err error) {
		row, now, err = s.Store.Get(ctx, h)
		return row, err
	})
	return row, now, err
}

func (s *watchedStore) Confirm(ctx context.Context, h session.Handle, pending session.Mark, next *session.Successor, renewal session.Renewal) (bool, error) {
	return ask(s, "Confirm", func() (bool, error) { return s.Store.Confirm(ctx, h, pending, next, renewal) })
}

func (s *watchedStore) HandOut(ctx context.Context, h session.Handle, current, pending session.Mark, counts bool, renewal session.Renewal) (bool, error) {
	return ask(s, "HandOut", func() (bool, error) { return s.Store.HandOut(ctx, h, current, pending, counts, renewal) })
}

func (s *watchedStore) Mint(ctx context.Context, h session.Handle, current, pending session.Mark, handedAt time.Time, next session.Successor, renewal session.Renewal) (bool, error) {
	return ask(s, "Mint", func() (bool, error) { return s.Store.Mint(ctx, h, current, pending, handedAt, next, renewal) })
}

func (s *watchedStore) List(ctx context.Context, userID string, page session.Page) ([]session.Row, error) {
	return ask(s, "List", func() ([]session.Row, error) { return s.Store.List(ctx, userID, page) })
}

func (s *watchedStore) End(ctx context.Context, h session.Handle, end session.End) (bool, error) {
	return ask(s, "End", func() (bool, error) { return s.Store.End(ctx, h, end) })
}

func (s *watchedStore) EndUser(ctx context.Context, userID string, keep session.Handle, end session.End, limit int) (int, error) {
	return ask(s, "EndUser", func() (int, error) { return s.Store.EndUser(ctx, userID, keep, end, limit) })
}

func (s *watchedStore) EndExpired(ctx context.Context, h session.Handle, absolute time.Duration, id session.Version, limit int) ([]session.Ended, error) {
	return ask(s, "EndExpired", func() ([]session.Ended, error) { return s.Store.EndExpired(ctx, h, absolute, id, limit) })
}

func (s *watchedStore) Ending(ctx context.Context, h session.Handle) (session.Ended, error) {
	return ask(s, "Ending", func() (session.Ended, error) { return s.Store.Ending(ctx, h) })
}

func (s *watchedStore) Keys(ctx context.Context) ([]session.Key, time.Time, error) {
	var now time.Time
	keys, err := ask(s, "Keys", func() (keys []session.Key, err error) {
		keys, now, err = s.Store.Keys(ctx)
		return keys, err
	})
	return keys, now, err
}
