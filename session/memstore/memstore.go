// Package memstore keeps sessions in memory: for tests, for the demo, and for services of one process whose users may
// have to log in again after a restart. It is held to the contract of session.Store by package storetest.
//
// What concerns one session or one user is looked up. EndAll, EndExpired without a handle, and Purge look through all
// sessions, live or ended, until they have found as many as they may change. What has ended stays in memory until Purge.
package memstore

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// Store is a session.Store in memory. Make one with New.
type Store struct {
	clock func() time.Time

	mu       sync.Mutex
	sessions index[record]        // those that were not ended; some of them may have expired
	endings  index[session.Ended] // those that were, until they are purged
	feed     []session.Revocation // ordered by At
	keys     []session.Key
}

var _ session.Store = (*Store)(nil)

// New makes an empty store. Its clock is time.Now if clock is nil.
func New(clock func() time.Time) *Store {
	if clock == nil {
		clock = time.Now
	}
	return &Store{clock: clock, sessions: newIndex[record](), endings: newIndex[session.Ended]()}
}

// now is read under the lock, so that times in the store never run against the order of its changes.
func (s *Store) now() time.Time { return micro(s.clock()) }

// micro keeps a time to the microsecond, as every store does.
func micro(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// lock takes the lock unless ctx is done.
func (s *Store) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", session.ErrUnavailable, err)
	}
	s.mu.Lock()
	return nil
}
