package server_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	c := start(t, options{}).client(t)
	a := c.login()
	if user := field[string](t, a, "userId"); user != "demo" {
		t.Errorf("got user %q", user)
	}
	if len(a.Cookies()) != 3 || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("got headers %v", a.Header)
	}
	me := c.do("GET", "/api/me", "")
	c.want(me, 200, "")
	if want := `{"userId":"demo","payload":{"role":"user"},"handle":"` + field[string](t, a, "handle") + `"}` + "\n"; me.body != want {
		t.Errorf("got %s, want %s", me.body, want)
	}
	if data := c.do("GET", "/api/data", ""); data.body != `{"visits":1}` {
		t.Errorf("got data %s", data.body)
	}
}

func TestLoginFailuresAreUniform(t *testing.T) {
	t.Parallel()
	d := start(t, options{})
	c := d.client(t)
	c.login()
	for _, body := range []string{
		`{"userId":"demo","password":"watchword-dem0"}`,
		`{"userId":"nobody","password":"watchword-demo-login"}`,
		`{"userId":"DEMO","password":"watchword-demo-login"}`,
		`{"userId":"demo ","password":"watchword-demo-login"}`,
		`{"userId":"demo","password":"short"}`,
		`{"userId":"demo","password":"watchword"}`,
		`{"userId":"","password":""}`,
		`{}`,
		`{"userId":"` + strings.Repeat("x", 200) + `","password":"watchword-demo-login"}`,
	} {
		a := c.do("POST", "/api/login", body)
		c.want(a, 401, "invalid_credentials")
		if len(a.Cookies()) != 0 || a.Header.Get("Id-Refresh-Token") != "" {
			t.Errorf("%s touches the session: %v", body, a.Header)
		}
	}
	c.want(c.do("GET", "/api/me", ""), 200, "") // the session that was there lives on
}

func TestRegister(t *testing.T) {
	t.Parallel()
	d := start(t, options{})
	c := d.client(t)
	c.register("ann")
	if me := c.do("GET", "/api/me", ""); field[string](t, me, "userId") != "ann" {
		t.Errorf("got %s", me.body)
	}
	other := d.client(t)
	taken := other.do("POST", "/api/register", `{"userId":"ann","password":"another password"}`)
	other.want(taken, 409, "user_exists")
	if len(taken.Cookies()) != 0 {
		t.Errorf("a refused registration sets cookies: %v", taken.Cookies())
	}
	other.want(other.do("POST", "/api/login", `{"userId":"ann","password":"another password"}`), 401, "invalid_credentials")
	other.want(other.do("POST", "/api/login", `{"userId":"ann","password":"password of ann"}`), 200, "")
	for body, code := range map[string]string{
		`{"userId":"","password":"a good long password"}`:                                 "invalid_user_id",
		`{"userId":"` + strings.Repeat("é", 129) + `","password":"a good long password"}`: "invalid_user_id",
	} {
		other.want(other.do("POST", "/api/register", body), 400, code)
	}
	for password, rule := range map[string]string{
		"fourteen chars": "too_short", strings.Repeat("x", 257): "too_long", "passwordpassword": "common", "Robert.The.Builder": "is_user_id",
	} {
		other.wantWeak(other.do("POST", "/api/register", `{"userId":"robert the builder","password":"`+password+`"}`), rule)
	}
	other.want(other.do("POST", "/api/login", `{"username":"ann","password":"password of ann","remember":true}`), 200, "") // as many front ends say it
	other.register(strings.Repeat("🦉", 128))
	other.want(other.do("GET", "/api/me", ""), 200, "")
}

// wantWeak checks that a password was refused, and for what.
func (c *client) wantWeak(a answer, rule string) {
	c.t.Helper()
	if want := `{"error":"weak_password","rule":"` + rule + `"}` + "\n"; a.StatusCode != 400 || a.body != want {
		c.t.Errorf("%s: got %d %s, want %s", a.Request.URL.Path, a.StatusCode, a.body, want)
	}
	c.cleared(a, false)
}

func TestBadBodies(t *testing.T) {
	t.Parallel()
	c := start(t, options{}).client(t)
	for _, path := range []string{"/api/login", "/api/register"} {
		for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json-patch+json", "application/json, text/plain"} {
			c.want(c.do("POST", path, demoCredentials, "Content-Type", kind), 415, "unsupported_media_type")
		}
		for _, body := range []string{
			" ", "null x", `"demo"`, `[]`, `{"userId":"demo","password":"watchword-demo-login"`, `{"userId":"demo","password":"watchword-demo-login"}{}`,
			`{"userId":1,"password":"watchword-demo-login"}`,
			"{\"userId\":\"demo\xff\",\"password\":\"watchword-demo-login\"}",
		} {
			c.want(c.do("POST", path, body), 400, "invalid_request")
		}
		c.want(c.do("POST", path, `{"userId":"`+strings.Repeat("x", 5000)+`"}`), 413, "too_large")
	}
	c.want(c.do("POST", "/api/login", demoCredentials, "Content-Type", "application/json; charset=utf-8"), 200, "")
}

func TestOpenLogin(t *testing.T) {
	t.Parallel()
	c := start(t, options{openUser: true}).client(t)
	c.want(c.do("POST", "/api/login", `{"userId":"anybody","password":"watchword"}`), 200, "")
	c.want(c.do("POST", "/api/login", `{"userId":"","password":"watchword"}`), 400, "invalid_request")
	c.want(c.do("POST", "/api/login", `{"userId":"anybody","password":"password"}`), 401, "invalid_credentials")
	shut := start(t, options{}).client(t)
	shut.want(shut.do("POST", "/api/login", `{"userId":"anybody","password":"watchword"}`), 401, "invalid_credentials")
}

func TestUnknownRoutesAndMethods(t *testing.T) {
	t.Parallel()
	c := start(t, options{}).client(t)
	for _, path := range []string{"/nothing", "/api", "/api/nothing", "/api/me/", "/api/sessions/", "/api/endings/x", "/static/", "/.env", "/.well-known/x"} {
		c.want(c.do("GET", path, ""), 404, "not_found")
	}
	for _, test := range []struct{ method, path, allow string }{
		{"GET", "/api/login", "POST"}, {"GET", "/api/logout", "POST"}, {"GET", "/api/session/refresh", "POST"},
		{"DELETE", "/api/data", "GET, HEAD, PUT"}, {"GET", "/api/sessions/x", "PATCH, DELETE"}, {"POST", "/api/endings", "GET, HEAD"},
		{"GET", "/api/password", "POST"}, {"POST", "/api/me", "GET, HEAD"}, {"POST", "/", "GET, HEAD"},
		{"PUT", "/healthz", "GET, HEAD"}, {"BREW", "/api/me", "GET, HEAD"},
	} {
		a := c.do(test.method, test.path, "")
		c.want(a, http.StatusMethodNotAllowed, "method_not_allowed")
		if got := a.Header.Get("Allow"); got != test.allow {
			t.Errorf("%s %s: got Allow %q, want %q", test.method, test.path, got, test.allow)
		}
	}
}
