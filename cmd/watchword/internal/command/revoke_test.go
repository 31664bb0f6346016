package command_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/cmd/watchword/internal/command"
	"github.com/watchword-dev/watchword/session"
)

// revokedLine is what `sessions revoke --json` prints.
type revokedLine struct {
	Revoked int
	Reason  string
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	r := newRig(t, session.Config{})
	s := r.login("alice", 3)
	r.login("bob", 2)
	for _, test := range []struct {
		args       []string
		want       int
		alice, bob int // that live afterwards
	}{
		{[]string{"--handle", s.Handle().String()}, 1, 2, 2},
		{[]string{"--handle", s.Handle().String()}, 0, 2, 2},
		{[]string{"--user", "alice"}, 2, 0, 2},
		{[]string{"--user", "alice"}, 0, 0, 2},
		{[]string{"--all"}, 2, 0, 0},
		{[]string{"--all"}, 0, 0, 0},
	} {
		got := objects[revokedLine](t, r.want(command.ExitOK, append([]string{"sessions", "revoke", "--yes", "--json"}, test.args...)...).stdout)
		if len(got) != 1 || got[0].Revoked != test.want || got[0].Reason != "revoked" {
			t.Errorf("%v: got %+v, want %d", test.args, got, test.want)
		}
		if alice, bob := r.live("alice"), r.live("bob"); alice != test.alice || bob != test.bob {
			t.Errorf("%v: %d and %d sessions live, want %d and %d", test.args, alice, bob, test.alice, test.bob)
		}
	}
}

// What the command revokes reaches the application by its feed, as what another process of it does.
func TestApplicationHearsOfRevocations(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"--handle", "--user", "--all"} {
		r := newRig(t, session.Config{})
		s, tokens, err := r.app.Create(t.Context(), "alice", session.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		r.clock.advance(time.Second)
		args := []string{"sessions", "revoke", "--yes", how}
		switch how {
		case "--handle":
			args = append(args, s.Handle().String())
		case "--user":
			args = append(args, "alice")
		}
		r.want(command.ExitOK, args...)
		other, err := session.New(t.Context(), r.store, session.Config{Clock: r.clock.Now}) // it reads the feed when it starts
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Verify(t.Context(), tokens.AccessToken, session.VerifyOptions{}); err == nil {
			t.Errorf("%s: the access token passes", how)
		}
		if _, _, err := other.Refresh(t.Context(), tokens.RefreshToken, session.RefreshOptions{}); !errors.Is(err, session.ErrUnauthorised) {
			t.Errorf("%s: refresh: got %v, want ErrUnauthorised", how, err)
		}
	}
}

// destructive are commands that ask, and what they ask about.
var destructive = map[string]string{
	"sessions revoke --user alice":                "all sessions of user \"alice\" (1) in memory",
	"sessions revoke --all":                       "EVERYBODY'S sessions in memory",
	"keys rotate --compromised":                   "all access keys in memory",
	"keys rotate --compromised --purpose refresh": "EVERYBODY'S sessions",
}

func TestDestructiveCommandsAsk(t *testing.T) {
	t.Parallel()
	for args, asks := range destructive {
		for answer, goesOn := range map[string]bool{"y\n": true, "Yes\r\n": true, "n\n": false, "\n": false, "": false, "yesterday\n": false} {
			r := newRig(t, session.Config{})
			r.login("alice", 1)
			keys := len(r.keys())
			r.stdin = strings.NewReader(answer)
			want := command.ExitDeclined
			if goesOn {
				want = command.ExitOK
			}
			out := r.want(want, strings.Fields(args)...)
			if !strings.Contains(out.stderr, asks) || !strings.Contains(out.stderr, "[y/N]") {
				t.Errorf("%s: asked %q, want %q", args, out.stderr, asks)
			}
			if changed := r.live("alice") == 0 || len(r.keys()) != keys; changed != goesOn {
				t.Errorf("%s, answered by %q: something was changed: %v, want %v", args, answer, changed, goesOn)
			}
			if answer == "" && !strings.Contains(out.stderr, "--yes") {
				t.Errorf("%s: nobody answered: got %q, want a word of --yes", args, out.stderr)
			}
		}
	}
}

// Nobody is asked by a command that changes nothing that anybody notices.
func TestHarmlessCommandsDoNotAsk(t *testing.T) {
	t.Parallel()
	r := newRig(t, session.Config{})
	for _, args := range []string{"keys rotate", "keys list", "cleanup", "doctor --skip feed"} {
		if out := r.want(command.ExitOK, strings.Fields(args)...); strings.Contains(out.stderr, "[y/N]") {
			t.Errorf("%s: got %q", args, out.stderr)
		}
	}
}

// Somebody who is asked may interrupt.
func TestQuestionIsInterrupted(t *testing.T) {
	t.Parallel()
	r := newRig(t, session.Config{})
	r.login("alice", 1)
	never, _ := io.Pipe()
	r.stdin = never
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if out := r.runIn(ctx, "sessions", "revoke", "--all"); out.code != command.ExitInterrupted {
		t.Errorf("got %d, want %d: %s", out.code, command.ExitInterrupted, out.stderr)
	}
	if r.live("alice") != 1 {
		t.Error("the session has ended")
	}
}
