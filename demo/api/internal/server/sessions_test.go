package server_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

func TestProtectedRoutesNeedASession(t *testing.T) {
	t.Parallel()
	c := start(t, options{}).client(t)
	for _, route := range []string{"GET /api/me", "GET /api/data", "PUT /api/data", "GET /api/sessions", "DELETE /api/sessions/x", "POST /api/logout-all", "POST /api/session/refresh"} {
		method, path, _ := strings.Cut(route, " ")
		a := c.do(method, path, "")
		c.want(a, 401, "unauthorised")
		c.cleared(a, true)
	}
}

func TestExpiredAccessTokenIsRefreshed(t *testing.T) {
	t.Parallel()
	d := start(t, options{})
	c := d.client(t)
	c.login()
	d.clock.advance(15*time.Minute + time.Second)
	a := c.do("GET", "/api/me", "")
	// The jar has dropped the cookie only if its own clock says so: either way a refresh is due.
	c.want(a, 401, "try_refresh")
	c.cleared(a, false)
	c.want(c.do("POST", "/api/session/refresh", ""), 200, "")
	c.want(c.do("GET", "/api/me", ""), 200, "")
}

func TestLogout(t *testing.T) {
	t.Parallel()
	d := start(t, options{})
	c := d.client(t)
	c.login()
	for range 2 { // the second time there is no session any more
		a := c.do("POST", "/api/logout", "")
		c.want(a, 200, "")
		c.cleared(a, true)
	}
	c.want(c.do("GET", "/api/me", ""), 401, "unauthorised")
}

func TestLogoutAll(t *testing.T) {
	t.Parallel()
	d := start(t, options{})
	one, two, other := d.client(t), d.client(t), d.client(t)
	one.login()
	two.login()
	other.register("other")
	a := one.do("POST", "/api/logout-all", "")
	one.want(a, 200, "")
	one.cleared(a, true)
	gone := two.do("POST", "/api/session/refresh", "")
	two.want(gone, 401, "unauthorised")
	two.cleared(gone, true)
	other.want(other.do("POST", "/api/session/refresh", ""), 200, "")
}

type listedSession struct {
	Handle                            string
	Current                           bool
	CreatedAt, RefreshedAt, ExpiresAt time.Time
}

func TestSessionsList(t *testing.T) {
	t.Parallel()
	d := start(t, options{})
	one, two := d.client(t), d.client(t)
	first := field[string](t, one.login(), "handle")
	d.clock.advance(time.Second)
	second := field[string](t, two.login(), "handle")
	d.client(t).register("other")

	a := one.do("GET", "/api/sessions", "")
	one.want(a, 200, "")
	all := field[[]listedSession](t, a, "sessions")
	if len(all) != 2 || all[0].Handle != second || all[0].Current || all[1].Handle != first || !all[1].Current {
		t.Fatalf("got %s, want %s and then %s, the latter current", a.body, second, first)
	}
	if s := all[1]; s.CreatedAt.IsZero() || s.RefreshedAt.Before(s.CreatedAt) || !s.ExpiresAt.After(s.RefreshedAt) {
		t.Errorf("got times %+v", s)
	}
}

func TestEndSession(t *testing.T) {
	t.Parallel()
	d := start(t, options{})
	one, two, other := d.client(t), d.client(t), d.client(t)
	own := field[string](t, one.login(), "handle")
	second := field[string](t, two.login(), "handle")
	foreign := field[string](t, other.register("other"), "handle")

	// Nobody's, somebody else's, and no handle at all: no way to tell which.
	for _, handle := range []string{"01900000-0000-7000-8000-000000000000", foreign, "x", strings.ToUpper(own), "..", own + "%20", "%2e"} {
		a := one.do("DELETE", "/api/sessions/"+handle, "")
		one.want(a, 404, "not_found")
		one.cleared(a, false)
	}
	other.want(other.do("POST", "/api/session/refresh", ""), 200, "")

	a := one.do("DELETE", "/api/sessions/"+second, "")
	one.want(a, 200, "")
	one.cleared(a, false)
	two.want(two.do("POST", "/api/session/refresh", ""), 401, "unauthorised")
	one.want(one.do("DELETE", "/api/sessions/"+second, ""), 404, "not_found")

	a = one.do("DELETE", "/api/sessions/"+own, "")
	one.want(a, 200, "")
	one.cleared(a, true)
	one.want(one.do("GET", "/api/me", ""), 401, "unauthorised")
}

