package command_test

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/watchword-dev/watchword/cmd/watchword/internal/command"
	"github.com/watchword-dev/watchword/cmd/watchword/internal/settings"
	"github.com/watchword-dev/watchword/session"
)

// screen is a terminal with somebody before it.
type screen struct {
	t        *testing.T
	keyboard *os.File // and what the terminal shows
	terminal *os.File
	shown    chan []byte
}

func newScreen(t *testing.T) *screen {
	t.Helper()
	keyboard, terminal, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, keyboard: keyboard, terminal: terminal, shown: make(chan []byte, 1000)}
	go func() {
		defer close(s.shown)
		for {
			b := make([]byte, 4096)
			n, err := keyboard.Read(b)
			if err != nil {
				return
			}
			s.shown <- b[:n]
		}
	}()
	t.Cleanup(func() {
		_ = terminal.Close() // which ends the reading
		for range s.shown {
			continue
		}
		_ = keyboard.Close()
	})
	return s
}

// until waits until the terminal has shown something, and returns all until then.
func (s *screen) until(text string) string {
	s.t.Helper()
	var all bytes.Buffer
	giveUp := time.After(20 * time.Second)
	for !strings.Contains(all.String(), text) {
		select {
		case b, ok := <-s.shown:
			if !ok {
				s.t.Fatalf("the terminal closed, and shows %q, not %q", all.String(), text)
			}
			all.Write(b)
		case <-giveUp:
			s.t.Fatalf("the terminal shows %q, not %q", all.String(), text)
		}
	}
	return all.String()
}

func (s *screen) enter(text string) {
	s.t.Helper()
	if _, err := s.keyboard.WriteString(text + "\n"); err != nil {
		s.t.Fatal(err)
	}
}

// run runs the command on the terminal.
func (s *screen) run(ctx context.Context, r *rig, stdout *bytes.Buffer, args ...string) chan int {
	code := make(chan int, 1)
	go func() {
		code <- command.Run(ctx, command.Environment{
			Args: args, Environ: r.env, Stdin: s.terminal, Stdout: stdout, Stderr: s.terminal, Now: r.here,
			Open: func(context.Context, settings.Settings, command.Now) (*command.Backend, error) {
				return &command.Backend{Name: "memory", Store: r.store, Close: func() error { return nil }}, nil
			},
		})
	}()
	return code
}

// echoes reports whether the terminal shows what is typed.
func (s *screen) echoes() bool {
	s.t.Helper()
	state, err := unix.IoctlGetTermios(int(s.terminal.Fd()), unix.TCGETS)
	if err != nil {
		s.t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// untilSilent waits until a token is asked for, and the terminal does not show what is typed any more.
func (s *screen) untilSilent() {
	s.t.Helper()
	s.until("press Enter: ")
	for giveUp := time.Now().Add(10 * time.Second); s.echoes(); time.Sleep(time.Millisecond) {
		if time.Now().After(giveUp) {
			s.t.Fatal("the terminal echoes all the time")
		}
	}
}

func (s *screen) wait(code chan int) int {
	s.t.Helper()
	select {
	case c := <-code:
		return c
	case <-time.After(20 * time.Second):
		s.t.Fatal("the command does not end")
		return 0
	}
}

func TestSomebodyAnswersOnATerminal(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]int{"y": command.ExitOK, "no": command.ExitDeclined} {
		r := newRig(t, session.Config{})
		r.login("alice", 1)
		s := newScreen(t)
		var stdout bytes.Buffer
		code := s.run(t.Context(), r, &stdout, "sessions", "revoke", "--all")
		s.until("[y/N] ")
		s.enter(answer)
		if got := s.wait(code); got != want {
			t.Errorf("%q: got %d, want %d", answer, got, want)
		}
		if ended := r.live("alice") == 0; ended != (want == command.ExitOK) {
			t.Errorf("%q: the session ended: %v", answer, ended)
		}
	}
}

// A token that is pasted does not stay on the screen.
func TestTokenIsNotEchoed(t *testing.T) {
	t.Parallel()
	r := newRig(t, session.Config{})
	_, tokens, err := r.app.Create(t.Context(), "alice", session.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := newScreen(t)
	var stdout bytes.Buffer
	code := s.run(t.Context(), r, &stdout, "inspect-token")
	s.untilSilent()
	s.enter(tokens.AccessToken)
	if got := s.wait(code); got != command.ExitOK || !strings.Contains(stdout.String(), "alice") {
		t.Errorf("got %d, %s", got, stdout.String())
	}
	if _, err := s.terminal.WriteString("the end"); err != nil {
		t.Fatal(err)
	}
	if shown := s.until("the end"); strings.Contains(shown, tokens.AccessToken[:20]) {
		t.Errorf("the terminal shows %q", shown)
	}
}

// Progress is shown where somebody watches, and nowhere else.
func TestProgressIsForTerminals(t *testing.T) {
	t.Parallel()
	r := newRig(t, session.Config{})
	r.login("alice", 1500)
	s := newScreen(t)
	var stdout bytes.Buffer
	code := s.run(t.Context(), r, &stdout, "sessions", "revoke", "--all", "--yes")
	s.until("ending sessions")
	if got := s.wait(code); got != command.ExitOK || stdout.String() != "1500 ended.\n" {
		t.Errorf("got %d, %q", got, stdout.String())
	}
	r.login("alice", 3)
	if out := r.want(command.ExitOK, "sessions", "revoke", "--all", "--yes"); out.stderr != "" {
		t.Errorf("without a terminal: got %q", out.stderr)
	}
}

// Whoever interrupts while a token is awaited finds the terminal as it was.
func TestTerminalIsRestored(t *testing.T) {
	t.Parallel()
	r := newRig(t, session.Config{})
	s := newScreen(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stdout bytes.Buffer
	before := s.echoes()
	code := s.run(ctx, r, &stdout, "inspect-token")
	s.untilSilent()
	cancel()
	if got := s.wait(code); got != command.ExitInterrupted {
		t.Errorf("got %d, want %d", got, command.ExitInterrupted)
	}
	if after := s.echoes(); !before || !after {
		t.Errorf("the terminal echoes: before %v, after %v, want both", before, after)
	}
	s.enter("") // for whoever reads on, which here, unlike in a process that ends, is still there
	time.Sleep(100 * time.Millisecond)
}
