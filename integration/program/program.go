// Package program builds the repository's programs and runs them as processes, for tests that meet them as their users do.
package program

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/mysqltest"
)

// patience is how long a process may take to begin and to end.
const patience = 20 * time.Second

// built are the programs of this test run by their directories.
var built struct {
	sync.Mutex
	paths map[string]string
}

// Build builds the program in a directory, once, without the race detector, and returns its path. Remove removes it.
func Build(t testing.TB, dir string) string {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if path, ok := built.paths[dir]; ok {
		return path
	}
	temp, err := os.MkdirTemp("", "watchword-program-")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(temp, "program")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", path, ".") //nolint:gosec // the path is from above
	build.Dir = dir
	build.Env = append(os.Environ(), "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		_ = os.RemoveAll(temp)
		t.Fatalf("build %s: %v\n%s", dir, err, out)
	}
	if built.paths == nil {
		built.paths = map[string]string{}
	}
	built.paths[dir] = path
	return path
}

// Remove removes what Build has built. It is for mysqltest.Main.
func Remove() {
	for _, path := range built.paths {
		_ = os.RemoveAll(filepath.Dir(path))
	}
}

// Demo prepares a demo, for Start. Its environment holds nothing of the test's own settings.
func Demo(t testing.TB, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(Build(t, filepath.Join("..", "..", "demo", "api"))) //nolint:noctx,gosec // it is stopped by a signal, as in production
	cmd.Env = env
	return cmd
}

// StartDemo runs a demo on a database, with as many connections as mysqltest allows, in which anybody may log in as any user. settings are
// NAME=value without the WATCHWORD_ prefix.
func StartDemo(t testing.TB, dsn string, settings ...string) *Process {
	t.Helper()
	addr := FreeAddress(t)
	env := []string{"WATCHWORD_ADDR=" + addr, "WATCHWORD_MYSQL_DSN=" + dsn, "WATCHWORD_DEMO_OPEN_LOGIN=1"}
	if n := mysqltest.MaxConns(); n > 0 {
		env = append(env, "WATCHWORD_MYSQL_MAX_CONNS="+strconv.Itoa(n))
	}
	for _, s := range settings {
		env = append(env, "WATCHWORD_"+s)
	}
	return Start(t, Demo(t, env...), addr)
}

// FreeAddress returns an address on loopback at which nobody listened a moment ago.
func FreeAddress(t testing.TB) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// Process is a program that runs.
type Process struct {
	Cmd  *exec.Cmd
	Addr string // where it listens
	Log  *Log   // of both its outputs
	done chan struct{}
	err  error // of its end
}

// Start runs a command that listens at an address, and waits until it answers requests for /healthz. It is killed when the test ends, unless
// it has ended before; its log is shown if the test failed.
func Start(t testing.TB, cmd *exec.Cmd, addr string) *Process {
	t.Helper()
	p := &Process{Cmd: cmd, Addr: addr, Log: &Log{}, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.Log, p.Log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		_ = p.Stop(syscall.SIGKILL)
		if t.Failed() {
			t.Logf("the end of the log of %s:\n%s", addr, p.Log.End())
		}
	})
	for giveUp := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		select {
		case <-p.done:
			t.Fatalf("the program ended: %v\n%s", p.err, p.Log.End())
		default:
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/healthz", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			return p
		}
		if time.Now().After(giveUp) {
			t.Fatal("the program does not answer")
		}
	}
}

// Stop ends the process with a signal, unless it has ended, and returns the error of its end, as exec.Cmd.Wait does. One that does not end is
// killed.
func (p *Process) Stop(signal syscall.Signal) error {
	_ = p.Cmd.Process.Signal(signal)
	select {
	case <-p.done:
		return p.err
	case <-time.After(patience):
		_ = p.Cmd.Process.Kill()
		return fmt.Errorf("it did not end on %v within %v", signal, patience)
	}
}

// Log is what a process has written. It is safe for concurrent use.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// Size returns how much it is, in bytes.
func (l *Log) Size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Len()
}

// Since returns what was written after the first bytes.
func (l *Log) Since(size int) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.text.Bytes()[size:])
}

// String returns all of it.
func (l *Log) String() string { return string(l.Since(0)) }

// End returns the last lines.
func (l *Log) End() []byte { return l.Since(max(l.Size()-4000, 0)) }
