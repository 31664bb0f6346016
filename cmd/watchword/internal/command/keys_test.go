package command_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/cmd/watchword/internal/command"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

func (r *rig) keys() []session.Key {
	r.t.Helper()
	keys, _, err := r.store.Keys(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return keys
}

// keyLine is a line of `keys list --json`.
type keyLine struct {
	Kid, Purpose, Algorithm, State        string
	Sequence                              int
	ActivatesAt, VerifiesUntil, RetiresAt time.Time
	AgeSeconds                            int
	Sealed, Outdated                      bool
}

func (r *rig) listed() (states []string) {
	r.t.Helper()
	for _, k := range objects[keyLine](r.t, r.want(command.ExitOK, "keys", "list", "--json").stdout) {
		states = append(states, fmt.Sprintf("%s %d %s", k.Purpose, k.Sequence, k.State))
	}
	return states
}

func TestKeysThroughARotation(t *testing.T) {
	t.Parallel()
	r := newRig(t, session.Config{Algorithm: session.EdDSA})
	expect := func(when string, want ...string) {
		t.Helper()
		if got := r.listed(); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", when, got, want)
		}
	}
	r.clock.advance(time.Hour)
	expect("at first", "access 1 signing", "refresh 1 signing")
	out := r.want(command.ExitOK, "keys", "rotate")
	if !strings.Contains(out.stdout, "signs from 2026-03-04T06:11:07Z on") {
		t.Errorf("got %q", out.stdout)
	}
	if newest := r.keys()[1]; newest.Algorithm != "EdDSA" {
		t.Errorf("without a setting, the new key is for %s, want EdDSA as the one before", newest.Algorithm)
	}
	expect("published", "access 1 signing", "access 2 published", "refresh 1 signing")
	r.clock.advance(5 * time.Minute)
	expect("signing", "access 1 verifying", "access 2 signing", "refresh 1 signing")
	r.clock.advance(18 * time.Minute)
	expect("the last token has expired", "access 1 expired", "access 2 signing", "refresh 1 signing")

	r.want(command.ExitOK, "keys", "rotate", "--compromised", "--yes")
	expect("cut off", "access 1 cut_off", "access 2 cut_off", "access 3 signing", "refresh 1 signing")
	table := r.want(command.ExitOK, "keys", "list").stdout
	if lines := strings.Split(strings.TrimSpace(table), "\n"); len(lines) != 5 || !strings.HasPrefix(lines[0], "KEY") || !strings.Contains(lines[1], "cut_off") {
		t.Errorf("got\n%s", table)
	}
}

func TestCompromisedRefreshKeys(t *testing.T) {
	t.Parallel()
	r := newRig(t, session.Config{})
	r.login("alice", 3)
	var got struct {
		Purpose, Kid string
		Compromised  bool
		ActivatesAt  time.Time
	}
	all := objects[struct {
		Purpose, Kid string
		Compromised  bool
		ActivatesAt  time.Time
	}](t, r.want(command.ExitOK, "keys", "rotate", "--compromised", "--purpose", "refresh", "--yes", "--json").stdout)
	if len(all) == 1 {
		got = all[0]
	}
	if got.Purpose != "refresh" || !got.Compromised || got.Kid == "" {
		t.Errorf("got %+v", all)
	}
	if n := r.live("alice"); n != 0 {
		t.Errorf("%d sessions live on", n)
	}
	if all := objects[endingLine](t, r.want(command.ExitOK, "endings", "--user", "alice", "--json").stdout); len(all) != 3 || all[0].Reason != "key_compromised" {
		t.Errorf("got %+v", all)
	}
}

func kek(version int) string {
	return fmt.Sprintf("%d:%s", version, base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{byte(version)}, 32)))
}

