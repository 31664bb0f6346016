package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// refreshing are the operations by which a client gets tokens.
var refreshing = []operation{
	{
		name: "Create", config: eagerly,
		act: create,
		check: func(c *client) {
			rows := c.sessions()
			if c.exact && len(rows) != 1 {
				c.t.Errorf("I7: Create was answered once, and the user has %d sessions", len(rows))
			}
			for _, row := range rows { // one whose answer was lost may be left behind: nobody has its tokens
				equal(c.t, "Generation", row.Generation, 0)
			}
			c.goesOn()
		},
	},
	{
		name: "CreateWithinLimit", config: func(cfg *session.Config) { eagerly(cfg); cfg.MaxSessions = 1 },
		prepare: (*client).login,
		act:     create,
		check: func(c *client) {
			if rows := c.sessions(); !c.late && len(rows) != 1 {
				c.t.Errorf("a user with one session at most has %d", len(rows))
			}
			c.first = c.tokens
			c.goesOn()
		},
	},
	{
		name: "I9_FirstUse", sure: true,
		prepare: func(c *client) { c.login(); c.refresh() },
		act: func(ctx context.Context, c *client) error {
			s, err := c.process.Verify(ctx, c.tokens.AccessToken, session.VerifyOptions{})
			if err != nil {
				return err
			}
			if renewed, ok := s.Renewed(); ok {
				c.tokens.AccessToken = renewed.AccessToken
			}
			return nil
		},
		check: func(c *client) {
			c.use()
			row, _ := c.get(c.t, c.handle)
			equal(c.t, "I7: how often the refresh token was confirmed", row.Generation, 1)
			equal(c.t, "Pending", row.Pending, session.Mark{})
			c.goesOn()
		},
	},
	{
		name: "RefreshBrandNew", config: patiently,
		prepare: (*client).login, act: refresh,
		check: func(c *client) { c.keeps(c.first, 0); c.goesOn() },
	},
	{
		name: "RefreshMints", config: eagerly,
		prepare: (*client).login, act: refresh,
		check: func(c *client) {
			row, _ := c.get(c.t, c.handle)
			equal(c.t, "I7: how often a token was confirmed", row.Generation, 0)
			if c.exact {
				equal(c.t, "the row has a successor", row.Pending.IsZero(), false)
			}
			c.goesOn()
		},
	},
	{
		name: "RefreshConfirms", config: patiently,
		prepare: func(c *client) { c.login(); c.refresh(); c.scratch = c.tokens }, act: refresh,
		check: func(c *client) { c.keeps(c.scratch.(session.Tokens), 1); c.goesOn() },
	},
	{
		name: "RefreshConfirmsStrictly", config: strictly, // and mints in the same step
		prepare: func(c *client) { c.login(); c.refresh() }, act: refresh,
		check: func(c *client) {
			row, _ := c.get(c.t, c.handle)
			equal(c.t, "I7: how often a token was confirmed", row.Generation, 1)
			equal(c.t, "the row has a successor", row.Pending.IsZero(), false)
			c.goesOn()
		},
	},
	{
		name: "RefreshHandsOut", config: func(cfg *session.Config) { cfg.Grace = aged },
		age:     aged + aged/10,
		prepare: (*client).login,
		ready: func(c *client) { // another tab has just refreshed, and its answer is lost
			_, tokens, err := c.eager.Refresh(c.ctx, c.first.RefreshToken, session.RefreshOptions{})
			if err != nil {
				c.t.Fatalf("Refresh: %v", err)
			}
			c.scratch = two[string, time.Time]{tokens.RefreshToken, c.row().PendingAt}
		},
		act: refresh,
		check: func(c *client) {
			// Where the machine has taken so long that another one was due, it may be another one.
			theirs := c.scratch.(two[string, time.Time])
			if now := c.now(c.t); now.Sub(theirs.b) < aged {
				equal(c.t, "I3: what is handed out is the successor that there is", c.tokens.RefreshToken == theirs.a, true)
			}
			c.goesOn()
		},
	},
	{
		name: "RefreshCrosses", config: patiently,
		prepare: func(c *client) {
			c.login()
			c.refresh()
			c.use()
			c.scratch, c.tokens = c.tokens, c.first
		},
		act:   refresh,
		check: func(c *client) { c.keeps(c.scratch.(session.Tokens), 1); c.goesOn() },
	},
	{
		name: "I4_Theft", config: eagerly,
		prepare: func(c *client) {
			c.login()
			c.refresh()
			c.use()
			c.scratch, c.tokens = c.tokens, c.first
		},
		act:  refresh,
		good: func(err error) bool { return errors.Is(err, session.ErrUnauthorised) },
		check: func(c *client) {
			c.tokens = c.scratch.(session.Tokens)
			c.isRevoked(session.ReasonTheft)
			equal(c.t, "endings of the user", len(c.endings()), 1)
		},
	},
	{
		name: "Reauthenticated", config: eagerly,
		prepare: (*client).login,
		act:     reauthenticate,
		again: func(ctx context.Context, c *client) error {
			err := reauthenticate(ctx, c)
			if !errors.Is(err, session.ErrTryRefresh) {
				return err
			}
			// As with any other request: the successor whose answer was lost is in the way.
			c.refresh()
			c.use()
			return reauthenticate(ctx, c)
		},
		check: func(c *client) {
			before := c.row().AuthAt
			c.use()
			if row := c.row(); !row.AuthAt.After(before) || row.AuthAt.Before(c.begun) {
				c.t.Errorf("AuthAt, after the new tokens were used: got %v, want at least %v, when it was %v before", row.AuthAt, c.begun, before)
			}
			c.goesOn()
		},
	},
}

// aged is the grace of RefreshHandsOut. A machine that is busy may take longer than that.
const aged = 500 * time.Millisecond

func create(ctx context.Context, c *client) error {
	s, tokens, err := c.process.Create(ctx, c.user, session.CreateOptions{Data: 0, Payload: 0})
	if err == nil {
		c.session, c.handle, c.tokens, c.first = s, s.Handle(), tokens, tokens
		moment()
	}
	return err
}

func refresh(ctx context.Context, c *client) error {
	s, tokens, err := c.process.Refresh(ctx, c.tokens.RefreshToken, session.RefreshOptions{})
	if err == nil {
		c.hold(s, tokens)
	}
	return err
}

func reauthenticate(ctx context.Context, c *client) error {
	s, tokens, err := c.process.Reauthenticated(ctx, c.session, session.RefreshOptions{})
	if err == nil {
		c.hold(s, tokens)
	}
	return err
}

// keeps asserts that the client has come to hold a certain refresh token, which is current, after so many confirmations.
func (c *client) keeps(want session.Tokens, generation int) {
	c.t.Helper()
	equal(c.t, "I7: the client's refresh token is the expected one", c.tokens.RefreshToken == want.RefreshToken, true)
	row := c.row()
	equal(c.t, "I7: how often a token was confirmed", row.Generation, generation)
	equal(c.t, "Pending", row.Pending, session.Mark{})
}

func (c *client) row() session.Row {
	c.t.Helper()
	row, _ := c.get(c.t, c.handle)
	return row
}

func (c *client) sessions() []session.Row {
	c.t.Helper()
	rows, err := c.List(c.ctx, c.user, session.Page{Limit: 100})
	if err != nil {
		c.t.Fatalf("List: %v", err)
	}
	return rows
}

func (c *client) endings() []session.Ended {
	c.t.Helper()
	ended, err := c.Endings(c.ctx, c.user, session.EndingsPage{Limit: 100})
	if err != nil {
		c.t.Fatalf("Endings: %v", err)
	}
	return ended
}
