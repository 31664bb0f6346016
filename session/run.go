package session

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Run does what is due while the process lives: it rotates signing keys and notices those that were cut off, reads what was
// revoked, and removes what is no longer needed. It returns when ctx is done and its work has come to an end. Every process
// should run it: without it revocations by other processes are not noticed, and at least one has to rotate the keys. What
// fails is logged and tried again.
func (m *Manager) Run(ctx context.Context) {
	var jobs sync.WaitGroup
	defer m.events.drain(m.cfg.StoreTimeout)
	defer jobs.Wait()
	jobs.Go(func() {
		m.repeat(ctx, 0, m.cfg.KeyPollInterval, func() {
			if err := m.keys.maintain(ctx); err != nil && ctx.Err() == nil {
				m.cfg.Logger.WarnContext(ctx, "signing keys could not be looked after", "error", err)
			}
		})
	})
	if m.feed != nil {
		jobs.Go(func() {
			m.repeat(ctx, 0, m.cfg.FeedInterval, func() {
				// Failures are told when they have lasted, not each second.
				if err := m.feed.poll(ctx); err != nil && ctx.Err() == nil {
					m.cfg.Logger.DebugContext(ctx, "revocations could not be read", "error", err)
					m.feed.fresh(m.cfg.Clock())
				}
			})
		})
	}
	if m.cfg.CleanupInterval != NoCleanup {
		jobs.Go(func() {
			m.repeat(ctx, m.cfg.CleanupInterval, m.cfg.CleanupInterval, func() {
				switch cleaned, err := m.Cleanup(ctx); {
				case err != nil && ctx.Err() == nil:
					m.cfg.Logger.WarnContext(ctx, "what is no longer needed could not be removed", "error", err)
				case cleaned != Cleaned{}:
					m.cfg.Logger.InfoContext(ctx, "cleaned up", "expired", cleaned.Expired, "purged", cleaned.Purged)
				}
			})
		})
	}
}

// repeat calls f after a while and then again and again, until ctx is done. The interval, from the end of one call to the
// beginning of the next, is spread, so that processes which started together do not ask together.
func (m *Manager) repeat(ctx context.Context, first, interval time.Duration, f func()) {
	for wait := first; m.cfg.RunSleep(ctx, wait) == nil && ctx.Err() == nil; {
		f()
		wait = interval - rand.N(interval/5+1) //nolint:gosec // spread, not a secret
	}
}
