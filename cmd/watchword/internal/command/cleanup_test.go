package command_test

import (
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/cmd/watchword/internal/command"
	"github.com/watchword-dev/watchword/session"
)

// cleanedLine is what `cleanup --json` prints.
type cleanedLine struct {
	Expired, Purged int
	Complete        bool
}

func (r *rig) cleaned(args ...string) cleanedLine {
	r.t.Helper()
	all := objects[cleanedLine](r.t, r.want(command.ExitOK, append([]string{"cleanup", "--share", "1", "--json"}, args...)...).stdout)
	if len(all) != 1 {
		r.t.Fatalf("got %+v", all)
	}
	return all[0]
}

func TestCleanup(t *testing.T) {
	t.Parallel()
	r := newRig(t, session.Config{})
	r.login("alice", 3)
	if got := r.cleaned(); got != (cleanedLine{Complete: true}) {
		t.Errorf("with nothing to do: got %+v", got)
	}
	r.clock.advance(31 * 24 * time.Hour)
	if got := r.cleaned(); got != (cleanedLine{Expired: 3, Complete: true}) {
		t.Errorf("expired: got %+v", got)
	}
	if got := r.cleaned(); got != (cleanedLine{Complete: true}) {
		t.Errorf("again: got %+v", got)
	}
	r.clock.advance(31 * 24 * time.Hour)
	if got := r.cleaned(); got != (cleanedLine{Purged: 3, Complete: true}) {
		t.Errorf("no longer kept: got %+v", got)
	}
	if out := r.want(command.ExitOK, "cleanup"); !strings.Contains(out.stdout, "0 expired sessions ended, 0 records removed.") {
		t.Errorf("got %q", out.stdout)
	}
}

// What is kept for how long is the application's to say.
func TestCleanupKeepsToTheSettings(t *testing.T) {
	t.Parallel()
	r := newRig(t, session.Config{})
	r.login("alice", 1)
	r.want(command.ExitOK, "sessions", "revoke", "--user", "alice", "--yes")
	r.clock.advance(2 * time.Hour)
	r.env = []string{"WATCHWORD_ENDING_RETENTION=0", "WATCHWORD_ACCESS_LIFETIME=2h", "WATCHWORD_IDLE_LIFETIME=24h"}
	if got := r.cleaned(); got.Purged != 0 {
		t.Errorf("access tokens of the session are good yet: got %+v", got)
	}
	r.env = []string{"WATCHWORD_ENDING_RETENTION=1h"}
	if got := r.cleaned(); got.Purged == 0 {
		t.Errorf("got %+v", got)
	}
}

// The time that a cleanup may take ends it, and that is no failure.
func TestCleanupEndsInTime(t *testing.T) {
	t.Parallel()
	r := newRig(t, session.Config{})
	if got := r.cleaned("--time-limit", "1ns"); got.Complete {
		t.Errorf("got %+v", got)
	}
	if out := r.want(command.ExitOK, "cleanup", "--time-limit", "1ns"); !strings.Contains(out.stdout, "did not come to the end") {
		t.Errorf("got %q", out.stdout)
	}
}
