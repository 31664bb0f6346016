package session

import (
	"context"
	"math/rand/v2"
	"time"
)

// Run does what is due while the process lives: it rotates signing keys, and notices those that were cut off. It returns
// when ctx is done. One process at least has to run it; all of them should. What fails is logged and tried again.
func (m *Manager) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if err := m.keys.maintain(ctx); err != nil && ctx.Err() == nil {
			m.cfg.Logger.WarnContext(ctx, "signing keys could not be looked after", "error", err)
		}
		// Spread, so that processes which started together do not ask together.
		interval := m.cfg.KeyPollInterval
		timer.Reset(interval - rand.N(interval/5+1)) //nolint:gosec // spread, not a secret
	}
}
