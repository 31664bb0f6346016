package adapters_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// cors is what pages of other origins may do.
var cors = cases{
	"preflights":                         preflights,
	"answers and errors of all kinds":    corsOfAnswers,
	"a page of an allowed origin":        allowedPage,
	"other origins get nothing":          otherOrigins,
	"OPTIONS that is no preflight":       optionsIsNoPreflight,
	"without configuration nobody comes": noCORS,
}

const front = "https://front.example.com"

var paths = []string{"/login", "/me", "/maybe", "/fresh", "/admin", "/prove", "/clear", refreshPath, "/logout", "/fail"}

func preflights(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{AllowedOrigins: []string{front, "https://second.example.com"}, AllowedHeaders: []string{"x-mine"}}, session.Config{})
	for _, path := range paths {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			got := s.call("OPTIONS", path, "Origin", front, "Sec-Fetch-Site", "cross-site", "Access-Control-Request-Method", method).want(204, "").quiet()
			got.has("Access-Control-Allow-Origin", front).has("Access-Control-Allow-Credentials", "true").
				has("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE")
			allowed := got.header.Values("Access-Control-Allow-Headers")
			if len(allowed) != 1 {
				t.Fatalf("%s: allowed headers %q", path, allowed)
			}
			list := strings.Split(allowed[0], ", ")
			for _, name := range []string{
				"anti-csrf", "supertokens-sdk-name", "supertokens-sdk-version", "content-type", "authorization", "session-transport", "x-refresh-token", "x-mine",
			} {
				if !slices.Contains(list, name) {
					t.Errorf("%s: %s is not allowed: %q", path, name, allowed)
				}
			}
			if !slices.Contains(got.header.Values("Vary"), "Origin") {
				t.Errorf("%s: Vary is %q", path, got.header.Values("Vary"))
			}
		}
	}
	if asked := s.store.asked(); len(asked) != 0 {
		t.Errorf("the store was asked for %v", asked)
	}
}

func corsOfAnswers(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{AllowedOrigins: []string{front}}, session.Config{})
	tokens := s.create("alice", session.CreateOptions{})
	for _, ask := range []struct {
		method, path, cookie string
		status               int
	}{
		{"POST", "/login?user=alice", "", 200},
		{"POST", "/login?user=", "", 400},
		{"GET", "/me", "", 401},
		{"GET", "/me", cookies(tokens), 200},
		{"GET", "/admin", cookies(tokens), 403},
		{"GET", "/fail", cookies(tokens), 503},
		{"GET", refreshPath, "", 405},
		{"POST", "/clear", "", 200},
		{"POST", refreshPath, cookies(tokens), 200},
		{"POST", "/logout", cookies(tokens), 200},
	} {
		got := s.call(ask.method, ask.path, "Origin", front, "Sec-Fetch-Site", "cross-site", "Cookie", ask.cookie)
		if got.status != ask.status {
			t.Errorf("%s %s: got %d %s, want %d", ask.method, ask.path, got.status, got.body, ask.status)
		}
		got.has("Access-Control-Allow-Origin", front).has("Access-Control-Allow-Credentials", "true")
		if expose := got.header.Values("Access-Control-Expose-Headers"); len(expose) > 1 {
			t.Errorf("%s: exposed twice: %q", ask.path, expose)
		}
		if !slices.Contains(got.header.Values("Vary"), "Origin") {
			t.Errorf("%s: Vary is %q", ask.path, got.header.Values("Vary"))
		}
	}
}

// A front end on another site, with cookies of SameSite None, lives as one on this site does.
func allowedPage(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{AllowedOrigins: []string{front}, Cookies: wire.Cookies{SameSite: 4, Partitioned: true}}, session.Config{})
	b := s.browser()
	ask := func(method, path string) answer {
		t.Helper()
		return s.send(b.jar, method, app+path, "", "Origin", front, "Sec-Fetch-Site", "cross-site")
	}
	ask("POST", "/login?user=alice").want(200, "{}\n").sets(everything...)
	ask("POST", "/me").want(200, "alice")
	s.clock.advance(session.DefaultAccessLifetime)
	ask("GET", "/me").want(401, "try_refresh")
	ask("POST", refreshPath).want(200, "{}\n").sets(everything...)
	ask("GET", "/me").want(200, "alice").sets(access)
	ask("POST", "/logout").want(200, "{}\n").clears(everything...)
}

func otherOrigins(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{AllowedOrigins: []string{front}, TrustedOrigins: []string{"https://login.example.com"}}, session.Config{})
	for _, origin := range []string{"https://evil.example", "null", "http://front.example.com", front + ":8443", front + ".evil.example", "https://login.example.com", ""} {
		for _, ask := range [][]string{{"GET", "/me"}, {"POST", "/login?user=alice"}, {"OPTIONS", "/me", "Access-Control-Request-Method", "POST"}} {
			header := append([]string{"Origin", origin}, ask[2:]...)
			got := s.call(ask[0], ask[1], header...)
			for _, name := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers"} {
				got.has(name)
			}
			if !slices.Contains(got.header.Values("Vary"), "Origin") {
				t.Errorf("%q: Vary is %q", origin, got.header.Values("Vary"))
			}
		}
	}
}

func optionsIsNoPreflight(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{AllowedOrigins: []string{front}}, session.Config{})
	tokens := s.create("alice", session.CreateOptions{})
	s.call("OPTIONS", "/me", "Cookie", cookies(tokens)).want(200, "alice").quiet()
	s.call("OPTIONS", "/me", "Cookie", cookies(tokens), "Origin", front).want(200, "alice").has("Access-Control-Allow-Methods")
	s.call("OPTIONS", "/me", "Cookie", cookies(tokens), "Access-Control-Request-Method", "POST").want(200, "alice")
	s.call("OPTIONS", "/me").want(401, "unauthorised")
}

func noCORS(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	s.call("OPTIONS", "/me", "Origin", app, "Access-Control-Request-Method", "POST").want(204, "").has("Access-Control-Allow-Origin")
	s.call("GET", "/me", "Origin", app).want(401, "unauthorised").has("Access-Control-Allow-Origin").has("Access-Control-Allow-Credentials")
}