func TestData(t *testing.T) {
	t.Parallel()
	c := start(t, options{}).client(t)
	c.login()
	first := c.do("GET", "/api/data", "").Header.Get("ETag")
	for _, body := range []string{`{ "a" : [1, 2.50,"<é>"] }` + "\n", `null`, ` "text"`, `[]`, `0`, `"` + strings.Repeat("x", session.DefaultMaxDataBytes-2) + `"`} {
		put := c.do("PUT", "/api/data", body)
		c.want(put, 200, "")
		got := c.do("GET", "/api/data", "")
		c.want(got, 200, "")
		if got.body != body {
			t.Errorf("got %.80q, want %.80q", got.body, body)
		}
		if got.Header.Get("ETag") == "" || got.Header.Get("ETag") != put.Header.Get("ETag") {
			t.Errorf("got ETag %s, after a PUT with %s", got.Header.Get("ETag"), put.Header.Get("ETag"))
		}
	}
	now := c.do("GET", "/api/data", "").Header.Get("ETag")
	for _, condition := range []string{first, "W/" + now, `"0"`, `"00"`, "nonsense", `""`, first + ", W/" + now, strings.Trim(now, `"`), strings.ToUpper(`"ABCDEF"`)} {
		c.want(c.do("PUT", "/api/data", `{"lost":true}`, "If-Match", condition), 412, "conflict")
	}
	if got := c.do("GET", "/api/data", "").Header.Get("ETag"); got != now {
		t.Errorf("a refused PUT changed the data")
	}
	c.want(c.do("PUT", "/api/data", `1`, "If-Match", now), 200, "")
	c.want(c.do("PUT", "/api/data", `2`, "If-Match", now), 412, "conflict")
	now = c.do("GET", "/api/data", "").Header.Get("ETag")
	c.want(c.do("PUT", "/api/data", `3`, "If-Match", first+", "+now), 200, "")
	c.want(c.do("PUT", "/api/data", `4`, "If-Match", "*"), 200, "")

	c.want(c.do("PUT", "/api/data", `5`, "Content-Type", "text/plain"), 415, "unsupported_media_type")
	for _, body := range []string{" ", "{", "1 2", "nul", "\"\xff\"", "\ufeff1", "'a'"} {
		c.want(c.do("PUT", "/api/data", body), 400, "invalid_request")
	}
	c.want(c.do("PUT", "/api/data", "", "Content-Type", "application/json"), 400, "invalid_request")
	c.want(c.do("PUT", "/api/data", `"`+strings.Repeat("x", session.DefaultMaxDataBytes-1)+`"`), 413, "too_large")
	if got := c.do("GET", "/api/data", ""); got.body != "4" {
		t.Errorf("a refused PUT changed the data to %.80s", got.body)
	}
}

func TestDataOfAnEndedSession(t *testing.T) {
	t.Parallel()
	d := start(t, options{})
	one, two := d.client(t), d.client(t)
	one.login()
	handle := field[string](t, two.login(), "handle")
	one.want(one.do("DELETE", "/api/sessions/"+handle, ""), 200, "")
	a := two.do("GET", "/api/data", "") // the access token is still good, the session is gone
	two.want(a, 401, "unauthorised")
	two.cleared(a, true)
}

func TestAntiCSRFToken(t *testing.T) {
	t.Parallel()
	d := start(t, options{session: session.Config{AntiCSRF: session.AntiCSRFToken}})
	c := d.client(t)
	login := c.login()
	token := login.Header.Get("Anti-Csrf")
	handle := field[string](t, login, "handle")
	if token == "" {
		t.Fatal("login tells no anti-csrf token")
	}
	c.want(c.do("GET", "/api/me", ""), 200, "")
	for _, route := range []string{"PUT /api/data", "POST /api/logout-all", "POST /api/logout", "DELETE /api/sessions/" + handle} {
		method, path, _ := strings.Cut(route, " ")
		for _, wrong := range []string{"", "x" + token[1:]} {
			a := c.do(method, path, "{}", "Anti-Csrf", wrong)
			c.want(a, 403, "anti_csrf")
			c.cleared(a, false)
		}
	}
	if data := c.do("GET", "/api/data", ""); data.body != `{"visits":1}` {
		t.Errorf("a refused request changed the data to %s", data.body)
	}
	c.want(c.do("POST", "/api/session/refresh", ""), 200, "")
	c.want(c.do("PUT", "/api/data", "{}", "Anti-Csrf", token), 200, "")
	c.want(c.do("POST", "/api/logout", "", "Anti-Csrf", token), 200, "")
}

