package session

import "time"

// Health is what a Manager knows of its own state. Nothing is asked for it.
type Health struct {
	Feed FeedHealth
	// KeysAge is how long ago the signing keys were read; under a KeySource, from it.
	KeysAge time.Duration
	// EventsDropped is how many events Config.OnEvent was never told, because it was too slow.
	EventsDropped int
}

// FeedHealth is the state of the feed of revocations.
type FeedHealth struct {
	Mode  RevocationMode
	Age   time.Duration // since what was last read was as the store had it; zero without RevocationFeed
	Stale bool          // Age is more than Config.MaxFeedAge
	Known int           // how many revoked sessions and users are held in memory
}

// Health describes the Manager's state, for health checks and metrics.
func (m *Manager) Health() Health {
	now := m.cfg.Clock()
	health := Health{
		Feed:          FeedHealth{Mode: m.cfg.Revocation},
		KeysAge:       now.Sub(m.keys.ring.Load().loadedAt),
		EventsDropped: m.events.losses(),
	}
	if m.feed != nil {
		health.Feed.Age = now.Sub(m.feed.last.Load().begun)
		health.Feed.Stale = !m.feed.fresh(now)
		health.Feed.Known = m.feed.known()
	}
	return health
}
