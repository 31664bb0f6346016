package sessionsim

import "time"

// answer is what a response tells the client.
type answer int

const (
	answerOK answer = iota
	answerTryRefresh
	answerUnavailable
	answerLoggedOut // unauthorised or theft: the client's tokens are to be cleared
)

// response is one response of the server, with the cookies that it sets.
type response struct {
	answer  answer
	access  string        // empty: not set
	expires time.Duration // of access
	refresh string        // empty: not set

	session *tracked  // whose tokens these are
	minted  time.Time // the store's clock before they were
	login   bool      // they are of a login
}

// link is the way between one client and the servers.
type link struct {
	requestLoss  float64
	responseLoss float64
	bursts       bool
}

// between returns a random duration.
func (s *simulation) between(from, to time.Duration) time.Duration {
	if to <= from {
		return from
	}
	return from + time.Duration(s.rng.Int64N(int64(to-from)))
}

func (s *simulation) chance(p float64) bool { return p > 0 && s.rng.Float64() < p }

// share returns a random part of the time that is left until due.
func (s *simulation) share(due time.Duration, most float64) time.Duration {
	return s.between(0, time.Duration(float64(due-s.now)*most))
}

// exchange carries a request to one of the processes and its response back, all within Latency; responses of different
// requests may overtake each other. serve has to call reply at most once. Without a response arrived is never called.
func (s *simulation) exchange(l link, serve func(p *process, due time.Duration, reply func(response)), arrived func(response)) {
	limit := s.Latency
	if s.chance(0.5) {
		limit /= 10 // most requests are quick, so that a slow one is overtaken
	}
	due := s.now + limit
	if s.chance(l.requestLoss) {
		s.tracef("  the request is lost")
		return
	}
	s.after(s.share(due, 0.6), func() {
		p := s.processes[s.rng.IntN(len(s.processes))]
		s.arrive(p, due, serve, func(r response) {
			if s.chance(l.responseLoss) || l.bursts && s.now < s.burstEnd || s.now < p.stoppedUntil+s.Latency && s.now > due {
				s.tracef("  the response is lost")
				return
			}
			s.after(s.share(due, 1), func() { arrived(r) })
		})
	})
}

// arrive has a process serve a request, if it is able to.
func (s *simulation) arrive(p *process, due time.Duration, serve func(p *process, due time.Duration, reply func(response)), reply func(response)) {
	switch {
	case s.over:
	case due < p.stoppedUntil:
		s.tracef("  the request is given up: process %d stands still", p.name)
	case s.now < p.stoppedUntil:
		s.after(p.stoppedUntil-s.now, func() { s.arrive(p, due, serve, reply) })
	case !p.up:
		reply(response{answer: answerUnavailable})
	case s.cursed > 0:
		s.cursed--
		p.crash()
	default:
		serve(p, due, reply)
	}
}

// burst begins a period in which every response of the owner's is lost, and schedules the next one.
func (s *simulation) burst() {
	s.burstEnd = s.now + s.between(s.BurstLength/2, s.BurstLength)
	s.tracef("all responses are lost from now on, until %v", s.burstEnd)
	s.after(s.burstEnd-s.now+s.between(s.BurstEvery/2, s.BurstEvery*3/2), s.burst)
}

// outage begins, by chance, a period without responses that is aimed at the age of the successor just minted.
func (s *simulation) outage() {
	if s.chance(s.Outage) {
		s.burstEnd = s.now + s.OutageLength + s.between(-s.Latency, s.Latency)
		s.tracef("all responses are lost from now on, until %v", s.burstEnd)
	}
}
