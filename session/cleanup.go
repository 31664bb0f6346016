package session

import (
	"context"
	"fmt"
)

// Cleaned says what a cleanup did.
type Cleaned struct {
	Expired int // sessions that had expired, and were ended
	Purged  int // records of endings and revocations that were removed
}

// Cleanup ends sessions that have expired, and removes records that are no longer kept, in batches. Expired sessions are dead
// in any case: this gives them their record, and frees space. Manager.Run does it every Config.CleanupInterval; it may run in
// any number of processes at once.
func (m *Manager) Cleanup(ctx context.Context) (Cleaned, error) {
	var (
		cleaned Cleaned
		err     error
	)
	for n := 1; n > 0 && err == nil; cleaned.Expired += n {
		bounded, cancel := m.storeContext(ctx)
		var expired []Ended
		expired, err = m.endExpired(bounded)
		n = len(expired)
		cancel()
	}
	// For the feed an ending, and a revocation, is needed until the tokens that it concerns have expired.
	relevant := m.cfg.tokenLives(PurposeAccess) + 2*feedOverlap
	for n := 1; n > 0 && err == nil; cleaned.Purged += n {
		bounded, cancel := m.storeContext(ctx)
		n, err = m.store.Purge(bounded, max(m.cfg.EndingRetention, relevant), relevant, batch)
		cancel()
	}
	if err != nil {
		return cleaned, fmt.Errorf("clean up: %w", err)
	}
	return cleaned, nil
}

// endExpired ends a batch of expired sessions, and returns those that this call has ended.
func (m *Manager) endExpired(ctx context.Context) ([]Ended, error) {
	id, err := m.newVersion()
	if err != nil {
		return nil, err
	}
	ended, err := m.store.EndExpired(ctx, Handle{}, m.cfg.AbsoluteLifetime, id, batch)
	m.emitEnded(ended)
	return ended, err
}
