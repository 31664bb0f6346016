package adapters_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// native are clients that carry their tokens in headers.
var native = cases{
	"from the login to the logout":         nativeLife,
	"a refresh by a body":                  nativeBody,
	"a token that is kept":                 nativeKept,
	"a proof":                              nativeProof,
	"errors":                               nativeErrors,
	"a thief":                              nativeThief,
	"no page can send it":                  nativeNeedsNoAntiCSRF,
	"a long token":                         nativeLongToken,
	"pages of other origins may read it":   nativeCORS,
	"the tokens of a cookie session":       cookieTokensInHeaders,
	"a header session's tokens in cookies": headerTokensInCookies,
}

// client is a native client.
type client struct {
	site            *site
	access, refresh string
}

const (
	accessHeader  = "X-Access-Token"
	refreshHeader = "X-Refresh-Token"
)

// takes gives the client what an answer has for it. No answer has a cookie for it, or what only pages understand.
func (c *client) takes(a answer) answer {
	a.t.Helper()
	a.has("Set-Cookie").has("Id-Refresh-Token").has("Anti-Csrf")
	if token := a.header.Get(accessHeader); token != "" {
		c.access = token
		a.has("Cache-Control", "no-store")
	}
	if token := a.header.Get(refreshHeader); token != "" {
		c.refresh = token
	}
	return a
}

// login logs a user in.
func (s *site) nativeLogin(user string) *client {
	s.t.Helper()
	c := &client{site: s}
	c.full(c.takes(s.call("POST", "/login?user="+user, "Session-Transport", "header")))
	return c
}

// do sends a request with the access token.
func (c *client) do(method, path string, header ...string) answer {
	c.site.t.Helper()
	return c.takes(c.site.call(method, path, append([]string{"Authorization", "Bearer " + c.access}, header...)...))
}

// renew refreshes by a header.
func (c *client) renew() answer {
	c.site.t.Helper()
	return c.takes(c.site.call("POST", refreshPath, refreshHeader, c.refresh))
}

// full asserts that an answer carries both tokens, in headers and as in RFC 6749, section 5.1.
func (c *client) full(a answer) {
	a.t.Helper()
	lives := [2]int{int(session.DefaultAccessLifetime / time.Second), int(session.DefaultIdleLifetime / time.Second)}
	a.has(accessHeader+"-Expires-In", strconv.Itoa(lives[0])).has(refreshHeader+"-Expires-In", strconv.Itoa(lives[1])).
		has("Cache-Control", "no-store").has("Content-Type", "application/json")
	want := fmt.Sprintf(`{"access_token":%q,"token_type":"Bearer","expires_in":%d,"refresh_token":%q,"refresh_token_expires_in":%d}`+"\n",
		a.header.Get(accessHeader), lives[0], a.header.Get(refreshHeader), lives[1])
	if a.header.Get(accessHeader) == "" || a.header.Get(refreshHeader) == "" {
		a.t.Errorf("%s: tokens are missing: %v", a.asked, a.header)
	}
	a.want(200, want)
}

func nativeLife(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	c := s.nativeLogin("alice")
	c.do("GET", "/me").want(200, "alice").quiet()
	c.do("POST", "/me").want(200, "alice").quiet()
	c.do("GET", "/maybe").want(200, "alice").quiet()
	s.call("GET", "/me", "Authorization", "bearer  "+c.access).want(200, "alice")
	s.call("GET", "/me", "Authorization", "Bearer "+c.access, "Session-Transport", "header").want(200, "alice")

	s.clock.advance(session.DefaultAccessLifetime)
	c.do("GET", "/me").want(401, "try_refresh").quiet()
	old := *c
	c.full(c.renew())
	if c.access == old.access || c.refresh == old.refresh {
		t.Error("a refresh has not changed both tokens")
	}
	// The first use renews the access token, and nothing else.
	before := *c
	first := c.do("GET", "/me").want(200, "alice").has(refreshHeader).has(refreshHeader + "-Expires-In")
	first.has(accessHeader+"-Expires-In", strconv.Itoa(int(session.DefaultAccessLifetime/time.Second)))
	if c.access == before.access {
		t.Error("the first use has not renewed the access token")
	}
	c.do("GET", "/me").want(200, "alice").quiet()

	s.clock.advance(time.Minute)
	c.renew()
	c.do("POST", "/logout").want(200, "{}\n").quiet() // the first use of the new tokens, too
	c.do("GET", "/me").want(401, "unauthorised logout").quiet()
	c.do("POST", "/logout").want(200, "{}\n").quiet()
	c.renew().want(401, "unauthorised logout").quiet()
	if left := s.sessions("alice"); len(left) != 0 {
		t.Errorf("sessions after the logout: %v", left)
	}
	s.noAlarm()
}

