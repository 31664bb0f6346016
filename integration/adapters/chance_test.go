package adapters_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// healByChance is healByRefresh and healByRequest with any configurations and any leftovers. A failure names its seed.
func healByChance(t *testing.T, mount mounter) {
	first := rand.Uint64()
	for seed := first; seed < first+16; seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 0))
			cfg := wire.Config{Cookies: anyCookies(rng)}
			for range 1 + rng.IntN(3) {
				cfg.Former = append(cfg.Former, anyCookies(rng))
			}
			s := open(t, mount, cfg, session.Config{})
			gone := s.create("alice", session.CreateOptions{})
			elsewhere := newBackend(t, session.Config{}).create("alice", session.CreateOptions{})
			s.clock.advance(session.DefaultIdleLifetime)
			for range 4 {
				// Three generations of a session, of which the jar is given what chance says, the newest among it.
				generations := []session.Tokens{s.create("alice", session.CreateOptions{})}
				for range rng.IntN(3) {
					generations = append(generations, s.rotate(generations[len(generations)-1]))
				}
				s.clock.advance(time.Minute)
				good := generations[len(generations)-1]
				leftovers := append(generations, gone, elsewhere, session.Tokens{AccessToken: "x", RefreshToken: "x.y", ID: "x"})
				b, everywhere := s.browser(), append([]wire.Cookies{cfg.Cookies}, cfg.Former...)
				for _, c := range everywhere {
					if rng.IntN(3) > 0 {
						b.plant(c, leftovers[rng.IntN(len(leftovers))])
					}
				}
				if rng.IntN(4) > 0 {
					b.plant(everywhere[rng.IntN(len(everywhere))], good)
				}
				judge(b, cfg.Cookies, everywhere, good, leftovers, rng.IntN(2) == 0)
			}
			if t.Failed() {
				t.Logf("with the configuration %+v", cfg)
			}
		})
	}
}

// judge asks for /me, perhaps, and refreshes. What is to come of it follows from what the browser shows.
func judge(b *browser, present wire.Cookies, everywhere []wire.Cookies, good session.Tokens, leftovers []session.Tokens, visit bool) {
	b.t.Helper()
	holds := func(token string) bool {
		for _, c := range b.shown(refreshPath, 1, everywhere...) {
			if strings.HasSuffix(c, "="+token) {
				return true
			}
		}
		return false
	}
	alive := holds(good.RefreshToken)
	for _, stale := range leftovers {
		if !alive && holds(stale.RefreshToken) && b.isLive(stale) {
			return // its newest tokens were planted over: whoever has such a jar looks like a thief
		}
	}
	if visit {
		before := b.shown(refreshPath, 1, everywhere...)
		b.do("GET", "/me")
		if after := b.shown(refreshPath, 1, everywhere...); len(after) != len(before) && alive {
			b.t.Errorf("of %d refresh cookies /me has left %d", len(before), len(after))
		}
	}
	got := b.do("POST", refreshPath)
	if !alive {
		if got.status != 401 {
			b.t.Errorf("nothing good was shown: got %d %s", got.status, got.body)
		}
		b.holds(present, false)
		b.site.noAlarm()
		return
	}
	got.want(200, "{}\n")
	b.holds(present, true)
	for range 2 {
		b.site.clock.advance(session.DefaultAccessLifetime)
		b.do("POST", refreshPath).want(200, "{}\n")
	}
	b.site.noAlarm()
}

// isLive reports whether a token belongs to a session that has not ended.
func (b *browser) isLive(t session.Tokens) bool {
	b.t.Helper()
	verified, err := b.site.manager.Verify(b.t.Context(), t.AccessToken, session.VerifyOptions{})
	if err != nil {
		return false
	}
	_, err = b.site.manager.Lookup(b.t.Context(), verified.Handle())
	return err == nil
}

// anyCookies draws a configuration whose cookies browsers show to the refresh endpoint.
func anyCookies(rng *rand.Rand) wire.Cookies {
	one := func(from ...string) string { return from[rng.IntN(len(from))] }
	c := wire.Cookies{
		AccessName: one("", "", "at", "session"), RefreshName: one("", "", "rt", "renew"), IDName: one("", "", "it"),
		Domain: one("", "", "example.test", ".example.test", "Example.test", "app.example.test"),
		Path:   one("", "", "/api", "/api/session"), RefreshPath: refreshPath,
		SameSite: http.SameSite(rng.IntN(5)), Prefix: wire.Prefix(one("", string(wire.PrefixNone))),
	}
	if c.SameSite == http.SameSiteDefaultMode {
		c.SameSite = http.SameSiteStrictMode
	}
	if c.SameSite != http.SameSiteNoneMode {
		c.Insecure = rng.IntN(6) == 0
	}
	c.Partitioned = !c.Insecure && rng.IntN(6) == 0
	return c
}
