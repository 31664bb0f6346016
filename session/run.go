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
		m.repeat(ctx, 0, m.cfg.KeyPollInterval, func() error {
			if m.feed != nil && m.keys.settled() {
				return nil
			}
			err := m.keys.maintain(ctx)
			if err != nil && ctx.Err() == nil {
				m.cfg.Logger.WarnContext(ctx, "signing keys could not be looked after", "error", err)
			}
			return err
		})
	})
	if m.feed != nil {
		jobs.Go(func() {
			m.repeat(ctx, 0, m.cfg.FeedInterval, func() error {
				// Failures are told when they have lasted, not each second.
				err := m.feed.poll(ctx)
				if err != nil && ctx.Err() == nil {
					m.cfg.Logger.DebugContext(ctx, "revocations could not be read", "error", err)
					m.feed.fresh(m.cfg.Clock())
				}
				return err
			})
		})
	}
	switch {
	case m.cfg.CleanupSchedule != nil:
		jobs.Go(func() {
			m.schedule(ctx, m.cfg.CleanupSchedule, func() { _ = m.cleanupOnce(ctx) }) // it was logged
		})
	case m.cfg.CleanupInterval != NoCleanup:
		jobs.Go(func() {
			m.repeat(ctx, m.cfg.CleanupInterval, m.cfg.CleanupInterval, func() error { return m.cleanupOnce(ctx) })
		})
	}
}

// repeat calls f after a while and then again and again, until ctx is done. The interval is that from the end of one call to the
// beginning of the next. After the first call, and after one that failed or took long, it is spread: so processes which started
// together, or waited for the same outage to end, do not go on asking together.
func (m *Manager) repeat(ctx context.Context, first, interval time.Duration, f func() error) {
	together := true
	for wait := first; m.cfg.RunSleep(ctx, wait) == nil && ctx.Err() == nil; {
		begun := m.cfg.Clock()
		err := f()
		wait = interval
		if together || err != nil || m.cfg.Clock().Sub(begun) > interval/4 {
			wait = spread(interval)
		}
		together = false
	}
}

// spread is up to a fifth less.
func spread(interval time.Duration) time.Duration {
	return interval - rand.N(interval/5+1) //nolint:gosec // spread, not a secret
}

// scheduledNap is how long schedule sleeps at once, as the clock may be set, and the machine be suspended, meanwhile.
const scheduledNap = time.Minute

// schedule calls f at each moment that next names, until ctx is done or there is none. Moments that pass during a call are
// left out.
func (m *Manager) schedule(ctx context.Context, next func(time.Time) time.Time, f func()) {
	for {
		now := m.cfg.Clock()
		at := next(now)
		if at.IsZero() {
			return
		}
		if !at.After(now) {
			at = now.Add(time.Second) // else this would be all that the process does
		}
		for ; now.Before(at); now = m.cfg.Clock() {
			if m.cfg.RunSleep(ctx, min(at.Sub(now), scheduledNap)) != nil || ctx.Err() != nil {
				return
			}
		}
		f()
	}
}
