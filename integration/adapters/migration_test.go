package adapters_test

import (
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// migration is what happens to browsers while a deployment changes its configuration.
var migration = cases{
	"nobody is logged out":                      nobodyIsLoggedOut,
	"from one host to another":                  hostToHost,
	"without Former an old cookie is a problem": withoutFormer,
	"there and back again":                      thereAndBack,
}

// The deployment before the change, and the one after it, serve one store.
func nobodyIsLoggedOut(t *testing.T, mount mounter) {
	for move, c := range moves {
		t.Run(move, func(t *testing.T) {
			t.Parallel()
			b := newBackend(t, session.Config{})
			before := b.serve(mount, wire.Config{Cookies: c.former})
			after := b.serve(mount, wire.Config{Cookies: c.present, Former: []wire.Cookies{c.former}})
			for _, refreshed := range []bool{false, true} {
				for _, later := range []time.Duration{time.Second, time.Minute, time.Hour} {
					user := before.browser()
					user.login("alice")
					if at := refreshAt(c.former); refreshed && at == refreshPath {
						b.clock.advance(time.Hour)
						user.do("POST", at).want(200, "{}\n")
					}
					user.site = after
					b.clock.advance(later)
					if got := user.do("GET", "/me"); got.status != 200 {
						got.want(401, "try_refresh")
					}
					user.refresh()
					user.goesOn("alice")
					b.clock.advance(time.Hour)
					user.refresh()
					user.holds(c.present, true)
					user.do("GET", "/me").want(200, "alice")
					user.do("POST", "/logout").want(200, "{}\n")
					user.holds(c.present, false)
				}
			}
		})
	}
}

// refreshAt is where a configuration has its refresh endpoint.
func refreshAt(c wire.Cookies) string {
	if c.RefreshPath == "" {
		return refreshPath
	}
	return c.RefreshPath
}

// A domain's cookies come along when the site moves to another host of it.
func hostToHost(t *testing.T, mount mounter) {
	former := wire.Cookies{Domain: "example.test", Prefix: wire.PrefixNone}
	b := newBackend(t, session.Config{})
	before := b.serve(mount, wire.Config{Cookies: former})
	after := b.serve(mount, wire.Config{Former: []wire.Cookies{former}})
	user := before.browser()
	user.origin = "https://old.example.test"
	user.login("alice")
	user.site, user.origin = after, app
	user.do("GET", "/me").want(200, "alice").leaves([]string{access}, []string{"sAccessToken"})
	b.clock.advance(time.Hour)
	user.refresh()
	user.holds(wire.Cookies{}, true)
	user.goesOn("alice")
	user.origin = "https://old.example.test"
	user.do("GET", "/me").want(401, "unauthorised").sets() // nothing is left there
}

// A configuration that has forgotten its former places still tells old from new where the names are the same.
func withoutFormer(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	for _, swapped := range []bool{false, true} {
		first := s.create("alice", session.CreateOptions{})
		last := s.rotate(s.rotate(first))
		if swapped {
			first, last = last, first
		}
		b := s.browser()
		b.plant(wire.Cookies{RefreshPath: "/api"}, session.Tokens{RefreshToken: first.RefreshToken})
		b.plant(wire.Cookies{}, last)
		for range 3 {
			b.refresh()
			b.do("GET", "/me").want(200, "alice")
			s.clock.advance(time.Hour)
		}
		s.noAlarm()
	}
}

// A change that is taken back leaves nobody behind: each configuration knows the other as its former one.
func thereAndBack(t *testing.T, mount mounter) {
	for move, c := range moves {
		if refreshAt(c.former) != refreshPath {
			continue // another endpoint
		}
		t.Run(move, func(t *testing.T) {
			t.Parallel()
			b := newBackend(t, session.Config{})
			there := b.serve(mount, wire.Config{Cookies: c.present, Former: []wire.Cookies{c.former}})
			back := b.serve(mount, wire.Config{Cookies: c.former, Former: []wire.Cookies{c.present}})
			user := there.browser()
			user.login("alice")
			for range 2 {
				for site, cookies := range map[*site]wire.Cookies{there: c.present, back: c.former} {
					user.site = site
					if got := user.do("GET", "/me"); got.status != 200 {
						got.want(401, "try_refresh")
					}
					b.clock.advance(time.Hour)
					user.refresh()
					user.holds(cookies, true)
					user.do("GET", "/maybe")
					b.clock.advance(time.Minute)
				}
			}
			user.goesOn("alice")
		})
	}
}
