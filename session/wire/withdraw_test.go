package wire_test

import (
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// tokensOf are tokens that fill every cookie and every header.
func tokensOf(now time.Time) session.Tokens {
	return session.Tokens{
		IssuedAt: now, AccessToken: "A", AccessExpires: now.Add(time.Hour), RefreshToken: "R", RefreshExpires: now.Add(time.Hour), ID: "I", AntiCSRF: "C",
	}
}

// Whatever was written for the client, an answer whose outcome is not known leaves it as it is, and touches nothing of the
// application's.
func TestAnOutageWithdrawsEverything(t *testing.T) {
	t.Parallel()
	c := contract(t, wire.Config{Former: []wire.Cookies{{Domain: "example.com"}, {AccessName: "old", Prefix: wire.PrefixNone}}})
	for name, write := range map[string]func(http.Header){
		"tokens in cookies": func(h http.Header) { c.SetTokens(h, wire.TransportCookie, tokensOf(time.Now())) },
		"tokens in headers": func(h http.Header) { c.SetTokens(h, wire.TransportHeader, tokensOf(time.Now())) },
		"an end":            c.Clear,
	} {
		h := http.Header{"X-Mine": {"1"}}
		h.Add("Set-Cookie", "mine=1; Path=/")
		h.Add("Set-Cookie", "old=1; Path=/elsewhere")
		write(h)
		h.Add("Set-Cookie", "not a cookie")
		c.SetFailure(h, http.Header{}, c.Failure(session.ErrUnavailable))
		h.Del("Access-Control-Expose-Headers") // it exposes what is not there
		want := http.Header{
			"X-Mine": {"1"}, "Set-Cookie": {"mine=1; Path=/", "old=1; Path=/elsewhere", "not a cookie"}, "Retry-After": {"2"}, "Cache-Control": {"no-store"},
			"Content-Type": {"application/json"}, "X-Content-Type-Options": {"nosniff"},
		}
		if !reflect.DeepEqual(h, want) {
			t.Errorf("%s:\n got %q\nwant %q", name, h, want)
		}
	}
}

// A cookie does not end before its token, not even by a part of a second.
func TestMaxAgeIsRoundedUp(t *testing.T) {
	t.Parallel()
	c, h, now := contract(t, wire.Config{}), http.Header{}, time.UnixMilli(1_760_000_000_400)
	c.SetTokens(h, wire.TransportCookie, session.Tokens{IssuedAt: now, AccessToken: "A", AccessExpires: now.Add(900*time.Second + time.Millisecond)})
	if got, err := http.ParseSetCookie(h.Get("Set-Cookie")); err != nil || got.MaxAge != 901 {
		t.Errorf("got %q, want Max-Age=901", h.Get("Set-Cookie"))
	}
}

// A former place is one only if browsers keep another cookie there.
func TestFormerPlaces(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name            string
		present, former wire.Cookies
		emptied         int
	}{
		{"the same", wire.Cookies{}, wire.Cookies{}, 0},
		{"the same domain in another spelling", wire.Cookies{Domain: "example.com"}, wire.Cookies{Domain: ".Example.COM"}, 0},
		{"other attributes", wire.Cookies{}, wire.Cookies{SameSite: http.SameSiteStrictMode}, 0},
		{"another domain", wire.Cookies{Domain: "example.com"}, wire.Cookies{Domain: "app.example.com"}, 3},
		{"no domain", wire.Cookies{Domain: "example.com", Prefix: wire.PrefixNone}, wire.Cookies{Prefix: wire.PrefixNone}, 3},
		{"another path", wire.Cookies{Prefix: wire.PrefixNone}, wire.Cookies{Prefix: wire.PrefixNone, Path: "/app"}, 1},
		{"another refresh path", wire.Cookies{}, wire.Cookies{RefreshPath: "/refresh"}, 1},
		{"prefixes", wire.Cookies{}, wire.Cookies{Prefix: wire.PrefixNone}, 2},
		{"partitions", wire.Cookies{Partitioned: true}, wire.Cookies{}, 3},
		{"names", wire.Cookies{}, wire.Cookies{AccessName: "a", RefreshName: "r", IDName: "i"}, 3},
	} {
		c, h := contract(t, wire.Config{Cookies: test.present, Former: []wire.Cookies{test.former, test.former}}), http.Header{}
		c.SetTokens(h, wire.TransportCookie, tokensOf(time.Now()))
		if got := len(h["Set-Cookie"]) - 3; got != test.emptied {
			t.Errorf("%s: %d former places are emptied, want %d: %q", test.name, got, test.emptied, h["Set-Cookie"])
		}
		before := len(h["Set-Cookie"])
		c.Clear(h)
		if after := len(h["Set-Cookie"]); after != before {
			t.Errorf("%s: %d cookies are cleared where %d were set", test.name, after, before)
		}
	}
}
