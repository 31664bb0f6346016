package command_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/cmd/watchword/internal/command"
	"github.com/watchword-dev/watchword/session"
)

func TestExitCodes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		args string
		code int
		says string // on the standard error output
	}{
		{"no command", "", command.ExitUsage, "which command?"},
		{"no such command", "sesions", command.ExitUsage, "unknown command"},
		{"no such subcommand", "sessions bogus", command.ExitUsage, "unknown command"},
		{"no subcommand", "keys", command.ExitUsage, "which command?"},
		{"no such flag", "sessions list --usr alice", command.ExitUsage, "unknown flag"},
		{"missing flag", "sessions list", command.ExitUsage, "user"},
		{"argument too many", "keys list all", command.ExitUsage, "unknown command"},
		{"neither user, handle nor all", "sessions revoke", command.ExitUsage, "user"},
		{"both user and all", "sessions revoke --user a --all", command.ExitUsage, "none of the others"},
		{"no handle", "sessions show --handle x", command.ExitUsage, "--handle"},
		{"empty user", "sessions list --user=", command.ExitUsage, "user id"},
		{"negative limit", "sessions list --user a --limit -1", command.ExitUsage, "--limit"},
		{"no such reason", "sessions revoke --user a --yes --reason mood", command.ExitUsage, "reason"},
		{"no such purpose", "keys rotate --purpose both", command.ExitUsage, "--purpose"},
		{"no such share", "cleanup --share 2", command.ExitUsage, "--share"},
		{"no such check", "doctor --skip moon", command.ExitUsage, "moon"},
		{"no such level", "audit --level L4", command.ExitUsage, "--level"},
		{"script without a dry run", "migrate --sql", command.ExitUsage, "--dry-run"},
		{"no schema", "migrate", command.ExitFailed, "no schema"},
		{"reseal without a key", "keys reseal", command.ExitFailed, "WATCHWORD_KEY_ENCRYPTION"},
		{"no such session", "sessions show --handle 0199c82c-c000-73c5-8b91-b19d9b2d5ec9", command.ExitFailed, "no such session"},
		{"help", "--help", command.ExitOK, ""},
		{"list", "sessions list --user nobody", command.ExitOK, "no live session"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			out := newRig(t, session.Config{}).want(test.code, strings.Fields(test.args)...)
			if !strings.Contains(out.stderr, test.says) {
				t.Errorf("got %q, want it to say %q", out.stderr, test.says)
			}
			if test.code != command.ExitOK && out.stdout != "" {
				t.Errorf("got %q on the standard output, want nothing", out.stdout)
			}
		})
	}
}

func TestHelpSaysWhatProgramsNeed(t *testing.T) {
	t.Parallel()
	r := newRig(t, session.Config{})
	for _, args := range []string{"--help", "sessions --help", "sessions revoke --help", "doctor --help"} {
		out := r.want(command.ExitOK, strings.Fields(args)...)
		for _, want := range []string{"Exit codes:", "  5    declined", "--json"} {
			if !strings.Contains(out.stdout, want) {
				t.Errorf("%s lacks %q", args, want)
			}
		}
	}
	if out := r.want(command.ExitOK, "help", "settings"); !strings.Contains(out.stdout, "WATCHWORD_MYSQL_DSN_FILE") {
		t.Errorf("help settings: got %s", out.stdout)
	}
}

func TestBadSettingsAreUsage(t *testing.T) {
	t.Parallel()
	for _, entry := range []string{"WATCHWORD_ACCESS_LIFETIME=soon", "WATCHWORD_IDLE_LIFETIME=1ms", "WATCHWORD_MYSQL_DSN=hunter2"} {
		r := newRig(t, session.Config{})
		r.env = []string{entry}
		name, _, _ := strings.Cut(entry, "=")
		if out := r.want(command.ExitUsage, "keys", "list"); !strings.Contains(out.stderr, name) || strings.Contains(out.stderr, "hunter2") {
			t.Errorf("%s: got %q", entry, out.stderr)
		}
	}
}

// Without Open, the command wants to know which database.
func TestDatabaseIsRequired(t *testing.T) {
	t.Parallel()
	var stdout, stderr strings.Builder
	code := command.Run(t.Context(), command.Environment{Args: []string{"keys", "list"}, Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr})
	if code != command.ExitUsage || !strings.Contains(stderr.String(), "WATCHWORD_MYSQL_DSN") {
		t.Errorf("got %d, %q", code, stderr.String())
	}
}

