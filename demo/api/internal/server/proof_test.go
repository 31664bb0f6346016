package server_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// keeping is a cookie jar that no answer changes.
type keeping struct{ http.CookieJar }

func (keeping) SetCookies(*url.URL, []*http.Cookie) {}

const changePassword = `{"old":"password of ann","new":"another password"}`

func TestReauthenticate(t *testing.T) {
	t.Parallel()
	d := start(t, options{})
	c := d.client(t)
	c.register("ann")
	thief := c.thief()
	d.clock.advance(5*time.Minute + time.Second)
	for _, body := range []string{`{"password":"password of bob"}`, `{"password":""}`, `{}`, `{"password":"watchword"}`} {
		a := c.do("POST", "/api/reauthenticate", body)
		c.want(a, 401, "invalid_credentials")
		if len(a.Cookies()) != 0 || a.Header.Get("Id-Refresh-Token") != "" {
			t.Errorf("%s touches the session: %v", body, a.Header)
		}
	}
	c.want(c.do("POST", "/api/password", changePassword), 403, "reauthenticate")
	a := c.do("POST", "/api/reauthenticate", `{"password":"password of ann"}`)
	c.want(a, 200, "")
	if at := field[time.Time](t, a, "authAt"); !at.Equal(d.clock.Now().Truncate(time.Second)) || len(a.Cookies()) != 3 {
		t.Errorf("got %s with cookies %v at %v", a.body, a.Cookies(), d.clock.Now())
	}
	c.want(c.do("GET", "/api/me", ""), 200, "") // from now on the old token is over

	d.clock.advance(5*time.Minute - time.Second) // the token knows it to the second
	c.want(c.do("POST", "/api/password", `{"old":"password of bob","new":"another password"}`), 401, "invalid_credentials")
	// A refresh does not make the proof any younger.
	d.clock.advance(2 * time.Second)
	c.want(c.do("POST", "/api/session/refresh", ""), 200, "")
	c.want(c.do("POST", "/api/password", changePassword), 403, "reauthenticate")
	c.want(c.do("GET", "/api/me", ""), 200, "")

	// Whoever has copied the refresh token before cannot follow.
	thief.want(thief.present(), 401, "token_theft: theft")
}

// TestReauthenticateAfterRefresh waits for the answer of the refresh before, which may be under way to another tab.
func TestReauthenticateAfterRefresh(t *testing.T) {
	t.Parallel()
	d := start(t, options{})
	c := d.client(t)
	c.login()
	d.clock.advance(time.Hour)
	c.want(c.do("POST", "/api/session/refresh", ""), 200, "")
	c.want(c.do("POST", "/api/reauthenticate", `{"password":"watchword-demo-login"}`), 200, "")
}

func TestReauthenticateWithOpenLogin(t *testing.T) {
	t.Parallel()
	c := start(t, options{openUser: true}).client(t)
	c.want(c.do("POST", "/api/login", `{"userId":"anybody","password":"watchword"}`), 200, "")
	c.want(c.do("POST", "/api/reauthenticate", `{"password":"watchwords"}`), 401, "invalid_credentials")
	c.want(c.do("POST", "/api/reauthenticate", `{"password":"watchword"}`), 200, "")
	c.want(c.do("POST", "/api/password", `{"old":"watchword","new":"another password"}`), 403, "password_fixed")
}

func TestChangePassword(t *testing.T) {
	t.Parallel()
	d := start(t, options{})
	c := d.client(t)
	c.register("ann")
	elsewhere, other := d.ann(t), d.client(t)
	other.register("other")
	for body, want := range map[string]struct {
		status int
		code   string
	}{
		`{"old":"password of bob","new":"another password"}`: {401, "invalid_credentials"},
		`{"new":"another password"}`:                         {401, "invalid_credentials"},
		`{"old":"password of ann","new":7}`:                  {400, "invalid_request"},
		`{"old":"password of ann"`:                           {400, "invalid_request"},
	} {
		a := c.do("POST", "/api/password", body)
		c.want(a, want.status, want.code)
		c.cleared(a, false)
	}
	c.wantWeak(c.do("POST", "/api/password", `{"old":"password of ann","new":"fourteen chars"}`), "too_short")
	c.wantWeak(c.do("POST", "/api/password", `{"old":"password of ann"}`), "too_short")
	elsewhere.want(elsewhere.do("GET", "/api/me", ""), 200, "") // nothing has happened so far

	// The second time the answer to the first one was lost, and somebody came in meanwhile.
	for range 2 {
		a := c.do("POST", "/api/password", changePassword)
		c.want(a, 200, "")
		c.cleared(a, false)
		if a.body != `{"ended":1}`+"\n" {
			t.Errorf("got %s", a.body)
		}
		elsewhere.want(elsewhere.do("GET", "/api/me", ""), 401, "unauthorised: password_changed")
		elsewhere.want(elsewhere.do("POST", "/api/login", `{"userId":"ann","password":"another password"}`), 200, "")
	}
	c.want(c.do("GET", "/api/me", ""), 200, "")
	other.want(other.do("GET", "/api/me", ""), 200, "")
	elsewhere.want(elsewhere.do("POST", "/api/login", `{"userId":"ann","password":"password of ann"}`), 401, "invalid_credentials")

	demo := d.client(t)
	demo.login()
	demo.want(demo.do("POST", "/api/password", `{"old":"watchword-demo-login","new":"another password"}`), 403, "password_fixed")
	demo.want(demo.do("POST", "/api/password", `{"old":"wrong password","new":"another password"}`), 403, "password_fixed")
	d.client(t).login()
}

// TestPasswordNeedsAFreshProof: to the second, and before anything else is looked at.
func TestPasswordNeedsAFreshProof(t *testing.T) {
	t.Parallel()
	d := start(t, options{session: session.Config{AccessLifetime: time.Hour}})
	c := d.client(t)
	c.register("ann")
	d.clock.advance(5*time.Minute - time.Second)
	c.want(c.do("POST", "/api/password", `{"old":"password of bob","new":"another password"}`), 401, "invalid_credentials")
	d.clock.advance(2 * time.Second)
	a := c.do("POST", "/api/password", "nonsense")
	c.want(a, 403, "reauthenticate")
	c.cleared(a, false)
	c.want(c.do("GET", "/api/me", ""), 200, "")
}