func TestConfiguredStatuses(t *testing.T) {
	t.Parallel()
	d := start(t, options{
		session: session.Config{Grace: session.NoGrace},
		wire:    wire.Config{StatusTryRefresh: 440, StatusUnauthorised: 441, StatusTheft: 442},
	})
	c := d.client(t)
	c.want(c.do("GET", "/api/me", ""), 441, "unauthorised")
	c.want(c.do("POST", "/api/login", `{"userId":"demo","password":"wrong password"}`), 401, "invalid_credentials")
	c.login()
	d.clock.advance(time.Hour)
	c.want(c.do("GET", "/api/me", ""), 440, "try_refresh")

	stolen := field[string](t, c.do("POST", drillPath, `{"action":"copy"}`), "copy")
	c.want(c.do("POST", "/api/session/refresh", ""), 200, "")
	c.want(c.do("GET", "/api/me", ""), 200, "")
	replay := c.do("POST", drillPath, `{"action":"replay","copy":"`+stolen+`"}`)
	if want := `{"status":442,"error":"token_theft"}` + "\n"; replay.body != want {
		t.Errorf("got %s, want %s", replay.body, want)
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	c := start(t, options{wire: wire.Config{AllowedOrigins: []string{"https://app.example"}, AllowedHeaders: []string{"if-match"}}}).client(t)
	a := c.do("OPTIONS", "/api/data", "", "Origin", "https://app.example", "Access-Control-Request-Method", "PUT")
	if a.StatusCode != 204 || a.Header.Get("Access-Control-Allow-Origin") != "https://app.example" ||
		!strings.Contains(a.Header.Get("Access-Control-Allow-Headers"), "if-match") {
		t.Errorf("preflight: got %d, %v", a.StatusCode, a.Header)
	}
	a = c.do("GET", "/api/me", "", "Origin", "https://app.example")
	c.want(a, 401, "unauthorised")
	if got := a.Header.Get("Access-Control-Expose-Headers"); a.Header.Get("Access-Control-Allow-Credentials") != "true" || got != "etag, x-request-id, id-refresh-token" {
		t.Errorf("error across origins: got %v", a.Header)
	}
	a = c.do("POST", "/api/login", demoCredentials, "Origin", "https://evil.example")
	if a.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("another origin is let in: %v", a.Header)
	}
}

const drillPath = "/api/session/refresh/demo-replay"

func TestDrill(t *testing.T) {
	t.Parallel()
	d := start(t, options{})
	c := d.client(t)
	c.want(c.do("POST", drillPath, `{"action":"copy"}`), 409, "no_refresh_token")
	c.login()
	a := c.do("POST", drillPath, `{"action":"copy"}`)
	c.want(a, 200, "")
	order := fmt.Sprintf(`{"action":"replay","copy":%q}`, field[string](t, a, "copy"))

	d.clock.advance(11 * time.Second)
	c.want(c.do("POST", "/api/session/refresh", ""), 200, "")
	c.want(c.do("GET", "/api/me", ""), 200, "")
	d.clock.advance(10 * time.Second) // the last moment of the grace
	a = c.do("POST", drillPath, order)
	if a.body != `{"status":200}`+"\n" || len(a.Cookies()) != 0 {
		t.Errorf("within the grace: got %s, %v", a.body, a.Cookies())
	}
	d.clock.advance(time.Microsecond)
	a = c.do("POST", drillPath, order)
	if a.body != `{"status":401,"error":"token_theft"}`+"\n" || len(a.Cookies()) != 0 {
		t.Errorf("after the grace: got %s, %v", a.body, a.Cookies())
	}
	a = c.do("POST", "/api/session/refresh", "")
	c.want(a, 401, "unauthorised")
	c.cleared(a, true)

	c.want(c.do("POST", drillPath, `{"action":"replay","copy":"x"}`), 404, "unknown_copy")
	c.want(c.do("POST", drillPath, `{"action":"steal"}`), 400, "invalid_request")
}

func TestDrillForgets(t *testing.T) {
	t.Parallel()
	c := start(t, options{}).client(t)
	c.login()
	var copies []string
	for range 65 {
		copies = append(copies, field[string](t, c.do("POST", drillPath, `{"action":"copy"}`), "copy"))
	}
	c.want(c.do("POST", drillPath, `{"action":"replay","copy":"`+copies[0]+`"}`), 404, "unknown_copy")
	c.want(c.do("POST", drillPath, `{"action":"replay","copy":"`+copies[1]+`"}`), 200, "")
}
