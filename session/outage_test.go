package session_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// I4, I9: while the store is away good tokens pass, and those that were known to be revoked before do not, neither in the process that
// revoked their sessions nor in another one, also not when the feed has become stale.
func TestRevokedStaysRefusedInAnOutage(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bubble) {
		here, there := b.process(), b.process()
		one, revoked := b.login(here, "user")
		_, all := b.login(here, "leaver")
		_, good := b.login(here, "user")
		if _, err := here.Revoke(b.ctx, one, session.RevokeOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := here.RevokeUser(b.ctx, "leaver", session.RevokeOptions{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * session.DefaultFeedInterval)
		var away atomic.Bool
		away.Store(true)
		b.store.setFault(func(string, bool) error {
			if away.Load() {
				return errCut
			}
			return nil
		})
		for _, wait := range []time.Duration{0, time.Second, session.DefaultMaxFeedAge, 5 * time.Minute} {
			time.Sleep(wait)
			for name, m := range map[string]*session.Manager{"the process that revoked": here, "another": there} {
				for what, tokens := range map[string]session.Tokens{"Revoke": revoked, "RevokeUser": all} {
					if err := b.verify(m, tokens); !errors.Is(err, session.ErrUnauthorised) {
						t.Errorf("%s, %v later, after %s: got %v, want ErrUnauthorised", name, wait, what, err)
					}
				}
				if err := b.verify(m, good); err != nil {
					t.Errorf("%s, %v later: a good token: got %v", name, wait, err)
				}
			}
		}
	})
}
