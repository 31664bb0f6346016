package sessionsim

import (
	"context"
	"errors"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// This file is what clients send, and what the processes do about it.

// verify verifies what a client holds, in one event: parallel requests with one token wait for each other inside the Manager.
// It reports false if the process crashes before it answers.
func (c *client) verify(p *process, held jar) (*session.Session, bool, error) {
	s := c.sim
	sess, err := p.manager.Verify(context.Background(), held.access, session.VerifyOptions{})
	if p.doomed {
		s.crash(p)
		return nil, false, err
	}
	s.tracef("%s: process %d verifies: %s", c.name, p.name, told{err})
	s.verified(p, held, err)
	return sess, true, err
}

// sendCall sends an API request with the access token that the jar holds now.
func (c *client) sendCall(arrived func(response)) {
	s, held := c.sim, c.jar
	s.report.Calls++
	s.exchange(c.link, func(p *process, _ time.Duration, reply func(response)) {
		sess, alive, err := c.verify(p, held)
		if alive {
			reply(held.renewed(sess, err))
		}
	}, arrived)
}

// renewed is the response to a request that was verified.
func (j jar) renewed(sess *session.Session, err error) response {
	r := response{answer: toAnswer(err), session: j.session, minted: j.minted, login: j.login}
	if sess != nil {
		if renewed, ok := sess.Renewed(); ok {
			r.access, r.expires = renewed.AccessToken, renewed.AccessExpires.Sub(epoch)
		}
	}
	return r
}

// sendStepUp sends a request with which the user proves again who they are.
func (c *client) sendStepUp(arrived func(response)) {
	s, held := c.sim, c.jar
	s.report.StepUps++
	s.exchange(c.link, func(p *process, due time.Duration, reply func(response)) {
		sess, alive, err := c.verify(p, held)
		if !alive {
			return
		}
		if err != nil {
			reply(response{answer: toAnswer(err), session: held.session})
			return
		}
		var tokens session.Tokens
		begun := s.clock()
		s.run(p, due, func() {
			_, tokens, err = p.manager.Reauthenticated(context.Background(), sess, session.RefreshOptions{})
		}, func() {
			s.tracef("%s: process %d answers the proof with %s: %s", c.name, p.name, s.label(tokens.RefreshToken), told{err})
			if errors.Is(err, session.ErrUnauthorised) {
				s.dismissed(held.session)
			}
			if err != nil {
				reply(held.renewed(sess, err))
				return
			}
			reply(granted(tokens, held.session, begun))
		})
	}, arrived)
}

// granted is the response with new tokens.
func granted(tokens session.Tokens, x *tracked, begun time.Time) response {
	return response{
		access: tokens.AccessToken, expires: tokens.AccessExpires.Sub(epoch), refresh: tokens.RefreshToken,
		session: x, minted: begun,
	}
}

// sendRefresh sends a refresh with the refresh token that the jar holds now.
func (c *client) sendRefresh(arrived func(response)) {
	s, token := c.sim, c.jar.refresh
	if token == "" { // it was logged out since it first asked
		arrived(response{answer: answerLoggedOut})
		return
	}
	s.report.Refreshes++
	s.tracef("%s: sends a refresh with %s", c.name, c.token())
	s.exchange(c.link, func(p *process, due time.Duration, reply func(response)) {
		var (
			tokens session.Tokens
			err    error
		)
		p = p.forRefresh(token)
		if !p.up {
			reply(response{answer: answerUnavailable})
			return
		}
		x := s.sessionOf(token)
		begun := s.clock()
		p.busy[token] = true
		s.runBounded(p, due, func() {
			_, tokens, err = p.manager.Refresh(context.Background(), token, session.RefreshOptions{})
		}, func() {
			delete(p.busy, token)
			s.refreshed(x, err)
			s.tracef("%s: process %d answers the refresh with %s: %s", c.name, p.name,
				s.label(token), told{err})
			if err != nil {
				reply(response{answer: toAnswer(err), session: x})
				return
			}
			reply(granted(tokens, x, begun))
		})
	}, arrived)
}

// sendLogin sends a login.
func (c *client) sendLogin(arrived func(response)) {
	s := c.sim
	s.report.Logins++
	s.exchange(c.link, func(p *process, due time.Duration, reply func(response)) {
		var (
			sess   *session.Session
			tokens session.Tokens
			err    error
		)
		begun := s.clock()
		s.run(p, due, func() {
			sess, tokens, err = p.manager.Create(context.Background(), c.user, session.CreateOptions{})
		}, func() {
			s.tracef("%s: process %d answers the login with %s: %s", c.name, p.name, s.label(tokens.RefreshToken), told{err})
			switch {
			case errors.Is(err, session.ErrUnavailable):
				reply(response{answer: answerUnavailable})
			case err != nil:
				s.failed(err)
			default:
				r := granted(tokens, s.sessions[sess.Handle()], begun)
				r.login = true
				reply(r)
			}
		})
	}, arrived)
}

// signIn logs the client in, and goes on with then.
func (c *client) signIn(then func()) {
	if c.signingIn {
		return
	}
	c.signingIn = true
	c.ask(c.sendLogin, 0, func(response) {
		c.signingIn = false
		then()
	}, func() { c.signingIn = false })
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
