package adapters_test

import (
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// double makes a browser that holds a session's refresh token at a former and at the present place.
func double(t *testing.T, mount mounter) *browser {
	t.Helper()
	former := wire.Cookies{Domain: "example.test"}
	s := open(t, mount, wire.Config{Former: []wire.Cookies{former}}, session.Config{})
	b := s.browser()
	b.login("alice")
	s.clock.advance(time.Minute)
	old := b.cookie(refresh)
	b.refresh()
	b.do("GET", "/me").want(200, "alice") // confirmed now: for the next ten seconds it is brand-new
	b.plant(former, session.Tokens{RefreshToken: old})
	return b
}

// held sends a request as the browser would, and holds its answer back.
func (b *browser) held(method, path string) answer {
	b.t.Helper()
	var shown []string
	for _, c := range b.jar.Cookies(b.url(path)) {
		shown = append(shown, c.Name+"="+c.Value)
	}
	return b.site.call(method, path, "Cookie", strings.Join(shown, "; "), "Origin", b.origin, "Sec-Fetch-Site", "same-origin")
}

// I1: two tabs refresh, one at the end of the grace and one just after it, and the first one's answer arrives last. All of it takes
// less than a quarter of the grace.
func lateAnswer(t *testing.T, mount mounter) {
	b := double(t, mount)
	b.site.clock.advance(session.DefaultGrace - 100*time.Millisecond)
	first := b.held("POST", refreshPath).want(200, "{}\n")
	b.site.clock.advance(200 * time.Millisecond)
	second := b.held("POST", refreshPath).want(200, "{}\n")
	b.jar.SetCookies(b.url(refreshPath), second.cookies)
	b.do("GET", "/me").want(200, "alice")
	b.site.clock.advance(200 * time.Millisecond)
	b.jar.SetCookies(b.url(refreshPath), first.cookies)
	b.goesOn("alice")
}

// I1: the user proves in one tab who they are, and the answer to a refresh by another tab arrives last.
func lateAnswerAfterProof(t *testing.T, mount mounter) {
	b := double(t, mount)
	b.site.clock.advance(session.DefaultGrace / 2)
	proof := b.held("POST", "/prove").want(200, "alice")
	other := b.held("POST", refreshPath).want(200, "{}\n")
	b.jar.SetCookies(b.url("/prove"), proof.cookies)
	b.do("GET", "/fresh").want(200, "alice")
	b.site.clock.advance(200 * time.Millisecond)
	b.jar.SetCookies(b.url(refreshPath), other.cookies)
	b.site.clock.advance(session.DefaultAccessLifetime)
	b.goesOn("alice")
}

// What a neighbouring host has put into the id cookie is nobody's session, and must not end one by being healed.
func nonsenseID(t *testing.T, mount mounter) {
	former := wire.Cookies{Domain: "example.test"}
	s := open(t, mount, wire.Config{Former: []wire.Cookies{former}}, session.Config{})
	for _, nonsense := range []string{"x", `"`, `""`, "\xff", "\\", "a b", "a,b", strings.Repeat("x", 5000)} {
		tokens := s.create("alice", session.CreateOptions{})
		for _, ids := range [][]string{{tokens.ID, nonsense}, {nonsense, tokens.ID}, {nonsense, nonsense}} {
			header := access + "=" + tokens.AccessToken + "; " + id + "=" + ids[0] + "; " + id + "=" + ids[1]
			got := s.call("GET", "/me", "Cookie", header).want(200, "alice")
			b := s.browser()
			b.plant(wire.Cookies{}, tokens)
			b.jar.SetCookies(b.url("/me"), got.cookies)
			if b.cookie(id) != tokens.ID {
				t.Errorf("%.20q: the id cookie becomes %.20q, want %q", ids, b.cookie(id), tokens.ID)
				continue
			}
			b.do("GET", "/me").want(200, "alice")
		}
	}
}

// A jar with the sessions of two users must not be the one until its access token expires and the other from then on.
func twoUsers(t *testing.T, mount mounter) {
	former := wire.Cookies{Prefix: wire.PrefixNone}
	for _, latest := range []string{"the login", "the refresh"} {
		s := open(t, mount, wire.Config{Former: []wire.Cookies{former}}, session.Config{})
		alice := s.create("alice", session.CreateOptions{})
		s.clock.advance(time.Minute)
		bob := s.create("bob", session.CreateOptions{})
		if latest == "the refresh" {
			alice = s.rotate(alice)
		}
		s.clock.advance(time.Minute)
		b := s.browser()
		b.plant(former, alice)
		b.plant(wire.Cookies{}, bob)
		user := b.do("GET", "/me").body
		b.refresh()
		if then := b.do("GET", "/me").body; then != user {
			t.Errorf("%s was last: /me answers %s, and after a refresh %s", latest, user, then)
		}
		b.holds(wire.Cookies{}, true)
	}
}

// Which of several sessions a request is for does not depend on what it asks for, nor on whether the store answers.
func nextBest(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{Former: []wire.Cookies{{Prefix: wire.PrefixNone}}}, session.Config{Revocation: session.RevocationStrict})
	b, second := s.browser(), s.browser()
	b.login("alice")
	s.clock.advance(time.Second)
	second.login("bob")
	s.clock.advance(proofAge + time.Second)
	b.do("POST", "/prove").want(200, "alice")
	b.do("GET", "/fresh").want(200, "alice")
	both := second.header(access, id) + "; " + b.header(access)
	s.call("GET", "/me", "Cookie", both).want(200, "bob")
	s.call("GET", "/fresh", "Cookie", both).want(403, "reauthenticate").quiet()
	s.store.reset(func(n int, _ string) fault {
		if n == 1 {
			return away
		}
		return healthy
	})
	s.call("GET", "/me", "Cookie", both).want(503, "unavailable").quiet()
}

func outageHealsNothing(t *testing.T, mount mounter) {
	former := wire.Cookies{Domain: "example.test"}
	s := open(t, mount, wire.Config{Former: []wire.Cookies{former}}, session.Config{Revocation: session.RevocationStrict})
	b := s.browser()
	tokens := s.create("alice", session.CreateOptions{})
	b.plant(former, tokens)
	b.plant(wire.Cookies{}, tokens)
	s.store.reset(func(int, string) fault { return away })
	b.do("GET", "/me").want(503, "unavailable").quiet()
	b.do("POST", refreshPath).want(503, "unavailable").quiet()
	b.do("POST", "/logout").want(503, "unavailable").quiet()
	s.store.reset(nil)
	b.goesOn("alice")
}
