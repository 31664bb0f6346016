package wire_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// fromPage makes a request as a browser sends it for a page of an origin: with the session's cookies, and without a header that would
// need a preflight.
func fromPage(t *testing.T, origin, site, method string, cookie string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "https://app.example.test/x", http.NoBody)
	r.Header.Set("Cookie", cookie)
	r.Header.Set("Content-Type", "text/plain")
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	if site != "" {
		r.Header.Set("Sec-Fetch-Site", site)
	}
	return r
}

// jarOf returns the Cookie header of a browser that holds the tokens.
func jarOf(t *testing.T, c *wire.Contract, tokens session.Tokens) string {
	t.Helper()
	h := http.Header{}
	c.SetTokens(h, wire.TransportCookie, tokens)
	var jar []string
	for _, line := range h["Set-Cookie"] {
		cookie, err := http.ParseSetCookie(line)
		if err != nil {
			t.Fatal(err)
		}
		jar = append(jar, cookie.Name+"="+cookie.Value)
	}
	return strings.Join(jar, "; ")
}

// TestForgedRequestsAreRefused: what a page of another origin has a browser send, with the user's cookies and without a preflight, does
// nothing in any mode but AntiCSRFNone (3.5.1 and 3.5.2 of OWASP ASVS); what the own page sends does.
func TestForgedRequestsAreRefused(t *testing.T) {
	t.Parallel()
	requests := map[string]func(*wire.Server, *http.Request) error{
		"login": func(s *wire.Server, r *http.Request) error {
			_, err := s.Create(http.Header{}, r, "alice", session.CreateOptions{})
			return err
		},
		"request": func(s *wire.Server, r *http.Request) error {
			_, err := s.Verify(http.Header{}, r, wire.Requirements{})
			return err
		},
		"refresh": func(s *wire.Server, r *http.Request) error { _, err := s.Refresh(http.Header{}, r); return err },
		"logout":  func(s *wire.Server, r *http.Request) error { return s.Logout(http.Header{}, r) },
		"handshake": func(s *wire.Server, r *http.Request) error {
			r.Method = http.MethodGet
			r.Header.Set("Upgrade", "websocket")
			_, err := s.Verify(http.Header{}, r, wire.Requirements{})
			return err
		},
	}
	for _, mode := range []wire.AntiCSRF{wire.AntiCSRFFetchMetadata, wire.AntiCSRFToken, wire.AntiCSRFBoth, wire.AntiCSRFNone} {
		for name, send := range requests {
			for _, from := range []struct {
				origin, site string
				own          bool
			}{
				{"https://evil.example", "cross-site", false}, {"https://www.example.test", "same-site", false}, {"null", "cross-site", false},
				{"https://evil.example", "", false}, {"http://app.example.test:81", "", false},
				{"https://app.example.test", "same-origin", true}, {"https://app.example.test", "", true},
			} {
				server, tokens, _ := deployment(t, wire.Config{AntiCSRF: mode})
				r := fromPage(t, from.origin, from.site, http.MethodPost, jarOf(t, server.Contract(), tokens))
				if from.own {
					r.Header.Set("Anti-Csrf", tokens.AntiCSRF)
				}
				err := send(server, r)
				if refused, want := errors.Is(err, session.ErrAntiCSRF), !from.own && mode != wire.AntiCSRFNone; refused != want || !want && err != nil {
					t.Errorf("%s, %s from %s (%s): got %v, want it refused: %t", mode, name, from.origin, from.site, err, want)
				}
			}
		}
	}
}

// TestEndpointsAnswerPostAlone: nothing that a link or an image can ask for ends or renews a session (3.5.3 of OWASP ASVS).
func TestEndpointsAnswerPostAlone(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(*wire.Server, http.Header, *http.Request) (int, string){
		"refresh": (*wire.Server).RefreshEndpoint, "logout": (*wire.Server).LogoutEndpoint,
	} {
		for _, method := range []string{"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "PATCH", "POST"} {
			server, tokens, asked := deployment(t, wire.Config{})
			h := http.Header{}
			status, _ := answer(server, h, fromPage(t, "https://app.example.test", "same-origin", method, jarOf(t, server.Contract(), tokens)))
			if want := map[bool]int{true: http.StatusOK, false: http.StatusMethodNotAllowed}[method == "POST"]; status != want {
				t.Errorf("%s %s: got %d, want %d", method, name, status, want)
			}
			if method != "POST" && (*asked > 0 || h["Set-Cookie"] != nil || h.Get("Allow") != "POST") {
				t.Errorf("%s %s: it asked the store %d times, and answered %q", method, name, *asked, h)
			}
		}
	}
}

