package connectsession_test

import (
	"bufio"
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	connectsession "github.com/watchword-dev/watchword/adapters/connect"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
	"github.com/watchword-dev/watchword/session/wire"
)

// counted counts the calls of its store by its clock, which every method reads, but for looks at the keys.
type counted struct {
	*memstore.Store
	asked *int
}

func (s counted) Keys(ctx context.Context) ([]session.Key, time.Time, error) {
	before := *s.asked
	defer func() { *s.asked = before }()
	return s.Store.Keys(ctx)
}

// deployment serves one procedure of each kind of rule, and has given out the tokens of one session, in each process the same ones. found
// becomes true where a procedure finds a session, or is reached although it asks for one.
func deployment(t testing.TB) (mux *http.ServeMux, tokens session.Tokens, asked *int, found *bool) {
	t.Helper()
	now := time.UnixMilli(1_760_000_000_000)
	asked, found = new(int), new(bool)
	store := counted{memstore.New(func() time.Time { *asked++; return now }), asked}
	manager, err := session.New(t.Context(), store, session.Config{
		AccessJitter: session.NoJitter, // the corpus holds tokens
		Clock:        func() time.Time { return now }, Random: rand.NewChaCha8([32]byte{}), Revocation: session.RevocationStrict,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, tokens, err = manager.Create(t.Context(), "alice", session.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	sessions, err := connectsession.New(manager, wire.Config{Cookies: wire.Cookies{RefreshPath: service + "Refresh"}}, policy)
	if err != nil {
		t.Fatal(err)
	}
	mux = http.NewServeMux()
	for name, method := range map[string]func(context.Context) error{
		"Me":      func(context.Context) error { return nil },
		"Read":    func(context.Context) error { return nil },
		"Maybe":   func(context.Context) error { return nil },
		"Refresh": func(ctx context.Context) error { _, err := sessions.Refresh(ctx); return err },
		"Logout":  sessions.Logout,
	} {
		options := []connect.HandlerOption{connect.WithInterceptors(sessions), connect.WithReadMaxBytes(1 << 10)}
		if name == "Read" {
			options = append(options, connect.WithIdempotency(connect.IdempotencyNoSideEffects))
		}
		mux.Handle(service+name, connect.NewUnaryHandler(service+name, func(ctx context.Context, _ *connect.Request[text]) (*connect.Response[text], error) {
			err := method(ctx)
			_, known := session.FromContext(ctx)
			*found = *found || known || name == "Me" || name == "Read" || name == "Refresh" && err == nil
			return connect.NewResponse(wrapperspb.String("")), err
		}, options...))
	}
	*asked = 0
	return mux, tokens, asked, found
}

var (
	fuzzed = []string{"Me", "Read", "Maybe", "Refresh", "Logout"}
	// tokenHeader are the headers that carry something of a session.
	tokenHeader = regexp.MustCompile(`^(Set-Cookie|Id-Refresh-Token|Anti-Csrf|X-(Access|Refresh)-Token(-Expires-In)?)$`)
)

// FuzzHeaders calls procedures with any headers and any body, by Connect's three protocols. Nothing but a good token opens a session or has
// the store asked, no page of another origin is let in, and no cookie is sent to a client of headers or in an error's metadata.
func FuzzHeaders(f *testing.F) {
	f.Add("", []byte("{}"), byte(0))
	mux, tokens, asked, found := deployment(f)
	f.Fuzz(func(t *testing.T, lines string, body []byte, pick byte) {
		if *asked > 0 {
			mux, tokens, asked, found = deployment(t)
		}
		*found = false
		header, _ := textproto.NewReader(bufio.NewReader(strings.NewReader(lines + "\r\n\r\n"))).ReadMIMEHeader()
		name := fuzzed[int(pick)%len(fuzzed)]
		method, query := http.MethodPost, ""
		if pick >= 128 {
			method, query = http.MethodGet, "?connect=v1&encoding=json&message=%22%22"
		}
		r := httptest.NewRequestWithContext(t.Context(), method, "https://app.example"+service+name+query, strings.NewReader(string(body)))
		r.Header = http.Header(header)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		h := w.Header()

		good := strings.Contains(lines, tokens.AccessToken) || strings.Contains(lines, tokens.RefreshToken)
		if (*found || *asked > 0) && !good {
			t.Fatalf("%s without a token: a session %v, and the store was asked %d times", name, *found, *asked)
		}
		site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
		elsewhere := site != "" && site != "same-origin" && site != "none" || site == "" && origin != "" && !strings.HasSuffix(origin, "://app.example")
		bearer := len(r.Header["Authorization"])+len(r.Header["X-Refresh-Token"])+len(r.Header["Session-Transport"]) > 0
		if *found && elsewhere && method == http.MethodPost && !bearer {
			t.Fatalf("%s: a page of another origin was let in with %q", name, r.Header)
		}
		var answer struct{ Code, Message string }
		if w.Code == http.StatusUnauthorized {
			if json.Unmarshal(w.Body.Bytes(), &answer) != nil || answer.Code != "unauthenticated" ||
				!slices.Contains([]string{"try_refresh", "unauthorised", "token_theft"}, answer.Message) {
				t.Fatalf("%s: got %d %s", name, w.Code, w.Body)
			}
		}
		for name, values := range h {
			if tokenHeader.MatchString(name) && (strings.ContainsAny(strings.Join(values, ""), "\r\n\x00") || name != "Set-Cookie" && len(values) != 1) {
				t.Fatalf("it answered with %s: %q", name, values)
			}
		}
		for _, line := range h["Set-Cookie"] {
			if cookie, err := http.ParseSetCookie(line); err != nil || len(cookie.Unparsed) != 0 || !strings.Contains(cookie.Name, "Token") {
				t.Fatalf("it sent the cookie %q: %v", line, err)
			}
		}
		const ours = "Max-Age=" // in every cookie of ours, and in no request that does not play them
		if r.Header.Get("Session-Transport") == "header" && len(h["Set-Cookie"]) > 0 || strings.Contains(w.Body.String(), ours) && !strings.Contains(lines, ours) {
			t.Fatalf("%s: cookies where none belong: %q %q", name, h, w.Body)
		}
	})
}
