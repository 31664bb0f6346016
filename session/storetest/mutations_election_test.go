package storetest_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// electing is memstore with elections, on which the suite passes.
type electing struct {
	*memstore.Store
	turn *sync.Mutex
}

func newElecting(s *memstore.Store) electing { return electing{s, &sync.Mutex{}} }

func (s electing) Elect(ctx context.Context, f func(session.Cleaner) error) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, fmt.Errorf("elect: %w: %w", session.ErrUnavailable, err)
	}
	if !s.turn.TryLock() {
		return false, nil
	}
	defer s.turn.Unlock()
	return true, f(s.Store)
}

// everybody is elected.
type everybody struct{ *memstore.Store }

func (s everybody) Elect(ctx context.Context, f func(session.Cleaner) error) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, fmt.Errorf("elect: %w: %w", session.ErrUnavailable, err)
	}
	return true, f(s.Store)
}

// forEver keeps one elected who has failed.
type forEver struct{ electing }

func (s forEver) Elect(_ context.Context, f func(session.Cleaner) error) (bool, error) {
	if !s.turn.TryLock() {
		return false, nil
	}
	err := f(s.Store)
	if err == nil {
		s.turn.Unlock()
	}
	return true, err
}
