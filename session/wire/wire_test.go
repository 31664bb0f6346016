package wire_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

func vectors(t *testing.T, file string, v any) {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + file)
	if err == nil {
		err = json.Unmarshal(raw, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func contract(t *testing.T, cfg wire.Config) *wire.Contract {
	t.Helper()
	c, err := wire.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// failures are the errors of the vectors, each as it may arrive: wrapped. "unauthorised" with a reason is an EndedError.
var failures = map[string]error{
	"unauthorised":    fmt.Errorf("wrapped: %w", session.ErrUnauthorised),
	"token_theft":     fmt.Errorf("wrapped: %w", &session.TheftError{}),
	"try_refresh":     fmt.Errorf("wrapped: %w", session.ErrTryRefresh),
	"anti_csrf":       session.ErrAntiCSRF,
	"forbidden":       fmt.Errorf("wrapped: %w", session.ErrForbidden),
	"reauthenticate":  fmt.Errorf("wrapped: %w", session.ErrReauthenticate),
	"unavailable":     fmt.Errorf("wrapped: %w", session.ErrUnavailable),
	"conflict":        session.ErrConflict,
	"session_limit":   fmt.Errorf("wrapped: %w", session.ErrSessionLimit),
	"too_large":       fmt.Errorf("wrapped: %w", session.ErrTooLarge),
	"invalid_request": fmt.Errorf("wrapped: %w", session.ErrInvalidLabel),
	"internal":        errors.New("something with a secret"),
}

func TestResponses(t *testing.T) {
	t.Parallel()
	var cases []struct {
		Name    string
		Config  wire.Config
		Request http.Header
		Result  struct {
			Transport     wire.Transport
			Tokens        *struct{ Access, Refresh, ID, AntiCSRF string }
			Error, Reason string
		}
		Status  int
		Body    string
		Headers http.Header
	}
	vectors(t, "responses.json", &cases)
	issued := time.UnixMilli(1_760_000_000_000)
	for _, test := range cases {
		t.Run(test.Name, func(t *testing.T) {
			t.Parallel()
			c, got := contract(t, test.Config), http.Header{}
			if v := test.Result.Tokens; v != nil {
				c.SetTokens(got, test.Result.Transport, session.Tokens{
					IssuedAt: issued, AccessToken: v.Access, AccessExpires: issued.Add(15 * time.Minute),
					RefreshToken: v.Refresh, RefreshExpires: issued.Add(30 * 24 * time.Hour), ID: v.ID, AntiCSRF: v.AntiCSRF,
				})
			} else {
				err := failures[test.Result.Error]
				if test.Result.Error == "unauthorised" && test.Result.Reason != "" {
					err = fmt.Errorf("wrapped: %w", &session.EndedError{Reason: session.Reason(test.Result.Reason)})
				}
				f := c.Failure(err)
				body := c.SetFailure(got, test.Request, f)
				var told struct{ Reason string }
				if err := json.Unmarshal([]byte(test.Body), &told); err != nil {
					t.Fatal(err)
				}
				if f.Status != test.Status || f.Code != test.Result.Error || f.Reason != told.Reason || body != test.Body {
					t.Errorf("got %d %s %s %q, want %d %q", f.Status, f.Code, f.Reason, body, test.Status, test.Body)
				}
			}
			if !reflect.DeepEqual(got, test.Headers) {
				t.Errorf("headers:\n got %q\nwant %q", got, test.Headers)
			}
		})
	}
}

func TestRequests(t *testing.T) {
	t.Parallel()
	var cases []struct {
		Name            string
		Config          wire.Config
		Headers         http.Header
		Transport       wire.Transport
		Access, Refresh []string
		ID              bool
		AntiCSRF, Error string
	}
	vectors(t, "requests.json", &cases)
	for _, test := range cases {
		c := contract(t, test.Config)
		got, err := c.Read(test.Headers)
		if test.Error != "" {
			if f := c.Failure(err); err == nil || f.Code != test.Error || f.Clear {
				t.Errorf("%s: got %v, want %s", test.Name, err, test.Error)
			}
			continue
		}
		if test.Transport == "" {
			test.Transport = wire.TransportCookie
		}
		if err != nil || got.Transport != test.Transport || !slices.Equal(got.Access, test.Access) || !slices.Equal(got.Refresh, test.Refresh) || got.HasID != test.ID || got.AntiCSRF != test.AntiCSRF {
			t.Errorf("%s: got %+v, want %+v", test.Name, got, test)
		}
	}
}

// Whatever was set before, a response ends with one cookie of each name.
func TestTheLastWordCounts(t *testing.T) {
	t.Parallel()
	c, h := contract(t, wire.Config{Cookies: wire.Cookies{Insecure: true}}), http.Header{}
	h.Add("Set-Cookie", "other=1")
	h.Add("Access-Control-Expose-Headers", "X-Mine, Anti-CSRF")
	now := time.Now()
	tokens := session.Tokens{IssuedAt: now, AccessToken: "A", AccessExpires: now.Add(time.Hour), RefreshToken: "R", RefreshExpires: now.Add(time.Hour), ID: "I", AntiCSRF: "C"}
	c.SetTokens(h, wire.TransportCookie, session.Tokens{IssuedAt: now, AccessToken: "renewed", AccessExpires: now.Add(time.Hour)})
	c.SetTokens(h, wire.TransportCookie, tokens)
	c.Clear(h)
	c.Clear(h)
	if got := h.Values("Set-Cookie"); len(got) != 4 || got[0] != "other=1" || !strings.HasPrefix(got[1], "sAccessToken=;") {
		t.Errorf("cookies: got %q", got)
	}
	if got := h.Values("Access-Control-Expose-Headers"); len(got) != 1 || got[0] != "X-Mine, Anti-CSRF, id-refresh-token" {
		t.Errorf("exposed headers: got %q", got)
	}
	if h.Get("Anti-Csrf") != "" || h.Get("Id-Refresh-Token") != "remove" {
		t.Errorf("session headers: got %q", h)
	}
}

func TestMaxAccessTokenFillsTheCookie(t *testing.T) {
	t.Parallel()
	for _, cfg := range []wire.Config{{}, {Cookies: wire.Cookies{Domain: strings.Repeat("a", 60) + ".example.com", Path: "/long/path", SameSite: http.SameSiteStrictMode, Partitioned: true}}} {
		c, h := contract(t, cfg), http.Header{}
		issued := time.Unix(1_760_000_000, 0)
		c.SetTokens(h, wire.TransportCookie, session.Tokens{IssuedAt: issued, AccessToken: strings.Repeat("x", c.MaxAccessToken()), AccessExpires: issued.Add(1 << 31 * time.Second)})
		if size := len(h.Get("Set-Cookie")); size > 4096 || size < 4090 {
			t.Errorf("the longest cookie is %d bytes, want 4096 or little less", size)
		}
	}
}

func cookies(c wire.Cookies) wire.Config { return wire.Config{Cookies: c} }

func TestNewRefusesNonsense(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		field string
		cfg   wire.Config
	}{
		{"Cookies.Path", cookies(wire.Cookies{Path: "relative"})},
		{"Cookies.Path", cookies(wire.Cookies{Path: "/a;b"})},
		{"Path", cookies(wire.Cookies{Path: "/" + strings.Repeat("a", 4000)})},
		{"Cookies.RefreshPath", cookies(wire.Cookies{RefreshPath: "/a b"})},
		{"Cookies.Domain", cookies(wire.Cookies{Domain: "exa mple.com"})},
		{"Cookies.Domain", cookies(wire.Cookies{Domain: "example.com; Path=/"})},
		{"Cookies.SameSite", cookies(wire.Cookies{SameSite: http.SameSiteDefaultMode})},
		{"Cookies.Insecure", cookies(wire.Cookies{SameSite: http.SameSiteNoneMode, Insecure: true})},
		{"Cookies.Insecure", cookies(wire.Cookies{Partitioned: true, Insecure: true})},
		{"Cookies.Prefix", cookies(wire.Cookies{Prefix: "host"})},
		{"Cookies.AccessName", cookies(wire.Cookies{AccessName: "a b"})},
		{"Cookies.AccessName", cookies(wire.Cookies{AccessName: "x", IDName: "x"})},
		{"Cookies.IDName", cookies(wire.Cookies{IDName: "\u00e4"})},
		{"Cookies.AccessName", cookies(wire.Cookies{AccessName: "__Host-a", Domain: "example.com"})},
		{"Cookies.AccessName", cookies(wire.Cookies{AccessName: "__host-a", Path: "/app"})},
		{"Cookies.RefreshName", cookies(wire.Cookies{RefreshName: "__Host-r"})},
		{"Cookies.IDName", cookies(wire.Cookies{IDName: "__Host-i", Insecure: true})},
		{"Cookies.IDName", cookies(wire.Cookies{IDName: "__SECURE-i", Insecure: true})},
		{"Former[1].Domain", wire.Config{Former: []wire.Cookies{{}, {Domain: "x y"}}}},
		{"Former[0]", wire.Config{Former: []wire.Cookies{{IDName: "sRefreshToken", RefreshName: "x"}}, Cookies: wire.Cookies{Prefix: wire.PrefixNone}}},
		{"Transport", wire.Config{Transport: "pigeon"}},
		{"AntiCSRF", wire.Config{AntiCSRF: "maybe"}},
		{"AntiCSRF", wire.Config{AntiCSRF: wire.AntiCSRFNone, Cookies: wire.Cookies{SameSite: http.SameSiteNoneMode}}},
		{"AntiCSRFBypass", wire.Config{AntiCSRFBypass: []string{"POST /a", "GET"}}},
		{"AntiCSRFBypass", wire.Config{AntiCSRFBypass: []string{"/{a}/{a}"}}},
		{"TrustedOrigins", wire.Config{TrustedOrigins: []string{"https://a.example/"}}},
		{"StatusTryRefresh", wire.Config{StatusTryRefresh: 403}},
		{"StatusTryRefresh", wire.Config{StatusTryRefresh: 200}},
		{"StatusUnauthorised", wire.Config{StatusUnauthorised: 500}},
		{"StatusTheft", wire.Config{StatusTheft: -1}},
		{"AllowedOrigins", wire.Config{AllowedOrigins: []string{"*"}}},
		{"AllowedOrigins", wire.Config{AllowedOrigins: []string{"https://a.example/"}}},
		{"AllowedOrigins", wire.Config{AllowedOrigins: []string{"a.example"}}},
		{"AllowedOrigins", wire.Config{AllowedOrigins: []string{"https://A.example"}}},
		{"AllowedOrigins", wire.Config{AllowedOrigins: []string{"https://a.example:443"}}},
		{"AllowedOrigins", wire.Config{AllowedOrigins: []string{"https://\u00e4.example"}}},
		{"AllowedOrigins", wire.Config{AllowedOrigins: []string{"https://*.example"}}},
		{"AllowedHeaders", wire.Config{AllowedHeaders: []string{"x, y"}}},
		{"TrustedProxies", wire.Config{TrustedProxies: []string{""}}},
		{"TrustedProxies", wire.Config{TrustedProxies: []string{"10.0.0.1", "proxy.internal"}}},
		{"TrustedProxies", wire.Config{TrustedProxies: []string{" 10.0.0.1"}}},
		{"TrustedProxies", wire.Config{TrustedProxies: []string{"10.0.0.1,10.0.0.2"}}},
		{"TrustedProxies", wire.Config{TrustedProxies: []string{"10.0.0.1:80"}}},
		{"TrustedProxies", wire.Config{TrustedProxies: []string{"[::1]"}}},
		{"TrustedProxies", wire.Config{TrustedProxies: []string{"010.0.0.1"}}},
		{"TrustedProxies", wire.Config{TrustedProxies: []string{"10.0.0"}}},
		{"TrustedProxies", wire.Config{TrustedProxies: []string{"10.0.0.0/33"}}},
		{"TrustedProxies", wire.Config{TrustedProxies: []string{"10.0.0.0/-1"}}},
		{"TrustedProxies", wire.Config{TrustedProxies: []string{"10.0.0.1/8"}}},
		{"TrustedProxies", wire.Config{TrustedProxies: []string{"0.0.0.0/0"}}},
		{"TrustedProxies", wire.Config{TrustedProxies: []string{"::/0"}}},
		{"TrustedProxies", wire.Config{TrustedProxies: []string{"::ffff:0:0/96"}}},
		{"TrustedProxies", wire.Config{TrustedProxies: []string{"::ffff:10.0.0.0/90"}}},
		{"TrustedProxies", wire.Config{TrustedProxies: []string{"::ffff:10.0.0.1/104"}}},
		{"TrustedProxies", wire.Config{TrustedProxies: []string{"fe80::1%eth0"}}},
		{"TrustedProxies", wire.Config{TrustedProxies: []string{"fe80::%eth0/10"}}},
	} {
		_, err := wire.New(test.cfg)
		if !errors.Is(err, session.ErrInvalidConfig) || !strings.Contains(err.Error(), test.field+" ") {
			t.Errorf("%s: got %v, want ErrInvalidConfig naming it", test.field, err)
		}
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	c := contract(t, wire.Config{AllowedOrigins: []string{"https://app.example"}, AllowedHeaders: []string{"x-mine"}})
	for _, test := range []struct {
		name      string
		method    string
		origin    string
		preflight bool
		want      http.Header
	}{
		{"same origin", "GET", "", false, http.Header{"Vary": {"Origin"}}},
		{"other origin", "GET", "https://evil.example", false, http.Header{"Vary": {"Origin"}}},
		{"preflight of another origin", "OPTIONS", "https://evil.example", true, http.Header{"Vary": {"Origin"}}},
		{"allowed", "POST", "https://app.example", false, http.Header{
			"Vary": {"Origin"}, "Access-Control-Allow-Origin": {"https://app.example"}, "Access-Control-Allow-Credentials": {"true"},
		}},
		{"preflight", "OPTIONS", "https://app.example", true, http.Header{
			"Vary": {"Origin"}, "Access-Control-Allow-Origin": {"https://app.example"}, "Access-Control-Allow-Credentials": {"true"},
			"Access-Control-Allow-Methods": {"GET, HEAD, POST, PUT, PATCH, DELETE"}, "Access-Control-Max-Age": {"600"},
			"Access-Control-Allow-Headers": {"content-type, anti-csrf, supertokens-sdk-name, supertokens-sdk-version, authorization, session-transport, x-refresh-token, x-mine"},
		}},
	} {
		request, got := http.Header{}, http.Header{}
		if test.origin != "" {
			request.Set("Origin", test.origin)
		}
		if test.preflight {
			request.Set("Access-Control-Request-Method", "POST")
		}
		if preflight := c.CORS(test.method, request, got); preflight != test.preflight || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: got %v %q, want %v %q", test.name, preflight, got, test.preflight, test.want)
		}
	}
	// Twice in one chain is once on the wire: "true, true" breaks browsers.
	h := http.Header{}
	request := http.Header{"Origin": {"https://app.example"}}
	c.CORS("GET", request, h)
	c.CORS("GET", request, h)
	if got := h.Values("Access-Control-Allow-Credentials"); len(got) != 1 {
		t.Errorf("Access-Control-Allow-Credentials: got %q", got)
	}
}
