package adapters_test

import (
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// outage is what becomes of clients while the store is away.
var outage = cases{
	"at each call of a login":                 func(t *testing.T, mount mounter) { eachCall(t, mount, faultyLogin) },
	"at each call of a login with a limit":    func(t *testing.T, mount mounter) { eachCall(t, mount, faultyLimit) },
	"at each call of a first use":             func(t *testing.T, mount mounter) { eachCall(t, mount, faultyFirstUse) },
	"at each call of a strict verification":   func(t *testing.T, mount mounter) { eachCall(t, mount, faultyStrict) },
	"at each call of a refresh that mints":    func(t *testing.T, mount mounter) { eachCall(t, mount, faultyMint) },
	"at each call of a refresh in flight":     func(t *testing.T, mount mounter) { eachCall(t, mount, faultyHandOut) },
	"at each call of a refresh that confirms": func(t *testing.T, mount mounter) { eachCall(t, mount, faultyConfirm) },
	"at each call of a refresh that crosses":  func(t *testing.T, mount mounter) { eachCall(t, mount, faultyCrossing) },
	"at each call of a proof":                 func(t *testing.T, mount mounter) { eachCall(t, mount, faultyProof) },
	"at each call of a logout":                func(t *testing.T, mount mounter) { eachCall(t, mount, faultyLogout) },
	"at each call of a thief's refresh":       func(t *testing.T, mount mounter) { eachCall(t, mount, faultyTheft) },
	"what needs no store goes on":             outageLetsVerify,
	"after the access token was renewed":      failAfterRenewal,
}

// operation is a request that asks the store, and what is to hold afterwards.
type operation struct {
	cfg      session.Config
	prepare  func(*browser)
	request  func(*browser) answer
	statuses []int          // beside 503
	then     func(*browser) // the store is back
}

// eachCall has the store fail at each single call of an operation, and from each on, without the call and without its answer.
func eachCall(t *testing.T, mount mounter, op operation) {
	for _, what := range []fault{away, lost} {
		for _, forGood := range []bool{false, true} {
			for n := 1; n < 20; n++ {
				s := open(t, mount, wire.Config{}, op.cfg)
				b, hit := s.browser(), false
				op.prepare(b)
				s.store.reset(func(call int, _ string) fault {
					if call == n || forGood && call > n {
						hit = true
						return what
					}
					return healthy
				})
				got := op.request(b)
				asked := s.store.asked()
				s.store.reset(nil)
				if got.status == 503 {
					got.want(503, "unavailable").quiet().has("Retry-After", "2").has("Cache-Control", "no-store")
				} else if !contains(op.statuses, got.status) {
					t.Errorf("got %d %s", got.status, got.body)
				}
				op.then(b)
				if t.Failed() {
					t.Fatalf("with fault %d (1: away, 2: lost) at call %d of %v, for good: %v", what, n, asked, forGood)
				}
				if !hit {
					if n == 1 {
						t.Error("the store was not asked at all")
					}
					break
				}
			}
		}
	}
}

func contains(list []int, n int) bool {
	for _, one := range list {
		if one == n {
			return true
		}
	}
	return false
}

func loggedIn(b *browser) { b.login("alice") }

// refreshed is logged in, with tokens that were not used yet.
func refreshed(b *browser) {
	b.login("alice")
	b.site.clock.advance(session.DefaultAccessLifetime)
	b.refresh()
}

func aliceGoesOn(b *browser) { b.goesOn("alice") }

func refreshes(b *browser) answer { return b.do("POST", refreshPath) }

var faultyLogin = operation{
	prepare: loggedIn,
	request: func(b *browser) answer { return b.do("POST", "/login?user=bob") }, statuses: []int{200},
	then: func(b *browser) {
		user := b.do("GET", "/me").body
		if user != "alice" && user != "bob" {
			b.t.Errorf("logged in as %s", user)
		}
		b.goesOn(user)
		b.login("bob")
		b.goesOn("bob")
	},
}

var faultyLimit = operation{
	cfg: session.Config{MaxSessions: 1},
	prepare: func(b *browser) {
		b.site.browser().login("alice")
		b.site.clock.advance(time.Second)
	},
	request: func(b *browser) answer { return b.do("POST", "/login?user=alice") }, statuses: []int{200},
	then: func(b *browser) {
		b.site.clock.advance(time.Second)
		b.login("alice")
		b.goesOn("alice")
		if n := len(b.site.sessions("alice")); n != 1 {
			b.t.Errorf("%d sessions, want one", n)
		}
	},
}

var faultyFirstUse = operation{
	prepare: refreshed, request: func(b *browser) answer { return b.do("GET", "/me") }, statuses: []int{200}, then: aliceGoesOn,
}

var faultyStrict = operation{
	cfg:     session.Config{Revocation: session.RevocationStrict},
	prepare: refreshed, request: func(b *browser) answer { return b.do("GET", "/maybe") }, statuses: []int{200}, then: aliceGoesOn,
}

var faultyMint = operation{
	prepare: func(b *browser) { b.login("alice"); b.site.clock.advance(time.Hour) },
	request: refreshes, statuses: []int{200}, then: aliceGoesOn,
}

var faultyHandOut = operation{
	prepare: func(b *browser) {
		b.login("alice")
		b.site.clock.advance(time.Hour)
		b.held("POST", refreshPath).want(200, "{}\n") // its answer is lost
	},
	request: refreshes, statuses: []int{200}, then: aliceGoesOn,
}

var faultyConfirm = operation{
	prepare: func(b *browser) { refreshed(b); b.site.clock.advance(time.Hour) },
	request: refreshes, statuses: []int{200}, then: aliceGoesOn,
}

// Another tab has refreshed and used its tokens: the request presents the old one.
var faultyCrossing = operation{
	prepare: loggedIn,
	request: func(b *browser) answer {
		faults := b.site.store.faults
		b.site.store.reset(nil)
		b.site.clock.advance(time.Hour)
		old := b.header(refresh, id)
		b.refresh()
		b.do("GET", "/me").want(200, "alice")
		b.site.store.reset(faults)
		got := b.site.call("POST", refreshPath, "Cookie", old)
		b.jar.SetCookies(b.url(refreshPath), got.cookies)
		return got
	},
	statuses: []int{200}, then: aliceGoesOn,
}

var faultyProof = operation{
	prepare: refreshed, request: func(b *browser) answer { return b.do("POST", "/prove") }, statuses: []int{200},
	then: func(b *browser) {
		b.goesOn("alice")
		b.site.clock.advance(time.Minute)
		if got := b.do("POST", "/prove"); got.status != 200 {
			got.want(401, "try_refresh")
			b.refresh()
			b.do("GET", "/me").want(200, "alice")
			b.do("POST", "/prove").want(200, "alice")
		}
		b.goesOn("alice")
	},
}

var faultyLogout = operation{
	prepare: refreshed, request: func(b *browser) answer { return b.do("POST", "/logout") }, statuses: []int{200},
	then: func(b *browser) {
		b.do("POST", "/logout").want(200, "{}\n").clears(everything...)
		if left := b.site.sessions("alice"); len(left) != 0 {
			b.t.Errorf("left are %v", left)
		}
		b.site.noAlarm()
	},
}

// An outage saves no thief.
var faultyTheft = operation{
	prepare: func(b *browser) {
		b.login("alice")
		stolen := session.Tokens{RefreshToken: b.cookie(refresh), ID: b.cookie(id)}
		b.site.clock.advance(time.Minute)
		b.refresh()
		b.do("GET", "/me").want(200, "alice")
		b.site.clock.advance(time.Minute)
		b.plant(wire.Cookies{}, stolen)
	},
	request: refreshes, statuses: []int{401},
	then: func(b *browser) {
		got := b.do("POST", refreshPath)
		if got.status != 401 {
			b.t.Errorf("a thief got %d %s", got.status, got.body)
		}
		if left := b.site.sessions("alice"); len(left) != 0 {
			b.t.Errorf("left are %v", left)
		}
	},
}

// I9: verification goes on, refresh and logout answer 503, and nobody is logged out.
func outageLetsVerify(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	b := s.browser()
	b.login("alice")
	s.store.reset(func(int, string) fault { return away })
	for _, path := range []string{"/me", "/maybe", "/fresh"} {
		b.do("GET", path).want(200, "alice").quiet()
	}
	for _, path := range []string{refreshPath, "/logout", "/prove", "/login?user=bob"} {
		b.do("POST", path).want(503, "unavailable").quiet().has("Retry-After", "2")
	}
	s.clock.advance(session.DefaultAccessLifetime)
	b.do("GET", "/me").want(401, "try_refresh").quiet()
	b.do("POST", refreshPath).want(503, "unavailable").quiet()
	s.browser().do("GET", "/maybe").want(200, "nobody").quiet()
	s.call("POST", refreshPath, "Cookie", refresh+"=garbage").want(401, "unauthorised").clears(everything...)
	s.store.reset(nil)
	b.goesOn("alice")
}

// What Require has written for the client is withdrawn when the handler finds the store away.
func failAfterRenewal(t *testing.T, mount mounter) {
	former := wire.Cookies{Domain: "example.test"}
	s := open(t, mount, wire.Config{Former: []wire.Cookies{former}}, session.Config{})
	b := s.browser()
	refreshed(b)
	b.plant(former, session.Tokens{AccessToken: b.cookie(access), ID: "x"})
	b.do("GET", "/fail").want(503, "unavailable").quiet().has("Retry-After", "2").has("Cache-Control", "no-store").
		has("Content-Type", "application/json").has("X-Content-Type-Options", "nosniff")
	got := b.do("GET", "/me").want(200, "alice")
	got.leaves([]string{access, id}, []string{"__Secure-sAccessToken", id})
	b.goesOn("alice")
}
