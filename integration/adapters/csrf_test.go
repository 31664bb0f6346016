package adapters_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// antiCSRF is what requests of other sites' pages come to.
var antiCSRF = cases{
	"fetch metadata, the default":       func(t *testing.T, mount mounter) { csrfTable(t, mount, "") },
	"token":                             func(t *testing.T, mount mounter) { csrfTable(t, mount, wire.AntiCSRFToken) },
	"both":                              func(t *testing.T, mount mounter) { csrfTable(t, mount, wire.AntiCSRFBoth) },
	"none":                              func(t *testing.T, mount mounter) { csrfTable(t, mount, wire.AntiCSRFNone) },
	"a refused request changes nothing": refusedChangesNothing,
	"requests that anybody may send":    bypassed,
	"handshakes that anybody may begin": bypassedHandshake,
	"what a router would redirect":      bypassedRedirect,
	"without cookies it is refused too": refusedWithoutCookies,
	"a token that came without one":     tokenWithoutToken,
	"another session's token":           othersToken,
	"a token stays the same":            tokenStays,
}

const trusted = "https://login.example.com"

// pages are who may have sent a request, by what their browsers say. own: nobody else's page.
var pages = []struct {
	site, origin string
	own          bool
}{
	{"", "", true}, // no browser, or one of long ago
	{"same-origin", app, true},
	{"same-origin", "", true},
	{"none", "", true}, // the address bar
	{"", app, true},    // browsers from before Sec-Fetch-Site
	{"cross-site", trusted, true},
	{"cross-site", front, true},
	{"same-site", trusted, true},
	{"", trusted, true},
	{"", front, true},
	{"cross-site", "https://evil.example", false},
	{"cross-site", "null", false},
	{"cross-site", "", false},
	{"cross-site", app, false}, // which no browser says
	{"same-site", "https://neighbour.example.test", false},
	{"same-site", "", false},
	{"Same-Origin", "https://evil.example", false},
	{"whatever", "https://evil.example", false},
	{"", "https://evil.example", false},
	{"", "null", false},
	{"", "https://neighbour.example.test", false},
	{"", app + ":8443", false},
	{"", app + ".evil.example", false},
	{"", trusted + ":8443", false},
	{"", "http://login.example.com", false},
	{"", "garbage", false},
}

// guards are what protects an endpoint: the page that has sent the request, and the token of the session.
type guards struct{ page, token bool }

// endpoint is a kind of request, with what the documentation of wire.AntiCSRF has protect it in each mode.
type endpoint struct {
	method, path       string
	handshake          bool // of a WebSocket
	fetch, token, both guards
	once               bool // it changes the session: each request needs one of its own
}

var (
	nothing = guards{}
	page    = guards{page: true}
	token   = guards{token: true}
	each    = guards{page: true, token: true}
)

var endpoints = []endpoint{
	{method: "GET", path: "/me"},
	{method: "HEAD", path: "/me"},
	{method: "OPTIONS", path: "/me"},
	{method: "GET", path: "/maybe"},
	{method: "POST", path: "/me", fetch: page, token: token, both: each},
	{method: "PUT", path: "/me", fetch: page, token: token, both: each},
	{method: "PATCH", path: "/me", fetch: page, token: token, both: each},
	{method: "DELETE", path: "/me", fetch: page, token: token, both: each},
	{method: "QUERY", path: "/me", fetch: page, token: token, both: each}, // whatever it is
	{method: "POST", path: "/maybe", fetch: page, token: token, both: each},
	{method: "POST", path: "/prove", fetch: page, token: token, both: each, once: true},
	// No page can give a handshake a header.
	{method: "GET", path: "/me", handshake: true, fetch: page, token: page, both: page},
	{method: "GET", path: "/maybe", handshake: true, fetch: page, token: page, both: page},
	// Of login and refresh a page may have no token; the original's sends none.
	{method: "POST", path: "/login?user=bob", fetch: page, token: page, both: page},
	{method: "POST", path: refreshPath, fetch: page, token: page, both: page, once: true},
	// A logout asks for both where there is a session.
	{method: "POST", path: "/logout", fetch: page, token: each, both: each, once: true},
}

func (e endpoint) guards(mode wire.AntiCSRF) guards {
	switch mode {
	case wire.AntiCSRFToken:
		return e.token
	case wire.AntiCSRFBoth:
		return e.both
	case wire.AntiCSRFNone:
		return nothing
	default:
		return e.fetch
	}
}

// wrong are tokens like the right one.
var wrong = []func(right string) string{
	func(right string) string { return right[1:] },
	func(right string) string { return "x" + right },
	strings.ToUpper,
}