func TestUnreachableStore(t *testing.T) {
	t.Parallel()
	r := newRig(t, session.Config{})
	r.store = failing{r.store}
	r.want(command.ExitUnreachable, "sessions", "list", "--user", "alice")
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	r := newRig(t, session.Config{})
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if out := r.want(command.ExitOK, "completion", shell); !strings.Contains(out.stdout, "watchword") {
			t.Errorf("%s: got %q", shell, out.stdout)
		}
	}
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"__complete", "ses"}, "sessions"},
		{[]string{"__complete", "keys", "rotate", "--purpose", ""}, "refresh"},
		{[]string{"__complete", "sessions", "revoke", "--reason", "pass"}, "password_changed"},
		{[]string{"__complete", "doctor", "--skip", "iso"}, "isolation"},
	} {
		if out := r.want(command.ExitOK, test.args...); !strings.Contains(out.stdout, test.want) {
			t.Errorf("%v: got %q, want %q", test.args, out.stdout, test.want)
		}
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	r := newRig(t, session.Config{})
	r.login("alice", 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range [][]string{
		{"sessions", "list", "--user", "alice"}, {"sessions", "revoke", "--user", "alice", "--yes"}, {"cleanup"}, {"doctor"},
	} {
		if out := r.runIn(ctx, args...); out.code != command.ExitInterrupted {
			t.Errorf("%v: got %d, want %d: %s", args, out.code, command.ExitInterrupted, out.stderr)
		}
	}
	if r.live("alice") != 1 {
		t.Error("an interrupted command has ended a session")
	}
}

// auditLine is a line of `audit --json`.
type auditLine struct {
	Requirement, Level, Title, Status, Detail string
	Fields, Tests                             []string
}

func TestAudit(t *testing.T) {
	t.Parallel()
	r := newRig(t, session.Config{})
	out := r.want(command.ExitOK, "audit")
	if !strings.Contains(out.stdout, "7.3.1") {
		t.Errorf("got %s", out.stdout)
	}
	r.env = []string{"WATCHWORD_REVOCATION=off", "WATCHWORD_MAX_FEED_AGE=1h"}
	lines := objects[auditLine](t, r.want(command.ExitFindings, "audit", "--json").stdout)
	var violated []string
	for _, l := range lines {
		if l.Status == "violated" {
			violated = append(violated, l.Requirement)
		}
	}
	if !slices.Equal(violated, []string{"7.4.1"}) {
		t.Errorf("violated: got %v, want 7.4.1", violated)
	}
	// The file stands in the environment's place.
	file := write(t, `{"WATCHWORD_ABSOLUTE_LIFETIME": "48h", "WATCHWORD_MAX_SESSIONS": 100, "WATCHWORD_COOKIE_SECURE": false}`)
	out = r.want(command.ExitFindings, "audit", "--config", file, "--level", "L3")
	if !strings.Contains(out.stdout, "48h") && !strings.Contains(out.stdout, "2 days") {
		t.Errorf("got %s", out.stdout)
	}
	for _, bad := range []string{`[]`, `{"ACCESS_LIFETIME":"5m"}`, `{"WATCHWORD_ACCESS_LIFETIME":["5m"]}`, `{"WATCHWORD_ACESS_LIFETIME":"5m"}`, `{"WATCHWORD_GRACE":"x"}`} {
		r.want(command.ExitUsage, "audit", "--config", write(t, bad))
	}
}

// Whatever clients and users choose must not move a terminal's cursor.
func TestTablesShowNoControlCharacters(t *testing.T) {
	t.Parallel()
	r := newRig(t, session.Config{})
	const evil = "eve\x1b[2J\u202e\u009b"
	s := r.login(evil, 1)
	out := r.want(command.ExitOK, "sessions", "show", "--handle", s.Handle().String())
	if strings.ContainsAny(out.stdout, "\x1b\u202e\u009b") || !strings.Contains(out.stdout, `eve\x1b[2J`) {
		t.Errorf("got %q", out.stdout)
	}
}

func TestTimesAreUTC(t *testing.T) {
	t.Parallel()
	r := newRig(t, session.Config{})
	r.clock.now = r.clock.now.In(time.FixedZone("somewhere", 7200))
	r.login("alice", 1)
	if out := r.want(command.ExitOK, "sessions", "list", "--user", "alice"); !strings.Contains(out.stdout, "2026-03-04T05:06:07Z") {
		t.Errorf("got %s", out.stdout)
	}
}
