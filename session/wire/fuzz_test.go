package wire_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
	"github.com/watchword-dev/watchword/session/wire"
)

// countedStore counts by its clock, which every method reads. Looks at the keys are free: see TestI8GarbageIsFreeInEveryMode in
// session.
type countedStore struct {
	*memstore.Store
	asked *int
}

func (s countedStore) Keys(ctx context.Context) ([]session.Key, time.Time, error) {
	before := *s.asked
	defer func() { *s.asked = before }()
	return s.Store.Keys(ctx)
}

// deployment makes a Server that has given out the tokens of one session, in each run the same ones, and what counts the calls of
// its store.
func deployment(t testing.TB, cfg wire.Config) (*wire.Server, session.Tokens, *int) {
	t.Helper()
	now, asked := time.UnixMilli(1_760_000_000_000), new(int)
	store := countedStore{memstore.New(func() time.Time { *asked++; return now }), asked}
	manager, err := session.New(t.Context(), store, session.Config{
		Clock: func() time.Time { return now }, Random: rand.NewChaCha8([32]byte{}), Revocation: session.RevocationStrict,
	})
	if err != nil {
		t.Fatal(err)
	}
	_, tokens, err := manager.Create(t.Context(), "alice", session.CreateOptions{AntiCSRF: true})
	if err != nil {
		t.Fatal(err)
	}
	server, err := wire.NewServer(manager, cfg)
	if err != nil {
		t.Fatal(err)
	}
	*asked = 0
	return server, tokens, asked
}

// fuzzed are the configurations that FuzzHeaders chooses from.
var fuzzed = []wire.Config{
	{},
	{Former: []wire.Cookies{{AccessName: "at", RefreshName: "rt", IDName: "it"}, {Domain: "example.test"}, {Insecure: true}}},
	{AntiCSRF: wire.AntiCSRFToken, AntiCSRFBypass: []string{"/bypass"}, TrustedOrigins: []string{"https://login.example.com"}},
	{AntiCSRF: wire.AntiCSRFBoth, Transport: wire.TransportCookie, Cookies: wire.Cookies{Prefix: wire.PrefixNone}},
	{AntiCSRF: wire.AntiCSRFNone, Transport: wire.TransportHeader},
}

