package server_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/watchword-dev/watchword/demo/api/internal/limit"
	"github.com/watchword-dev/watchword/demo/api/internal/server"
	"github.com/watchword-dev/watchword/demo/api/internal/users"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
	"github.com/watchword-dev/watchword/session/wire"
)

const outside = "what lies beside the front end's directory"

// fuzzedDemo is a demo without a socket, and one session in it.
type fuzzedDemo struct {
	handler *server.Server
	manager *session.Manager
	own     *session.Session
	tokens  session.Tokens
}

func newFuzzedDemo(t testing.TB, dir string) fuzzedDemo {
	t.Helper()
	now := time.UnixMilli(1_760_000_000_000)
	clock := func() time.Time { return now }
	manager, err := session.New(t.Context(), memstore.New(clock), session.Config{AccessJitter: session.NoJitter, Clock: clock, Random: rand.NewChaCha8([32]byte{})})
	if err != nil {
		t.Fatal(err)
	}
	d := fuzzedDemo{manager: manager}
	if d.own, d.tokens, err = manager.Create(t.Context(), "alice", session.CreateOptions{Data: 1}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := manager.Create(t.Context(), "bob", session.CreateOptions{Label: "bob's own"}); err != nil {
		t.Fatal(err)
	}
	d.handler, err = server.New(server.Config{
		Manager: manager, Users: users.New(users.NewMemory(), users.NewHasher(users.Cost{MemoryKiB: 8, Passes: 1}), false),
		Attempts: limit.NewAttempts(limit.NewMemory(clock)), Log: zerolog.Nop(), Web: dir, ProofAge: 5 * time.Minute,
		Wire: wire.Config{AllowedHeaders: []string{"if-match"}}, Store: "memory", Access: session.DefaultAccessLifetime,
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var (
	handleForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	cursorForm = regexp.MustCompile(`^[1-9][0-9]*\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	codeForm   = regexp.MustCompile(`^[a-z_]+$`)
	openPaths  = regexp.MustCompile(`^/api/(demo|login|register|logout)$`)
)

// FuzzRequests sends requests of any form, with a session and without. Nothing fails with 500, every refusal has a code, nobody gets what is
// another's or lies outside of the front end's directory, and data and pages are only got by names in their one spelling.
func FuzzRequests(f *testing.F) {
	dir := filepath.Join(f.TempDir(), "dist")
	if err := os.MkdirAll(filepath.Join(dir, "assets"), 0o750); err != nil {
		f.Fatal(err)
	}
	for name, content := range map[string]string{"index.html": "<p>page", "assets/a.js": "1", ".env": outside, "../secret": outside} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			f.Fatal(err)
		}
	}
	f.Add("GET / HTTP/1.1\r\n\r\n", false)
	d, used := newFuzzedDemo(f, dir), 0
	f.Fuzz(func(t *testing.T, raw string, authorised bool) {
		before, err := d.own.Data(t.Context())
		// Its limits on attempts, and its memory, are those of a real one, and a logout ends the session.
		if used++; used%200 == 0 || err != nil {
			_ = d.handler.Close()
			d = newFuzzedDemo(t, dir)
			if before, err = d.own.Data(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		raw = strings.ReplaceAll(raw, "{version}", fmt.Sprintf("%x", before.Version)) // of the data, which a seed cannot know
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
		if err != nil {
			return
		}
		r.RemoteAddr = "192.0.2.1:1"
		if authorised {
			r.Header.Set("Authorization", "Bearer "+d.tokens.AccessToken)
		} else if strings.Contains(raw, d.tokens.AccessToken) {
			return
		}
		condition := strings.Join(r.Header.Values("If-Match"), ",")
		w := httptest.NewRecorder()
		d.handler.ServeHTTP(w, r.WithContext(t.Context()))
		body := w.Body.String()

		switch {
		case w.Code >= 500 && w.Code != http.StatusServiceUnavailable:
			t.Fatalf("got %d %s", w.Code, body)
		case strings.Contains(body, outside), strings.Contains(body, "bob's own"):
			t.Fatalf("it shows %q", body)
		case strings.HasPrefix(r.URL.Path, "/api/") && w.Code == http.StatusOK && !authorised && !openPaths.MatchString(r.URL.Path):
			t.Fatalf("%s without a session: got %s", r.URL.Path, body)
		case w.Body.Len() > 2<<20:
			t.Fatalf("an answer of %d bytes", w.Body.Len())
		}
		for name, values := range w.Header() {
			if strings.ContainsAny(strings.Join(values, ""), "\r\n\x00") {
				t.Fatalf("it answered with %s: %q", name, values)
			}
		}
		var refused struct{ Error string }
		isAPI := strings.HasPrefix(r.URL.Path, "/api/")
		if isAPI && w.Code >= 400 && r.Method != http.MethodHead && (json.Unmarshal(w.Body.Bytes(), &refused) != nil || !codeForm.MatchString(refused.Error)) {
			t.Fatalf("got %d %q", w.Code, body)
		}
		if w.Code != http.StatusOK {
			if after, err := d.own.Data(t.Context()); err != nil || after.Version != before.Version {
				t.Fatalf("it answered %d, and has changed the data: %v", w.Code, err)
			}
			return
		}
		query := r.URL.Query()
		switch {
		case r.URL.Path == "/api/sessions" && query.Has("before") && !handleForm.MatchString(query.Get("before")),
			r.URL.Path == "/api/endings" && query.Has("before") && !cursorForm.MatchString(query.Get("before")):
			t.Fatalf("the page before %q: got %s", query.Get("before"), body)
		case r.URL.Path == "/api/data" && r.Method == http.MethodPut && strings.TrimSpace(condition) != "" && strings.TrimSpace(condition) != "*" &&
			!strings.Contains(condition, fmt.Sprintf(`"%x"`, before.Version)):
			t.Fatalf("the data were replaced although they are not %q", condition)
		}
	})
}
