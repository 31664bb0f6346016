package faults_test

import (
	"context"
	"errors"

	"github.com/watchword-dev/watchword/session"
)

func strict(cfg *session.Config) { cfg.Grace = session.NoGrace }

// refreshing is an operation that presents a refresh token.
func refreshing(name, statements string, config func(*session.Config), prepare func(*cell) (h session.Handle, presented string, same string, generation int)) operation {
	return operation{name: name, statements: statements, waits: 1, config: config, setup: func(c *cell) scenario {
		h, presented, same, generation := prepare(c)
		var got session.Tokens
		return scenario{
			run: func(ctx context.Context) (outcome, error) {
				_, tokens, err := c.m.Refresh(ctx, presented, session.RefreshOptions{})
				got = c.issued(tokens)
				return done, err
			},
			check: func(outcome) {
				if same != "" && got.RefreshToken != same {
					c.errorf("got another refresh token than the one under way: a fork")
				}
				c.wantAlive(h, presented, got, generation)
				c.wantThefts(0)
				if n := c.live(); n != 1 {
					c.errorf("got %d live sessions, want 1", n)
				}
			},
		}
	}}
}

// seen is for an operation whose change, carried out, is seen in the row, and needs no other.
func seen(op operation) operation {
	op.deaf = string(done)
	return op
}

var refreshes = []operation{
	seen(refreshing("refresh, 1: pending is presented", "SELECT UPDATE", nil, func(c *cell) (session.Handle, string, string, int) {
		s, first := c.create()
		c.age(s.Handle())
		return s.Handle(), c.refresh(first.RefreshToken).RefreshToken, "", 1
	})),
	refreshing("refresh, 1 in the strict mode: and mint", "SELECT UPDATE", strict, func(c *cell) (session.Handle, string, string, int) {
		s, first := c.create()
		return s.Handle(), c.refresh(first.RefreshToken).RefreshToken, "", 2
	}),
	refreshing("refresh, 2a: brand-new", "SELECT", nil, func(c *cell) (session.Handle, string, string, int) {
		s, first := c.create()
		return s.Handle(), first.RefreshToken, "", 0
	}),
	refreshing("refresh, 2b: the same successor again", "SELECT UPDATE", nil, func(c *cell) (session.Handle, string, string, int) {
		s, first := c.create()
		c.age(s.Handle())
		return s.Handle(), first.RefreshToken, c.refresh(first.RefreshToken).RefreshToken, 1
	}),
	refreshing("refresh, 2c: mint", "SELECT UPDATE", nil, func(c *cell) (session.Handle, string, string, int) {
		s, first := c.create()
		c.age(s.Handle())
		return s.Handle(), first.RefreshToken, "", 1
	}),
	refreshing("refresh, 3: crossed", "SELECT", nil, func(c *cell) (session.Handle, string, string, int) {
		s, first, second := c.rotated()
		return s.Handle(), first.RefreshToken, second.RefreshToken, 1
	}),
	refreshing("refresh, 3: crossed, with a pending one", "SELECT UPDATE", nil, func(c *cell) (session.Handle, string, string, int) {
		s, first, second := c.rotated()
		h := s.Handle()
		const shift = "UPDATE watchword_sessions SET rotated_at = rotated_at + ?, current_at = current_at + ? WHERE handle = ?"
		c.exec(shift, -hour, -hour, h[:])
		third := c.refresh(second.RefreshToken)
		c.exec(shift, hour, hour, h[:])
		return h, first.RefreshToken, third.RefreshToken, 2
	}),
	{name: "refresh, 4: theft", statements: "SELECT UPDATE", waits: 3, late: "E", stopped: "R✓", setup: func(c *cell) scenario {
		s, first, second := c.rotated()
		c.age(s.Handle())
		return scenario{
			run: func(ctx context.Context) (outcome, error) {
				_, _, err := c.m.Refresh(ctx, first.RefreshToken, session.RefreshOptions{})
				var (
					theft *session.TheftError
					ended *session.EndedError
				)
				switch {
				case errors.As(err, &theft):
					return done, nil
				case errors.As(err, &ended) && ended.Reason == session.ReasonTheft:
					return untold, nil
				}
				return done, err
			},
			check: func(first outcome) {
				if first == untold { // to this process as to the others, by the feed
					c.must(c.runOnce(c.t.Context()))
				}
				if r := c.wantEnded(s.Handle(), second, session.ReasonTheft); r.detail == nil {
					c.errorf("the record holds no facts of the theft")
				}
				if first == untold {
					c.wantThefts(0)
				} else {
					c.wantThefts(1)
				}
			},
		}
	}},
	{name: "Reauthenticated", statements: "SELECT UPDATE", waits: 2, late: "T", deaf: "✓", setup: func(c *cell) scenario {
		s, first := c.create()
		var got session.Tokens
		return scenario{
			run: func(ctx context.Context) (outcome, error) {
				_, tokens, err := c.m.Reauthenticated(ctx, s, session.RefreshOptions{})
				if errors.Is(err, session.ErrTryRefresh) {
					// What was minted may be under way. It is over after a grace, and never a theft.
					if kept := c.refresh(first.RefreshToken); kept.RefreshToken != "" {
						c.errorf("meanwhile the old refresh token was replaced")
					}
					h := s.Handle()
					c.exec("UPDATE watchword_sessions SET handed_at = handed_at - ?, current_at = current_at - ? WHERE handle = ?", hour, hour, h[:])
					first = c.refresh(first.RefreshToken)
					s = c.use(first.AccessToken)
					c.age(h)
					if _, tokens, err = c.m.Reauthenticated(ctx, s, session.RefreshOptions{}); err == nil {
						got = c.issued(tokens)
						return refreshThen, nil
					}
				}
				got = c.issued(tokens)
				return done, err
			},
			check: func(first outcome) {
				generation := 1
				if first == refreshThen {
					generation = 2
				}
				c.wantAlive(s.Handle(), "", got, generation)
				c.wantThefts(0)
				if s := c.use(got.AccessToken); s.AuthTime().Before(s.AccessExpires().Add(-session.DefaultAccessLifetime - limit)) {
					c.errorf("the proof's time is not in the tokens")
				}
			},
		}
	}},
}
