package command_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/mysqltest"
	"github.com/watchword-dev/watchword/session"
)

// migrationLine is a line of `migrate --json`.
type migrationLine struct {
	Version   int
	Name, Way string
	Applied   bool
	SQL       string
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	dsn := mysqltest.Database(t)
	s := newShell(t, dsn)
	s.want(found, "doctor")
	pending := lines[migrationLine](t, s.want(done, "migrate --dry-run --json").stdout)
	if len(pending) == 0 || pending[0].Version != 1 || pending[0].Applied {
		t.Fatalf("pending: got %+v", pending)
	}
	if again := lines[migrationLine](t, s.want(done, "migrate --dry-run --json").stdout); len(again) != len(pending) {
		t.Errorf("a dry run has changed something: %d migrations are pending, and were %d", len(again), len(pending))
	}
	script := s.want(done, "migrate --dry-run --sql").stdout
	for _, m := range pending {
		if !strings.Contains(script, "-- "+m.Name) {
			t.Errorf("the script lacks %s", m.Name)
		}
	}
	applied := lines[migrationLine](t, s.want(done, "migrate --json").stdout)
	if len(applied) != len(pending) || !applied[0].Applied {
		t.Errorf("applied: got %+v", applied)
	}
	if r := s.want(done, "migrate"); !strings.Contains(r.stderr, "up to date") || r.stdout != "" {
		t.Errorf("again: got %+v", r)
	}
	if r := s.want(done, "migrate --dry-run --json"); r.stdout != "" {
		t.Errorf("again: got %+v", r)
	}
	// Tables of another prefix are others'.
	if r := s.with("TABLE_PREFIX=other_").want(done, "migrate --dry-run"); !strings.HasPrefix(r.stdout, "VERSION") {
		t.Errorf("other tables: got %+v", r)
	}
}

// sessionLine is a line of `sessions list --json` and of `endings --json`.
type sessionLine struct {
	Handle, UserID, State, Reason, UserAgent, Address string
	ExpiresAt, EndedAt                                time.Time
}

func TestSessions(t *testing.T) {
	t.Parallel()
	dsn := mysqltest.Database(t)
	app := start(t, dsn, session.Config{})
	handles, tokens := app.login(t, "alice", 3)
	app.login(t, "bob", 2)
	s := newShell(t, dsn)

	r := s.want(done, "sessions list --user alice")
	if got := strings.Split(strings.TrimSpace(r.stdout), "\n"); len(got) != 4 || !strings.HasPrefix(got[0], "HANDLE") || !strings.Contains(got[1], "192.0.2.7") {
		t.Errorf("got\n%s", r.stdout)
	}
	list := lines[sessionLine](t, s.want(done, "sessions list --user alice --json --limit 2").stdout)
	if len(list) != 2 || list[0].UserID != "alice" || list[0].State != "live" || list[0].ExpiresAt.Before(time.Now()) {
		t.Errorf("got %+v", list)
	}
	s.stdin = "n\n"
	if r := s.want(declined, "sessions revoke --handle "+handles[0]); !strings.Contains(r.stderr, "[y/N]") {
		t.Errorf("got %+v", r)
	}
	s.stdin = "y\n"
	s.want(done, "sessions revoke --handle "+handles[0])
	s.stdin = ""
	s.want(declined, "sessions revoke --user alice")
	if r := s.want(done, "sessions revoke --user alice --yes --reason password_changed"); r.stdout != "2 ended.\n" {
		t.Errorf("got %+v", r)
	}
	if _, err := app.Lookup(t.Context(), mustHandle(t, handles[2])); !errors.Is(err, session.ErrUnauthorised) {
		t.Errorf("the session lives: %v", err)
	}
	if _, _, err := app.Refresh(t.Context(), tokens.RefreshToken, session.RefreshOptions{}); !errors.Is(err, session.ErrUnauthorised) {
		t.Errorf("refresh: got %v, want ErrUnauthorised", err)
	}
	ended := lines[sessionLine](t, s.want(done, "endings --user alice --json").stdout)
	if len(ended) != 3 || ended[0].Reason != "password_changed" || ended[2].Reason != "revoked" || ended[2].Handle != handles[0] {
		t.Errorf("got %+v", ended)
	}
	if one := lines[sessionLine](t, s.want(done, "sessions show --json --handle "+handles[0]).stdout); len(one) != 1 || one[0].State != "ended" {
		t.Errorf("got %+v", one)
	}
	if r := s.want(done, "sessions revoke --all --yes --json"); r.stdout != `{"revoked":2,"reason":"revoked"}`+"\n" {
		t.Errorf("got %+v", r)
	}
	s.want(failed, "sessions show --handle 0199c82c-c000-73c5-8b91-b19d9b2d5ec9")
}