// csrfTable sends every kind of request from every page, with every kind of token.
func csrfTable(t *testing.T, mount mounter, mode wire.AntiCSRF) {
	s := open(t, mount, wire.Config{AntiCSRF: mode, TrustedOrigins: []string{trusted}, AllowedOrigins: []string{front}}, session.Config{})
	withToken := mode == wire.AntiCSRFToken || mode == wire.AntiCSRFBoth
	alice := func() session.Tokens { return s.create("alice", session.CreateOptions{AntiCSRF: withToken}) }
	tokens := alice()
	for _, e := range endpoints {
		for i, from := range pages {
			for try := range 3 {
				if e.once {
					tokens = alice()
				}
				sent := ""
				switch {
				case try > 0 && !withToken:
					continue
				case try == 1:
					sent = tokens.AntiCSRF
				case try == 2:
					sent = wrong[i%len(wrong)](tokens.AntiCSRF)
				}
				guards := e.guards(mode)
				s.judge(e, from.site, from.origin, sent, tokens, (from.own || !guards.page) && (try == 1 || !guards.token))
			}
		}
	}
	s.noAlarm()
}

// judge sends a request and asserts that it is let through, or that it is refused as it has to be.
func (s *site) judge(e endpoint, from, origin, csrf string, tokens session.Tokens, allowed bool) {
	s.t.Helper()
	header := []string{"Cookie", cookies(tokens)}
	for _, pair := range [][2]string{{"Sec-Fetch-Site", from}, {"Origin", origin}, {"Anti-Csrf", csrf}} {
		if pair[1] != "" {
			header = append(header, pair[:]...)
		}
	}
	if e.handshake {
		header = append(header, "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")
	}
	s.store.reset(nil)
	got := s.call(e.method, e.path, header...)
	what := fmt.Sprintf("Sec-Fetch-Site %q, Origin %q, anti-csrf %q, handshake %v", from, origin, csrf, e.handshake)
	if allowed {
		if got.status != 200 {
			s.t.Errorf("%s with %s: got %d %s, want it let through", got.asked, what, got.status, got.body)
		}
		return
	}
	if got.status != 403 || got.code() != "anti_csrf" {
		s.t.Errorf("%s with %s: got %d %s, want it refused", got.asked, what, got.status, got.body)
		return
	}
	got.quiet().has("Cache-Control", "no-store")
	if asked := s.store.asked(); len(asked) != 0 {
		s.t.Errorf("%s with %s: refused, but the store was asked for %v", got.asked, what, asked)
	}
}

// A refused request neither uses a token up nor renews it, nor heals, nor clears.
func refusedChangesNothing(t *testing.T, mount mounter) {
	former := wire.Cookies{Domain: "example.test"}
	for _, mode := range []wire.AntiCSRF{wire.AntiCSRFFetchMetadata, wire.AntiCSRFToken, wire.AntiCSRFBoth} {
		s := open(t, mount, wire.Config{AntiCSRF: mode, Former: []wire.Cookies{former}}, session.Config{})
		b := s.browser()
		csrf := b.login("alice").header.Get("Anti-Csrf")
		s.clock.advance(session.DefaultAccessLifetime)
		b.refresh() // the access token is unconfirmed now
		b.plant(former, session.Tokens{AccessToken: b.cookie(access), RefreshToken: b.cookie(refresh), ID: "x"})
		everywhere := func() (shown []string) {
			for kind := range 3 {
				shown = append(shown, b.shown(refreshPath, kind, former, wire.Cookies{})...)
			}
			return shown
		}
		before := fmt.Sprint(everywhere())
		s.store.reset(nil)
		evil := []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}
		for _, path := range []string{"/me", "/maybe", "/prove", "/logout", "/login?user=mallory", refreshPath} {
			s.send(b.jar, "POST", app+path, "", evil...).want(403, "anti_csrf").quiet()
		}
		if after := fmt.Sprint(everywhere()); after != before || len(s.store.asked()) != 0 {
			t.Errorf("%s: the browser had %s, and has %s; the store was asked for %v", mode, before, after, s.store.asked())
		}
		header := []string{}
		if csrf != "" {
			header = []string{"Anti-Csrf", csrf}
		}
		b.do("POST", "/me", header...).want(200, "alice")
		b.goesOn("alice")
	}
}

