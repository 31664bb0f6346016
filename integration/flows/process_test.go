// Package flows_test drives the demo application, as processes over a real MySQL, the way browsers and thieves do.
package flows_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/mysqltest"
)

func TestMain(m *testing.M) { mysqltest.Main(m) }

// binary builds the demo once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "watchword-flows-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "api")
	build := exec.Command("go", "build", "-o", path, ".")
	build.Dir = filepath.Join("..", "..", "demo", "api")
	build.Env = append(os.Environ(), "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the demo: %w\n%s", err, out)
	}
	return path, nil
})

// process is one running demo.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	base string
	log  *bytes.Buffer
	done chan error
	once sync.Once
}

// command prepares a demo whose environment holds nothing of the test's own settings.
func command(t *testing.T, env ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path) //nolint:noctx // it is stopped by a signal, as in production
	cmd.Env = env
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	return cmd, &log
}

// freePort returns a port that nobody listened on a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// start runs a demo on a database and waits until it answers. settings are NAME=value without the WATCHWORD_ prefix.
func start(t *testing.T, dsn string, settings ...string) *process {
	t.Helper()
	addr := "127.0.0.1:" + freePort(t)
	env := []string{"WATCHWORD_ADDR=" + addr, "WATCHWORD_MYSQL_DSN=" + dsn, "WATCHWORD_DEMO_OPEN_LOGIN=1"}
	if n := mysqltest.MaxConns(); n > 0 {
		env = append(env, "WATCHWORD_MYSQL_MAX_CONNS="+strconv.Itoa(n))
	}
	for _, s := range settings {
		env = append(env, "WATCHWORD_"+s)
	}
	cmd, log := command(t, env...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: cmd, base: "http://" + addr, log: log, done: make(chan error, 1)}
	go func() { p.done <- cmd.Wait() }()
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("log of %s:\n%s", addr, log)
		}
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		select {
		case err := <-p.done:
			p.done <- err
			t.Fatalf("the demo ended: %v\n%s", err, log)
		default:
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.base+"/healthz", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			return p
		}
		if time.Now().After(deadline) {
			t.Fatal("the demo does not answer")
		}
	}
}

// stop ends the process as a service manager does, and expects it to end well.
func (p *process) stop() {
	p.once.Do(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-p.done:
			if err != nil {
				p.t.Errorf("the demo ended with %v", err)
			}
		case <-time.After(20 * time.Second):
			_ = p.cmd.Process.Kill()
			p.t.Error("the demo did not end on SIGTERM")
		}
	})
}

// browser is one cookie jar, which may visit several processes: their host is the same.
type browser struct {
	t        *testing.T
	client   *http.Client
	antiCSRF string
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, client: &http.Client{Jar: jar, Timeout: 20 * time.Second}}
}

// answer is a response, read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// code returns the error code of the body, or "".
func (a answer) code() string {
	var body struct{ Error string }
	_ = json.Unmarshal([]byte(a.body), &body) // no JSON, no code
	return body.Error
}

func (b *browser) do(p *process, method, path, body string, header ...string) answer {
	b.t.Helper()
	a, err := b.try(b.t.Context(), p, method, path, body, header...)
	if err != nil {
		b.t.Fatal(err)
	}
	return a
}

func (b *browser) try(ctx context.Context, p *process, method, path, body string, header ...string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, p.base+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if b.antiCSRF != "" {
		req.Header.Set("Anti-Csrf", b.antiCSRF)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, err
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: strings.TrimSpace(string(text))}, nil
}

// want asserts a status and, below, an error code.
func (b *browser) want(a answer, status int, code string) answer {
	b.t.Helper()
	if a.status != status || a.code() != code {
		b.t.Errorf("got %d %s, want %d %q", a.status, a.body, status, code)
	}
	return a
}

func (b *browser) login(p *process, user string) answer {
	b.t.Helper()
	a := b.want(b.do(p, "POST", "/api/login", fmt.Sprintf(`{"userId":%q,"password":"watchword"}`, user)), 200, "")
	b.antiCSRF = a.header.Get("Anti-Csrf")
	return a
}

const refreshPath = "/api/session/refresh"

func (b *browser) refresh(p *process) answer {
	b.t.Helper()
	return b.want(b.do(p, "POST", refreshPath, ""), 200, "")
}

func (b *browser) me(p *process) answer {
	b.t.Helper()
	return b.want(b.do(p, "GET", "/api/me", ""), 200, "")
}

// cookies returns what the browser would send to a path.
func (b *browser) cookies(p *process, path string) map[string]string {
	b.t.Helper()
	u, err := url.Parse(p.base + path)
	if err != nil {
		b.t.Fatal(err)
	}
	cookies := map[string]string{}
	for _, c := range b.client.Jar.Cookies(u) {
		cookies[c.Name] = c.Value
	}
	return cookies
}

func (b *browser) refreshToken(p *process) string {
	b.t.Helper()
	return b.cookies(p, refreshPath)["sRefreshToken"]
}

// thief presents a refresh token from elsewhere.
func thief(t *testing.T, p *process, token string) answer {
	t.Helper()
	return newBrowser(t).do(p, "POST", refreshPath, "", "Cookie", "sRefreshToken="+token)
}
