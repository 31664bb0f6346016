package command_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/cmd/watchword/internal/command"
	"github.com/watchword-dev/watchword/session"
)

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// sessionLine is a line of `sessions list --json`.
type sessionLine struct {
	Handle, UserID, State, UserAgent, Address, Label string
	CreatedAt, RefreshedAt, AuthAt, ExpiresAt        time.Time
}

func TestSessionsAreListed(t *testing.T) {
	t.Parallel()
	r := newRig(t, session.Config{})
	r.login("bob", 1)
	last := r.login("alice", 3)
	out := r.want(command.ExitOK, "sessions", "list", "--user", "alice")
	lines := strings.Split(strings.TrimSpace(out.stdout), "\n")
	if len(lines) != 4 || !strings.HasPrefix(lines[0], "HANDLE") || !strings.HasPrefix(lines[1], last.Handle().String()) {
		t.Errorf("got\n%s", out.stdout)
	}
	for _, want := range []string{"192.0.2.7", "laptop", "Browser/1.0", "2026-03-04T05:06:10Z"} {
		if !strings.Contains(lines[1], want) {
			t.Errorf("got %q, want it to hold %q", lines[1], want)
		}
	}
	for _, test := range []struct {
		limit, want int
	}{{0, 3}, {1, 1}, {2, 2}, {3, 3}, {7, 3}} {
		all := objects[sessionLine](t, r.want(command.ExitOK, "sessions", "list", "--user", "alice", "--json", "--limit", fmt.Sprint(test.limit)).stdout)
		if len(all) != test.want || all[0].Handle != last.Handle().String() || all[0].UserID != "alice" || all[0].State != "live" || all[0].ExpiresAt.IsZero() {
			t.Errorf("limit %d: got %+v", test.limit, all)
		}
	}
	if out := r.want(command.ExitOK, "sessions", "list", "--user", "nobody", "--json"); out.stdout != "" {
		t.Errorf("nobody's: got %q, want nothing", out.stdout)
	}
}

// More than one page comes whole, in order, and in columns.
func TestPagesAreReadToTheEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t, session.Config{})
	const many = 1203
	r.login("alice", many)
	for _, limit := range []int{0, 500, 501, many} {
		all := objects[sessionLine](t, r.want(command.ExitOK, "sessions", "list", "--user", "alice", "--json", "--limit", fmt.Sprint(limit)).stdout)
		want := limit
		if limit == 0 {
			want = many
		}
		if len(all) != want {
			t.Fatalf("limit %d: got %d sessions, want %d", limit, len(all), want)
		}
		for i := 1; i < len(all); i++ {
			if all[i-1].Handle <= all[i].Handle {
				t.Fatalf("limit %d: %s comes before %s", limit, all[i-1].Handle, all[i].Handle)
			}
		}
	}
	r.want(command.ExitOK, "sessions", "revoke", "--user", "alice", "--yes")
	if all := objects[endingLine](t, r.want(command.ExitOK, "endings", "--user", "alice", "--json").stdout); len(all) != many {
		t.Errorf("got %d endings, want %d", len(all), many)
	}
	if out := r.want(command.ExitOK, "endings", "--user", "alice"); strings.Count(out.stdout, "HANDLE") != 1 {
		t.Error("the titles stand there more than once, or not at all")
	}
}

func TestShow(t *testing.T) {
	t.Parallel()
	r := newRig(t, session.Config{})
	s := r.login("alice", 1)
	handle := s.Handle().String()
	out := r.want(command.ExitOK, "sessions", "show", "--handle", handle)
	if !strings.Contains(out.stdout, "live") || !strings.Contains(out.stdout, "alice") {
		t.Errorf("got %s", out.stdout)
	}
	one := objects[sessionLine](t, r.want(command.ExitOK, "sessions", "show", "--handle", handle, "--json").stdout)
	if len(one) != 1 || one[0].State != "live" {
		t.Errorf("got %+v", one)
	}
	r.want(command.ExitOK, "sessions", "revoke", "--handle", handle, "--yes", "--reason", "password_changed")
	ended := objects[endingLine](t, r.want(command.ExitOK, "sessions", "show", "--handle", handle, "--json").stdout)
	if len(ended) != 1 || ended[0].State != "ended" || ended[0].Reason != "password_changed" || ended[0].UserID != "alice" {
		t.Errorf("got %+v", ended)
	}
	if out := r.want(command.ExitOK, "sessions", "show", "--handle", handle); !strings.Contains(out.stdout, "password_changed") {
		t.Errorf("got %s", out.stdout)
	}
}

// endingLine is a line of `endings --json`.
type endingLine struct {
	Handle, UserID, State, Reason, UserAgent, Address, Label string
	EndedAt, CreatedAt, RefreshedAt                          time.Time
	Theft                                                    *struct {
		Kind                                                               string
		Generations                                                        int
		SecondsSinceRotation                                               float64
		OwnerUserAgent, OwnerAddress, PresenterUserAgent, PresenterAddress string
	}
}

func TestThievesAreShown(t *testing.T) {
	t.Parallel()
	r := newRig(t, session.Config{Grace: time.Second})
	_, tokens, err := r.app.Create(t.Context(), "alice", session.CreateOptions{Device: session.Device{UserAgent: "Owner/1"}})
	if err != nil {
		t.Fatal(err)
	}
	stolen := tokens.RefreshToken
	refresh := func(token, agent string) session.Tokens {
		r.clock.advance(time.Minute)
		_, tokens, _ := r.app.Refresh(t.Context(), token, session.RefreshOptions{Device: session.Device{UserAgent: agent}})
		return tokens
	}
	refresh(refresh(stolen, "Owner/1").RefreshToken, "Owner/1")
	refresh(stolen, "Thief/1")
	all := objects[endingLine](t, r.want(command.ExitOK, "endings", "--user", "alice", "--json").stdout)
	if len(all) != 1 || all[0].Reason != "theft" || all[0].Theft == nil || all[0].Theft.Kind != "reuse" ||
		all[0].Theft.PresenterUserAgent != "Thief/1" || all[0].Theft.OwnerUserAgent != "Owner/1" {
		t.Fatalf("got %+v", all)
	}
	if out := r.want(command.ExitOK, "sessions", "show", "--handle", all[0].Handle); !strings.Contains(out.stdout, "Thief/1") {
		t.Errorf("got %s", out.stdout)
	}
	// What the application does not keep is not shown either.
	r.env = []string{"WATCHWORD_DEVICES=none"}
	if out := r.want(command.ExitOK, "endings", "--user", "alice", "--json"); strings.Contains(out.stdout, "Thief/1") {
		t.Errorf("got %s", out.stdout)
	}
}