func bypassed(t *testing.T, mount mounter) {
	for _, mode := range []wire.AntiCSRF{wire.AntiCSRFFetchMetadata, wire.AntiCSRFToken, wire.AntiCSRFBoth} {
		s := open(t, mount, wire.Config{
			AntiCSRF: mode, TrustedOrigins: []string{trusted}, AllowedOrigins: []string{front},
			AntiCSRFBypass: []string{"POST /prove", "/login", "POST other.example.test/me"},
		}, session.Config{})
		withToken := mode != wire.AntiCSRFFetchMetadata
		for _, from := range pages {
			tokens := s.create("alice", session.CreateOptions{AntiCSRF: withToken})
			s.judge(endpoint{method: "POST", path: "/prove"}, from.site, from.origin, tokens.AntiCSRF, tokens, true)
			tokens = s.create("alice", session.CreateOptions{AntiCSRF: withToken})
			s.judge(endpoint{method: "POST", path: "/prove"}, from.site, from.origin, "", tokens, !withToken) // the token is asked for all the same
			tokens = s.create("alice", session.CreateOptions{AntiCSRF: withToken})
			s.judge(endpoint{method: "POST", path: "/login?user=bob"}, from.site, from.origin, "", tokens, true)
			s.judge(endpoint{method: "POST", path: "/me"}, from.site, from.origin, tokens.AntiCSRF, tokens, from.own || mode == wire.AntiCSRFToken)
			s.judge(endpoint{method: "POST", path: refreshPath}, from.site, from.origin, "", tokens, from.own)
		}
	}
}

// A pattern is of the request as it is: a handshake is a GET.
func bypassedHandshake(t *testing.T, mount mounter) {
	for pattern, passes := range map[string]bool{"GET /me": true, "/me": true, "POST /me": false, "GET /maybe": false} {
		s := open(t, mount, wire.Config{AntiCSRFBypass: []string{pattern}}, session.Config{})
		tokens := s.create("alice", session.CreateOptions{})
		t.Log(pattern)
		s.judge(endpoint{method: "GET", path: "/me", handshake: true}, "cross-site", "https://evil.example", "", tokens, passes)
	}
}

// A request for a path that http.ServeMux would redirect to a pattern's does not match the pattern, and no other router redirects
// it (CVE-2025-47910).
func bypassedRedirect(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{AntiCSRFBypass: []string{"/me/", "POST /prove/{rest...}", "/api/session/refresh/{$}"}}, session.Config{})
	tokens := s.create("alice", session.CreateOptions{})
	for _, path := range []string{"/me", "/prove", refreshPath} {
		s.judge(endpoint{method: "POST", path: path}, "cross-site", "https://evil.example", "", tokens, false)
	}
}

// Browsers withhold cookies of SameSite Lax from another site's POST, and would still take those of its response.
func refusedWithoutCookies(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	for _, path := range []string{"/login?user=mallory", refreshPath, "/logout", "/me", "/maybe", "/prove"} {
		s.call("POST", path, "Origin", "https://evil.example").want(403, "anti_csrf").quiet()
		s.call("POST", path, "Sec-Fetch-Site", "cross-site").want(403, "anti_csrf").quiet()
	}
}

// A session from before the application asked for tokens gets one by a refresh.
func tokenWithoutToken(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{AntiCSRF: wire.AntiCSRFToken}, session.Config{})
	b := s.browser()
	b.plant(wire.Cookies{}, s.create("alice", session.CreateOptions{}))
	b.do("POST", "/me").want(401, "try_refresh").quiet()
	b.do("GET", "/me").want(200, "alice").quiet()
	csrf := b.refresh().header.Get("Anti-Csrf")
	b.do("POST", "/me").want(403, "anti_csrf").quiet()
	b.do("POST", "/me", "Anti-Csrf", csrf).want(200, "alice")
}

func othersToken(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{AntiCSRF: wire.AntiCSRFToken}, session.Config{})
	b, other := s.browser(), s.browser()
	b.login("alice")
	csrf := other.login("mallory").header.Get("Anti-Csrf")
	b.do("POST", "/me", "Anti-Csrf", csrf).want(403, "anti_csrf").quiet()
	b.do("POST", "/logout", "Anti-Csrf", csrf).want(403, "anti_csrf").quiet()
	other.do("POST", "/me", "Anti-Csrf", csrf).want(200, "mallory")
}

// Answers that cross cannot leave a page with a token that is of no use.
func tokenStays(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{AntiCSRF: wire.AntiCSRFBoth}, session.Config{})
	b := s.browser()
	login := b.login("alice").has("Access-Control-Expose-Headers", "id-refresh-token, anti-csrf")
	csrf := login.header.Get("Anti-Csrf")
	s.clock.advance(session.DefaultAccessLifetime)
	b.refresh().has("Anti-Csrf", csrf)
	b.do("POST", "/me", "Anti-Csrf", csrf).want(200, "alice").sets(access).has("Anti-Csrf")
	s.clock.advance(time.Minute)
	b.do("POST", "/prove", "Anti-Csrf", csrf).want(200, "alice").sets(everything...).has("Anti-Csrf", csrf)
	b.do("POST", "/me", "Anti-Csrf", csrf).want(200, "alice").sets(access)
	b.do("POST", "/logout", "Anti-Csrf", csrf).want(200, "{}\n").clears(everything...)
}