func mustHandle(t *testing.T, text string) session.Handle {
	t.Helper()
	h, err := session.ParseHandle(text)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// A process of the application that runs hears of what the command does, by its feed.
func TestRunningApplicationHears(t *testing.T) {
	t.Parallel()
	dsn := mysqltest.Database(t)
	app := start(t, dsn, session.Config{FeedInterval: 100 * time.Millisecond, KeyPollInterval: 200 * time.Millisecond, KeyPropagation: time.Second})
	running := make(chan struct{})
	go func() {
		defer close(running)
		app.Run(t.Context())
	}()
	t.Cleanup(func() { <-running }) // before the store is closed
	s := newShell(t, dsn, "KEY_POLL_INTERVAL=200ms", "KEY_PROPAGATION=1s")
	for _, how := range []string{"sessions revoke --user alice --yes", "sessions revoke --all --yes", "keys rotate --compromised --yes"} {
		_, tokens := app.login(t, "alice", 1)
		if _, err := app.Verify(t.Context(), tokens.AccessToken, session.VerifyOptions{}); err != nil {
			t.Fatalf("before %s: %v", how, err)
		}
		s.want(done, how)
		for giveUp := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			if _, err := app.Verify(t.Context(), tokens.AccessToken, session.VerifyOptions{}); err != nil {
				break
			}
			if time.Now().After(giveUp) {
				t.Fatalf("%s: the access token passes", how)
			}
		}
	}
}

// keyLine is a line of `keys list --json`.
type keyLine struct {
	Kid, Purpose, State, Algorithm string
	Sealed                         bool
}

func TestKeys(t *testing.T) {
	t.Parallel()
	dsn := mysqltest.Database(t)
	start(t, dsn, session.Config{Algorithm: session.ES256})
	const kek = "KEY_ENCRYPTION=7:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	s := newShell(t, dsn)
	s.want(done, "keys rotate")
	s.with(kek, "ACCEPT_UNSEALED_KEYS=1").want(done, "keys reseal")
	keys := lines[keyLine](t, s.want(done, "keys list --json").stdout)
	if len(keys) != 3 || !keys[0].Sealed || keys[0].State != "signing" || keys[1].State != "published" || keys[1].Algorithm != "ES256" || keys[2].Purpose != "refresh" {
		t.Errorf("got %+v", keys)
	}
	if r := s.want(failed, "keys rotate"); !strings.Contains(r.stderr, "WATCHWORD_KEY_ENCRYPTION") {
		t.Errorf("got %+v", r)
	}
	s.with(kek).want(done, "keys rotate --compromised --purpose refresh --yes")
}

func TestCleanup(t *testing.T) {
	t.Parallel()
	dsn := mysqltest.Database(t)
	app := start(t, dsn, session.Config{})
	app.login(t, "alice", 5)
	s := newShell(t, dsn)
	if r := s.want(done, "cleanup --json"); r.stdout != `{"expired":0,"purged":0,"complete":true}`+"\n" {
		t.Errorf("got %+v", r)
	}
	execute(t, dsn, "UPDATE watchword_sessions SET expires_at = expires_at - 40 * 86400000000, created_at = created_at - 40 * 86400000000")
	if r := s.want(found, "doctor"); !strings.Contains(r.stdout, "5 sessions expired") {
		t.Errorf("got %+v", r)
	}
	if r := s.want(done, "cleanup --share 1 --json"); !strings.HasPrefix(r.stdout, `{"expired":5,"purged":`) || !strings.Contains(r.stdout, `"complete":true`) {
		t.Errorf("got %+v", r)
	}
}

// TestSecretsStayWhereTheyAre: a wrong password, or a server that is away, is told without the password.
func TestSecretsStayWhereTheyAre(t *testing.T) {
	t.Parallel()
	dsn := mysqltest.Database(t)
	wrong := parts(t, dsn)
	wrong.Passwd = "correct-horse-battery"
	away := wrong.Clone()
	away.Addr = "127.0.0.1:1"
	noDatabase := parts(t, dsn)
	noDatabase.DBName = "watchword_no_such_schema"
	for name, test := range map[string]struct{ dsn, says string }{
		"wrong password": {wrong.FormatDSN(), "access denied"},
		"away":           {away.FormatDSN(), "127.0.0.1:1"},
		"no database":    {noDatabase.FormatDSN(), "no such database"},
	} {
		for _, args := range []string{"keys list", "doctor", "migrate", "sessions list --user alice -v"} {
			r := newShell(t, test.dsn).want(unreachable, args)
			if !strings.Contains(r.stderr, test.says) || r.stdout != "" {
				t.Errorf("%s: %s: got %+v, want it to say %q", name, args, r, test.says)
			}
			if strings.Contains(r.stderr, "correct-horse-battery") || strings.Contains(r.stderr, parts(t, dsn).Passwd) {
				t.Errorf("%s: %s: the password is shown: %s", name, args, r.stderr)
			}
		}
	}
	file := filepath.Join(t.TempDir(), "dsn")
	if err := os.WriteFile(file, []byte(dsn+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &shell{t: t, env: []string{"WATCHWORD_MYSQL_DSN_FILE=" + file}}
	s.want(done, "migrate")
	s.env = nil
	s.want(usage, "migrate")
}

// Ctrl-C at a question ends the command, and nothing has happened.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	dsn := mysqltest.Database(t)
	app := start(t, dsn, session.Config{})
	handles, _ := app.login(t, "alice", 1)
	cmd := newShell(t, dsn).command(t.Context(), "sessions", "revoke", "--all")
	cmd.Stdin = nil
	keyboard, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = keyboard.Close() }()
	asked, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	giveUp := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer giveUp.Stop()
	question := make([]byte, 1)
	if _, err := asked.Read(question); err != nil {
		t.Fatalf("nothing was asked: %v", err)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // its code is looked at
	if code := cmd.ProcessState.ExitCode(); code != interrupted {
		t.Errorf("got %d, want %d", code, interrupted)
	}
	if _, err := app.Lookup(t.Context(), mustHandle(t, handles[0])); err != nil {
		t.Errorf("the session: %v", err)
	}
}
