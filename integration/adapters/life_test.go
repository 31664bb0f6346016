package adapters_test

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// life is what happens to a session that nothing happens to.
var life = cases{
	"a login sets three cookies and tells the page": loginSetsThreeCookies,
	"the original's names and attributes":           originalsCookies,
	"from the login to the second logout":           loginToLogout,
	"HEAD is GET without a body":                    headIsGet,
	"a refresh that changes nothing":                keptToken,
	"a login takes the place of another":            secondLogin,
	"clear takes the tokens away":                   clearTakesAway,
	"without a cookie there is nothing to clear":    nothingToClear,
	"the id cookie stands for the session":          idStandsForSession,
	"who is optional":                               optional,
	"endpoints are POST":                            endpointsArePost,
	"an oversized login":                            oversizedLogin,
	"the statuses of the original's guides":         originalsStatuses,
}

func loginSetsThreeCookies(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	got := s.browser().login("alice").sets(everything...)
	now := s.clock.Now()
	lax := http.Cookie{Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	want := [3]http.Cookie{lax, lax, lax}
	want[1].Path, want[2].HttpOnly = refreshPath, false
	got.hasCookies(want, now.Add(session.DefaultAccessLifetime), now.Add(session.DefaultIdleLifetime), now)
	ends := strconv.FormatInt(now.Add(session.DefaultIdleLifetime).UnixMilli(), 10)
	if len(ends) != 13 {
		t.Errorf("a moment of %d digits", len(ends))
	}
	got.has("Id-Refresh-Token", got.cookies[2].Value+";"+ends).has("Anti-Csrf").
		has("Access-Control-Expose-Headers", "id-refresh-token").has("Cache-Control", "no-store").has("Content-Type", "application/json").
		has("X-Access-Token").has("X-Refresh-Token")
}

func originalsCookies(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{
		Cookies: wire.Cookies{
			Domain: "example.test", Path: "/", RefreshPath: "/refresh", SameSite: http.SameSiteNoneMode, Prefix: wire.PrefixNone,
		},
		AntiCSRF: wire.AntiCSRFToken,
	}, session.Config{})
	b, names := s.browser(), []string{"sAccessToken", "sRefreshToken", "sIdRefreshToken"}
	none := http.Cookie{Domain: "example.test", Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteNoneMode}
	want := [3]http.Cookie{none, none, none}
	want[1].Path, want[2].HttpOnly = "/refresh", false
	now := s.clock.Now()
	got := b.login("alice").sets(names...)
	got.hasCookies(want, now.Add(session.DefaultAccessLifetime), now.Add(session.DefaultIdleLifetime), now)
	got.has("Access-Control-Expose-Headers", "id-refresh-token, anti-csrf")
	token := got.header.Get("Anti-Csrf")
	if token == "" {
		t.Error("a login without an anti-csrf token")
	}
	s.clock.advance(session.DefaultAccessLifetime)
	// The original's front end sends no anti-csrf header there, and no access cookie.
	old := strings.Join([]string{"sRefreshToken=" + b.jarAt("/refresh", "sRefreshToken"), "sIdRefreshToken=" + b.jarAt("/refresh", "sIdRefreshToken")}, "; ")
	refreshed := s.call("POST", "/refresh", "Cookie", old, "Origin", app, "Sec-Fetch-Site", "same-origin", "supertokens-sdk-name", "website")
	refreshed.want(200, "{}\n").sets(names...).has("Anti-Csrf", token)
	b.jar.SetCookies(b.url("/refresh"), refreshed.cookies)
	b.do("POST", "/me", "anti-csrf", token).want(200, "alice").sets("sAccessToken").has("Anti-Csrf").has("Id-Refresh-Token")
	end := time.Unix(0, 0)
	b.do("POST", "/logout", "anti-csrf", token).want(200, "{}\n").clears(names...).hasCookies(want, end, end, end)
}