func nativeBody(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	c := s.nativeLogin("alice")
	for _, contentType := range []string{"application/json", "application/json; charset=utf-8", "APPLICATION/JSON"} {
		for _, header := range [][]string{{"Session-Transport", "header"}, {"Authorization", "Bearer " + c.access}} {
			s.clock.advance(time.Hour)
			body, err := json.Marshal(map[string]any{"refresh_token": c.refresh, "other": []int{1}})
			if err != nil {
				t.Fatal(err)
			}
			c.full(c.takes(s.send(nil, "POST", app+refreshPath, string(body), append([]string{"Content-Type", contentType}, header...)...)))
			c.do("GET", "/me").want(200, "alice")
		}
	}
	// Without a word of headers a body is a browser's, and nobody looks at it.
	s.post(`{"refresh_token":"`+c.refresh+`"}`).want(401, "unauthorised").sets()
	s.noAlarm()
}

func nativeKept(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	c := s.nativeLogin("alice")
	token := c.refresh
	got := c.renew()
	got.has(refreshHeader).has(refreshHeader + "-Expires-In")
	got.want(200, fmt.Sprintf(`{"access_token":%q,"token_type":"Bearer","expires_in":900}`+"\n", c.access))
	if c.refresh != token {
		t.Error("a token was sent that the client has")
	}
	c.do("GET", "/me").want(200, "alice").quiet()
}

func nativeProof(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	c := s.nativeLogin("alice")
	s.clock.advance(proofAge + 2*time.Second)
	c.do("GET", "/fresh").want(403, "reauthenticate").quiet()
	before := *c
	c.do("POST", "/prove").want(200, "alice")
	if c.access == before.access || c.refresh == before.refresh {
		t.Error("a proof has not changed both tokens")
	}
	c.do("GET", "/fresh").want(200, "alice")
	before.do("GET", "/fresh").want(403, "reauthenticate").quiet()
	s.clock.advance(session.DefaultAccessLifetime)
	c.renew().has("Content-Type", "application/json")
	c.do("GET", "/me").want(200, "alice")
	s.noAlarm()
}

func nativeErrors(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{MaxSessions: 1, OnLimit: session.LimitRefuse})
	c := &client{site: s}
	ask := func(method, path string, header ...string) answer {
		t.Helper()
		return c.takes(s.call(method, path, append([]string{"Session-Transport", "header"}, header...)...)).quiet()
	}
	ask("GET", "/me").want(401, "unauthorised")
	ask("GET", "/maybe").want(200, "nobody")
	ask("POST", "/prove").want(401, "unauthorised")
	ask("POST", refreshPath).want(401, "unauthorised")
	ask("POST", refreshPath, refreshHeader, "garbage").want(401, "unauthorised")
	ask("GET", refreshPath).want(405, "method_not_allowed").has("Allow", "POST")
	ask("POST", "/logout").want(200, "{}\n")
	ask("POST", "/clear").want(200, "cleared")
	ask("POST", "/login?user=").want(400, "invalid_request")
	c = s.nativeLogin("alice")
	ask("POST", "/login?user=alice").want(409, "session_limit")
	c.do("GET", "/admin").want(403, "forbidden").quiet()
	c.do("GET", "/fail").want(503, "unavailable").quiet().has("Retry-After", "2")
	s.clock.advance(time.Minute)
	c.renew()
	c.do("GET", "/fail").want(503, "unavailable").quiet() // its first use was to renew it
	c.do("GET", "/me").want(200, "alice").has(accessHeader, c.access)
	c.do("POST", "/clear").want(200, "cleared").quiet()
	s.revoke(s.sessions("alice")[0].Handle, session.ReasonRevoked)
	c.do("GET", "/me").want(401, "unauthorised revoked").quiet()
	c.renew().want(401, "unauthorised revoked").quiet()
}

