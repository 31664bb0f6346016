// Package dashboard_test holds the demo's dashboard and alerts against the metrics that the demo really emits.
package dashboard_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long the demo may take to do anything.
const patience = 30 * time.Second

var built struct {
	sync.Once
	dir string
	err error
}

func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.RemoveAll(built.dir)
	os.Exit(code)
}

// demo is the program, with its sessions in memory.
type demo struct{ base, metrics string }

// start runs the demo until the test ends. Whatever takes a while by default is fast.
func start(t *testing.T) *demo {
	t.Helper()
	built.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "watchword-dashboard-"); built.err != nil {
			return
		}
		build := exec.Command("go", "build", "-o", filepath.Join(built.dir, "demo"), ".") //nolint:noctx // for all tests
		build.Dir = filepath.Join("..", "..", "demo", "api")
		build.Env = append(os.Environ(), "GOWORK=off")
		if out, err := build.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("%w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatalf("build the demo: %v", built.err)
	}
	addr, metrics := freeAddress(t), freeAddress(t)
	cmd := exec.CommandContext(t.Context(), filepath.Join(built.dir, "demo"))
	cmd.Env = []string{
		"WATCHWORD_ADDR=" + addr, "WATCHWORD_METRICS_ADDR=" + metrics, "WATCHWORD_DEMO_OPEN_LOGIN=1", "WATCHWORD_DEMO_LAB=1",
		"WATCHWORD_GRACE=0", "WATCHWORD_FEED_INTERVAL=200ms", "WATCHWORD_MAX_FEED_AGE=1s", "WATCHWORD_CLEANUP_INTERVAL=200ms",
	}
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // when the test's context is done, which has killed it
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the demo's log:\n%s", log.String())
		}
	})
	d := &demo{"http://" + addr, "http://" + metrics + "/metrics"}
	eventually(t, "the demo answers", func() bool {
		_, status, err := d.newClient().do(t.Context(), "GET", d.base+"/healthz", "")
		return err == nil && status == http.StatusOK
	})
	return d
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

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for giveUp := time.Now().Add(patience); !f(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(giveUp) {
			t.Fatalf("after %v it is still not so that %s", patience, what)
		}
	}
}

// client is a browser without its rules: it sends each cookie everywhere, and can be copied as it is.
type client struct {
	demo    *demo
	cookies map[string]string
}

func (d *demo) newClient() *client { return &client{d, map[string]string{}} }

// login begins a session.
func (d *demo) login(t *testing.T, user string) *client {
	t.Helper()
	c := d.newClient()
	c.want(t, http.StatusOK, "POST", "/api/login", fmt.Sprintf(`{"userId":%q,"password":"watchword"}`, user))
	return c
}

func (c *client) copied() *client { return &client{c.demo, maps.Clone(c.cookies)} }

func (c *client) want(t *testing.T, status int, method, path, body string) {
	t.Helper()
	text, got, err := c.do(t.Context(), method, c.demo.base+path, body)
	if err != nil || got != status {
		t.Fatalf("%s %s: got %d, %v, %s, want %d", method, path, got, err, text, status)
	}
}

func (c *client) do(ctx context.Context, method, url, body string) (text string, status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return "", 0, err
	}
	r.Header.Set("Origin", c.demo.base)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, value := range c.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	for _, cookie := range resp.Cookies() {
		c.cookies[cookie.Name] = cookie.Value
	}
	all, err := io.ReadAll(resp.Body)
	return string(all), resp.StatusCode, err
}
