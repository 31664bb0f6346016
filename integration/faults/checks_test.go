package faults_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/watchword-dev/watchword/session"
)

// wantThefts fails where the hook was told more or fewer thefts.
func (c *cell) wantThefts(n int64) {
	c.t.Helper()
	if got := c.thefts.Load(); got != n {
		c.errorf("thefts told: got %d, want %d", got, n)
	}
}

// wantAlive fails unless a client with these tokens goes on: its access token passes, its refresh token is exchanged and the new
// one is confirmed. The lineage is that of so many confirmations by then.
func (c *cell) wantAlive(h session.Handle, presented string, got session.Tokens, generation int) {
	c.t.Helper()
	ctx := c.t.Context()
	if _, err := c.m.Verify(ctx, got.AccessToken, session.VerifyOptions{}); err != nil {
		c.errorf("the new access token is refused: %v", err)
	}
	newest := got.RefreshToken
	if newest == "" {
		newest = presented
	}
	mark := sha256.Sum256([]byte(newest))
	if r := c.row(h); r.ended || r.generation != generation || r.current != strings.ToUpper(hex.EncodeToString(mark[:])) {
		c.errorf("then the row has ended %v, generation %d, current %.8s…; want a live one, %d, %X…", r.ended, r.generation, r.current, generation, mark[:4])
	}
	_, next, err := c.m.Refresh(ctx, newest, session.RefreshOptions{})
	if err != nil {
		c.errorf("the new refresh token is refused: %v", err)
		return
	}
	if _, err := c.m.Verify(ctx, next.AccessToken, session.VerifyOptions{}); err != nil {
		c.errorf("the next access token is refused: %v", err)
	}
}

// wantEnded fails unless the session has ended, once, as an entry of the feed, and its tokens are refused here and elsewhere.
func (c *cell) wantEnded(h session.Handle, tokens session.Tokens, reason session.Reason) row {
	c.t.Helper()
	r := c.row(h)
	if !r.ended || r.reason != string(reason) || !r.fed || !r.endings.Valid || r.payload != nil || r.data != nil {
		c.errorf("the row has ended %v, for %q, fed %v, with an id %v; want it ended for %q, fed, with an id", r.ended, r.reason, r.fed, r.endings.Valid, reason)
	}
	c.wantRefused(c.m, tokens)
	return r
}

func (c *cell) wantRefused(m *session.Manager, tokens session.Tokens) {
	c.t.Helper()
	if _, err := m.Verify(c.t.Context(), tokens.AccessToken, session.VerifyOptions{}); !errors.Is(err, session.ErrUnauthorised) && !errors.Is(err, session.ErrTryRefresh) {
		c.errorf("an access token of a session that was ended: got %v, want it refused", err)
	}
	if _, _, err := m.Refresh(c.t.Context(), tokens.RefreshToken, session.RefreshOptions{}); !errors.Is(err, session.ErrUnauthorised) {
		c.errorf("a refresh token of a session that was ended: got %v, want it refused", err)
	}
}

// elsewhere is another process's Manager, which has just read the feed.
func (c *cell) elsewhere() *session.Manager {
	c.t.Helper()
	m, err := session.New(c.t.Context(), c.server, session.Config{Grace: grace})
	c.must(err)
	return m
}