func nativeThief(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	c := s.nativeLogin("alice")
	thief := *c
	s.clock.advance(time.Minute)
	c.full(c.renew())
	c.do("GET", "/me").want(200, "alice")
	s.clock.advance(time.Minute)
	thief.renew().want(401, "token_theft theft").quiet()
	c.do("GET", "/me").want(401, "unauthorised theft").quiet()
	if s.alarms() != 1 {
		t.Errorf("%d alarms, want one", s.alarms())
	}
}

// No browser adds these headers by itself, so that no other site's page can have it send them.
func nativeNeedsNoAntiCSRF(t *testing.T, mount mounter) {
	for _, mode := range []wire.AntiCSRF{wire.AntiCSRFFetchMetadata, wire.AntiCSRFToken, wire.AntiCSRFBoth} {
		s := open(t, mount, wire.Config{AntiCSRF: mode}, session.Config{})
		evil := []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}
		c := s.nativeLogin("alice")
		c.full(c.takes(s.call("POST", "/login?user=alice", append(evil, "Session-Transport", "header")...)))
		c.do("POST", "/me", evil...).want(200, "alice").quiet()
		c.do("GET", "/me", append(evil, "Connection", "Upgrade", "Upgrade", "websocket")...).want(200, "alice")
		c.do("POST", "/prove", evil...).want(200, "alice")
		if got := c.takes(s.call("POST", refreshPath, append(evil, refreshHeader, c.refresh)...)); got.status != 200 {
			t.Errorf("%s: a refresh got %d %s", mode, got.status, got.body)
		}
		c.do("POST", "/logout", evil...).want(200, "{}\n")
	}
}

// Headers take what no cookie would.
func nativeLongToken(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	c := &client{site: s}
	long := "/login?user=alice&payload=" + string(slices.Repeat([]byte("x"), 3500))
	s.call("POST", long).want(413, "too_large").quiet()
	c.full(c.takes(s.call("POST", long, "Session-Transport", "header")))
	c.do("GET", "/me").want(200, "alice")
	s.clock.advance(time.Minute)
	c.full(c.renew())
	c.do("GET", "/me").want(200, "alice")
}

func nativeCORS(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{AllowedOrigins: []string{front}}, session.Config{})
	s.call("POST", "/login?user=alice", "Session-Transport", "header", "Origin", front, "Sec-Fetch-Site", "cross-site").
		has("Access-Control-Expose-Headers", "x-access-token, x-access-token-expires-in, x-refresh-token, x-refresh-token-expires-in")
}

// Whoever has a token may use it as a native client does, and gets no cookie.
func cookieTokensInHeaders(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{AntiCSRF: wire.AntiCSRFToken}, session.Config{})
	b := s.browser()
	b.login("alice")
	s.clock.advance(time.Minute)
	b.refresh()
	c := client{site: s, access: b.cookie(access), refresh: b.cookie(refresh)}
	c.do("POST", "/me").want(200, "alice")
	if c.access == b.cookie(access) {
		t.Error("the first use has not renewed the access token")
	}
	c.do("POST", "/me").want(200, "alice").quiet()
	s.clock.advance(session.DefaultAccessLifetime)
	c.full(c.renew())
	c.do("GET", "/me").want(200, "alice")
}

// An anti-CSRF token is what the tokens of headers lack.
func headerTokensInCookies(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{AntiCSRF: wire.AntiCSRFToken}, session.Config{})
	c := s.nativeLogin("alice")
	header := cookies(session.Tokens{AccessToken: c.access, RefreshToken: c.refresh, ID: "1"})
	s.call("GET", "/me", "Cookie", header).want(200, "alice").quiet()
	s.call("POST", "/me", "Cookie", header).want(401, "try_refresh").quiet()
}
