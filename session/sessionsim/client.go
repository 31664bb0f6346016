package sessionsim

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// jar is a browser's cookie jar: what arrives last stays.
type jar struct {
	access  string
	expires time.Duration
	refresh string
}

// client is one cookie jar and the tabs that share it, none of which knows of the others.
type client struct {
	sim  *simulation
	name string
	jar  jar
	link link

	refreshing int // refreshes that wait for an answer
}

// receive puts a response's cookies into the jar.
func (c *client) receive(r response) {
	if r.access != "" {
		c.jar.access, c.jar.expires = r.access, r.expires
	}
	if r.refresh != "" {
		c.jar.refresh = r.refresh
	}
	if r.access != "" || r.refresh != "" {
		c.sim.tracef("%s: cookies arrive, the jar holds %s", c.name, c.token())
	}
	if r.answer == answerLoggedOut {
		c.sim.loggedOut(c)
	}
}

// token is the trace's name for the jar's refresh token.
func (c *client) token() string { return c.sim.label(c.jar.refresh) }

func (s *simulation) label(refreshToken string) string {
	if !s.Trace {
		return ""
	}
	return s.lineage.name(sha256.Sum256([]byte(refreshToken)))
}

// live makes the client act until the steps of the run are done: mostly one tab, now and then all tabs at once, as when
// a browser wakes up, and each with several requests now and then.
func (c *client) live() {
	s := c.sim
	if s.over || s.stepsLeft <= 0 {
		return
	}
	tabs := 1
	if s.chance(s.Surge) {
		tabs = s.Tabs
	}
	for range tabs {
		n := 1
		if s.chance(0.15) {
			n = 2 + s.rng.IntN(3)
		}
		at := s.between(0, s.Latency)
		for range n {
			s.stepsLeft--
			s.report.Steps++
			s.after(at, c.visit)
		}
	}
	gap := time.Duration(s.rng.ExpFloat64() * float64(s.ActionGap))
	if s.chance(s.Pause) {
		gap = s.between(0, s.IdleLifetime*11/10)
	}
	s.after(min(gap, s.IdleLifetime*2), c.live)
}

// visit is one action of a tab.
func (c *client) visit() {
	s := c.sim
	if s.chance(s.StepUp) {
		c.call(c.sendStepUp, 0)
		return
	}
	if s.KnowsExpiry && s.now >= c.jar.expires || s.chance(s.Proactive) {
		c.refresh(func() { c.call(c.sendCall, 0) })
		return
	}
	c.call(c.sendCall, 0)
}

// maxRounds bounds how often a tab refreshes for one action.
const maxRounds = 3

// call sends an API request, and refreshes when it is told to.
func (c *client) call(send func(arrived func(response)), round int) {
	// One retry at most: what matters is the refreshes.
	c.ask(send, max(0, c.sim.Retries-1), func(r response) {
		if r.answer == answerTryRefresh && round < maxRounds {
			c.refresh(func() { c.call(send, round+1) })
		}
	}, func() {})
}

// refresh asks for a new pair and goes on with then if there is one.
func (c *client) refresh(then func()) {
	if c.sim.OneRefresh && c.refreshing >= c.sim.Tabs {
		return // each tab has one under way already
	}
	c.refreshing++
	c.ask(c.sendRefresh, 0, func(r response) {
		c.refreshing--
		if r.answer == answerOK {
			then()
		}
	}, func() { c.refreshing-- })
}

// ask sends a request, again and again until there is an answer, which goes to then, or the patience is at an end. A
// response that comes after its attempt was given up may still set cookies.
func (c *client) ask(send func(arrived func(response)), attempt int, then func(response), giveUp func()) {
	s := c.sim
	if s.over {
		return
	}
	waiting := true
	again := func() {
		waiting = false
		if attempt >= s.Retries {
			giveUp()
			return
		}
		delay := s.between(s.RetryMin, s.RetryMax)
		if s.BackOff {
			delay <<= min(attempt, 6)
		}
		s.after(delay, func() { c.ask(send, attempt+1, then, giveUp) })
	}
	send(func(r response) {
		switch {
		case s.over || !waiting && s.DropLate:
		case !waiting:
			c.receive(r)
		case r.answer == answerUnavailable:
			again()
		default:
			waiting = false
			c.receive(r)
			then(r)
		}
	})
	s.after(s.Timeout, func() {
		if waiting && !s.over {
			again()
		}
	})
}