// TestTokensOfCookiesStayThere: a token that a browser has in a cookie is in no other header and in no body, whatever a script asks for
// (3.3.4 of OWASP ASVS).
func TestTokensOfCookiesStayThere(t *testing.T) {
	t.Parallel()
	for _, mode := range []wire.AntiCSRF{wire.AntiCSRFFetchMetadata, wire.AntiCSRFBoth} {
		for name, ask := range map[string]func(http.Header){
			"nothing": func(http.Header) {},
			"headers": func(h http.Header) { h.Set("Session-Transport", "header") },
			"bearer":  func(h http.Header) { h.Set("Authorization", "Bearer x") },
			"refresh": func(h http.Header) { h.Set("X-Refresh-Token", "x") },
		} {
			server, tokens, _ := deployment(t, wire.Config{AntiCSRF: mode})
			r := fromPage(t, "https://app.example.test", "same-origin", http.MethodPost, jarOf(t, server.Contract(), tokens))
			r.Header.Set("Anti-Csrf", tokens.AntiCSRF)
			ask(r.Header)
			h := http.Header{}
			status, body := server.RefreshEndpoint(h, r)
			if (status == http.StatusOK) != (name == "nothing") {
				t.Errorf("a script that asks for %s gets %d %s", name, status, body)
			}
			secrets := []string{tokens.AccessToken, tokens.RefreshToken}
			for _, line := range h["Set-Cookie"] {
				cookie, err := http.ParseSetCookie(line)
				if err != nil {
					t.Fatal(err)
				}
				if len(cookie.Value) > 40 { // no id
					secrets = append(secrets, cookie.Value)
					if !cookie.HttpOnly {
						t.Errorf("scripts can read %q", line)
					}
				}
			}
			if name == "nothing" && len(secrets) != 3 && len(secrets) != 4 {
				t.Fatalf("a refresh gave the cookies %q", h["Set-Cookie"])
			}
			h.Del("Set-Cookie")
			for _, secret := range secrets {
				for header, values := range h {
					if strings.Contains(strings.Join(values, "\n"), secret) {
						t.Errorf("asked for %s, the header %s holds a token", name, header)
					}
				}
				if strings.Contains(body, secret) {
					t.Errorf("asked for %s, the body holds a token", name)
				}
			}
		}
	}
}

// TestHeadersMeanNoCookies: with TransportHeader no cookie is ever set, and none stands for a session, so that no page of another origin
// can send a request as the user.
func TestHeadersMeanNoCookies(t *testing.T) {
	t.Parallel()
	server, tokens, _ := deployment(t, wire.Config{Transport: wire.TransportHeader, AntiCSRF: wire.AntiCSRFNone})
	browser, _, _ := deployment(t, wire.Config{})
	answers := map[string]func(http.Header, *http.Request) error{
		"login": func(h http.Header, r *http.Request) error {
			_, err := server.Create(h, r, "alice", session.CreateOptions{})
			return err
		},
		"request": func(h http.Header, r *http.Request) error {
			_, err := server.Verify(h, r, wire.Requirements{})
			return err
		},
		"refresh": func(h http.Header, r *http.Request) error { _, err := server.Refresh(h, r); return err },
		"logout":  server.Logout,
	}
	for name, answer := range answers {
		for _, withCookies := range []bool{true, false} {
			r := fromPage(t, "https://app.example.test", "same-origin", http.MethodPost, jarOf(t, browser.Contract(), tokens))
			if !withCookies {
				r.Header.Del("Cookie")
				r.Header.Set("Authorization", "Bearer "+tokens.AccessToken)
				r.Header.Set("X-Refresh-Token", tokens.RefreshToken)
			}
			h := http.Header{}
			err := answer(h, r)
			if err != nil {
				server.Fail(h, r, err)
			}
			if (name == "request" || name == "refresh") && withCookies && !errors.Is(err, session.ErrUnauthorised) {
				t.Errorf("%s with cookies: got %v, want ErrUnauthorised: they stand for nothing", name, err)
			}
			if h["Set-Cookie"] != nil {
				t.Errorf("%s, with cookies: %t: it set %q", name, withCookies, h["Set-Cookie"])
			}
		}
	}
}
