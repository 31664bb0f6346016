package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

func TestProtectedRoutesNeedASession(t *testing.T) {
	t.Parallel()
	c := start(t, options{}).client(t)
	for _, route := range []string{
		"GET /api/me", "GET /api/data", "PUT /api/data", "GET /api/sessions", "DELETE /api/sessions/x", "PATCH /api/sessions/x",
		"GET /api/endings", "POST /api/logout-all", "POST /api/logout-others", "POST /api/reauthenticate", "POST /api/password",
		"POST /api/session/refresh",
	} {
		method, path, _ := strings.Cut(route, " ")
		a := c.do(method, path, "")
		c.want(a, 401, "unauthorised")
		c.cleared(a, false) // nothing was shown, and nothing is known to be over
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
	two.want(gone, 401, "unauthorised: revoked_by_user")
	two.cleared(gone, true)
	other.want(other.do("POST", "/api/session/refresh", ""), 200, "")
}

func TestLogoutOthers(t *testing.T) {
	t.Parallel()
	d := start(t, options{})
	one, two, three, other := d.client(t), d.client(t), d.client(t), d.client(t)
	one.login()
	two.login()
	three.login()
	other.register("other")
	for _, want := range []string{`{"ended":2}`, `{"ended":0}`} {
		a := one.do("POST", "/api/logout-others", "")
		one.want(a, 200, "")
		one.cleared(a, false)
		if a.body != want+"\n" {
			t.Errorf("got %s, want %s", a.body, want)
		}
	}
	for _, gone := range []*client{two, three} {
		gone.want(gone.do("GET", "/api/me", ""), 401, "unauthorised: revoked_by_user")
	}
	one.want(one.do("POST", "/api/session/refresh", ""), 200, "")
	other.want(other.do("GET", "/api/me", ""), 200, "")
}

// TestLogoutOthersOutlivesItsRequest: who hangs up wants it no less.
func TestLogoutOthersOutlivesItsRequest(t *testing.T) {
	t.Parallel()
	d := start(t, options{})
	one, two := d.client(t), d.client(t)
	one.login()
	two.login()
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	r := httptest.NewRequestWithContext(gone, "POST", "/api/logout-others", http.NoBody)
	for _, cookie := range one.http.Jar.Cookies(must(url.Parse(d.URL + "/api"))) {
		r.AddCookie(cookie)
	}
	d.Config.Handler.ServeHTTP(httptest.NewRecorder(), r)
	two.want(two.do("GET", "/api/me", ""), 401, "unauthorised: revoked_by_user")
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

type listedSession struct {
	Handle                            string
	Current                           bool
	CreatedAt, RefreshedAt, ExpiresAt time.Time
	UserAgent, Address, Label         string
}

func TestSessionsList(t *testing.T) {
	t.Parallel()
	d := start(t, options{})
	one, two := d.client(t), d.client(t)
	first := field[string](t, one.do("POST", "/api/login", demoCredentials, "User-Agent", "Laptop/1.0 <b>"), "handle")
	d.clock.advance(time.Second)
	second := field[string](t, two.do("POST", "/api/login", `{"userId":"demo","password":"watchword-demo-login","label":"My phone"}`), "handle")
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
	if s := all[1]; s.UserAgent != "Laptop/1.0 <b>" || s.Address != "127.0.0.1" || s.Label != "" {
		t.Errorf("got %+v", s)
	}
	if s := all[0]; s.UserAgent != "Go-http-client/1.1" || s.Label != "My phone" {
		t.Errorf("got %+v", s)
	}
	// The device is that of the last refresh.
	d.clock.advance(time.Minute)
	one.want(one.do("POST", "/api/session/refresh", "", "User-Agent", "Laptop/2.0"), 200, "")
	all = field[[]listedSession](t, one.do("GET", "/api/sessions", ""), "sessions")
	if s := all[1]; s.UserAgent != "Laptop/2.0" || !s.RefreshedAt.After(s.CreatedAt) {
		t.Errorf("after a refresh: got %+v", s)
	}
}

// TestSessionsPaging follows the list through all sizes of pages.
func TestSessionsPaging(t *testing.T) {
	t.Parallel()
	d := start(t, options{})
	c := d.client(t)
	var want []string // newest first
	for range 5 {
		want = append([]string{field[string](t, c.login(), "handle")}, want...)
		d.clock.advance(time.Millisecond)
	}
	for limit := 1; limit <= 6; limit++ {
		var got []string
		for path := fmt.Sprintf("/api/sessions?limit=%d", limit); path != ""; {
			a := c.do("GET", path, "")
			c.want(a, 200, "")
			page := field[[]listedSession](t, a, "sessions")
			path = ""
			if strings.Contains(a.body, `"next"`) {
				path = fmt.Sprintf("/api/sessions?limit=%d&before=%s", limit, field[string](t, a, "next"))
			}
			if len(page) == 0 || len(page) > limit || path != "" && len(page) != limit {
				t.Fatalf("with limit %d: got a page of %d, next %q", limit, len(page), path)
			}
			for _, s := range page {
				got = append(got, s.Handle)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("with limit %d: got %v, want %v", limit, got, want)
		}
	}
	nobody := "00000000-0000-0000-0000-000000000000"
	for _, query := range []string{
		"limit=0", "limit=-1", "limit=", "limit=1.5", "limit=ten", "limit=99999999999", "limit=%2B1", "limit=%zz", "limit=1;before=x",
		"before=", "before=x", "before=" + nobody, "before=" + strings.ToUpper(want[0]), "before=" + want[0] + "%00",
	} {
		c.want(c.do("GET", "/api/sessions?"+query, ""), 400, "invalid_request")
	}
	// Where a list begins is no secret: somebody else's handle, or nobody's, shows nothing but one's own sessions.
	foreign := field[string](t, d.client(t).register("other"), "handle")
	if a := c.do("GET", "/api/sessions?before="+foreign, ""); len(field[[]listedSession](t, a, "sessions")) != 5 || strings.Contains(a.body, foreign) {
		t.Errorf("before somebody else's: got %s", a.body)
	}
}

// TestLongestPage: whatever the limit says, an answer stays small.
func TestLongestPage(t *testing.T) {
	t.Parallel()
	c := start(t, options{}).client(t)
	for range 101 {
		c.login()
	}
	for _, query := range []string{"", "?limit=100", "?limit=101", "?limit=4000000000"} {
		a := c.do("GET", "/api/sessions"+query, "")
		c.want(a, 200, "")
		if n := len(field[[]listedSession](t, a, "sessions")); n != 100 || !strings.Contains(a.body, `"next"`) {
			t.Errorf("%s: got a page of %d", query, n)
		}
	}
}

func TestLabels(t *testing.T) {
	t.Parallel()
	d := start(t, options{})
	c, other := d.client(t), d.client(t)
	own := field[string](t, c.login(), "handle")
	second := field[string](t, d.client(t).login(), "handle")
	foreign := field[string](t, other.register("other"), "handle")
	longest := strings.Repeat("é", 64)
	label := func(of *client, handle string) string {
		t.Helper()
		for _, s := range field[[]listedSession](t, of.do("GET", "/api/sessions", ""), "sessions") {
			if s.Handle == handle {
				return s.Label
			}
		}
		t.Fatalf("session %s is not listed", handle)
		return ""
	}
	for _, handle := range []string{own, second} {
		for _, want := range []string{"Kitchen <script>alert(1)</script>", longest, "🦉", ""} {
			body, _ := json.Marshal(map[string]string{"label": want})
			a := c.do("PATCH", "/api/sessions/"+handle, string(body))
			c.want(a, 200, "")
			c.cleared(a, false)
			if got := label(c, handle); got != want {
				t.Errorf("got label %q, want %q", got, want)
			}
		}
	}
	// The rule is the library's; login applies it as well, before there is a session or a new user.
	for _, bad := range []string{longest + "x", `two\nlines`, `\u0000`, `\u202e`} {
		c.want(c.do("PATCH", "/api/sessions/"+own, `{"label":"`+bad+`"}`), 400, "invalid_label")
		c.want(c.do("POST", "/api/login", `{"userId":"demo","password":"watchword-demo-login","label":"`+bad+`"}`), 400, "invalid_label")
		c.want(c.do("POST", "/api/register", `{"userId":"bob","password":"password of bob","label":"`+bad+`"}`), 400, "invalid_label")
	}
	c.want(d.client(t).do("POST", "/api/register", `{"userId":"bob","password":"password of bob","label":"`+longest+`"}`), 200, "")
	for _, body := range []string{`{}`, `{"label":null}`, `{"label":1}`, `"label"`, `{"label":"x"`} {
		c.want(c.do("PATCH", "/api/sessions/"+own, body), 400, "invalid_request")
	}
	c.want(c.do("PATCH", "/api/sessions/"+own, `{"label":"x"}`, "Content-Type", "text/plain"), 415, "unsupported_media_type")
	for _, handle := range append(notOnes(own), foreign) {
		a := c.do("PATCH", "/api/sessions/"+handle, `{"label":"mine now"}`)
		c.want(a, 404, "not_found")
		c.cleared(a, false)
	}
	if got := label(other, foreign); got != "" {
		t.Errorf("somebody else's session is now called %q", got)
	}
	c.want(c.do("DELETE", "/api/sessions/"+second, ""), 200, "")
	c.want(c.do("PATCH", "/api/sessions/"+second, `{"label":"x"}`), 404, "not_found")
}

// notOnes are handles that name none of a user's sessions, by one that does.
func notOnes(own string) []string {
	return []string{
		"01900000-0000-7000-8000-000000000000", "00000000-0000-0000-0000-000000000000", "x", strings.ToUpper(own), "..", own + "%20", "%2e",
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
	for _, handle := range append(notOnes(own), foreign) {
		a := one.do("DELETE", "/api/sessions/"+handle, "")
		one.want(a, 404, "not_found")
		one.cleared(a, false)
	}
	other.want(other.do("POST", "/api/session/refresh", ""), 200, "")

	a := one.do("DELETE", "/api/sessions/"+second, "")
	one.want(a, 200, "")
	one.cleared(a, false)
	gone := two.do("POST", "/api/session/refresh", "")
	two.want(gone, 401, "unauthorised: revoked_by_user")
	two.cleared(gone, true)
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
	a := two.do("GET", "/api/data", "")
	two.want(a, 401, "unauthorised: revoked_by_user")
	two.cleared(a, true)
}

func TestAntiCSRFToken(t *testing.T) {
	t.Parallel()
	d := start(t, options{wire: wire.Config{AntiCSRF: wire.AntiCSRFToken}})
	c := d.client(t)
	login := c.login()
	token := login.Header.Get("Anti-Csrf")
	handle := field[string](t, login, "handle")
	if token == "" {
		t.Fatal("login tells no anti-csrf token")
	}
	c.want(c.do("GET", "/api/me", ""), 200, "")
	for _, route := range []string{
		"PUT /api/data", "POST /api/logout-all", "POST /api/logout", "DELETE /api/sessions/" + handle, "PATCH /api/sessions/" + handle,
		"POST /api/logout-others", "POST /api/reauthenticate", "POST /api/password",
	} {
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

	thief := c.thief()
	c.want(c.do("POST", "/api/session/refresh", ""), 200, "")
	c.want(c.do("GET", "/api/me", ""), 200, "")
	thief.want(thief.present(), 442, "token_theft: theft")
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
