package server_test

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/demo/api/internal/page"
	"github.com/watchword-dev/watchword/demo/api/internal/server"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	const fresh = `"feed":{"mode":"feed","ageMs":0,"stale":false}}` + "\n"
	c := start(t, options{}).client(t)
	if a := c.do("GET", "/healthz", ""); a.StatusCode != 200 || a.body != `{"status":"ok",`+fresh {
		t.Errorf("in memory: got %d %s", a.StatusCode, a.body)
	}
	var down error
	c = start(t, options{change: func(cfg *server.Config) {
		cfg.Ping = func(context.Context) error { return down }
	}}).client(t)
	if a := c.do("GET", "/healthz", ""); a.StatusCode != 200 || a.body != `{"status":"ok","store":"ok",`+fresh {
		t.Errorf("with a database: got %d %s", a.StatusCode, a.body)
	}
	down = errors.New("down")
	if a := c.do("GET", "/healthz", ""); a.StatusCode != 200 || a.body != `{"status":"degraded","store":"unavailable",`+fresh {
		t.Errorf("without its database: got %d %s", a.StatusCode, a.body)
	}
}

func TestHealthOfTheFeed(t *testing.T) {
	t.Parallel()
	d := start(t, options{session: session.Config{StaleFeed: session.StaleFeedRefuse}})
	c := d.client(t)
	c.login()
	d.clock.advance(30 * time.Second)
	if a := c.do("GET", "/healthz", ""); a.StatusCode != 200 || a.body != `{"status":"ok","feed":{"mode":"feed","ageMs":30000,"stale":false}}`+"\n" {
		t.Errorf("an old feed: got %d %s", a.StatusCode, a.body)
	}
	c.want(c.do("GET", "/api/me", ""), 200, "")
	d.clock.advance(time.Second)
	if a := c.do("GET", "/healthz", ""); a.StatusCode != 200 || a.body != `{"status":"degraded","feed":{"mode":"feed","ageMs":31000,"stale":true}}`+"\n" {
		t.Errorf("a stale feed: got %d %s", a.StatusCode, a.body)
	}
	c.want(c.do("GET", "/api/me", ""), 503, "unavailable")
	d.waitForLog(t, `{"level":"warn","kind":"feed_stale","feed_age_ms":31000,"message":"session event"}`)
	for _, mode := range []session.RevocationMode{session.RevocationStrict, session.RevocationOff} {
		c := start(t, options{session: session.Config{Revocation: mode}}).client(t)
		if a := c.do("GET", "/healthz", ""); a.body != `{"status":"ok","feed":{"mode":"`+string(mode)+`","ageMs":0,"stale":false}}`+"\n" {
			t.Errorf("%s: got %s", mode, a.body)
		}
	}
}

func TestEventLog(t *testing.T) {
	t.Parallel()
	d := start(t, options{session: session.Config{Grace: session.NoGrace}})
	c := d.client(t)
	handle := field[string](t, c.login(), "handle")
	d.steal(c)
	second := field[string](t, c.login(), "handle")
	d.clock.advance(time.Minute)
	c.want(c.do("POST", "/api/reauthenticate", `{"password":"watchword-demo"}`), 200, "")
	c.want(c.do("POST", "/api/logout-all", ""), 200, "")
	for _, want := range []string{
		`{"level":"info","kind":"created","handle":"` + handle + `","message":"session event"}`,
		`{"level":"info","kind":"refreshed","handle":"` + handle + `","message":"session event"}`,
		`{"level":"info","kind":"confirmed","handle":"` + handle + `","message":"session event"}`,
		`{"level":"warn","kind":"theft","handle":"` + handle + `","reason":"theft","theft":"reuse","generations":1,"message":"session event"}`,
		`{"level":"info","kind":"reauthenticated","handle":"` + second + `","message":"session event"}`,
		`{"level":"info","kind":"ended","handle":"` + second + `","reason":"revoked_by_user","message":"session event"}`,
	} {
		d.waitForLog(t, want)
	}
}

// waitForLog waits for a line: events are told outside of the requests.
func (d *demo) waitForLog(t *testing.T, line string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(d.log.String(), line+"\n"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("the log has no %s: %s", line, d.log.String())
			return
		}
	}
}

// failing is a store that is away while down is set.
type failing struct {
	session.Store
	down bool
}

func (s *failing) Get(ctx context.Context, h session.Handle) (session.Row, time.Time, error) {
	if s.down {
		return session.Row{}, time.Time{}, session.ErrUnavailable
	}
	return s.Store.Get(ctx, h)
}

