package session_test

import (
	"testing"

	"github.com/watchword-dev/watchword/session"
)

// Session fixation: whoever knows the tokens that a client had before it logged in, or planted them there, shares nothing of the session
// that the login begins, not of the same user either.
func TestLoginContinuesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, planted, err := w.Create(w.ctx, "user", session.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	before, err := w.Verify(w.ctx, planted.AccessToken, session.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	mine, tokens, err := w.Create(session.NewContext(w.ctx, before), "user", session.CreateOptions{Data: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	if mine.Handle() == before.Handle() || tokens.RefreshToken == planted.RefreshToken || tokens.ID == planted.ID {
		t.Errorf("the login goes on with session %v", before.Handle())
	}
	theirs, _, err := w.Refresh(w.ctx, planted.RefreshToken, session.RefreshOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if theirs.Handle() != before.Handle() {
		t.Errorf("a token from before the login gives session %v, want %v", theirs.Handle(), before.Handle())
	}
	if data, err := theirs.Data(w.ctx); err != nil || string(data.Raw) == `"secret"` {
		t.Errorf("a token from before the login reads %s, %v", data.Raw, err)
	}
	if _, err := w.Revoke(w.ctx, before.Handle(), session.RevokeOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.Refresh(w.ctx, tokens.RefreshToken, session.RefreshOptions{}); err != nil {
		t.Errorf("the session of the login ended with the other one: %v", err)
	}
}
