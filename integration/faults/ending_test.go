package faults_test

import (
	"context"
	"errors"
	"strings"

	"github.com/watchword-dev/watchword/session"
)

// endingOperation is one that ends all of some sessions; the others stay.
func endingOperation(name, statements string, waits, ends, stays int, end func(context.Context, *cell, []*session.Session) (int, error)) operation {
	stopped := ""
	if strings.HasPrefix(statements, "UPDATE") {
		stopped = "R✓" // they have ended when the second statement looks which
	}
	return operation{name: name, statements: statements, waits: waits, stopped: stopped, setup: func(c *cell) scenario {
		var (
			sessions []*session.Session
			tokens   []session.Tokens
		)
		for range ends + stays {
			s, one := c.create()
			sessions, tokens = append(sessions, s), append(tokens, one)
		}
		told := 0
		return scenario{
			run: func(ctx context.Context) (outcome, error) {
				n, err := end(ctx, c, sessions)
				told += n
				return done, err
			},
			check: func(first outcome) {
				if first == done && told != ends || told > ends {
					c.errorf("%d sessions were said to have ended, want %d", told, ends)
				}
				elsewhere := c.elsewhere()
				for i, s := range sessions {
					if i >= ends {
						c.wantAlive(s.Handle(), tokens[i].RefreshToken, c.kept(tokens[i]), 0)
						continue
					}
					c.wantEnded(s.Handle(), tokens[i], session.ReasonRevoked)
					c.wantRefused(elsewhere, tokens[i])
				}
				if n := c.live(); n != stays {
					c.errorf("got %d live sessions, want %d", n, stays)
				}
				c.wantThefts(0)
			},
		}
	}}
}

// kept returns what the client of a session holds that was not ended. After a lost answer it may be told to refresh.
func (c *cell) kept(tokens session.Tokens) session.Tokens {
	c.t.Helper()
	_, err := c.m.Verify(c.t.Context(), tokens.AccessToken, session.VerifyOptions{})
	if errors.Is(err, session.ErrTryRefresh) {
		tokens.AccessToken = c.refresh(tokens.RefreshToken).AccessToken
	}
	return tokens
}

func one(ended bool, err error) (int, error) {
	if ended {
		return 1, err
	}
	return 0, err
}

var endings = []operation{
	endingOperation("Revoke", "SELECT UPDATE", 3, 1, 1, func(ctx context.Context, c *cell, s []*session.Session) (int, error) {
		return one(c.m.Revoke(ctx, s[0].Handle(), session.RevokeOptions{}))
	}),
	endingOperation("RevokeOwned", "SELECT UPDATE", 3, 1, 1, func(ctx context.Context, c *cell, s []*session.Session) (int, error) {
		return one(c.m.RevokeOwned(ctx, c.user, s[0].Handle(), session.RevokeOptions{}))
	}),
	endingOperation("RevokeUser", "UPDATE SELECT", 4, 2, 0, func(ctx context.Context, c *cell, s []*session.Session) (int, error) {
		return c.m.RevokeUser(ctx, c.user, session.RevokeOptions{})
	}),
	endingOperation("RevokeOthers", "UPDATE SELECT", 4, 2, 1, func(ctx context.Context, c *cell, s []*session.Session) (int, error) {
		return c.m.RevokeOthers(ctx, c.user, s[2].Handle(), session.RevokeOptions{})
	}),
	{name: "RevokeAll", statements: "SELECT SELECT UPDATE SELECT SELECT INSERT SELECT", waits: 3, endsAll: true, once: "✓✓R✓✓✓✓", stopped: "RRRRRR✓", setup: func(c *cell) scenario {
		c.exec("DELETE FROM watchword_sessions")
		c.exec("DELETE FROM watchword_revocations")
		s, tokens := c.create()
		return scenario{
			run: func(ctx context.Context) (outcome, error) {
				_, err := c.m.RevokeAll(ctx, session.RevokeOptions{})
				return done, err
			},
			check: func(outcome) {
				if r := c.row(s.Handle()); !r.ended || r.reason != string(session.ReasonRevoked) {
					c.errorf("the session has ended %v, for %q", r.ended, r.reason)
				}
				if n := c.count("SELECT COUNT(*) FROM watchword_revocations WHERE user_id = ''"); n < 1 || n > 2 {
					c.errorf("got %d entries of the feed for everybody, want one, or two after a repetition", n)
				}
				c.wantRefused(c.elsewhere(), tokens)
			},
		}
	}},
}