// FuzzHeaders sends any header and any body to each operation. Whatever it is: no panic, and nothing but a good token opens a
// session or has the store asked.
func FuzzHeaders(f *testing.F) {
	_, tokens, _ := deployment(f, fuzzed[0])
	access, refresh := tokens.AccessToken, tokens.RefreshToken
	for _, raw := range []string{
		"", "Cookie: a=b", "Cookie: __Host-sAccessToken=" + access + "; sIdRefreshToken=1", "Cookie: __Host-sAccessToken=" + access,
		"Cookie: __Secure-sRefreshToken=" + refresh + "; sIdRefreshToken=1", "Cookie: sAccessToken=" + access + "; sIdRefreshToken=1\r\nAnti-Csrf: " + tokens.AntiCSRF,
		"Cookie: at=" + access + "; it=1", "Cookie: rt=" + refresh, "Cookie: sRefreshToken=" + refresh + "; sRefreshToken=x", "Cookie: __Secure-sRefreshToken=" + refresh + "\r\nCookie: rt=" + refresh,
		"Cookie: __Host-sAccessToken=x; __Host-sAccessToken=" + access + "; sIdRefreshToken=1; sIdRefreshToken=2", "Cookie: " + strings.Repeat("__Host-sAccessToken=x; ", 9),
		"Cookie: " + strings.Repeat("a=b; ", 13_200), "Cookie: __Host-sAccessToken=\"" + access + "\"; sIdRefreshToken=\"\"", "Cookie: ; =; ;;a;=b; \xff=\xfe",
		"Authorization: Bearer " + access, "Authorization: bearer  " + access, "Authorization: Bearer", "Authorization: Basic QUFB", "Authorization: Bearer a\r\nAuthorization: Bearer b",
		"X-Refresh-Token: " + refresh, "X-Refresh-Token: a\r\nX-Refresh-Token: b", "Session-Transport: header", "Session-Transport: header\r\nCookie: sIdRefreshToken=1",
		"Session-Transport: cookie\r\nAuthorization: Bearer " + access, "Session-Transport: pigeon", "Session-Transport:", "Session-Transport: header\r\nSession-Transport: header",
		"Session-Transport: header\r\nCookie: __Secure-sRefreshToken=" + refresh, "Authorization: Bearer " + access + "\r\nCookie: __Host-sAccessToken=" + access,
		"Origin: https://evil.example\r\nCookie: __Host-sAccessToken=" + access + "; sIdRefreshToken=1", "Origin: https://app.example.test", "Origin: null", "Origin: https://login.example.com\r\nSec-Fetch-Site: cross-site",
		"Sec-Fetch-Site: cross-site\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nCookie: __Host-sAccessToken=" + access + "; sIdRefreshToken=1", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: none",
		"Content-Type: application/json\r\nSession-Transport: header", "Content-Type: text/plain\r\nSession-Transport: header",
		"User-Agent: \xff\r\nX-Forwarded-For: , ,", "Cookie: __Host-sAccessToken=" + access + "\r\n\tx; sIdRefreshToken=1",
	} {
		for pick := range len(fuzzed) {
			f.Add(raw, "", byte(pick))
			f.Add(raw, "", byte(128+pick)) // by GET
		}
	}
	for _, body := range []string{`{"refresh_token":"` + refresh + `"}`, `{"refresh_token":1}`, "null", "{}", `{"refresh_token":"x"}x`, "[", "\xff", strings.Repeat(" ", 5000)} {
		f.Add("Content-Type: application/json\r\nSession-Transport: header", body, byte(0))
	}
	f.Fuzz(func(t *testing.T, raw, body string, pick byte) {
		header, _ := textproto.NewReader(bufio.NewReader(strings.NewReader(raw + "\r\n\r\n"))).ReadMIMEHeader()
		cfg := fuzzed[int(pick)%len(fuzzed)]
		var sent struct {
			Token string `json:"refresh_token"`
		}
		_ = json.Unmarshal([]byte(body), &sent) // what is none holds no token
		operations := map[string]func(*wire.Server, http.Header, *http.Request) int{
			"verify": func(s *wire.Server, h http.Header, r *http.Request) int {
				return status(s, h, r, func() error { _, err := s.Verify(h, r, wire.Requirements{}); return err })
			},
			"refresh": func(s *wire.Server, h http.Header, r *http.Request) int {
				code, _ := s.RefreshEndpoint(h, r)
				return code
			},
			"logout": func(s *wire.Server, h http.Header, r *http.Request) int {
				code, _ := s.LogoutEndpoint(h, r)
				return code
			},
		}
		for name, operate := range operations {
			s, tokens, asked := deployment(t, cfg)
			good := strings.Contains(raw, tokens.AccessToken) && name != "refresh"
			if name == "refresh" {
				good = strings.Contains(raw, tokens.RefreshToken) || sent.Token == tokens.RefreshToken
			}
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://app.example.test/x", strings.NewReader(body))
			r.Header = http.Header(header)
			if name == "verify" && pick >= 128 {
				r.Method = http.MethodGet
			}
			cred, err := s.Contract().Read(r.Header)
			if err != nil && !errors.Is(err, wire.ErrInvalidRequest) {
				t.Fatalf("Read: got %v", err)
			}
			h := http.Header{}
			got := operate(s, h, r)
			switch {
			case got == http.StatusOK && !good && name != "logout", got != http.StatusOK && (got < 400 || got > 499):
				t.Fatalf("%s: got %d", name, got)
			case *asked > 0 && !good:
				t.Fatalf("%s: the store was asked %d times", name, *asked)
			case got != http.StatusBadRequest && err != nil:
				t.Fatalf("%s: got %d although Read says %v", name, got, err)
			}
			carried(t, name, h, cred.Transport)
		}
	})
}

// status is that of the answer to an operation.
func status(s *wire.Server, h http.Header, r *http.Request, operation func() error) int {
	if err := operation(); err != nil {
		failure, _ := s.Fail(h, r, err)
		return failure.Status
	}
	return http.StatusOK
}

// carried asserts that a response carries tokens as its request does, and that nothing of the request has got out of its place.
func carried(t *testing.T, name string, h http.Header, transport wire.Transport) {
	t.Helper()
	if transport != wire.TransportCookie && (h.Get("Set-Cookie") != "" || h.Get("Id-Refresh-Token") != "" || h.Get("Anti-Csrf") != "") {
		t.Fatalf("%s: to a client of %q it sent %q", name, transport, h)
	}
	if transport != wire.TransportHeader && (h.Get("X-Access-Token") != "" || h.Get("X-Refresh-Token") != "") {
		t.Fatalf("%s: to a client of %q it sent %q", name, transport, h)
	}
	for _, line := range h["Set-Cookie"] {
		cookie, err := http.ParseSetCookie(line)
		if err != nil || len(cookie.Unparsed) != 0 || !slices.Contains([]string{"/", "/api/session/refresh"}, cookie.Path) {
			t.Fatalf("%s: it sent the cookie %q: %v", name, line, err)
		}
	}
	if err := h.Write(io.Discard); err != nil {
		t.Fatal(err)
	}
}
