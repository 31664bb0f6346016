package session

import "time"

// Stats counts what a Manager has done since New, for metrics: all of it, whether Config.OnEvent is set or not, and whether that could
// keep up. Maps hold every value that there is, those that did not occur as well.
type Stats struct {
	// Verified is the calls of Verify, by what became of them, and Refreshed those of Refresh.
	Verified  map[VerifyResult]uint64
	Refreshed map[RefreshResult]uint64

	Created         uint64
	Confirmed       uint64 // refresh tokens that clients were found to hold
	Reauthenticated uint64
	// Ended is the sessions that this process has ended, or has found expired, by reason; Thefts is the thefts that it has told of.
	Ended  map[Reason]uint64
	Thefts map[TheftKind]uint64

	Keys    map[KeyPurpose]KeyStats
	Cleanup CleanupStats
}

// KeyStats describes the signing keys of a purpose, as this process knows them.
type KeyStats struct {
	Good      int           // that verify
	Age       time.Duration // of the one that signs, since it began to
	Published uint64        // by this process
}

// CleanupStats counts what cleanups of this process have done; see Cleanup.
type CleanupStats struct {
	Running int    // at this moment
	Expired uint64 // as in Cleaned
	Purged  uint64
	Runs    map[CleanupResult]uint64 // those that are over
}

// Stats returns the counts. It may be called often, and asks nobody.
func (m *Manager) Stats() Stats {
	c := m.counts
	s := Stats{
		Verified: map[VerifyResult]uint64{}, Refreshed: map[RefreshResult]uint64{},
		Created: c.created.Load(), Confirmed: c.confirmed.Load(), Reauthenticated: c.reauthenticated.Load(),
		Ended: map[Reason]uint64{}, Thefts: map[TheftKind]uint64{},
		Keys:    m.keys.stats(),
		Cleanup: CleanupStats{Running: int(c.cleaning.Load()), Expired: c.expired.Load(), Purged: c.purged.Load(), Runs: map[CleanupResult]uint64{}},
	}
	for i, name := range verifyResults {
		s.Verified[name] = c.verified.of(verifyResult(i))
	}
	for i, name := range refreshResults {
		s.Refreshed[name] = c.refreshed[i].Load()
	}
	for i, reason := range reasons {
		s.Ended[reason] = c.ended[i].Load()
	}
	for i, kind := range theftKinds {
		s.Thefts[kind] = c.thefts[i].Load()
	}
	for i, result := range cleanupResults {
		s.Cleanup.Runs[result] = c.cleanups[i].Load()
	}
	return s
}

// stats describes the keys as they are now.
func (k *keychain) stats() map[KeyPurpose]KeyStats {
	ring, now := k.ring.Load(), k.now()
	access, refresh := describe(ring.accessSigners, now), describe(ring.refreshSigners, now)
	access.Published, refresh.Published = k.events.counts.published[0].Load(), k.events.counts.published[1].Load()
	return map[KeyPurpose]KeyStats{PurposeAccess: access, PurposeRefresh: refresh}
}

func describe[K any](keys []*ringKey[K], now time.Time) (s KeyStats) {
	for _, key := range keys {
		if key.good(now) {
			s.Good++
		}
	}
	s.Age = max(now.Sub(signerAt(keys, now).from), 0)
	return s
}