func TestReseal(t *testing.T) {
	t.Parallel()
	r := newRig(t, session.Config{})
	sealed := func() (all []string) {
		for _, k := range objects[keyLine](t, r.want(command.ExitOK, "keys", "list", "--json").stdout) {
			all = append(all, fmt.Sprintf("%v %v", k.Sealed, k.Outdated))
		}
		return all
	}
	steps := []struct {
		encryption  string
		before      string
		resealed    int
		after       string
		doctorFinds int
	}{
		{kek(1), "false true", 2, "true false", command.ExitFindings},
		{kek(1), "true false", 0, "true false", command.ExitOK},
		{kek(2) + "," + kek(1), "true true", 2, "true false", command.ExitOK},
		{kek(2), "true false", 0, "true false", command.ExitOK},
	}
	// Whoever can write to the database could have put a key in the clear there: nobody seals it who was not told to.
	r.env = []string{"WATCHWORD_KEY_ENCRYPTION=" + kek(1)}
	for _, args := range []string{"keys reseal", "keys rotate"} {
		if out := r.want(command.ExitFailed, strings.Fields(args)...); !strings.Contains(out.stderr, "WATCHWORD_ACCEPT_UNSEALED_KEYS") {
			t.Errorf("%s: got %q", args, out.stderr)
		}
	}
	for i, s := range steps {
		r.env = []string{"WATCHWORD_KEY_ENCRYPTION=" + s.encryption}
		if i == 0 {
			r.env = append(r.env, "WATCHWORD_ACCEPT_UNSEALED_KEYS=1")
		}
		if got := sealed(); !slices.Equal(got, []string{s.before, s.before}) {
			t.Errorf("before: got %v, want %s", got, s.before)
		}
		r.want(s.doctorFinds, "doctor")
		got := objects[struct{ Resealed int }](t, r.want(command.ExitOK, "keys", "reseal", "--json").stdout)
		if len(got) != 1 || got[0].Resealed != s.resealed {
			t.Errorf("got %+v, want %d", got, s.resealed)
		}
		if got := sealed(); !slices.Equal(got, []string{s.after, s.after}) {
			t.Errorf("after: got %v, want %s", got, s.after)
		}
	}
	// Whoever has not got the key can list keys, and neither use nor replace them.
	for _, env := range []string{"", "WATCHWORD_KEY_ENCRYPTION=" + kek(3)} {
		r.env = []string{env}
		r.want(command.ExitOK, "keys", "list")
		for _, args := range []string{"keys rotate", "keys rotate --compromised --yes", "keys reseal"} {
			before := len(r.keys())
			if out := r.want(command.ExitFailed, strings.Fields(args)...); !strings.Contains(out.stderr, "WATCHWORD_KEY_ENCRYPTION") {
				t.Errorf("%s: got %q", args, out.stderr)
			}
			if len(r.keys()) != before {
				t.Errorf("%s has made a key", args)
			}
		}
		if out := r.want(command.ExitFindings, "doctor"); !strings.Contains(out.stdout, "do not open") {
			t.Errorf("doctor: got %s", out.stdout)
		}
	}
}

// Only the application makes the first keys, with its own settings: the command's may be others.
func TestNoCommandMakesTheFirstKeys(t *testing.T) {
	t.Parallel()
	r := newRig(t, session.Config{})
	r.store = memstore.New(r.clock.Now)
	for _, test := range []struct {
		args string
		code int
	}{
		{"sessions list --user a", command.ExitOK},
		{"sessions revoke --all --yes", command.ExitOK},
		{"endings --user a", command.ExitOK},
		{"cleanup", command.ExitOK},
		{"keys list", command.ExitOK},
		{"keys rotate", command.ExitFailed},
		{"keys reseal", command.ExitFailed},
		{"doctor", command.ExitFindings},
	} {
		r.want(test.code, strings.Fields(test.args)...)
		if keys := r.keys(); len(keys) != 0 {
			t.Fatalf("%s has made %d keys", test.args, len(keys))
		}
	}
}

func TestNoKeyIsShown(t *testing.T) {
	t.Parallel()
	r := newRig(t, session.Config{Algorithm: session.EdDSA})
	var said strings.Builder
	for _, args := range []string{"keys list", "keys list --json", "keys rotate --verbose", "keys rotate --compromised --yes -v", "doctor", "doctor --json"} {
		out := r.run(strings.Fields(args)...)
		said.WriteString(out.stdout + out.stderr)
	}
	for _, k := range r.keys() {
		for _, form := range []string{
			string(k.Material), base64.StdEncoding.EncodeToString(k.Material)[:20], base64.RawURLEncoding.EncodeToString(k.Material)[:20], fmt.Sprintf("%x", k.Material)[:20],
		} {
			if strings.Contains(said.String(), form) {
				t.Errorf("key %s is shown", k.ID)
			}
		}
	}
}
