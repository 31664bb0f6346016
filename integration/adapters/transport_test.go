package adapters_test

import (
	"strings"
	"testing"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// transport is how requests choose, and that no token changes from one way to the other.
var transport = cases{
	"no script gets what is in cookies":  exfiltration,
	"both at once":                       bothTransports,
	"what is no transport":               noTransport,
	"other schemes are none of ours":     otherSchemes,
	"an id cookie is no token":           idCookieIsNoToken,
	"cookies alone are configured":       cookiesAlone,
	"headers alone are configured":       headersAlone,
	"a browser that says so":             namedCookies,
	"several tokens of a native client":  severalTokens,
	"former cookies are cookies as well": formerAndHeaders,
}

// posts are all ways to get tokens, or to end a session.
var posts = []string{"/login?user=alice", "/me", "/maybe", "/prove", refreshPath, "/logout"}

// ways are how a script could ask for tokens in headers.
func ways(token string) [][]string {
	return [][]string{
		{"Session-Transport", "header"},
		{"Authorization", "Bearer " + token},
		{"Authorization", "bearer"},
		{refreshHeader, token},
		{refreshHeader, ""},
		{"Session-Transport", "header", "Authorization", "Bearer " + token},
		{"Session-Transport", "header", refreshHeader, token},
		{"Session-Transport", "cookie", "Authorization", "Bearer " + token},
		{"Session-Transport", "cookie", refreshHeader, token},
	}
}

// A script of the page cannot read the cookies, but has the browser send them.
func exfiltration(t *testing.T, mount mounter) {
	for _, transport := range []wire.Transport{wire.TransportAny, wire.TransportCookie} {
		s := open(t, mount, wire.Config{Transport: transport}, session.Config{})
		b := s.browser()
		b.login("alice")
		tokens := []string{b.cookie(access), b.cookie(refresh)}
		body := `{"refresh_token":"` + b.cookie(refresh) + `"}`
		for _, shown := range []string{b.header(everything...), b.header(access, id), b.header(refresh, id), b.header(access), b.header(refresh)} {
			for _, way := range ways("garbage") {
				for _, path := range posts {
					if path == "/logout" && transport == wire.TransportCookie {
						continue // that is a logout
					}
					s.store.reset(nil)
					header := append([]string{"Cookie", shown, "Content-Type", "application/json", "Sec-Fetch-Site", "same-origin"}, way...)
					got := s.send(nil, "POST", app+path, body, header...)
					for _, name := range []string{accessHeader, refreshHeader, "X-Access-Token-Expires-In", "X-Refresh-Token-Expires-In"} {
						got.has(name)
					}
					for _, token := range tokens {
						if strings.Contains(got.body, token) {
							t.Errorf("%s with %q: the body has a token", path, way)
						}
					}
					if strings.Contains(got.body, "_token\"") {
						t.Errorf("%s with %q: the body has a token: %s", path, way, got.body)
					}
					if transport == wire.TransportAny {
						got.want(400, "invalid_request").quiet()
						if asked := s.store.asked(); len(asked) != 0 {
							t.Errorf("%s with %q: the store was asked for %v", path, way, asked)
						}
					}
				}
			}
		}
		s.store.reset(nil)
		b.goesOn("alice")
	}
}

// Two transports at once are a mistake, or worse: nothing is looked at, and nothing cleared.
func bothTransports(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	b, c := s.browser(), s.nativeLogin("bob")
	b.login("alice")
	for _, method := range []string{"GET", "POST"} {
		for _, path := range []string{"/me", "/maybe"} {
			s.call(method, path, "Cookie", b.header(access, id), "Authorization", "Bearer "+c.access).want(400, "invalid_request").quiet()
		}
	}
	s.call("POST", refreshPath, "Cookie", b.header(refresh, id), refreshHeader, c.refresh).want(400, "invalid_request").quiet()
	s.call("POST", "/logout", "Cookie", b.header(access, id), "Authorization", "Bearer "+c.access).want(400, "invalid_request").quiet()
	c.do("GET", "/me").want(200, "bob")
	b.goesOn("alice")
}

func noTransport(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	b := s.browser()
	b.login("alice")
	s.store.reset(nil)
	for _, named := range [][]string{{"pigeon"}, {""}, {"any"}, {"Header"}, {"header, cookie"}, {"header", "header"}, {"cookie", "header"}} {
		var header []string
		for _, value := range named {
			header = append(header, "Session-Transport", value)
		}
		for _, path := range posts {
			s.call("POST", path, append(header, "Cookie", b.header(everything...))...).want(400, "invalid_request").quiet()
			s.call("POST", path, header...).want(400, "invalid_request").quiet()
		}
	}
	if asked := s.store.asked(); len(asked) != 0 {
		t.Errorf("the store was asked for %v", asked)
	}
	b.goesOn("alice")
}

func otherSchemes(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	b := s.browser()
	b.login("alice")
	for _, scheme := range []string{"Basic QUFB", "Bearerx y", "Negotiate", "", "bear er"} {
		b.do("GET", "/me", "Authorization", scheme).want(200, "alice").quiet()
	}
	b.do("POST", "/logout", "Authorization", "Basic QUFB").want(200, "{}\n").clears(everything...)
}

func idCookieIsNoToken(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	c := s.nativeLogin("alice")
	s.call("GET", "/me", "Authorization", "Bearer "+c.access, "Cookie", id+"=1").want(200, "alice").quiet()
	s.call("GET", "/me", "Session-Transport", "header", "Cookie", id+"=1").want(401, "unauthorised").quiet()
}

// Whoever has configured cookies alone may have a proxy that puts tokens of its own into headers.
func cookiesAlone(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{Transport: wire.TransportCookie}, session.Config{})
	b := s.browser()
	b.do("POST", "/login?user=alice", "Authorization", "Bearer proxys", "Session-Transport", "cookie").want(200, "{}\n").sets(everything...)
	proxy := []string{"Authorization", "Bearer proxys", refreshHeader, "proxys"}
	b.do("POST", "/me", proxy...).want(200, "alice").quiet()
	s.clock.advance(session.DefaultAccessLifetime)
	b.do("POST", refreshPath, proxy...).want(200, "{}\n").sets(everything...)
	b.do("GET", "/me", proxy...).want(200, "alice").sets(access)
	s.call("GET", "/me", "Authorization", "Bearer "+b.cookie(access)).want(401, "unauthorised").sets().has("Id-Refresh-Token", "remove")
	for _, path := range posts {
		b.do("POST", path, "Session-Transport", "header").want(400, "invalid_request").quiet()
	}
	b.do("POST", "/logout", proxy...).want(200, "{}\n").clears(everything...)
}

