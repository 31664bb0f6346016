package server_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/watchword-dev/watchword/demo/api/internal/server"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// built is a front end as its build leaves it.
func built(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "assets"), 0o750); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"index.html": "<!doctype html>the page", "assets/app-1a2b3c.js": "0123456789"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFrontEnd(t *testing.T) {
	t.Parallel()
	c := start(t, options{change: func(cfg *server.Config) { cfg.Web = built(t) }}).client(t)
	for path, want := range map[string]string{
		"/": "the page", "/account": "the page", "/devices": "the page", "/endings": "the page", "/lab": "the page", "/apiary": "the page",
		"/assets/app-1a2b3c.js": "0123456789",
	} {
		a := c.do("GET", path, "")
		if a.StatusCode != 200 || !strings.Contains(a.body, want) || a.Header.Get("Cache-Control") == "" {
			t.Errorf("%s: got %d %q, %v", path, a.StatusCode, a.body, a.Header)
		}
		if head := c.do("HEAD", path, ""); head.StatusCode != 200 || head.body != "" || head.Header.Get("Content-Length") != a.Header.Get("Content-Length") {
			t.Errorf("HEAD %s: got %d, %v", path, head.StatusCode, head.Header)
		}
		post := c.do("POST", path, "")
		c.want(post, 405, "method_not_allowed")
	}
	if a := c.do("GET", "/assets/app-1a2b3c.js", "", "Range", "bytes=3-"); a.StatusCode != 206 || a.body != "3456789" {
		t.Errorf("a range: got %d %q", a.StatusCode, a.body)
	}
	for _, path := range []string{
		"/api", "/api/", "/api/nothing", "/api/lab/stream", "/.well-known/nothing", "/.env", "/assets/app-old.js", "/assets/", "/nothing.txt",
		"/..%2f..%2fetc%2fpasswd", "/%2e%2e/index.html", "/assets/..%2findex.html",
	} {
		a := c.do("GET", path, "")
		c.want(a, 404, "not_found")
	}
	if a := c.do("GET", "/healthz", ""); a.StatusCode != 200 || !strings.Contains(a.body, `"status"`) {
		t.Errorf("health: got %d %s", a.StatusCode, a.body)
	}
}

func TestWithoutAFrontEnd(t *testing.T) {
	t.Parallel()
	c := start(t, options{}).client(t)
	if a := c.do("GET", "/", ""); a.StatusCode != 200 || !strings.Contains(a.body, "make demo") {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
	c.want(c.do("GET", "/account", ""), 404, "not_found")
	cfg := server.Config{Manager: startManager(t), Web: filepath.Join(built(t), "index.html")}
	if _, err := server.New(cfg); err == nil || !strings.Contains(err.Error(), "Web is") {
		t.Errorf("a file instead of a directory: got %v", err)
	}
}

// TestSecurityHeaders: on every answer, whatever it is.
func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	c := start(t, options{change: func(cfg *server.Config) { cfg.Web = built(t) }, wire: wire.Config{TrustedProxies: []string{"127.0.0.1"}}}).client(t)
	for _, path := range []string{"/", "/assets/app-1a2b3c.js", "/assets/none.js", "/api/me", "/api/demo", "/healthz", "/.well-known/jwks.json"} {
		a := c.do("GET", path, "")
		csp := a.Header.Get("Content-Security-Policy")
		for _, part := range []string{
			"default-src 'self'", "connect-src 'self'", "base-uri 'none'", "object-src 'none'", "form-action 'self'", "frame-ancestors 'none'",
		} {
			if !strings.Contains(csp, part) {
				t.Errorf("%s: policy %q lacks %q", path, csp, part)
			}
		}
		if strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") {
			t.Errorf("%s: got policy %q", path, csp)
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin", "X-Frame-Options": "DENY", "Strict-Transport-Security": "",
		} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s: got %s %q, want %q", path, name, got, want)
			}
		}
		if policy := a.Header.Get("Permissions-Policy"); !strings.Contains(policy, "camera=()") || strings.Contains(policy, "self") || strings.Contains(policy, "*") {
			t.Errorf("%s: got permissions %q", path, policy)
		}
	}
	for proto, want := range map[string]string{"https": "max-age=31536000", "HTTPS": "max-age=31536000", "http": "", "https, http": "", "": ""} {
		if got := c.do("GET", "/", "", "X-Forwarded-Proto", proto).Header.Get("Strict-Transport-Security"); got != want {
			t.Errorf("behind a proxy by %q: got %q, want %q", proto, got, want)
		}
	}
	direct := start(t, options{}).client(t)
	if got := direct.do("GET", "/", "", "X-Forwarded-Proto", "https").Header.Get("Strict-Transport-Security"); got != "" {
		t.Errorf("on anybody's word: got %q", got)
	}
}

func TestDescription(t *testing.T) {
	t.Parallel()
	login := server.Login{UserID: "demo", Password: "watchword-demo-login"}
	c := start(t, options{change: func(cfg *server.Config) { cfg.Login, cfg.Theft = &login, session.TheftRevoke }}).client(t)
	want := `{"store":"memory","graceMs":10000,"accessMs":900000,"idleMs":2592000000,"proofMs":300000,"passwordMin":15,` +
		`"antiCsrf":"fetch-metadata","revocation":"feed","theft":"revoke","refreshPath":"/api/session/refresh","lab":false,` +
		`"login":{"userId":"demo","password":"watchword-demo-login"}}` + "\n"
	if got := c.do("GET", "/api/demo", "").body; got != want || !json.Valid([]byte(got)) {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, method := range []string{http.MethodPost, http.MethodDelete} {
		c.want(c.do(method, "/api/demo", ""), 405, "method_not_allowed")
	}
}
