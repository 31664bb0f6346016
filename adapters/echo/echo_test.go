package echosession_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/cookiejar"
	"strconv"
	"testing"
	"time"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"

	echosession "github.com/watchword-dev/watchword/adapters/echo"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// What every adapter has to do is tested in integration/adapters; here is what echo adds to it.

// An error that is answered is none for echo's error handler. One of the handler's own, or a panic, costs the client no token.
func TestErrorHandler(t *testing.T) {
	t.Parallel()
	own := errors.New("a handler's own")
	var handled []error
	s := newSite(t, echo.Config{HTTPErrorHandler: func(c *echo.Context, err error) {
		handled = append(handled, err)
		_ = c.String(http.StatusTeapot, "a teapot") // also where there is an answer already
	}})
	s.echo.Use(middleware.RecoverWithConfig(middleware.RecoverConfig{DisablePrintStack: true}), s.sessions.CORS)
	s.echo.GET("/require", who, s.sessions.Require)
	s.echo.GET("/optional", who, s.sessions.Optional)
	s.echo.GET("/answered", func(c *echo.Context) error { return s.sessions.WriteError(c, session.ErrForbidden) }, s.sessions.Require)
	s.echo.GET("/error", func(*echo.Context) error { return own }, s.sessions.Require)
	s.echo.GET("/panic", func(*echo.Context) error { panic(own) }, s.sessions.Require)

	s.do("GET", "/require", 401, unauthorised)
	s.do("OPTIONS", "/require", 204, "", "Origin", appOrigin, "Access-Control-Request-Method", "GET")
	s.do("GET", "/optional", 401, `{"error":"try_refresh"}`+"\n", "Cookie", "sIdRefreshToken=1")
	s.login("alice")
	s.do("GET", "/answered", 403, forbidden)
	if len(handled) != 0 {
		t.Errorf("handled a second time: %v", handled)
	}
	for i, path := range []string{"/error", "/panic"} {
		s.login("alice")
		h := s.do("GET", path, 418, "a teapot")
		if len(h["Set-Cookie"]) != 1 || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: headers %v", path, h)
		}
		if len(handled) != i+1 || !errors.Is(handled[i], own) {
			t.Errorf("%s: handled %v", path, handled)
		}
	}
}

// WriteError may also be where an application answers all its errors.
func TestWriteErrorInTheErrorHandler(t *testing.T) {
	t.Parallel()
	var s *site
	s = newSite(t, echo.Config{HTTPErrorHandler: func(c *echo.Context, err error) { _ = s.sessions.WriteError(c, err) }})
	s.echo.GET("/verify", func(c *echo.Context) error {
		found, err := s.sessions.Verify(c)
		if err != nil {
			return err
		}
		return c.String(http.StatusOK, found.UserID())
	})
	if h := s.do("GET", "/verify", 401, unauthorised); h.Get("Id-Refresh-Token") != "remove" {
		t.Errorf("headers %v", h)
	}
	s.login("alice")
	s.do("GET", "/verify", 200, "alice")
}

// The session is where code looks for it that has only a context, and is there as long as somebody holds that: unlike the
// echo.Context, which is another request's by then.
func TestContext(t *testing.T) {
	t.Parallel()
	s := newSite(t, echo.Config{})
	contexts := map[string]context.Context{}
	s.echo.GET("/me", func(c *echo.Context) error {
		found, _ := echosession.FromContext(c)
		contexts[found.UserID()] = c.Request().Context()
		return who(c)
	}, s.sessions.Require, middleware.ContextTimeout(time.Minute))
	for _, user := range []string{"alice", "bob"} {
		s.login(user)
		s.do("GET", "/me", 200, user)
	}
	for user, ctx := range contexts {
		if found, ok := session.FromContext(ctx); !ok || found.UserID() != user {
			t.Errorf("in the context: got %v, want %s's", found, user)
		}
	}
}

func TestGroups(t *testing.T) {
	t.Parallel()
	s := newSite(t, echo.Config{})
	private := s.echo.Group("/private", s.sessions.Require)
	private.GET("/me", who)
	admin := private.Group("/admin", s.sessions.RequirePayload(wire.PayloadAllows(func(user string) bool { return user == "root" })))
	admin.GET("/me", who)
	s.echo.GET("/maybe", who, s.sessions.Optional)

	s.do("GET", "/private/me", 401, unauthorised)
	s.do("GET", "/private/nothing", 401, unauthorised) // echo runs a group's middleware for these as well
	s.do("GET", "/maybe", 200, "nobody")
	s.login("alice")
	s.do("GET", "/private/me", 200, "alice")
	s.do("GET", "/private/admin/me", 403, forbidden)
	s.login("root")
	if h := s.do("GET", "/private/admin/me", 200, "root"); len(h["Set-Cookie"]) != 1 { // two middlewares have set it
		t.Errorf("cookies: %v", h["Set-Cookie"])
	}
	s.do("GET", "/maybe", 200, "root")
}

