package wire_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/textproto"
	"net/url"
	"regexp"
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
		AccessJitter: session.NoJitter, // the corpus holds tokens
		Clock:        func() time.Time { return now }, Random: rand.NewChaCha8([32]byte{}), Revocation: session.RevocationStrict,
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

// picksGet is the first number that stands for a GET. Of the others each stands for one of the configurations and an operation.
const picksGet = 128

// operations are what a request is fuzzed with, each on a deployment of its own.
var operations = []struct {
	name string
	do   func(*wire.Server, http.Header, *http.Request) (status int, body string)
}{
	{"verify", func(s *wire.Server, h http.Header, r *http.Request) (int, string) {
		if _, err := s.Verify(h, r, wire.Requirements{}); err != nil {
			failure, body := s.Fail(h, r, err)
			return failure.Status, body
		}
		return http.StatusOK, ""
	}},
	{"refresh", (*wire.Server).RefreshEndpoint},
	{"logout", (*wire.Server).LogoutEndpoint},
}

// FuzzHeaders sends any header and any body to each operation. Whatever it is: no panic, nothing but a good token opens a session
// or has the store asked, no page of another origin is let in, and the same request gets the same answer.
func FuzzHeaders(f *testing.F) {
	_, tokens, _ := deployment(f, fuzzed[0])
	access, refresh := tokens.AccessToken, tokens.RefreshToken
	for _, raw := range []string{
		"", "Cookie: a=b", "Cookie: __Host-sAccessToken=" + access + "; sIdRefreshToken=1", "Cookie: __Host-sAccessToken=" + access,
		"Cookie: __Secure-sRefreshToken=" + refresh + "; sIdRefreshToken=1", "Cookie: sAccessToken=" + access + "; sIdRefreshToken=1\r\nAnti-Csrf: " + tokens.AntiCSRF,
		"Cookie: at=" + access + "; it=1", "Cookie: rt=" + refresh, "Cookie: sRefreshToken=" + refresh + "; sRefreshToken=x", "Cookie: __Secure-sRefreshToken=" + refresh + "\r\nCookie: rt=" + refresh,
		"Cookie: __Host-sAccessToken=x; __Host-sAccessToken=" + access + "; sIdRefreshToken=1; sIdRefreshToken=2", "Cookie: " + strings.Repeat("__Host-sAccessToken=x; ", 9),
		"Cookie: __Host-sAccessToken=\"" + access + "\"; sIdRefreshToken=\"\"", "Cookie: ; =; ;;a;=b; \xff=\xfe",
		"Authorization: Bearer " + access, "Authorization: bearer  " + access, "Authorization: Bearer", "Authorization: Basic QUFB", "Authorization: Bearer a\r\nAuthorization: Bearer b",
		"X-Refresh-Token: " + refresh, "X-Refresh-Token: a\r\nX-Refresh-Token: b", "Session-Transport: header", "Session-Transport: header\r\nCookie: sIdRefreshToken=1",
		"Session-Transport: cookie\r\nAuthorization: Bearer " + access, "Session-Transport: pigeon", "Session-Transport:", "Session-Transport: header\r\nSession-Transport: header",
		"Session-Transport: header\r\nCookie: __Secure-sRefreshToken=" + refresh, "Authorization: Bearer " + access + "\r\nCookie: __Host-sAccessToken=" + access,
		"Origin: https://evil.example\r\nCookie: __Host-sAccessToken=" + access + "; sIdRefreshToken=1", "Origin: https://app.example.test", "Origin: null", "Origin: https://login.example.com\r\nSec-Fetch-Site: cross-site",
		"Sec-Fetch-Site: cross-site\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nCookie: __Host-sAccessToken=" + access + "; sIdRefreshToken=1", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: none",
		"Content-Type: application/json\r\nSession-Transport: header", "Content-Type: text/plain\r\nSession-Transport: header",
		"User-Agent: \xff\r\nX-Forwarded-For: , ,", "Cookie: __Host-sAccessToken=" + access + "\r\n\tx; sIdRefreshToken=1",
	} {
		for pick := range len(fuzzed) * len(operations) {
			f.Add(raw, "", byte(pick))
		}
		f.Add(raw, "", byte(picksGet))
	}
	f.Add("Cookie: "+strings.Repeat("a=b; ", 13_200), "", byte(0))
	for _, body := range []string{`{"refresh_token":"` + refresh + `"}`, `{"refresh_token":1}`, "null", "{}", `{"refresh_token":"x"}x`, "[", "\xff", strings.Repeat(" ", 5000)} {
		f.Add("Content-Type: application/json\r\nSession-Transport: header", body, byte(len(fuzzed))) // a refresh
	}
	type used struct {
		server *wire.Server
		tokens session.Tokens
		asked  *int
	}
	sharing, err := wire.New(wire.Config{AllowedOrigins: []string{"https://app.example.com"}})
	if err != nil {
		f.Fatal(err)
	}
	deployments := map[int]used{} // by operation and configuration. What garbage has met is as good as new
	f.Fuzz(func(t *testing.T, raw, body string, pick byte) {
		header, _ := textproto.NewReader(bufio.NewReader(strings.NewReader(raw + "\r\n\r\n"))).ReadMIMEHeader()
		choice := int(pick) % len(fuzzed)
		at := int(pick) % picksGet % (len(fuzzed) * len(operations))
		operation := operations[at/len(fuzzed)]
		var sent struct {
			Token string `json:"refresh_token"`
		}
		_ = json.Unmarshal([]byte(body), &sent) // what is none holds no token
		d, ok := deployments[at]
		if !ok {
			d.server, d.tokens, d.asked = deployment(t, fuzzed[choice])
			deployments[at] = d
		}
		good := operation.name != "refresh" && strings.Contains(raw, d.tokens.AccessToken) ||
			operation.name == "refresh" && (strings.Contains(raw, d.tokens.RefreshToken) || sent.Token == d.tokens.RefreshToken)
		request := func() *http.Request {
			r := &http.Request{
				Method: http.MethodPost, Host: "app.example.test", URL: &url.URL{Path: "/x"}, RemoteAddr: "192.0.2.1:1", Header: http.Header(header),
				Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
			}
			if pick >= picksGet {
				r.Method = http.MethodGet
			}
			return r.WithContext(t.Context())
		}
		r, h := request(), http.Header{}
		cred, err := d.server.Contract().Read(r.Header)
		if err != nil && !errors.Is(err, wire.ErrInvalidRequest) {
			t.Fatalf("Read: got %v", err)
		}
		status, answer := operation.do(d.server, h, r)
		switch {
		case status == http.StatusOK && !good && operation.name != "logout", status != http.StatusOK && (status < 400 || status > 499):
			t.Fatalf("%s: got %d", operation.name, status)
		case *d.asked > 0 && !good:
			t.Fatalf("%s: the store was asked %d times", operation.name, *d.asked)
		case status != http.StatusBadRequest && status != http.StatusMethodNotAllowed && err != nil:
			t.Fatalf("%s: got %d although Read says %v", operation.name, status, err)
		case status != http.StatusOK && !refusal.MatchString(answer):
			t.Fatalf("%s: got %d with %q", operation.name, status, answer)
		case status == http.StatusOK && cred.Transport == wire.TransportCookie && (operation.name != "verify" || fuzzed[choice].AntiCSRF != wire.AntiCSRFToken) &&
			fromElsewhere(fuzzed[choice], r):
			t.Fatalf("%s: a page of another origin was let in with %q", operation.name, r.Header)
		}
		carried(t, operation.name, h, cred.Transport)
		if *d.asked > 0 {
			delete(deployments, at)
		} else {
			again := http.Header{}
			if status2, answer2 := operation.do(d.server, again, request()); status2 != status || answer2 != answer || !maps.EqualFunc(h, again, slices.Equal) {
				t.Fatalf("%s: got %d %q %q, and then %d %q %q", operation.name, status, answer, h, status2, answer2, again)
			}
		}
		shared := http.Header{}
		sharing.CORS(http.MethodOptions, http.Header(header), shared)
		if got := shared.Get("Access-Control-Allow-Origin"); got != "" && (got != "https://app.example.com" || got != r.Header.Get("Origin")) {
			t.Fatalf("the page of %q may read the answer as if it were of %q", header["Origin"], got)
		}
	})
}

// refusal is the body of every refusal.
var refusal = regexp.MustCompile(`^\{"error":"[a-z_]+"(,"reason":"[a-z_]+")?\}\n$`)

// fromElsewhere reports whether a browser says that a page of another origin has sent a request which may change something. Without a
// Sec-Fetch-Site, which old browsers do not send, the Origin says so.
func fromElsewhere(cfg wire.Config, r *http.Request) bool {
	origin, site := r.Header.Get("Origin"), r.Header.Get("Sec-Fetch-Site")
	changes := r.Method == http.MethodPost || len(r.Header["Upgrade"]) > 0
	if cfg.AntiCSRF == wire.AntiCSRFNone || !changes || slices.Contains(cfg.TrustedOrigins, origin) {
		return false
	}
	if site == "" {
		return origin != "" && !strings.HasSuffix(origin, "://"+r.Host)
	}
	return site != "same-origin" && site != "none"
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
