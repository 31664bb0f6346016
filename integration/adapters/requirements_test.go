package adapters_test

import (
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// requirements are what a request may need beside a good session.
var requirements = cases{
	"a proof that is fresh enough":          freshProof,
	"a proof changes the tokens":            proofChangesTokens,
	"a payload that allows it":              payloadAllows,
	"a refusal does not keep a token back":  refusalRenews,
	"of several sessions the newest's word": refusalOfSeveral,
}

func freshProof(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	b := s.browser()
	b.do("GET", "/fresh").want(401, "unauthorised")
	b.login("alice")
	s.clock.advance(proofAge - 2*time.Second)
	b.do("GET", "/fresh").want(200, "alice").quiet()
	s.clock.advance(4 * time.Second)
	b.do("GET", "/fresh").want(403, "reauthenticate").quiet().has("Www-Authenticate").has("Cache-Control", "no-store")
	b.do("GET", "/me").want(200, "alice").quiet()

	b.do("POST", "/prove").want(200, "alice").sets(everything...)
	b.do("GET", "/fresh").want(200, "alice").sets(access)
	b.do("GET", "/fresh").want(200, "alice").quiet()

	s.clock.advance(session.DefaultAccessLifetime)
	b.do("GET", "/fresh").want(401, "try_refresh").quiet()
	b.refresh() // proves nothing
	b.do("GET", "/fresh").want(403, "reauthenticate").quiet()
	b.goesOn("alice")
}

// A copy of the tokens from before gains nothing of the proof, and gives itself away.
func proofChangesTokens(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	b := s.browser()
	b.login("alice")
	old := b.header(access, id)
	stolen := b.header(refresh)
	s.clock.advance(proofAge + 2*time.Second)
	b.do("POST", "/prove").want(200, "alice")
	b.do("GET", "/fresh").want(200, "alice")
	s.call("GET", "/fresh", "Cookie", old).want(403, "reauthenticate").quiet()
	s.clock.advance(time.Minute)
	s.call("POST", refreshPath, "Cookie", stolen).want(401, "token_theft theft")
}

func payloadAllows(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	for login, allowed := range map[string]bool{
		"/login?user=alice&payload=admin": true, "/login?user=alice&payload=user": false, "/login?user=alice&payload=": false, "/login?user=alice": false,
	} {
		b := s.browser()
		b.do("GET", "/admin").want(401, "unauthorised").sets()
		b.do("POST", login).want(200, "{}\n")
		if allowed {
			b.do("GET", "/admin").want(200, "alice").quiet()
		} else {
			b.do("GET", "/admin").want(403, "forbidden").quiet().has("Cache-Control", "no-store")
		}
		s.clock.advance(session.DefaultAccessLifetime)
		b.do("GET", "/admin").want(401, "try_refresh").quiet()
		b.goesOn("alice")
	}
}

// The first use of a token counts as one even where the session may not do what it asked for.
func refusalRenews(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	b := s.browser()
	b.login("alice")
	s.clock.advance(time.Minute)
	b.refresh()
	b.do("GET", "/admin").want(403, "forbidden").sets(access)
	b.do("GET", "/me").want(200, "alice").quiet()
}

func refusalOfSeveral(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	ended := s.create("alice", session.CreateOptions{})
	s.revoke(s.sessions("alice")[0].Handle, session.ReasonRevoked)
	old := s.create("alice", session.CreateOptions{})
	s.clock.advance(proofAge + 2*time.Second)
	for _, jar := range [][]string{{ended.AccessToken, old.AccessToken}, {old.AccessToken, ended.AccessToken}, {old.AccessToken, "garbage"}, {"garbage", old.AccessToken}} {
		header := id + "=1"
		for _, token := range jar {
			header = strings.Join([]string{header, access + "=" + token}, "; ")
		}
		s.call("GET", "/fresh", "Cookie", header).want(403, "reauthenticate").quiet()
		s.call("GET", "/admin", "Cookie", header).want(403, "forbidden")
	}
}