// List fails as only a defect does.
func (s *failing) List(context.Context, string, session.Page) ([]session.Row, error) {
	panic("list of sessions")
}

func TestOutageLogsNobodyOut(t *testing.T) {
	t.Parallel()
	broken := &failing{}
	d := start(t, options{store: func(s session.Store) session.Store { broken.Store = s; return broken }})
	c := d.client(t)
	handle := field[string](t, c.login(), "handle")
	stolen := field[string](t, c.do("POST", drillPath, `{"action":"copy"}`), "copy")
	broken.down = true
	for _, a := range []answer{
		c.do("POST", "/api/session/refresh", ""),
		c.do("DELETE", "/api/sessions/"+handle, ""),
		c.do("POST", drillPath, `{"action":"replay","copy":"`+stolen+`"}`),
	} {
		c.want(a, 503, "unavailable")
		if len(a.Cookies()) != 0 {
			t.Errorf("%s touches cookies: %v", a.Request.URL.Path, a.Cookies())
		}
	}
	c.want(c.do("GET", "/api/me", ""), 200, "")
	if log := d.log.String(); strings.Count(log, `"level":"error"`) != 2 {
		t.Errorf("want the two failures of the library in the log, as errors: %s", log)
	}
}

func TestPanicsAreAnswered(t *testing.T) {
	t.Parallel()
	d := start(t, options{store: func(s session.Store) session.Store { return &failing{Store: s} }})
	c := d.client(t)
	c.login()
	a := c.do("GET", "/api/sessions", "")
	c.want(a, 500, "internal")
	log := d.log.String()
	for _, want := range []string{`"panic":"list of sessions"`, `"stack":"goroutine`, `"status":500`, a.Header.Get("X-Request-Id")} {
		if !strings.Contains(log, want) {
			t.Errorf("%q is not in the log: %s", want, log)
		}
	}
}

func TestAccessLog(t *testing.T) {
	t.Parallel()
	d := start(t, options{})
	c := d.client(t)
	a := c.do("DELETE", "/api/sessions/some-handle?query=secret", "", "X-Request-Id", "chosen-by-client")
	id := a.Header.Get("X-Request-Id")
	if len(id) < 20 || id == "chosen-by-client" || id == c.do("GET", "/healthz", "").Header.Get("X-Request-Id") {
		t.Errorf("got request id %q", id)
	}
	log := d.log.String()
	want := regexp.MustCompile(`\{"level":"debug","request_id":"` + id + `","method":"DELETE","route":"/api/sessions/\{handle\}","status":401,"duration_ms":[0-9.e-]+,"message":"request"\}`)
	if !want.MatchString(log) || strings.Contains(log, "secret") || strings.Contains(log, "chosen-by-client") {
		t.Errorf("got %s", log)
	}
}