// jarAt returns the value of a cookie that the browser shows to a path.
func (b *browser) jarAt(path, name string) string {
	b.t.Helper()
	for _, c := range b.jar.Cookies(b.url(path)) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// hasCookies asserts the attributes of the three cookies, whole.
func (a answer) hasCookies(want [3]http.Cookie, accessEnds, ends, now time.Time) {
	a.t.Helper()
	for i, got := range a.cookies {
		want[i].Expires = ends.Truncate(time.Second).UTC()
		if i == 0 {
			want[i].Expires = accessEnds.Truncate(time.Second).UTC()
		}
		if want[i].MaxAge = int(want[i].Expires.Sub(now.Truncate(time.Second)) / time.Second); want[i].MaxAge == 0 {
			want[i].MaxAge = -1
		}
		want[i].Name, want[i].Value = got.Name, got.Value
		if attributes(*got) != attributes(want[i]) || len(got.Unparsed) != 0 {
			a.t.Errorf("%s:\n got %s\nwant %s", a.asked, got.Raw, attributes(want[i]))
		}
	}
}

func attributes(c http.Cookie) string { return c.String() }

// id is what stands in the header Id-Refresh-Token.
var idForm = regexp.MustCompile(`^[A-Za-z0-9_-]{22};[0-9]{13}$`)

func loginToLogout(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	b := s.browser()
	b.login("alice")
	b.do("GET", "/me").want(200, "alice").quiet()
	b.do("POST", "/me").want(200, "alice").quiet()
	if asked := s.store.asked(); len(asked) != 1 {
		t.Errorf("the store was asked for %v, want the login alone", asked)
	}
	old, oldID := b.cookie(refresh), b.cookie(id)

	s.clock.advance(session.DefaultAccessLifetime)
	for _, method := range []string{"GET", "HEAD", "POST"} {
		got := b.do(method, "/me").quiet().has("Cache-Control", "no-store")
		if got.status != 401 || method != "HEAD" && got.code() != "try_refresh" {
			t.Errorf("%s with an expired token: %d %s", method, got.status, got.body)
		}
	}
	got := b.refresh().sets(everything...).has("Anti-Csrf").has("Access-Control-Expose-Headers", "id-refresh-token")
	if !idForm.MatchString(got.header.Get("Id-Refresh-Token")) {
		t.Errorf("Id-Refresh-Token: got %q", got.header.Get("Id-Refresh-Token"))
	}
	if b.cookie(refresh) == old || b.cookie(id) == oldID {
		t.Error("the refresh token was not rotated")
	}
	// The first use sets a new access cookie, and nothing else.
	first := b.do("GET", "/me").want(200, "alice").sets(access).has("Id-Refresh-Token").has("Anti-Csrf").
		has("Access-Control-Expose-Headers").has("Cache-Control", "no-store")
	if left := first.cookies[0].MaxAge; left != int(session.DefaultAccessLifetime/time.Second) {
		t.Errorf("the renewed token lives for %d s", left)
	}
	b.do("GET", "/me").want(200, "alice").quiet()

	tokens := b.header(access, id)
	b.do("POST", "/logout").want(200, "{}\n").clears(everything...)
	b.do("POST", "/logout").want(200, "{}\n").clears(everything...)
	if all := b.jar.Cookies(b.url(refreshPath)); len(all) != 0 {
		t.Errorf("left in the browser: %v", all)
	}
	b.do("GET", "/me").want(401, "unauthorised").sets()
	s.call("GET", "/me", "Cookie", tokens).want(401, "unauthorised logout").clears(everything...)
	if left := s.sessions("alice"); len(left) != 0 {
		t.Errorf("sessions after the logout: %v", left)
	}
	s.noAlarm()
}

func headIsGet(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	b := s.browser()
	b.do("HEAD", "/me").want(401, "").sets().has("Id-Refresh-Token", "remove").has("Content-Type", "application/json")
	b.login("alice")
	s.clock.advance(session.DefaultAccessLifetime)
	b.do("HEAD", "/me").want(401, "").quiet()
	b.refresh()
	b.do("HEAD", "/me").want(200, "").sets(access)
	b.do("HEAD", "/me").want(200, "").quiet()
	for _, path := range []string{refreshPath, "/logout"} {
		b.do("HEAD", path).want(405, "").quiet().has("Allow", "POST")
	}
	b.do("GET", "/me").want(200, "alice") // on the same connection, which no body has confused
}

// Within grace of its confirmation a token is brand-new: the client keeps it, lest a late answer put it back.
func keptToken(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	b := s.browser()
	b.login("alice")
	b.refresh().sets(access, id)
	s.clock.advance(time.Minute)
	b.refresh().sets(everything...)
	b.do("GET", "/me").want(200, "alice").sets(access)
	b.refresh().sets(access, id)
	b.do("GET", "/me").want(200, "alice").quiet()
	s.clock.advance(time.Minute)
	b.refresh().sets(everything...)
	s.clock.advance(time.Minute)
	b.refresh().sets(access, id) // which confirms it
	b.goesOn("alice")
}

func secondLogin(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	b := s.browser()
	b.login("alice")
	b.login("bob").sets(everything...)
	b.goesOn("bob")
}

func clearTakesAway(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	b := s.browser()
	b.login("alice")
	b.do("POST", "/clear").want(200, "cleared").clears(everything...)
	b.do("GET", "/me").want(401, "unauthorised")
	b.do("POST", "/clear").want(200, "cleared").clears(everything...)
}

// A page of another origin has cookies withheld, and must not clear them by asking.
func nothingToClear(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	b := s.browser()
	b.login("alice")
	for _, ask := range [][2]string{{"GET", "/me"}, {"POST", "/me"}, {"GET", "/fresh"}, {"GET", "/admin"}, {"POST", "/prove"}, {"GET", "/fail"}, {"POST", refreshPath}} {
		for _, cookie := range []string{"", "other=1", access + "=; " + id + "="} {
			got := s.call(ask[0], ask[1], "Cookie", cookie).want(401, "unauthorised").sets()
			got.has("Id-Refresh-Token", "remove").has("Anti-Csrf").has("Cache-Control", "no-store").
				has("Access-Control-Expose-Headers", "id-refresh-token").has("X-Content-Type-Options", "nosniff")
			b.jar.SetCookies(b.url(ask[1]), got.cookies)
		}
	}
	b.goesOn("alice")
}

func idStandsForSession(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	b := s.browser()
	b.login("alice")
	token := b.header(access)
	s.call("GET", "/me", "Cookie", token).want(401, "unauthorised").clears(everything...)
	s.call("GET", "/maybe", "Cookie", token).want(200, "nobody").quiet()
	s.call("GET", "/me", "Cookie", token+"; "+id+"=whatever").want(200, "alice").quiet()
	s.call("GET", "/me", "Cookie", id+"=whatever").want(401, "try_refresh").quiet()
}

func optional(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	b := s.browser()
	b.do("GET", "/maybe").want(200, "nobody").quiet()
	b.login("alice")
	b.do("GET", "/maybe").want(200, "alice").quiet()
	b.do("POST", "/maybe").want(200, "alice").quiet()
	s.clock.advance(session.DefaultAccessLifetime)
	b.do("GET", "/maybe").want(401, "try_refresh").quiet() // not anonymous
	b.refresh()
	b.do("GET", "/maybe").want(200, "alice").sets(access)
	s.revoke(s.sessions("alice")[0].Handle, session.ReasonRevoked)
	b.do("GET", "/maybe").want(200, "nobody").quiet()
}

func endpointsArePost(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	b := s.browser()
	b.login("alice")
	s.store.reset(nil)
	for _, path := range []string{refreshPath, "/logout"} {
		for _, method := range []string{"GET", "PUT", "PATCH", "DELETE", "OPTIONS"} {
			b.do(method, path).want(405, "method_not_allowed").quiet().has("Allow", "POST")
		}
	}
	if asked := s.store.asked(); len(asked) != 0 {
		t.Errorf("the store was asked for %v", asked)
	}
	b.goesOn("alice")
}

// A cookie that is too large would be dropped by the browser without a word.
func oversizedLogin(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	b := s.browser()
	b.do("POST", "/login?user=alice&payload="+strings.Repeat("x", 3000)).want(413, "too_large").quiet()
	b.do("POST", "/login?user=").want(400, "invalid_request").quiet()
	if left := s.sessions("alice"); len(left) != 0 {
		t.Errorf("a login that failed left %v", left)
	}
	b.do("POST", "/login?user=alice&payload="+strings.Repeat("x", 2000)).want(200, "{}\n").sets(everything...)
	b.goesOn("alice")
}

func originalsStatuses(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{StatusTryRefresh: 440, StatusUnauthorised: 441, StatusTheft: 442}, session.Config{})
	b := s.browser()
	b.do("GET", "/me").want(441, "unauthorised")
	b.login("alice")
	stolen := b.header(refresh)
	s.clock.advance(session.DefaultAccessLifetime)
	b.do("GET", "/me").want(440, "try_refresh").quiet()
	b.refresh()
	b.do("GET", "/me").want(200, "alice")
	s.clock.advance(time.Minute)
	s.call("POST", refreshPath, "Cookie", stolen).want(442, "token_theft theft").clears(everything...)
	b.refreshFails(441, "unauthorised theft")
}

// refreshFails asserts that a refresh ends the browser's belief in a session.
func (b *browser) refreshFails(status int, code string) {
	b.t.Helper()
	b.do("POST", refreshPath).want(status, code).clears(everything...)
	if left := b.jar.Cookies(b.url(refreshPath)); len(left) != 0 {
		b.t.Errorf("left in the browser: %v", left)
	}
}
