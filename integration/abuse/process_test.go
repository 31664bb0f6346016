package abuse_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The programs, each built once and without the race detector, which would be what is measured.
var (
	demoBinary  = program(filepath.Join("..", "..", "demo", "api"))
	plainBinary = program("plain")
)

func program(source string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		dir, err := os.MkdirTemp("", "watchword-abuse-")
		if err != nil {
			return "", err
		}
		path := filepath.Join(dir, "program")
		build := exec.CommandContext(context.Background(), "go", "build", "-o", path, ".")
		build.Dir = source
		build.Env = append(os.Environ(), "GOWORK=off")
		if out, err := build.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s: %w\n%s", source, err, out)
		}
		return path, nil
	})
}

// server is a process under attack.
type server struct {
	t    *testing.T
	cmd  *exec.Cmd
	addr string
	log  *serverLog
	done chan struct{} // closed when it has ended
	err  error         // of its end
}

// startDemo runs the demo on a database. settings are NAME=value without the WATCHWORD_ prefix.
func startDemo(t *testing.T, dsn string, settings ...string) *server {
	t.Helper()
	path, err := demoBinary()
	if err != nil {
		t.Fatal(err)
	}
	addr := freeAddress(t)
	cmd := exec.Command(path) //nolint:noctx // it is stopped by a signal, as in production
	cmd.Env = []string{"WATCHWORD_ADDR=" + addr, "WATCHWORD_MYSQL_DSN=" + dsn, "WATCHWORD_DEMO_OPEN_LOGIN=1"}
	for _, s := range settings {
		cmd.Env = append(cmd.Env, "WATCHWORD_"+s)
	}
	return startServer(t, cmd, addr)
}

// startPlain runs a server of net/http and nothing else, with the demo's timeouts.
func startPlain(t *testing.T) *server {
	t.Helper()
	path, err := plainBinary()
	if err != nil {
		t.Fatal(err)
	}
	addr := freeAddress(t)
	return startServer(t, exec.Command(path, addr), addr) //nolint:noctx // it is stopped by a signal
}

func startServer(t *testing.T, cmd *exec.Cmd, addr string) *server {
	t.Helper()
	s := &server{t: t, cmd: cmd, addr: addr, log: &serverLog{}, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = s.log, s.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		s.err = cmd.Wait()
		close(s.done)
	}()
	t.Cleanup(func() {
		s.stop(syscall.SIGKILL)
		if t.Failed() {
			t.Logf("the log's end:\n%s", s.log.end())
		}
	})
	for giveUp := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		select {
		case <-s.done:
			t.Fatalf("the server ended: %v\n%s", s.err, s.log.end())
		default:
		}
		if a, err := get(t.Context(), http.DefaultClient, "http://"+addr+"/healthz"); err == nil && a.status != 0 {
			return s
		}
		if time.Now().After(giveUp) {
			t.Fatal("the server does not answer")
		}
	}
}

// stop ends the process with a signal, unless it has ended.
func (s *server) stop(signal syscall.Signal) {
	_ = s.cmd.Process.Signal(signal)
	select {
	case <-s.done:
	case <-time.After(20 * time.Second):
		_ = s.cmd.Process.Kill()
		s.t.Errorf("the server did not end on %v", signal)
	}
}

// goroutines ends the process with the signal that has Go print every goroutine's stack, and counts them.
func (s *server) goroutines() int {
	s.t.Helper()
	mark := s.log.size()
	s.stop(syscall.SIGQUIT)
	return len(regexp.MustCompile(`(?m)^goroutine \d+ `).FindAll(s.log.since(mark), -1))
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// answer is a response, read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

func get(ctx context.Context, c *http.Client, url string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return answer{}, err
	}
	return do(c, req)
}

func do(c *http.Client, req *http.Request) (answer, error) {
	resp, err := c.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(body)}, err
}

// procfs is whether a process's memory and files can be seen here.
const procfs = runtime.GOOS == "linux"

// memory is a process's resident memory in KiB: now, and the most since the last resetPeak.
func (s *server) memory() (now, peak int) {
	s.t.Helper()
	if !procfs {
		return 0, 0
	}
	status, err := os.ReadFile(s.proc("status"))
	if err != nil {
		s.t.Fatal(err)
	}
	read := func(name string) int {
		_, rest, _ := strings.Cut(string(status), name+":")
		field := strings.Fields(rest)[0]
		n, err := strconv.Atoi(field)
		if err != nil {
			s.t.Fatal(err)
		}
		return n
	}
	return read("VmRSS"), read("VmHWM")
}

func (s *server) resetPeak() {
	s.t.Helper()
	if procfs {
		if err := os.WriteFile(s.proc("clear_refs"), []byte("5"), 0); err != nil { // proc(5): resets VmHWM
			s.t.Fatal(err)
		}
	}
}

// files is how many files and connections the process has open.
func (s *server) files() int {
	s.t.Helper()
	if !procfs {
		return 0
	}
	entries, err := os.ReadDir(s.proc("fd"))
	if err != nil {
		s.t.Fatal(err)
	}
	return len(entries)
}

// poolSize is how many connections to the database the demo opens at most, and keeps.
const poolSize = 32

// settles waits until the process has at most so many files open.
func (s *server) settles(files int) {
	s.t.Helper()
	giveUp := time.Now().Add(10 * time.Second)
	for s.files() > files {
		if time.Now().After(giveUp) {
			s.t.Errorf("the server still has %d files open, want %d at most", s.files(), files)
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (s *server) proc(name string) string {
	return filepath.Join("/proc", strconv.Itoa(s.cmd.Process.Pid), name)
}

// serverLog is what a process has written.
type serverLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *serverLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *serverLog) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Len()
}

func (l *serverLog) since(mark int) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.text.Bytes()[mark:])
}

func (l *serverLog) end() []byte { return l.since(max(l.size()-4000, 0)) }
