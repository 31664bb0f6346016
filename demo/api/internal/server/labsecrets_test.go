package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session/wire"
)

// TestNoSecretsInTheLab plays everything and looks for whatever was in a cookie or a header, the thieves' as well, in all that the lab has said.
func TestNoSecretsInTheLab(t *testing.T) {
	t.Parallel()
	d := start(t, options{lab: true, wire: wire.Config{AntiCSRF: wire.AntiCSRFBoth}})
	tap := &tap{next: d.Config.Handler, secrets: map[string]string{}}
	tapped := httptest.NewServer(tap)
	t.Cleanup(func() { d.lab.Close(); tapped.Close() })
	d.URL = tapped.URL
	c := d.client(t)
	csrf := c.login().Header.Get("Anti-Csrf")
	if csrf == "" {
		t.Fatal("there is no anti-CSRF token")
	}
	post := func(path, body string) answer {
		t.Helper()
		return c.do("POST", path, body, "Anti-Csrf", csrf)
	}
	w := c.watch()
	var said strings.Builder
	for range 2 {
		said.WriteString(post(copyPath, "").body)
	}
	for _, step := range []string{"thief 1/use", "thief 2/refresh", "lose", "owner", "owner", "rotate", "thief 1/refresh", "owner", "outage", "owner", "mend", "reauthenticate", "thief 2/use"} {
		d.clock.advance(3 * time.Second)
		thief, strategy, _ := strings.Cut(step, "/")
		switch step {
		case "owner":
			_, _ = c.try("POST", refreshPath, "") // which may be lost
			c.do("GET", "/api/me", "")
		case "lose":
			said.WriteString(post("/api/lab/lose", "").body)
		case "rotate":
			said.WriteString(post("/api/lab/rotate", `{"purpose":"access"}`).body)
		case "outage":
			said.WriteString(post("/api/lab/outage", `{"on":true}`).body)
		case "mend":
			said.WriteString(post("/api/lab/outage", `{"on":false}`).body)
		case "reauthenticate":
			post("/api/reauthenticate", `{"password":"watchword-demo-login"}`)
		default:
			said.WriteString(post("/api/lab/thief", fmt.Sprintf(`{"thief":%q,"strategy":%q}`, thief, strategy)).body)
		}
	}
	d.clock.advance(11 * time.Second)
	said.WriteString(post("/api/lab/revoke", "").body)
	w.until("the end", func() bool { return w.lineage.Ended != nil })
	w.untilEnd()
	said.WriteString(w.text.String())
	tap.secrets["watchword-demo-login"] = "the password"
	if len(tap.secrets) < 15 || len(w.requests) < 12 || len(w.lineage.Nodes) < 3 {
		t.Errorf("only %d secrets, %d requests and %d tokens were seen: %s", len(tap.secrets), len(w.requests), len(w.lineage.Nodes), said.String())
	}
	for secret, what := range tap.secrets {
		if strings.Contains(said.String(), secret) {
			t.Errorf("%s is told: %s", what, secret)
		}
	}
}

// tap collects what requests and answers carry that is nobody's business, and what it is made of.
type tap struct {
	next    http.Handler
	mu      sync.Mutex
	secrets map[string]string
}

func (s *tap) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	for _, cookie := range r.Cookies() {
		s.note(cookie.Name, cookie.Value)
	}
	s.note("the thief's name for itself", r.Header.Get("Lab-Client"))
	s.mu.Unlock()
	s.next.ServeHTTP(noting{w, s}, r)
}

func (s *tap) note(name, value string) {
	for _, part := range strings.Split(value, ".") { // of a JWT each segment
		if len(part) > 8 {
			s.secrets[part] = name
		}
	}
}

// noting looks at an answer's headers when they are sent.
type noting struct {
	http.ResponseWriter
	tap *tap
}

func (n noting) Unwrap() http.ResponseWriter { return n.ResponseWriter }

func (n noting) Flush() { _ = http.NewResponseController(n.ResponseWriter).Flush() }

func (n noting) WriteHeader(status int) {
	n.tap.mu.Lock()
	for _, line := range n.Header().Values("Set-Cookie") {
		if cookie, err := http.ParseSetCookie(line); err == nil {
			n.tap.note(cookie.Name, cookie.Value)
		}
	}
	n.tap.note("the anti-CSRF token", n.Header().Get("Anti-Csrf"))
	n.tap.mu.Unlock()
	n.ResponseWriter.WriteHeader(status)
}
