package abuse_test

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/program"
)

// server is a process under attack.
type server struct {
	*program.Process
	t *testing.T
}

// startDemo runs the demo on a database. settings are NAME=value without the WATCHWORD_ prefix.
func startDemo(t *testing.T, dsn string, settings ...string) *server {
	t.Helper()
	return &server{program.StartDemo(t, dsn, settings...), t}
}

// startPlain runs a server of net/http and nothing else, with the demo's timeouts.
func startPlain(t *testing.T) *server {
	t.Helper()
	addr := program.FreeAddress(t)
	return &server{program.Start(t, exec.Command(program.Build(t, "plain"), addr), addr), t} //nolint:noctx // it is stopped by a signal
}

// goroutines ends the process with the signal that has Go print every goroutine's stack, and counts them.
func (s *server) goroutines() int {
	s.t.Helper()
	mark := s.Log.Size()
	_ = s.Stop(syscall.SIGQUIT) // with an exit code
	return len(regexp.MustCompile(`(?m)^goroutine \d+ `).FindAll(s.Log.Since(mark), -1))
}

// answer is a response, read to its end.
type answer struct {
	status int
	header http.Header
	body   string
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
	return filepath.Join("/proc", strconv.Itoa(s.Cmd.Process.Pid), name)
}
