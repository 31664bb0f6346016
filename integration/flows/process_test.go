// Package flows_test drives the demo application, as processes over a real MySQL, the way browsers and thieves do.
package flows_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/mysqltest"
	"github.com/watchword-dev/watchword/integration/program"
)

func TestMain(m *testing.M) { mysqltest.Main(m, program.Remove) }

// process is one running demo, which is expected to end well.
type process struct {
	*program.Process
	t    *testing.T
	base string
	once sync.Once
}

// start runs a demo on a database and waits until it answers. settings are NAME=value without the WATCHWORD_ prefix.
func start(t *testing.T, dsn string, settings ...string) *process {
	t.Helper()
	running := program.StartDemo(t, dsn, settings...)
	p := &process{Process: running, t: t, base: "http://" + running.Addr}
	t.Cleanup(p.stop)
	return p
}

// stop ends the process as a service manager does.
func (p *process) stop() {
	p.once.Do(func() {
		if err := p.Stop(syscall.SIGTERM); err != nil {
			p.t.Errorf("the demo: %v", err)
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