// TestNoSecretsInTheLog does everything, with the log at its most talkative, and looks for whatever a thief could use.
func TestNoSecretsInTheLog(t *testing.T) {
	t.Parallel()
	d := start(t, options{wire: wire.Config{AntiCSRF: wire.AntiCSRFToken}})
	c := d.client(t)
	secrets := map[string]bool{
		"watchword-demo": true, "password of ann": true, "wrong-password": true, "another-password": true, "body-of-data": true,
		"in-the-query": true,
		// Not secret, but personal: these are nobody's business either.
		"annabella": true, "name-of-device": true, "agent-of-device": true, "127.0.0.1": true,
	}
	note := func(a answer) answer {
		for _, cookie := range a.Cookies() {
			if cookie.Value != "" {
				secrets[cookie.Value] = true
			}
		}
		if token := a.Header.Get("Anti-Csrf"); token != "" {
			secrets[token] = true
		}
		return a
	}
	note(c.register("annabella"))
	csrf := note(c.do("POST", "/api/login", `{"userId":"annabella","password":"password of ann","label":"name-of-device"}`,
		"User-Agent", "agent-of-device")).Header.Get("Anti-Csrf")
	note(c.do("PATCH", "/api/sessions/"+field[string](t, c.do("GET", "/api/me", ""), "handle"), `{"label":"name-of-device"}`, "Anti-Csrf", csrf))
	note(c.do("POST", "/api/reauthenticate", `{"password":"wrong-password"}`, "Anti-Csrf", csrf))
	c.want(note(c.do("POST", "/api/reauthenticate", `{"password":"password of ann"}`, "Anti-Csrf", csrf)), 200, "")
	c.want(note(c.do("POST", "/api/password", `{"old":"password of ann","new":"another-password"}`, "Anti-Csrf", csrf)), 200, "")
	note(c.do("POST", "/api/login", `{"userId":"demo","password":"wrong-password"}`))
	csrf = note(c.login()).Header.Get("Anti-Csrf")
	note(c.do("PUT", "/api/data?in-the-query=1", `"body-of-data"`, "Anti-Csrf", csrf))
	note(c.do("PUT", "/api/data", `"body-of-data"`, "Anti-Csrf", "body-of-data"))
	handle := field[string](t, c.do("GET", "/api/me", ""), "handle")
	stolen := field[string](t, note(c.do("POST", drillPath, `{"action":"copy"}`)), "copy")
	secrets[stolen] = true
	for range 2 {
		d.clock.advance(11 * time.Second) // the grace, but the feed is fresh
		note(c.do("POST", "/api/session/refresh", ""))
		note(c.do("GET", "/api/me?in-the-query=1", ""))
	}
	note(c.do("POST", drillPath, `{"action":"replay","copy":"`+stolen+`"}`))
	note(c.do("POST", "/api/session/refresh", ""))
	note(c.do("GET", "/body-of-data", ""))
	note(c.do("GET", "/api/me", "", "Cookie", "sIdRefreshToken=1; sAccessToken=body-of-data"))
	note(c.do("POST", "/api/session/refresh", "", "Cookie", "sRefreshToken=body-of-data"))

	d.waitForLog(t, `{"level":"warn","kind":"theft","handle":"`+handle+`","reason":"theft","theft":"reuse","generations":2,"message":"session event"}`)
	log := d.log.String()
	if n := strings.Count(log, `"message":"request"`); n < 20 {
		t.Errorf("the log has only %d requests: %s", n, log)
	}
	if len(secrets) < 12 {
		t.Errorf("only %d secrets are known: the test does not see them", len(secrets))
	}
	for secret := range secrets {
		if strings.Contains(log, secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
	if strings.Contains(log, `"level":"error"`) || strings.Count(log, `"level":"warn"`) != 1 {
		t.Errorf("failures of clients are logged above info: %s", log)
	}
}

func TestPage(t *testing.T) {
	t.Parallel()
	login := server.Login{UserID: "demo", Password: "watchword-demo"}
	c := start(t, options{change: func(cfg *server.Config) { cfg.Login, cfg.Theft = &login, session.TheftRevoke }}).client(t)
	for _, path := range page.Paths {
		a := c.do("GET", path, "")
		if a.StatusCode != http.StatusOK || a.body == "" {
			t.Errorf("%s: got %d", path, a.StatusCode)
		}
		csp := a.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'self'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: got policy %q", path, csp)
		}
		// Labels and user agents come from anybody: the page shows text, and makes no markup of it.
		for _, unsafe := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("} {
			if strings.HasSuffix(path, ".js") && strings.Contains(a.body, unsafe) {
				t.Errorf("%s has %s", path, unsafe)
			}
		}
		for _, name := range []string{"X-Content-Type-Options", "Referrer-Policy"} {
			if a.Header.Get(name) == "" {
				t.Errorf("%s: no header %s", path, name)
			}
		}
	}
	html := c.do("GET", "/", "").body
	for _, inline := range []string{"<style", " style=", " onclick=", "javascript:", "<script>"} {
		if strings.Contains(html, inline) {
			t.Errorf("the page has %q, which its policy refuses", inline)
		}
	}
	for _, match := range regexp.MustCompile(`(?:src|href)="(/[^"]*)"`).FindAllStringSubmatch(html, -1) {
		if a := c.do("GET", match[1], ""); a.StatusCode != 200 {
			t.Errorf("the page loads %s: %d", match[1], a.StatusCode)
		}
	}
	want := `{"store":"memory","graceMs":10000,"proofMs":300000,"antiCsrf":"fetch-metadata","revocation":"feed","theft":"revoke","refreshPath":"/api/session/refresh","drill":true,"login":{"userId":"demo","password":"watchword-demo"}}` + "\n"
	if got := c.do("GET", "/api/demo", "").body; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestNoDrillUnlessAsked(t *testing.T) {
	t.Parallel()
	c := start(t, options{change: func(cfg *server.Config) { cfg.Drill = false }}).client(t)
	c.login()
	c.want(c.do("POST", drillPath, `{"action":"copy"}`), 404, "not_found")
	if a := c.do("GET", "/api/demo", ""); field[bool](t, a, "drill") {
		t.Errorf("got %s", a.body)
	}
}