// Endpoints of one's own.
func TestByHand(t *testing.T) {
	t.Parallel()
	s := newSite(t, echo.Config{})
	byHand := func(f func(*echo.Context) (*session.Session, error)) echo.HandlerFunc {
		return func(c *echo.Context) error {
			found, err := f(c)
			if err != nil {
				return s.sessions.WriteError(c, err)
			}
			return c.String(http.StatusOK, found.UserID())
		}
	}
	s.echo.POST("/prove", byHand(s.sessions.Reauthenticated), s.sessions.Require)
	s.echo.POST("/api/session/refresh/mine", byHand(s.sessions.Refresh))
	s.echo.POST("/logout", func(c *echo.Context) error {
		if err := s.sessions.Logout(c); err != nil {
			return s.sessions.WriteError(c, err)
		}
		return c.String(http.StatusOK, "bye")
	})
	s.do("POST", "/prove", 401, unauthorised)
	s.do("POST", "/login?user=alice", 200, "{}\n")
	s.ahead.Add(int64(time.Minute))
	for _, path := range []string{"/api/session/refresh/mine", "/prove"} {
		if n := len(s.do("POST", path, 200, "alice")["Set-Cookie"]); n != 3 {
			t.Errorf("%s has set %d cookies, want 3", path, n)
		}
	}
	if n := len(s.do("POST", "/logout", 200, "bye")["Set-Cookie"]); n != 3 {
		t.Errorf("the logout has set %d cookies, want 3", n)
	}
	infos, err := s.sessions.Manager().Sessions(t.Context(), "alice", session.Page{})
	if err != nil || len(infos) != 0 {
		t.Errorf("after the logout: %v, %v", infos, err)
	}
}

// Use is enough for preflights of routes that have no OPTIONS; Pre is for when something there would answer or redirect them.
func TestPreflights(t *testing.T) {
	t.Parallel()
	mounts := map[string]func(*site){
		"Use": func(s *site) { s.echo.Use(s.sessions.CORS) },
		"Pre": func(s *site) {
			s.echo.Pre(s.sessions.CORS, middleware.AddTrailingSlashWithConfig(middleware.AddTrailingSlashConfig{RedirectCode: 308}))
		},
	}
	for name, mount := range mounts {
		s := newSite(t, echo.Config{})
		mount(s)
		s.echo.GET("/me/", who, s.sessions.Require)
		s.echo.OPTIONS("/options/", func(*echo.Context) error {
			t.Errorf("%s: a preflight has reached the route", name)
			return nil
		})
		for _, path := range []string{"/me/", "/me", "/options/", "/nowhere", s.sessions.RefreshPath()} {
			h := s.do("OPTIONS", path, 204, "", "Origin", appOrigin, "Access-Control-Request-Method", "POST")
			if h.Get("Access-Control-Allow-Origin") != appOrigin || h.Get("Access-Control-Allow-Methods") == "" {
				t.Errorf("%s: preflight of %s: headers %v", name, path, h)
			}
		}
		if h := s.do("GET", "/me/", 401, unauthorised, "Origin", appOrigin); h.Get("Access-Control-Allow-Origin") != appOrigin {
			t.Errorf("%s: headers of an error: %v", name, h)
		}
	}
}

// An answer to HEAD has the headers of that to GET, whether the route is one of its own or echo makes it of that for GET, and
// whether or not a middleware holds the answer back.
func TestHEADAndBuffers(t *testing.T) {
	t.Parallel()
	for name, middlewares := range map[string][]echo.MiddlewareFunc{
		"plain":    nil,
		"gzip":     {middleware.Gzip()},
		"min gzip": {middleware.GzipWithConfig(middleware.GzipConfig{MinLength: 1 << 10})},
		"dump":     {middleware.BodyDump(func(*echo.Context, []byte, []byte, error) {})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, echo.Config{Router: echo.NewRouter(echo.RouterConfig{AutoHandleHEAD: true})})
			s.echo.Use(middlewares...)
			s.echo.GET("/auto", who, s.sessions.Require)
			s.echo.Match([]string{"GET", "HEAD"}, "/own", who, s.sessions.Require)
			for _, path := range []string{"/auto", "/own"} {
				get, head := s.do("GET", path, 401, unauthorised), s.do("HEAD", path, 401, "")
				for _, name := range []string{"Content-Type", "Cache-Control", "Id-Refresh-Token"} {
					if head.Get(name) == "" || head.Get(name) != get.Get(name) {
						t.Errorf("%s: %s: got %q for HEAD, %q for GET", path, name, head.Get(name), get.Get(name))
					}
				}
				if length := strconv.Itoa(len(unauthorised)); head.Get("Content-Length") != length {
					t.Errorf("%s: Content-Length: got %q, want %q", path, head.Get("Content-Length"), length)
				}
				s.login("alice")
				if h := s.do("HEAD", path, 200, ""); len(h["Set-Cookie"]) != 1 {
					t.Errorf("%s: cookies: %v", path, h["Set-Cookie"])
				}
				s.client.Jar, _ = cookiejar.New(nil)
			}
		})
	}
}
