package storetest

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// Elect implements session.Elector, as its store does, or else by electing everybody. It never fails by itself; what the one elected calls
// does, as by EndExpired and Purge of the FaultyStore.
func (f *FaultyStore) Elect(ctx context.Context, elected func(session.Cleaner) error) (bool, error) {
	elector, ok := f.store.(session.Elector)
	if !ok {
		return true, elected(f)
	}
	return elector.Elect(ctx, func(c session.Cleaner) error {
		faulty := &faultyCleaner{faulty: f, elected: c}
		defer faulty.over.Store(true)
		return elected(faulty)
	})
}

// faultyCleaner is the Cleaner of an election.
type faultyCleaner struct {
	faulty  *FaultyStore
	elected session.Cleaner
	over    atomic.Bool // what comes Late is the store's to do, as the election is over
}

func (c *faultyCleaner) cleaner() session.Cleaner {
	if c.over.Load() {
		return c.faulty.store
	}
	return c.elected
}

// EndExpired implements session.Cleaner.
func (c *faultyCleaner) EndExpired(ctx context.Context, h session.Handle, absolute time.Duration, id session.Version, limit int) ([]session.Ended, error) {
	return through(ctx, c.faulty, "EndExpired", func(ctx context.Context) ([]session.Ended, error) {
		return c.cleaner().EndExpired(ctx, h, absolute, id, limit)
	})
}

// Purge implements session.Cleaner.
func (c *faultyCleaner) Purge(ctx context.Context, endings, revocations time.Duration, limit int) (int, error) {
	return through(ctx, c.faulty, "Purge", func(ctx context.Context) (int, error) {
		return c.cleaner().Purge(ctx, endings, revocations, limit)
	})
}
