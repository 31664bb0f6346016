package sessionsim

import (
	"time"

	"github.com/watchword-dev/watchword/session"
)

// knowledge is what a process can know of the feed.
type knowledge struct {
	reading  bool          // a job or an operation is reading it
	asked    bool          // the store has carried out the reading's first statement
	askedAt  time.Duration // when
	readAt   time.Duration // the same of the last reading that has succeeded
	bootedAt bool          // there was one
	trouble  time.Duration // when it last could not read the feed in time
	took     time.Duration // how long the last reading that has succeeded took
	latest   time.Time     // the latest that its last revocation of many can be from, as far as it can tell
}

// ask notes that the store reads the feed for the process.
func (k *knowledge) ask(now time.Duration) {
	if !k.asked {
		k.asked, k.askedAt = true, now
	}
}

// troubled notes that the process cannot have read the feed in time until a moment.
func (k *knowledge) troubled(until time.Duration) { k.trouble = max(k.trouble, until) }

// publishes notes that the store has acknowledged a revocation of many. Its clock, as the process knows it, may be that much ahead.
func (k *knowledge) publishes(now time.Duration, clock time.Time) {
	k.latest = clock.Add(k.took + maxDriftIn(now-k.readAt))
}

// polled is the Manager's Config.OnFeedPoll.
func (p *process) polled(poll session.FeedPoll) {
	s := p.sim
	s.report.Polls++
	switch {
	case poll.Err != nil:
		p.troubled(s.now + s.feedInterval() + 2*s.StoreLatency)
	case p.asked:
		p.readAt, p.bootedAt, p.took = p.askedAt, true, poll.Took
	}
	p.asked = false
}

// feedInterval is the promised one.
func (s *simulation) feedInterval() time.Duration {
	if s.FeedInterval > 0 {
		return s.FeedInterval
	}
	return session.DefaultFeedInterval
}

// mustKnow says why a process has to refuse tokens of a session whose revocation has returned, or nothing.
func (s *simulation) mustKnow(p *process, r *revocation) string {
	bound := s.feedInterval() + 6*s.StoreLatency
	switch {
	case p == r.by && p.life == r.life && r.kind == endOne && r.returned > p.trouble:
		return "by itself"
	case p.bootedAt && p.readAt > r.returned:
		return "since it has read the feed"
	case s.now > r.returned+bound && r.returned > p.trouble:
		return "since it reads the feed each " + s.feedInterval().String()
	case s.StaleFeed == session.StaleFeedRefuse && s.now > r.returned+session.DefaultMaxFeedAge+maxDriftIn(session.DefaultMaxFeedAge):
		return "since what it has read is too old"
	}
	return ""
}

// maxDriftIn is by how much a clock may be wrong about a period.
func maxDriftIn(d time.Duration) time.Duration {
	return time.Duration(maxDrift*float64(d)) + time.Millisecond
}
