package session

import (
	"slices"
	"sync/atomic"
)

// counters are what Stats tells. Nothing but verified is on a path that asks no store.
type counters struct {
	verified *tally

	refreshed                           [len(refreshResults)]atomic.Uint64
	created, confirmed, reauthenticated atomic.Uint64
	ended                               [16]atomic.Uint64 // by the index of reasons
	thefts                              [len(theftKinds)]atomic.Uint64
	published                           [2]atomic.Uint64 // access, refresh
	cleanups                            [len(cleanupResults)]atomic.Uint64
	cleaning                            atomic.Int64
	expired, purged                     atomic.Uint64
}

func newCounters() *counters { return &counters{verified: &tally{}} }

// event counts what is told as an event.
func (c *counters) event(e *Event) {
	switch e.Kind {
	case EventCreated:
		c.created.Add(1)
	case EventConfirmed:
		c.confirmed.Add(1)
	case EventReauthenticated:
		c.reauthenticated.Add(1)
	case EventEnded:
		c.endings(e.Reason, 1)
	case EventTheft:
		c.thefts[max(slices.Index(theftKinds[:], e.Theft.Kind), 0)].Add(1)
		if e.Reason != "" {
			c.endings(e.Reason, 1)
		}
	case EventKeyRotated:
		if e.Purpose == PurposeAccess {
			c.published[0].Add(1)
		} else {
			c.published[1].Add(1)
		}
	case EventRefreshed, EventFeedStale, EventFeedFresh:
	}
}

// endings counts ended sessions. A reason that only a later version knows counts as ReasonRevoked, as in the feed.
func (c *counters) endings(reason Reason, n int) {
	c.ended[max(slices.Index(reasons, reason), 0)].Add(uint64(max(n, 0)))
}

// cleanup counts one that is over.
func (c *counters) cleanup(result CleanupResult) {
	c.cleanups[slices.Index(cleanupResults[:], result)].Add(1)
}
