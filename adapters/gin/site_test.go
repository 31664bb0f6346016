package ginsession_test

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	ginsession "github.com/watchword-dev/watchword/adapters/gin"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
	"github.com/watchword-dev/watchword/session/wire"
)

const (
	appOrigin    = "https://app.example"
	unauthorised = `{"error":"unauthorised"}` + "\n"
	forbidden    = `{"error":"forbidden"}` + "\n"
)

// site is an application on gin, and a browser that visits it.
type site struct {
	*testing.T
	sessions *ginsession.Sessions
	engine   *gin.Engine
	server   *httptest.Server
	client   *http.Client
	ahead    atomic.Int64 // how far the sessions' clock is, as a time.Duration
}

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	m.Run()
}

func newSite(t *testing.T, middleware ...gin.HandlerFunc) *site {
	t.Helper()
	s := &site{T: t, engine: gin.New()}
	clock := func() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }
	sleep := func(_ context.Context, d time.Duration) error {
		s.ahead.Add(int64(d))
		return nil
	}
	manager, err := session.New(t.Context(), memstore.New(clock), session.Config{AccessJitter: session.NoJitter, Clock: clock, Sleep: sleep})
	if err != nil {
		t.Fatal(err)
	}
	if s.sessions, err = ginsession.New(manager, wire.Config{AllowedOrigins: []string{appOrigin}}); err != nil {
		t.Fatal(err)
	}
	s.engine.Use(s.sessions.CORS)
	s.engine.Use(middleware...)
	s.engine.POST("/login", func(c *gin.Context) {
		user := c.Query("user")
		if _, err := s.sessions.Create(c, user, session.CreateOptions{Payload: user}); err != nil {
			s.sessions.WriteError(c, err)
			return
		}
		s.sessions.WriteTokens(c)
	})
	s.engine.POST(s.sessions.RefreshPath(), s.sessions.RefreshHandler())
	s.server = httptest.NewTLSServer(s.engine)
	t.Cleanup(s.server.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	s.client = &http.Client{Jar: jar, Transport: s.server.Client().Transport}
	return s
}

// do sends a request and expects a status and a body of the answer, whose headers it returns.
func (s *site) do(method, path string, status int, body string, header ...string) http.Header {
	s.Helper()
	request, err := http.NewRequestWithContext(s.Context(), method, s.server.URL+path, http.NoBody)
	if err != nil {
		s.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := s.client.Do(request)
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		s.Fatal(err)
	}
	if response.StatusCode != status || string(got) != body {
		s.Errorf("%s %s: got %d %q, want %d %q", method, path, response.StatusCode, got, status, body)
	}
	return response.Header
}

// login logs the browser in, and refreshes, so that the next request gets a new access token on its way.
func (s *site) login(user string) {
	s.Helper()
	s.do("POST", "/login?user="+user, 200, "{}\n")
	s.ahead.Add(int64(time.Minute))
	s.do("POST", s.sessions.RefreshPath(), 200, "{}\n")
}

func who(c *gin.Context) {
	found, ok := ginsession.FromContext(c)
	if !ok {
		c.String(http.StatusOK, "nobody")
		return
	}
	c.String(http.StatusOK, found.UserID())
}
