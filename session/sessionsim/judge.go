package sessionsim

import (
	"errors"
	"fmt"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// This file judges what the Managers answer, at the moment of the answer, by what has happened in the store.

// theft is told of an alarm by the Manager.
func (s *simulation) theft(kind session.TheftKind) {
	s.tracef("theft alarm (%s)", kind)
	s.report.Theft, s.report.TheftAfter = kind, s.now-s.stolenAt
	if s.thief == nil && kind != session.TheftShadow {
		s.violated("I1", "the owner was taken for a thief")
	}
	s.over = s.over || !s.Returns
}

// refreshed judges the outcome of a refresh with a token of a session.
func (s *simulation) refreshed(x *tracked, err error) {
	switch {
	case err == nil && len(x.revoked) > 0:
		s.violated("I4", "a refresh succeeded after session %d had been revoked", x.number)
	case errors.Is(err, session.ErrUnauthorised):
		s.dismissed(x)
	case errors.Is(err, session.ErrTryRefresh) && s.StepUp == 0: // else it may have crossed with a proof, whose token is independent
		s.violated("I5", "a refresh was answered with %v, although no key was cut off", err)
	}
}

// verified judges the outcome of a verification of what a client holds.
func (s *simulation) verified(p *process, held jar, err error) {
	x := held.session
	switch {
	case x == nil || held.access == "" || s.over:
	case err == nil:
		for _, r := range x.revoked {
			if why := s.mustKnow(p, r); s.Feed && why != "" {
				s.violated("I4", "process %d accepts an access token of session %d, revoked %v ago, of which it must know %s",
					p.name, x.number, s.now-r.returned, why)
			}
		}
	case errors.Is(err, session.ErrUnauthorised):
		s.report.Refused++
		s.dismissed(x)
	case errors.Is(err, session.ErrTryRefresh):
		s.doubted(p, held)
	case s.StaleFeed != session.StaleFeedRefuse:
		s.violated("I9", "a verification was answered with %v", err)
	}
}

// dismissed judges an answer that tells a client to log in again.
func (s *simulation) dismissed(x *tracked) {
	switch {
	case s.over || x.ended && x.reason != session.ReasonTheft:
	case x.ended:
		s.report.Untold, s.report.TheftAfter = true, s.now-s.stolenAt
		s.over = !s.Returns
	case s.expired(x):
		s.report.Expired = true
		s.over = !s.Returns
	default:
		s.violated("I1", "a client was logged out %v before the end of session %d", s.end(x).Sub(s.clock()), x.number)
	}
}

// doubted judges an answer that asks for a refresh.
func (s *simulation) doubted(p *process, held jar) {
	switch {
	case !p.now().Add(time.Second).Before(epoch.Add(held.expires)), unconfirmed(held.access):
		return // it has expired, or a refresh has to tell what it is
	}
	for _, r := range s.coarse {
		if (r.by == nil || r.by == p) && (r.user == "" || r.user == held.session.user) && !held.minted.After(r.at.Add(s.doubt(held))) {
			s.report.Doubted++
			return // its session may have been among those that were revoked
		}
	}
	s.violated("I5", "process %d refuses a live access token of session %d, minted when the store's clock was %v",
		p.name, held.session.number, held.minted.Sub(epoch))
}

// doubt is for how long after a revocation of many new tokens look as if they were older. Those of a refresh bear the
// store's time. A login's are dated by when the process last heard it, however long the answer took and wrong its clock is.
func (s *simulation) doubt(held jar) time.Duration {
	d := 2*time.Millisecond + s.StoreClockStep
	if held.login {
		d += 2*s.StoreLatency + s.Latency + max(s.KeyRotation, time.Minute)/500
	}
	return d
}

// published is a revocation of many that is in the feed, or that a process takes to be from a moment since it could not read that.
type published struct {
	by   *process // nil: in the feed, for all of them
	user string   // empty: everybody's
	at   time.Time
}

func (s *simulation) violated(invariant, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	s.report.Violations = append(s.report.Violations, Violation{invariant, text})
	s.tracef("VIOLATION of %s: %s", invariant, text)
	s.over = true
}

// failed ends the run because of an error that is none of the protocol's.
func (s *simulation) failed(err error) {
	if err != nil {
		s.err = errors.Join(s.err, err)
	}
}

func (s *simulation) tracef(format string, args ...any) {
	if s.Trace {
		s.report.Trace = append(s.report.Trace, fmt.Sprintf("%12.6f  ", s.now.Seconds())+fmt.Sprintf(format, args...))
	}
}
