package fibersession_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/recover"

	fibersession "github.com/watchword-dev/watchword/adapters/fiber"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
	"github.com/watchword-dev/watchword/session/wire"
)

// What every adapter has to do is tested in integration/adapters; here is what fiber and fasthttp add to it.

const (
	access = "__Host-sAccessToken"
	id     = "sIdRefreshToken"
)

// site is an application on fiber, served on a socket.
type site struct {
	*testing.T
	*fiber.App
	sessions *fibersession.Sessions
	client   *http.Client
	ahead    atomic.Int64 // how far the sessions' clock is, as a time.Duration
	mu       sync.Mutex
	failed   []*http.Request // that OnFailure was told of
	events   []session.Event
}

// newSite makes an application with a login and a refresh endpoint; serve lets clients in.
func newSite(t *testing.T, app fiber.Config, cfg wire.Config, middleware ...any) *site {
	t.Helper()
	s := &site{T: t}
	clock := func() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }
	manager, err := session.New(t.Context(), memstore.New(clock), session.Config{AccessJitter: session.NoJitter, Clock: clock, OnEvent: func(e session.Event) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.events = append(s.events, e)
	}})
	if err != nil {
		t.Fatal(err)
	}
	cfg.OnFailure = func(r *http.Request, _ int, _ error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.failed = append(s.failed, r)
	}
	if s.sessions, err = fibersession.New(manager, cfg); err != nil {
		t.Fatal(err)
	}
	app.ReadBufferSize = 16 << 10
	s.App = fiber.New(app)
	s.Use(append(middleware, s.sessions.CORS)...)
	s.Post("/login", func(c fiber.Ctx) error {
		opts := session.CreateOptions{Label: c.Query("label"), Payload: c.Query("user")}
		if agent := c.Query("agent"); agent != "" {
			opts.Device.UserAgent = agent
		}
		if _, err := s.sessions.Create(c, c.Query("user"), opts); err != nil {
			return s.sessions.WriteError(c, err)
		}
		return s.sessions.WriteTokens(c)
	})
	s.All(s.sessions.RefreshPath(), s.sessions.RefreshHandler())
	return s
}

// serve serves the application on a network until the test ends.
func (s *site) serve(network, address string) *site {
	s.Helper()
	listener, err := (&net.ListenConfig{}).Listen(s.Context(), network, address)
	if err != nil {
		s.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Listener(listener, fiber.ListenConfig{DisableStartupMessage: true}) // fails when the test closes it
	}()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, listener.Addr().String())
	}}
	s.client = &http.Client{Transport: transport, Timeout: 10 * time.Second}
	s.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = listener.Close()
		<-ended
	})
	return s
}

// answer is what came back, body read.
type answer struct {
	*http.Response
	body string
}

// cookies returns what a browser would send after this answer, as a Cookie header.
func (a answer) cookies() string {
	var pairs []string
	for _, c := range a.Cookies() {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}

// do sends a request with header lines, whose names stay as they are, and expects a status and a body that begins with body.
func (s *site) do(method, target string, status int, body string, lines ...string) answer {
	s.Helper()
	return s.send(method, target, nil, status, body, lines...)
}

func (s *site) send(method, target string, payload io.Reader, status int, body string, lines ...string) answer {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), method, "http://app.example", payload)
	if err != nil {
		s.Fatal(err)
	}
	r.URL.Opaque = target // as it is
	for i := 0; i < len(lines); i += 2 {
		r.Header[lines[i]] = append(r.Header[lines[i]], lines[i+1])
	}
	response, err := s.client.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		s.Fatal(err)
	}
	if response.StatusCode != status || !strings.HasPrefix(string(got), body) {
		s.Errorf("%s %s: got %d %q, want %d %q", method, target, response.StatusCode, got, status, body)
	}
	return answer{response, string(got)}
}

func who(c fiber.Ctx) error {
	found, ok := session.FromContext(c.Context())
	if again, same := fibersession.FromContext(c); again != found || same != ok {
		return errors.New("two ways, two sessions")
	}
	if !ok {
		return c.SendString("nobody")
	}
	return c.SendString(found.UserID())
}

// renewing logs alice in and refreshes, and returns her cookies: the next request gets a new access token.
func (s *site) renewing() string {
	s.Helper()
	login := s.do("POST", "/login?user=alice", 200, "{}")
	s.ahead.Add(int64(time.Hour))
	return s.do("POST", s.sessions.RefreshPath(), 200, "{}", "Cookie", login.cookies()).cookies()
}

