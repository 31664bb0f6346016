package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// upkeep are the operations of Manager.Run, and those on keys.
var upkeep = []operation{
	{
		name: "I5_RotateNow", alone: true,
		prepare: func(c *client) { // there is no successor under way
			c.login()
			keys, now, err := c.Keys(c.ctx)
			for _, k := range keys {
				if err == nil && k.ActivatesAt.After(now) {
					_, err = c.DeleteKey(c.ctx, k.ID)
				}
			}
			if err != nil {
				c.t.Fatalf("delete a successor: %v", err)
			}
		},
		act: func(ctx context.Context, c *client) error {
			return c.process.RotateNow(ctx, session.PurposeAccess, "a trial", false)
		},
		check: func(c *client) {
			equal(c.t, "I7: access keys", len(c.keysOf(session.PurposeAccess)), 2)
			if _, err := c.manager(c.t, c.Store, nil).Verify(c.ctx, c.tokens.AccessToken, session.VerifyOptions{}); err != nil {
				c.t.Errorf("a live access token: got %v", err)
			}
			c.goesOn()
		},
	},
	{
		name: "RotateNowCompromisedAccess", alone: true,
		prepare: func(c *client) {
			c.eager = c.manager(c.t, c.Store, eagerly) // which knows what earlier trials have cut off
			c.login()
			c.scratch = c.keysOf(session.PurposeAccess)
		},
		act: func(ctx context.Context, c *client) error {
			return c.process.RotateNow(ctx, session.PurposeAccess, "a trial", true)
		},
		check: func(c *client) {
			c.cutOff(session.PurposeAccess)
			c.eager = c.manager(c.t, c.Store, eagerly)
			if _, err := c.eager.Verify(c.ctx, c.tokens.AccessToken, session.VerifyOptions{}); !errors.Is(err, session.ErrTryRefresh) {
				c.t.Errorf("an access token whose key was cut off: got %v, want ErrTryRefresh", err)
			}
			c.goesOn()
		},
	},
	{
		name: "I4_RotateNowCompromisedRefresh", alone: true, covered: []string{"EndAll", "Publish", "Revocations"}, // by RevokeAll
		prepare: func(c *client) {
			c.eager = c.manager(c.t, c.Store, eagerly)
			c.login()
			c.scratch = c.keysOf(session.PurposeRefresh)
		},
		act: func(ctx context.Context, c *client) error {
			return c.process.RotateNow(ctx, session.PurposeRefresh, "a trial", true)
		},
		check: func(c *client) {
			c.cutOff(session.PurposeRefresh)
			// Access tokens know their age to the millisecond, and one that is not certainly younger does not pass.
			c.pass(c.t, c.now(c.t).Add(10*time.Millisecond))
			c.eager = c.manager(c.t, c.Store, eagerly)
			c.isOver(session.ReasonKeyCompromise)
			c.login()
			c.goesOn()
		},
	},
	{
		name: "FeedIsRead", alone: true, feed: true, method: "Revocations",
		// The feed is read again and again by Run; an attempt is its first reading.
		config: func(cfg *session.Config) { cfg.CleanupInterval = session.NoCleanup },
		prepare: func(c *client) {
			polls := make(chan error, 100)
			c.process = c.manager(c.t, c.faulty, func(cfg *session.Config) {
				cfg.OnFeedPoll = func(p session.FeedPoll) { polls <- p.Err }
			})
			if err := <-polls; err != nil {
				c.t.Fatalf("the reading of New: %v", err)
			}
			c.scratch = polls
			c.login()
			c.bystands = c.tokens
			c.login()
			if _, err := c.eager.Revoke(c.ctx, c.handle, session.RevokeOptions{}); err != nil {
				c.t.Fatalf("Revoke: %v", err)
			}
		},
		act: func(ctx context.Context, c *client) error {
			ctx, cancel := context.WithCancel(ctx)
			ended := make(chan struct{})
			go func() { defer close(ended); c.process.Run(ctx) }()
			defer func() { cancel(); <-ended }()
			select {
			case err := <-c.scratch.(chan error):
				return err
			case <-c.ctx.Done():
				return c.ctx.Err()
			}
		},
		check: func(c *client) {
			if _, err := c.process.Verify(c.ctx, c.tokens.AccessToken, session.VerifyOptions{}); !isUnauthorised(err) {
				c.t.Errorf("I4: an access token that was revoked in another process: got %v, want a refusal", err)
			}
			if _, err := c.process.Verify(c.ctx, c.bystands.AccessToken, session.VerifyOptions{}); err != nil {
				c.t.Errorf("I9: an access token that was not revoked: got %v", err)
			}
			c.isRevoked(session.ReasonRevoked)
		},
	},
}

func (c *client) keysOf(purpose session.KeyPurpose) []session.Key {
	c.t.Helper()
	all, _, err := c.Keys(c.ctx)
	if err != nil {
		c.t.Fatalf("Keys: %v", err)
	}
	var keys []session.Key
	for _, k := range all {
		if k.Purpose == purpose {
			keys = append(keys, k)
		}
	}
	return keys
}

// cutOff asserts that the keys that there were sign nothing any more, and that a newer one does.
func (c *client) cutOff(purpose session.KeyPurpose) {
	c.t.Helper()
	before, keys := c.scratch.([]session.Key), c.keysOf(purpose)
	for i, k := range before {
		equal(c.t, "the key is there", keys[i].ID, k.ID)
		equal(c.t, "it was cut off", keys[i].RetiresAt.IsZero(), false)
	}
	if newest := keys[len(keys)-1]; len(keys) == len(before) || !newest.RetiresAt.IsZero() {
		c.t.Errorf("of %d keys, which were %d, the newest has retired at %v, want one more, which is good", len(keys), len(before), newest.RetiresAt)
	}
}