// sendCall sends an API request with the access token that the jar holds now.
func (c *client) sendCall(arrived func(response)) {
	s, access := c.sim, c.jar.access
	s.report.Calls++
	s.exchange(c.link, func(p *process, _ time.Duration, reply func(response)) {
		// In one event: parallel requests with one token wait for each other inside the Manager.
		sess, err := p.manager.Verify(context.Background(), access, session.VerifyOptions{})
		s.tracef("%s: process %d verifies: %s", c.name, p.name, told{err})
		r := response{answer: toAnswer(err)}
		if err == nil {
			if renewed, ok := sess.Renewed(); ok {
				r.access, r.expires = renewed.AccessToken, renewed.AccessExpires.Sub(epoch)
			}
		}
		reply(r)
	}, arrived)
}

// sendStepUp sends a request with which the user proves again who they are.
func (c *client) sendStepUp(arrived func(response)) {
	s, access := c.sim, c.jar.access
	s.report.StepUps++
	s.exchange(c.link, func(p *process, due time.Duration, reply func(response)) {
		sess, err := p.manager.Verify(context.Background(), access, session.VerifyOptions{})
		if err != nil {
			reply(response{answer: toAnswer(err)})
			return
		}
		var tokens session.Tokens
		s.run(p, due, func() {
			_, tokens, err = p.manager.Reauthenticated(context.Background(), sess, session.RefreshOptions{})
		}, func() {
			s.tracef("%s: process %d answers the proof with %s: %s", c.name, p.name, s.label(tokens.RefreshToken), told{err})
			r := response{answer: toAnswer(err)}
			if err == nil {
				r.access, r.expires, r.refresh = tokens.AccessToken, tokens.AccessExpires.Sub(epoch), tokens.RefreshToken
			} else if renewed, ok := sess.Renewed(); ok {
				r.access, r.expires = renewed.AccessToken, renewed.AccessExpires.Sub(epoch)
			}
			reply(r)
		})
	}, arrived)
}

// sendRefresh sends a refresh with the refresh token that the jar holds now.
func (c *client) sendRefresh(arrived func(response)) {
	s, token := c.sim, c.jar.refresh
	s.report.Refreshes++
	s.tracef("%s: sends a refresh with %s", c.name, c.token())
	s.exchange(c.link, func(p *process, due time.Duration, reply func(response)) {
		var (
			tokens session.Tokens
			err    error
		)
		p, startErr := p.forRefresh(token)
		if startErr != nil {
			s.failed(startErr)
			return
		}
		p.busy[token] = true
		s.run(p, due, func() {
			_, tokens, err = p.manager.Refresh(context.Background(), token, session.RefreshOptions{})
		}, func() {
			delete(p.busy, token)
			s.refreshed(err)
			s.tracef("%s: process %d answers the refresh with %s: %s", c.name, p.name,
				s.label(token), told{err})
			r := response{answer: toAnswer(err)}
			if err == nil {
				r.access, r.expires, r.refresh = tokens.AccessToken, tokens.AccessExpires.Sub(epoch), tokens.RefreshToken
			}
			reply(r)
		})
	}, arrived)
}

func toAnswer(err error) answer {
	switch {
	case err == nil:
		return answerOK
	case errors.Is(err, session.ErrUnauthorised):
		return answerLoggedOut
	case errors.Is(err, session.ErrTryRefresh):
		return answerTryRefresh
	default:
		return answerUnavailable
	}
}

// told is how the trace tells of an outcome.
type told struct{ err error }

func (t told) String() string {
	if t.err == nil {
		return "ok"
	}
	return t.err.Error()
}
