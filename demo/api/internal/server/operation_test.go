package server_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

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
	c.want(c.do("POST", "/api/reauthenticate", `{"password":"watchword-demo-login"}`), 200, "")
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
	thief := c.thief()
	broken.down = true
	for _, a := range []answer{
		c.do("POST", "/api/session/refresh", ""),
		c.do("DELETE", "/api/sessions/"+handle, ""),
		thief.present(),
	} {
		c.want(a, 503, "unavailable")
		if len(a.Cookies()) != 0 {
			t.Errorf("%s touches cookies: %v", a.Request.URL.Path, a.Cookies())
		}
	}
	c.want(c.do("GET", "/api/me", ""), 200, "")
	if log := d.log.String(); strings.Count(log, `"level":"error"`) != 3 {
		t.Errorf("want the three failures of the library in the log, as errors: %s", log)
	}
}

// A balancer takes no process away for an outage that all have, unless no request would be served.
func TestReadiness(t *testing.T) {
	t.Parallel()
	for mode, during := range map[session.RevocationMode]struct {
		status int
		state  string
	}{session.RevocationFeed: {200, "verifying"}, session.RevocationOff: {200, "verifying"}, session.RevocationStrict: {503, "not_ready"}} {
		broken := &failing{}
		d := start(t, options{session: session.Config{Revocation: mode}, store: func(s session.Store) session.Store { broken.Store = s; return broken }})
		c := d.client(t)
		for _, down := range []bool{false, true, false} {
			broken.down = down
			status, state := 200, "ready"
			if down {
				status, state = during.status, during.state
			}
			if a := c.do("GET", "/readyz", ""); a.StatusCode != status || a.body != `{"state":"`+state+`"}`+"\n" || a.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s, down %t: got %d %s %v, want %d %s", mode, down, a.StatusCode, a.body, a.Header, status, state)
			}
			if a := c.do("GET", "/livez", ""); a.StatusCode != 204 || a.body != "" {
				t.Errorf("%s, down %t: alive? got %d %s", mode, down, a.StatusCode, a.body)
			}
		}
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
		"watchword-demo-login": true, "password of ann": true, "wrong-password": true, "another-password": true, "body-of-data": true,
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
	thief := c.thief()
	for range 2 {
		d.clock.advance(11 * time.Second) // the grace, but the feed is fresh
		note(c.do("POST", "/api/session/refresh", ""))
		note(c.do("GET", "/api/me?in-the-query=1", ""))
	}
	note(thief.present())
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
