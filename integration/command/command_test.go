// Package command_test runs the command watchword as its users do, as a process over a real MySQL.
package command_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/integration/mysqltest"
	"github.com/watchword-dev/watchword/integration/program"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

func TestMain(m *testing.M) { mysqltest.Main(m, program.Remove) }

// The exit codes that --help lists.
const (
	done        = 0
	failed      = 1
	usage       = 2
	found       = 3
	unreachable = 4
	declined    = 5
	interrupted = 130
)

// patience is how long a run of the command may take.
const patience = time.Minute

// result is what a run has left.
type result struct {
	code           int
	stdout, stderr string
}

// shell runs the command with settings.
type shell struct {
	t     *testing.T
	env   []string
	stdin string
}

func newShell(t *testing.T, dsn string, settings ...string) *shell {
	t.Helper()
	s := &shell{t: t, env: []string{"WATCHWORD_MYSQL_DSN=" + dsn}}
	return s.with(settings...)
}

// with is a shell with more settings, without their prefix.
func (s *shell) with(settings ...string) *shell {
	more := *s
	more.env = append([]string{}, s.env...)
	for _, one := range settings {
		more.env = append(more.env, "WATCHWORD_"+one)
	}
	return &more
}

func (s *shell) command(ctx context.Context, args ...string) *exec.Cmd {
	s.t.Helper()
	path := program.Build(s.t, filepath.Join("..", "..", "cmd", "watchword"))
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = s.env
	cmd.Stdin = strings.NewReader(s.stdin)
	return cmd
}

func (s *shell) run(args ...string) result {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	cmd := s.command(ctx, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatalf("watchword %s: %v", strings.Join(args, " "), err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// want runs and asserts the exit code.
func (s *shell) want(code int, args string) result {
	s.t.Helper()
	r := s.run(strings.Fields(args)...)
	if r.code != code {
		s.t.Errorf("watchword %s: got exit code %d, want %d\n%s%s", args, r.code, code, r.stdout, r.stderr)
	}
	return r
}

// lines reads one JSON object from each line.
func lines[T any](t *testing.T, text string) (all []T) {
	t.Helper()
	for line := range strings.Lines(text) {
		var v T
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%q is no object of its kind: %v", line, err)
		}
		all = append(all, v)
	}
	return all
}

// application is a process of the application's on a database.
type application struct {
	*session.Manager
	store *mysql.Store
}

func start(t *testing.T, dsn string, cfg session.Config) application {
	t.Helper()
	store, err := mysql.Open(t.Context(), dsn, mysql.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	m, err := session.New(t.Context(), store, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return application{m, store}
}

func (a application) login(t *testing.T, user string, n int) (handles []string, tokens session.Tokens) {
	t.Helper()
	for range n {
		s, got, err := a.Create(t.Context(), user, session.CreateOptions{Device: session.Device{UserAgent: "Browser/1.0", Address: "192.0.2.7"}})
		if err != nil {
			t.Fatal(err)
		}
		handles, tokens = append(handles, s.Handle().String()), got
	}
	return handles, tokens
}

// parts reads a DSN.
func parts(t *testing.T, dsn string) *driver.Config {
	t.Helper()
	cfg, err := driver.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// execute runs a statement as the administrator.
func execute(t *testing.T, dsn, statement string) {
	t.Helper()
	if _, err := mysqltest.Open(t, dsn).ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
