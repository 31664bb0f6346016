package session_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// TestDescribeKeys follows keys through their lives, and holds what is said of each to whether its tokens pass.
func TestDescribeKeys(t *testing.T) {
	t.Parallel()
	c := newClock()
	store := memstore.New(c.Now)
	cfg := session.Config{Clock: c.Now, AccessJitter: session.NoJitter}
	m, err := session.New(t.Context(), store, cfg)
	if err != nil {
		t.Fatal(err)
	}
	_, tokens, err := m.Create(t.Context(), "alice", session.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	describe := func() (all []string) {
		t.Helper()
		keys, now, err := store.Keys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		infos, err := cfg.DescribeKeys(keys, now)
		if err != nil {
			t.Fatal(err)
		}
		for i, k := range infos {
			if k.ID != keys[i].ID || k.Algorithm != keys[i].Algorithm || !k.ActivatesAt.Equal(keys[i].ActivatesAt) {
				t.Errorf("got %+v of %+v", k, keys[i])
			}
			all = append(all, fmt.Sprintf("%s %d %s", k.Purpose, k.Sequence, k.State))
		}
		return all
	}
	expect := func(when string, passes bool, want ...string) {
		t.Helper()
		if got := describe(); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", when, got, want)
		}
		// Refresh tokens live long: that one passes shows that its key is good.
		if _, _, err := m.Refresh(t.Context(), tokens.RefreshToken, session.RefreshOptions{}); (err == nil) != passes {
			t.Errorf("%s: refresh: got %v, want it to pass: %v", when, err, passes)
		}
	}
	expect("at first", true, "access 1 signing", "refresh 1 signing")
	if err := m.RotateNow(t.Context(), session.PurposeRefresh, "test", false); err != nil {
		t.Fatal(err)
	}
	expect("published", true, "access 1 signing", "refresh 1 signing", "refresh 2 published")
	c.advance(session.DefaultKeyPropagation)
	expect("it signs", true, "access 1 signing", "refresh 1 verifying", "refresh 2 signing")
	if err := m.RotateNow(t.Context(), session.PurposeRefresh, "test", true); err != nil {
		t.Fatal(err)
	}
	expect("cut off", false, "access 1 signing", "refresh 1 cut_off", "refresh 2 cut_off", "refresh 3 signing")

	if err := m.RotateNow(t.Context(), session.PurposeAccess, "test", false); err != nil {
		t.Fatal(err)
	}
	c.advance(session.DefaultKeyPropagation + session.DefaultAccessLifetime + 2*time.Minute - time.Microsecond)
	if got := describe(); got[0] != "access 1 verifying" {
		t.Errorf("a tick before its last token has expired: got %s", got[0])
	}
	c.advance(time.Microsecond)
	if got := describe(); got[0] != "access 1 expired" || got[1] != "access 2 signing" {
		t.Errorf("its last token has expired: got %v", got)
	}
	if _, err := (session.Config{AccessLifetime: -1}).DescribeKeys(nil, c.Now()); !errors.Is(err, session.ErrInvalidConfig) {
		t.Errorf("got %v, want ErrInvalidConfig", err)
	}
}

func TestResealKeys(t *testing.T) {
	t.Parallel()
	c := newClock()
	store := memstore.New(c.Now)
	open := func(encryption session.KeyEncryption) *session.Manager {
		t.Helper()
		m, err := session.New(t.Context(), store, session.Config{Clock: c.Now, KeyEncryption: encryption, AcceptUnsealedKeys: encryption != nil})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	first := open(nil)
	_, tokens, err := first.Create(t.Context(), "alice", session.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.ResealKeys(t.Context()); !errors.Is(err, session.ErrInvalidConfig) {
		t.Errorf("without a key-encryption key: got %v, want ErrInvalidConfig", err)
	}
	for _, step := range []struct {
		name       string
		encryption session.KeyEncryption
		want       int
	}{
		{"in the clear", encryption(t, kek(1)), 2},
		{"again", encryption(t, kek(1)), 0},
		{"another primary", encryption(t, kek(2), kek(1)), 2},
		{"the old one dropped", encryption(t, kek(2)), 0},
	} {
		m := open(step.encryption)
		if n, err := m.ResealKeys(t.Context()); n != step.want || err != nil {
			t.Errorf("%s: got %d, %v, want %d", step.name, n, err, step.want)
		}
		if _, err := m.Verify(t.Context(), tokens.AccessToken, session.VerifyOptions{}); err != nil {
			t.Errorf("%s: the access token is refused: %v", step.name, err)
		}
		keys, now, err := store.Keys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		infos, err := (session.Config{KeyEncryption: step.encryption}).DescribeKeys(keys, now)
		if err != nil || slices.ContainsFunc(infos, func(k session.KeyInfo) bool { return !k.Sealed || k.Outdated }) {
			t.Errorf("%s: got %+v, %v", step.name, infos, err)
		}
	}
}

func TestEndingOfOneSession(t *testing.T) {
	t.Parallel()
	c := newClock()
	m, err := session.New(t.Context(), memstore.New(c.Now), session.Config{Clock: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := m.Create(t.Context(), "alice", session.CreateOptions{Label: "laptop"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Ending(t.Context(), s.Handle()); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("alive: got %v, want ErrNotFound", err)
	}
	if _, err := m.Revoke(t.Context(), s.Handle(), session.RevokeOptions{Reason: session.ReasonPasswordChange}); err != nil {
		t.Fatal(err)
	}
	ending, err := m.Ending(t.Context(), s.Handle())
	if err != nil || ending.Reason != session.ReasonPasswordChange || ending.UserID != "alice" || ending.Label != "laptop" || ending.Handle != s.Handle() {
		t.Errorf("got %+v, %v", ending, err)
	}
}
