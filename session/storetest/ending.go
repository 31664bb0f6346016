package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// ending are the operations that end sessions.
var ending = []operation{
	{
		name: "I4_Revoke", prepare: threeSessions,
		act: func(ctx context.Context, c *client) error {
			ended, err := c.process.Revoke(ctx, c.handle, session.RevokeOptions{Reason: session.ReasonLogout})
			return c.count(toInt(ended), err)
		},
		check: func(c *client) { c.areRevoked(session.ReasonLogout, 1) },
	},
	{
		name: "I4_RevokeOwned", prepare: threeSessions,
		act: func(ctx context.Context, c *client) error {
			ended, err := c.process.RevokeOwned(ctx, c.user, c.handle, session.RevokeOptions{Reason: session.ReasonRevokedByUser})
			return c.count(toInt(ended), err)
		},
		check: func(c *client) { c.areRevoked(session.ReasonRevokedByUser, 1) },
	},
	{
		name: "I4_RevokeUser", prepare: threeSessions,
		act: func(ctx context.Context, c *client) error {
			return c.count(c.process.RevokeUser(ctx, c.user, session.RevokeOptions{}))
		},
		check: func(c *client) { c.areRevoked(session.ReasonRevoked, 3) },
	},
	{
		name: "I4_RevokeOthers", prepare: threeSessions,
		act: func(ctx context.Context, c *client) error {
			keep := c.scratch.([]session.Tokens)[0]
			s, err := c.eager.Verify(c.ctx, keep.AccessToken, session.VerifyOptions{})
			if err != nil {
				return fmt.Errorf("the session that is kept: %w", err)
			}
			return c.count(c.process.RevokeOthers(ctx, c.user, s.Handle(), session.RevokeOptions{Reason: session.ReasonPasswordChange}))
		},
		check: func(c *client) {
			c.areRevoked(session.ReasonPasswordChange, 2)
			c.stays("I9: the session that is kept", c.scratch.([]session.Tokens)[0])
		},
	},
	{
		name: "I4_RevokeAll", alone: true, prepare: threeSessions,
		act: func(ctx context.Context, c *client) error {
			return c.count(c.process.RevokeAll(ctx, session.RevokeOptions{}))
		},
		check: func(c *client) {
			equal(c.t, "I7: endings of the user", len(c.endings()), 3)
			c.isRevoked(session.ReasonRevoked)
			c.user = fmt.Sprint("user ", serial.Add(1))
			c.login() // what begins later is not concerned
			c.goesOn()
		},
	},
	{
		name: "Cleanup", alone: true,
		prepare: func(c *client) {
			c.login()
			c.scratch = map[time.Duration]session.Handle{}
			for _, age := range []time.Duration{time.Hour, 2 * time.Hour, 1000 * time.Hour, 1001 * time.Hour} {
				c.scratch.(map[time.Duration]session.Handle)[age] = c.insert(c.t, user(c.user), func(r *session.NewRow) {
					r.Lifetimes.Idle = -age
				})
			}
		},
		act: func(ctx context.Context, c *client) error {
			cleaned, err := c.process.Cleanup(ctx)
			return c.count(cleaned.Expired, err)
		},
		check: func(c *client) {
			for age, h := range c.scratch.(map[time.Duration]session.Handle) {
				if age > 999*time.Hour { // its record, too, was old enough to go
					_, err := c.Ending(c.ctx, h)
					notFound(c.t, "Ending of a session that expired long ago", err)
					continue
				}
				equal(c.t, "I7: reason of an expired session", c.ended(c.t, h).Reason, session.ReasonIdle)
			}
			c.counted(4)
			c.goesOn()
		},
	},
	{
		name: "RefreshOfExpired",
		good: isUnauthorised,
		prepare: func(c *client) {
			short := c.manager(c.t, c.Store, func(cfg *session.Config) {
				cfg.AccessLifetime, cfg.IdleLifetime, cfg.AccessJitter = time.Second, 1001*time.Millisecond, session.NoJitter
			})
			s, tokens, err := short.Create(c.ctx, c.user, session.CreateOptions{})
			if err != nil {
				c.t.Fatalf("Create: %v", err)
			}
			c.handle, c.tokens, c.first = s.Handle(), tokens, tokens
		},
		age: 1100 * time.Millisecond,
		act: refresh,
		check: func(c *client) {
			_, _, err := c.process.Refresh(c.ctx, c.tokens.RefreshToken, session.RefreshOptions{})
			if !isUnauthorised(err) {
				c.t.Errorf("a refresh of an expired session: got %v, want a refusal", err)
			}
			c.isOver(session.ReasonIdle)
			equal(c.t, "I7: endings of the user", len(c.endings()), 1)
		},
	},
}

// threeSessions logs the user in three times, and somebody else. The last login is the client's.
func threeSessions(c *client) {
	c.t.Helper()
	own := c.user
	c.user = fmt.Sprint("user ", serial.Add(1))
	c.login()
	c.bystands = c.tokens
	c.user = own
	var all []session.Tokens
	for range 3 {
		c.login()
		all = append(all, c.tokens)
	}
	c.refresh() // so that it holds two refresh tokens that are good
	c.scratch = all
}

// count adds up what an operation says that it has done.
func (c *client) count(n int, err error) error {
	c.told += n
	return err
}

// counted asserts that it adds up, where an answer was given to the first attempt, and that nothing was counted twice.
func (c *client) counted(want int) {
	c.t.Helper()
	if c.told > want || c.exact && c.told != want {
		c.t.Errorf("I7: got a count of %d in all, want %d (answered at once: %v)", c.told, want, c.exact)
	}
}

// areRevoked asserts that n of the user's three sessions were ended, each once, and the client's among them.
func (c *client) areRevoked(reason session.Reason, n int) {
	c.t.Helper()
	equal(c.t, "I7: endings of the user", len(c.endings()), n)
	equal(c.t, "live sessions of the user", len(c.sessions()), 3-n)
	c.counted(n)
	c.isRevoked(reason)
	c.stays("I9: somebody else's session", c.bystands)
}

func toInt(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// whole asserts that a row can have come about by whole changes only.
func whole(t *testing.T, what string, row session.Row, now time.Time) {
	t.Helper()
	for name, holds := range map[string]bool{
		"a pending token has its times and counts, and none has not": row.Pending.IsZero() == row.PendingAt.IsZero() &&
			row.Pending.IsZero() == row.HandedAt.IsZero() && row.Pending.IsZero() == (row.Handed == 0),
		"the first token has no predecessor, and each other one has": (row.Generation == 0) == row.Previous.IsZero() &&
			(row.Generation == 0) == row.RotatedAt.IsZero(),
		"no two tokens are the same": row.Current != row.Pending && row.Current != row.Previous &&
			(row.Pending.IsZero() || row.Pending != row.Previous),
		"it began before, and lives": !row.CreatedAt.After(now) && row.ExpiresAt.After(now),
	} {
		if !holds {
			t.Errorf("%s: it does not hold that %s: %+v", what, name, row)
		}
	}
}
