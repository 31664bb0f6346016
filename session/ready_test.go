package session_test

import (
	"errors"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// Readiness is what Verify does with a good token, and whether the store answers.
func TestReady(t *testing.T) {
	t.Parallel()
	away := func(string, bool) error { return errCut }
	for name, test := range map[string]struct {
		change  func(*session.Config)
		outage  session.Readiness // at once
		longest session.Readiness // after MaxFeedAge
	}{
		"feed":          {func(*session.Config) {}, session.ReadyToVerify, session.ReadyToVerify},
		"feed, refused": {func(c *session.Config) { c.StaleFeed = session.StaleFeedRefuse }, session.ReadyToVerify, session.NotReady},
		"strict":        {func(c *session.Config) { c.Revocation = session.RevocationStrict }, session.NotReady, session.NotReady},
		"off":           {func(c *session.Config) { c.Revocation = session.RevocationOff }, session.ReadyToVerify, session.ReadyToVerify},
	} {
		inBubble(t, func(b *bubble) {
			m := b.process()
			_, tokens := b.login(m, "user")
			check := func(when string, want session.Readiness) {
				t.Helper()
				got, err := m.Ready(b.ctx)
				if got != want || (err == nil) != (want == session.Ready) {
					t.Errorf("%s, %s: got %s, %v, want %s", name, when, got, err, want)
				}
				if verified := b.verify(m, tokens); errors.Is(verified, session.ErrUnavailable) != (want == session.NotReady) {
					t.Errorf("%s, %s: Ready says %s, but Verify %v", name, when, got, verified)
				}
			}
			check("at first", session.Ready)
			b.store.setFault(away)
			check("the store is away", test.outage)
			time.Sleep(session.DefaultMaxFeedAge + time.Second)
			check("the store stays away", test.longest)
			b.store.setFault(nil)
			time.Sleep(2 * time.Second)
			check("the store is back", session.Ready)
		}, test.change)
	}
}