// setCookies asserts the cookies of an answer by their name and path.
func (s *site) setCookies(a answer, want ...string) {
	s.Helper()
	var got []string
	for _, c := range a.Cookies() {
		got = append(got, c.Name+c.Path)
	}
	if !slices.Equal(got, want) {
		s.Errorf("Set-Cookie: got %q, want %q", got, want)
	}
}

// Errors and panics of handlers are fiber's to answer. What Require has told the client stays.
func TestErrorHandler(t *testing.T) {
	t.Parallel()
	var s *site
	s = newSite(t, fiber.Config{ErrorHandler: func(c fiber.Ctx, err error) error {
		if errors.Is(err, session.ErrConflict) {
			return s.sessions.WriteError(c, err)
		}
		return fiber.DefaultErrorHandler(c, err)
	}}, wire.Config{AllowedOrigins: []string{"https://other.example"}})
	s.Use(recover.New())
	reached := false
	group := s.Group("/app", s.sessions.Require)
	group.Get("/teapot", func(fiber.Ctx) error {
		reached = true
		return fiber.ErrTeapot
	})
	group.Get("/conflict", func(fiber.Ctx) error { return fmt.Errorf("save: %w", session.ErrConflict) })
	group.Get("/panic", func(fiber.Ctx) error { panic("oops") })
	s.Get("/allow", s.sessions.RequirePayload(func(*session.Session) bool { panic("oops") }), who)
	s.Group("/", s.sessions.Require)
	s.serve("tcp", "127.0.0.1:0")

	refused := s.do("GET", "/app/teapot", 401, `{"error":"unauthorised"}`, "Origin", "https://other.example")
	if reached || refused.Header.Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("reached %t, headers %v", reached, refused.Header)
	}
	preflight := s.do("OPTIONS", "/app/teapot", 204, "", "Origin", "https://other.example", "Access-Control-Request-Method", "GET")
	if preflight.Header.Get("Access-Control-Allow-Credentials") != "true" || preflight.Header.Get("Content-Type") != "" {
		t.Errorf("preflight: %v", preflight.Header)
	}
	unread := s.do("GET", "/app/teapot", 431, "", "Cookie", strings.Repeat("a=b; ", 4<<10))
	if unread.Header.Get("Id-Refresh-Token") != "" {
		t.Errorf("a request that was not read was told that its session is over: %v", unread.Header)
	}
	cookies := s.renewing()
	for target, want := range map[string]struct {
		status int
		body   string
	}{
		"/app/teapot": {418, ""}, "/app/conflict": {409, `{"error":"conflict"}`}, "/app/panic": {500, "oops"}, "/app/nowhere": {404, ""},
		"/allow": {500, "oops"},
	} {
		s.setCookies(s.do("GET", target, want.status, want.body, "Cookie", cookies), access+"/")
	}
}

// The session is in the context that the application has made of c.Context(), and in that of no other request.
func TestContext(t *testing.T) {
	t.Parallel()
	s := newSite(t, fiber.Config{}, wire.Config{})
	type key struct{}
	s.Use(func(c fiber.Ctx) error {
		ctx, cancel := context.WithCancel(context.WithValue(c.Context(), key{}, "kept"))
		defer cancel()
		if c.Get("X-Late") != "" {
			cancel()
		}
		c.SetContext(ctx)
		return c.Next()
	})
	s.Get("/maybe", s.sessions.Optional, func(c fiber.Ctx) error {
		if c.Context().Value(key{}) != "kept" {
			return errors.New("the context is another one")
		}
		return who(c)
	})
	s.Get("/me", s.sessions.Require, who)
	s.serve("tcp", "127.0.0.1:0")
	login := s.do("POST", "/login?user=alice", 200, "{}")
	if login.Header.Get("Content-Type") != "application/json" {
		t.Errorf("login: %v", login.Header)
	}
	for range 3 { // on one connection
		s.do("GET", "/maybe", 200, "alice", "Cookie", login.cookies())
		s.do("GET", "/maybe", 200, "nobody")
	}
	// HEAD is answered like GET, and without a body that would be taken for the next answer.
	s.do("HEAD", "/maybe", 200, "", "Cookie", login.cookies())
	s.do("HEAD", "/me", 401, "")
	s.do("GET", "/me", 200, "alice", "Cookie", login.cookies())
	s.do("GET", "/me", 401, "", "X-Late", "1")
	s.setCookies(s.do("GET", "/maybe", 200, "alice", "Cookie", s.renewing()), access+"/")
	if len(s.failed) != 1 || s.failed[0].Method != http.MethodHead {
		t.Errorf("OnFailure was told of %d requests, want only that of HEAD, which was not given up", len(s.failed))
	}
}
