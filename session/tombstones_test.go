package session_test

import (
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// TestTokensOfEndedSessionsAreFree: good tokens of a session that has ended are good for ever, and cost the store something once a
// minute, whichever of them are presented, however often. The answer says why the session ended each time.
func TestTokensOfEndedSessionsAreFree(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		d := a.doom()
		if _, err := a.Revoke(a.ctx, d.info.Handle, session.RevokeOptions{Reason: session.ReasonPasswordChange}); err != nil {
			t.Fatal(err)
		}
		present := func(m *session.Manager, token string) {
			t.Helper()
			_, _, err := m.Refresh(a.ctx, token, session.RefreshOptions{})
			if got := endedFor(err); got != session.ReasonPasswordChange {
				t.Errorf("a token of an ended session: got %s, want %s", got, session.ReasonPasswordChange)
			}
		}
		a.store.total()
		for _, m := range []*session.Manager{a.Manager, a.other} {
			present(m, d.newest.RefreshToken)
			if calls := a.store.total(); calls["Get"] != 1 || calls["Ending"] != 1 {
				t.Errorf("the first time: got the calls %v", calls)
			}
			for range 100 {
				present(m, d.newest.RefreshToken)
				present(m, d.first.RefreshToken)
			}
			noCalls(t, a.store.total())
		}
		a.clock.advance(time.Minute)
		present(a.Manager, d.newest.RefreshToken)
		if calls := a.store.total(); calls["Get"] != 1 {
			t.Errorf("after a minute: got the calls %v, want the store to be asked again", calls)
		}
		if told := ofKind(a.told(), session.EventTheft); len(told) != 0 {
			t.Errorf("an ended session's token was told as a theft: %+v", told)
		}
	})
}