func headersAlone(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{Transport: wire.TransportHeader}, session.Config{})
	c := &client{site: s}
	c.full(c.takes(s.call("POST", "/login?user=alice")))
	theirs := []string{"Cookie", cookies(session.Tokens{AccessToken: c.access, RefreshToken: c.refresh, ID: "1"})}
	s.call("GET", "/me", theirs...).want(401, "unauthorised").quiet() // cookies are the application's
	s.call("POST", refreshPath, theirs...).want(401, "unauthorised").quiet()
	c.do("GET", "/me", theirs...).want(200, "alice").quiet()
	s.clock.advance(session.DefaultAccessLifetime)
	c.takes(s.post(`{"refresh_token":"` + c.refresh + `"}`))
	c.do("GET", "/me", "Sec-Fetch-Site", "cross-site").want(200, "alice").has("Id-Refresh-Token")
	for _, path := range posts {
		s.call("POST", path, "Session-Transport", "cookie").want(400, "invalid_request").quiet()
	}
	s.call("POST", "/clear", theirs...).want(200, "cleared").quiet()
	c.do("POST", "/logout").want(200, "{}\n").quiet()
}

func namedCookies(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	b := s.browser()
	b.do("POST", "/login?user=alice", "Session-Transport", "cookie").want(200, "{}\n").sets(everything...)
	b.do("POST", "/me", "Session-Transport", "cookie").want(200, "alice").quiet()
	s.clock.advance(session.DefaultAccessLifetime)
	b.do("POST", refreshPath, "Session-Transport", "cookie").want(200, "{}\n").sets(everything...)
	b.do("POST", "/logout", "Session-Transport", "cookie").want(200, "{}\n").clears(everything...)
}

func severalTokens(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	c := s.nativeLogin("alice")
	s.store.reset(nil)
	c.do("GET", "/me", "Authorization", "Bearer "+c.access).want(400, "invalid_request").quiet()
	c.do("GET", "/me", "Authorization", "Basic QUFB").want(400, "invalid_request").quiet()
	s.call("POST", refreshPath, refreshHeader, c.refresh, refreshHeader, c.refresh).want(400, "invalid_request").quiet()
	if asked := s.store.asked(); len(asked) != 0 {
		t.Errorf("the store was asked for %v", asked)
	}
	c.do("GET", "/me").want(200, "alice")
}

func formerAndHeaders(t *testing.T, mount mounter) {
	former := wire.Cookies{AccessName: "at", RefreshName: "rt", IDName: "it", Prefix: wire.PrefixNone}
	s := open(t, mount, wire.Config{Former: []wire.Cookies{former}}, session.Config{})
	b := s.browser()
	b.plant(former, s.create("alice", session.CreateOptions{}))
	for _, way := range ways("garbage") {
		for _, path := range posts {
			b.do("POST", path, way...).want(400, "invalid_request").quiet()
		}
	}
	b.goesOn("alice")
}
