package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// client is a user's client in a trial.
type client struct {
	suite
	t       *testing.T
	faulty  *FaultyStore     // over the store
	process *session.Manager // the one under test, over faulty
	// eager is a process that nothing happens to. For its grace of a microsecond, nothing crosses: an older token is a thief's.
	eager *session.Manager
	late  bool // the disturbance lets calls be late
	exact bool // the first attempt has answered, though not more than one call failed

	user     string
	handle   session.Handle
	tokens   session.Tokens // what it holds
	first    session.Tokens
	session  *session.Session
	bystands session.Tokens // of another user
	begun    time.Time      // by the store's clock
	told     int            // whatever the operation counts, over all attempts
	scratch  any            // the operation's own
}

// eagerly is the configuration of a process for which a token is old a microsecond after it was replaced.
func eagerly(cfg *session.Config) { cfg.Grace = time.Microsecond }

// patiently is that of one for which everything crosses.
func patiently(cfg *session.Config) { cfg.Grace = time.Minute }

func strictly(cfg *session.Config) { cfg.Grace = session.NoGrace }

// attempt calls f with a context of its own, which faults can end.
func (c *client) attempt(f func(context.Context, *client) error) error {
	ctx, cancel := Cancellable(c.ctx)
	defer cancel()
	return f(ctx, c)
}

// moment lets a token be no longer brand-new to an eager process.
func moment() { time.Sleep(time.Millisecond) }

// login begins a session at the process that nothing happens to.
func (c *client) login() {
	c.t.Helper()
	s, tokens, err := c.eager.Create(c.ctx, c.user, session.CreateOptions{Data: 0, Payload: 0})
	if err != nil {
		c.t.Fatalf("Create: %v", err)
	}
	c.session, c.handle, c.tokens, c.first = s, s.Handle(), tokens, tokens
	moment()
}

// hold takes what a refresh has answered into the jar.
func (c *client) hold(s *session.Session, tokens session.Tokens) {
	if tokens.RefreshToken == "" {
		tokens.RefreshToken = c.tokens.RefreshToken
	}
	c.tokens = tokens
	if s != nil {
		c.session = s
	}
}

// refresh refreshes at the process that nothing happens to.
func (c *client) refresh() {
	c.t.Helper()
	s, tokens, err := c.eager.Refresh(c.ctx, c.tokens.RefreshToken, session.RefreshOptions{})
	if err != nil {
		c.t.Fatalf("Refresh with the newest token that the client holds: %v", err)
	}
	c.hold(s, tokens)
}

// use verifies the access token there, which confirms the refresh token that came with it.
func (c *client) use() {
	c.t.Helper()
	s, err := c.eager.Verify(c.ctx, c.tokens.AccessToken, session.VerifyOptions{})
	if err != nil {
		c.t.Fatalf("Verify of the newest access token that the client holds: %v", err)
	}
	c.session = s
	moment()
}

// goesOn asserts that the session has come through: its client goes on with what it holds, and whoever comes with an older token
// gives themselves away.
func (c *client) goesOn() {
	c.t.Helper()
	old := c.tokens.RefreshToken
	for range 2 { // the first may confirm the token and keep it
		if c.refresh(); c.tokens.RefreshToken != old {
			break
		}
		moment()
	}
	if c.tokens.RefreshToken == old {
		c.t.Fatal("a refresh after the grace gave no new token")
	}
	c.use()
	row, now := c.get(c.t, c.handle)
	whole(c.t, "I3: the row", row, now)
	_, _, err := c.eager.Refresh(c.ctx, old, session.RefreshOptions{})
	var theft *session.TheftError
	if !errors.As(err, &theft) {
		c.t.Errorf("I2: an old refresh token, presented again: got %v, want a TheftError", err)
	}
	c.isOver(session.ReasonTheft)
}

// isOver asserts that the session has ended for a reason, and that nobody gets in any more.
func (c *client) isOver(reason session.Reason) {
	c.t.Helper()
	equal(c.t, "I7: reason of the ended", c.ended(c.t, c.handle).Reason, reason)
	for m, tokens := range map[*session.Manager]session.Tokens{c.process: c.tokens, c.eager: c.first} {
		_, _, err := m.Refresh(c.ctx, tokens.RefreshToken, session.RefreshOptions{})
		var theft *session.TheftError
		if !errors.Is(err, session.ErrUnauthorised) || errors.As(err, &theft) {
			c.t.Errorf("I4: a refresh of an ended session: got %v, want a refusal", err)
		}
	}
	_, _, err := c.Get(c.ctx, c.handle)
	notFound(c.t, "I4: Get of an ended session", err)
}

// isRevoked is isOver for a session that was ended on purpose: other processes hear of it by the feed, where there is one.
func (c *client) isRevoked(reason session.Reason) {
	c.t.Helper()
	c.isOver(reason)
	if _, _, err := c.Revocations(c.ctx, c.begun, 1); errors.Is(err, errors.ErrUnsupported) {
		return
	}
	third := c.manager(c.t, c.Store, nil) // reads the feed as it starts
	for _, tokens := range []session.Tokens{c.tokens, c.first} {
		_, err := third.Verify(c.ctx, tokens.AccessToken, session.VerifyOptions{})
		if !errors.Is(err, session.ErrUnauthorised) && !errors.Is(err, session.ErrTryRefresh) {
			c.t.Errorf("I4: an access token of a revoked session, at a process that has read the feed: got %v, want a refusal", err)
		}
	}
}

// stays asserts that a session was not touched.
func (c *client) stays(what string, tokens session.Tokens) {
	c.t.Helper()
	if _, _, err := c.eager.Refresh(c.ctx, tokens.RefreshToken, session.RefreshOptions{}); err != nil {
		c.t.Errorf("%s: a refresh gave %v", what, err)
	}
}
