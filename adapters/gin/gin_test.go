package ginsession_test

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	ginsession "github.com/watchword-dev/watchword/adapters/gin"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// What every adapter has to do is tested in integration/adapters; here is what gin adds to it.

// An error ends the chain, and a middleware that answers what it finds in gin.Context.Errors has nothing to add.
func TestAnErrorAborts(t *testing.T) {
	t.Parallel()
	var aborted []bool
	s := newSite(t, func(c *gin.Context) {
		c.Next()
		aborted = append(aborted, c.IsAborted())
		if found, ok := ginsession.FromContext(c); ok != (found != nil) {
			t.Errorf("%s: found %v, %v", c.FullPath(), found, ok)
		}
		if len(c.Errors) > 0 {
			c.JSON(http.StatusInternalServerError, c.Errors.JSON())
		}
	})
	never := func(c *gin.Context) {
		t.Errorf("%s: a handler ran after the error", c.FullPath())
	}
	s.engine.GET("/require", s.sessions.Require, never)
	s.engine.GET("/optional", s.sessions.Optional, never)
	s.engine.GET("/handler", s.sessions.Require, func(c *gin.Context) {
		c.Status(http.StatusAccepted) // gin writes no status before the body
		s.sessions.WriteError(c, session.ErrForbidden)
	}, never)
	s.engine.GET("/me", s.sessions.Require, who)

	s.do("GET", "/require", 401, unauthorised)
	s.do("GET", "/optional", 401, `{"error":"try_refresh"}`+"\n", "Cookie", "sIdRefreshToken=1")
	s.login("alice")
	s.do("GET", "/handler", 403, forbidden)
	s.do("GET", "/me", 200, "alice")
	if want := []bool{true, true, false, false, true, false}; !slices.Equal(aborted, want) {
		t.Errorf("aborted: got %v, want %v", aborted, want)
	}
}

// The headers of a response are out of gin's reach: a panic, or an error of the handler's own, costs the client no token.
func TestRecoveryKeepsTheTokens(t *testing.T) {
	t.Parallel()
	s := newSite(t, gin.CustomRecoveryWithWriter(nil, func(c *gin.Context, _ any) { c.AbortWithStatus(http.StatusInternalServerError) }))
	s.engine.GET("/panic", s.sessions.Require, func(*gin.Context) { panic("a handler's own") })
	s.engine.GET("/error", s.sessions.Require, func(c *gin.Context) {
		_ = c.AbortWithError(http.StatusTeapot, errors.New("a handler's own"))
	})
	for path, status := range map[string]int{"/panic": 500, "/error": 418} {
		s.login("alice")
		h := s.do("GET", path, status, "")
		if len(h["Set-Cookie"]) != 1 || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: headers %v", path, h)
		}
	}
}

// The session is where code looks for it that has only a context, and outlives the request in a copy.
func TestContext(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	copies := make(chan *gin.Context, 2)
	s.engine.GET("/me", s.sessions.Require, func(c *gin.Context) {
		copies <- c.Copy()
		standard, ok := session.FromContext(c.Request.Context())
		if found, _ := ginsession.FromContext(c); !ok || standard != found {
			t.Errorf("in the request's context: got %v, want %v", standard, found)
		}
		if _, ok := session.FromContext(c); ok != s.engine.ContextWithFallback {
			t.Errorf("in the gin.Context itself: got %v with the fallback %v", ok, s.engine.ContextWithFallback)
		}
		who(c)
	})
	for i, user := range []string{"alice", "bob"} {
		s.engine.ContextWithFallback = i == 1
		s.login(user)
		s.do("GET", "/me", 200, user)
	}
	for _, user := range []string{"alice", "bob"} {
		if found, ok := ginsession.FromContext(<-copies); !ok || found.UserID() != user {
			t.Errorf("in a copy: got %v, want %s's", found, user)
		}
	}
}

func TestGroups(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	private := s.engine.Group("/private", s.sessions.Require)
	private.GET("/me", who)
	admin := private.Group("/admin", s.sessions.RequirePayload(wire.PayloadAllows(func(user string) bool { return user == "root" })))
	admin.GET("/me", who)
	s.engine.GET("/maybe", s.sessions.Optional, who)

	s.do("GET", "/private/me", 401, unauthorised)
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

// Handlers that are not behind Require, and endpoints of one's own.
func TestByHand(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	byHand := func(f func(*gin.Context) (*session.Session, error)) gin.HandlerFunc {
		return func(c *gin.Context) {
			found, err := f(c)
			if err != nil {
				s.sessions.WriteError(c, err)
				return
			}
			c.String(http.StatusOK, found.UserID())
		}
	}
	s.engine.GET("/verify", byHand(s.sessions.Verify))
	s.engine.POST("/prove", s.sessions.Require, byHand(s.sessions.Reauthenticated))
	s.engine.POST("/api/session/refresh/mine", byHand(s.sessions.Refresh))
	s.engine.POST("/logout", func(c *gin.Context) {
		if err := s.sessions.Logout(c); err != nil {
			s.sessions.WriteError(c, err)
			return
		}
		c.String(http.StatusOK, "bye")
	})
	s.do("GET", "/verify", 401, unauthorised)
	if h := s.do("POST", "/login?user=alice", 200, "{}\n"); h.Get("Content-Type") != "application/json" {
		t.Errorf("the login's headers: %v", h)
	}
	s.do("GET", "/verify", 200, "alice")
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
	s.do("GET", "/verify", 401, unauthorised)
}

// gin runs an engine's middleware, not that of groups or routes, where it finds no route for OPTIONS.
func TestPreflights(t *testing.T) {
	t.Parallel()
	for _, notAllowed := range []bool{false, true} {
		s := newSite(t)
		s.engine.HandleMethodNotAllowed = notAllowed
		s.engine.GET("/me", s.sessions.Require, who)
		s.engine.Any("/any", s.sessions.Require, who)
		for _, path := range []string{"/me", "/any", "/nowhere", s.sessions.RefreshPath()} {
			h := s.do("OPTIONS", path, 204, "", "Origin", appOrigin, "Access-Control-Request-Method", "POST")
			if h.Get("Access-Control-Allow-Origin") != appOrigin || h.Get("Access-Control-Allow-Methods") == "" {
				t.Errorf("preflight of %s: headers %v", path, h)
			}
		}
		for path, body := range map[string]string{"/me": unauthorised, "/nowhere": "404 page not found"} {
			h := s.do("GET", path, map[string]int{"/me": 401, "/nowhere": 404}[path], body, "Origin", appOrigin)
			if h.Get("Access-Control-Allow-Origin") != appOrigin {
				t.Errorf("GET %s: headers %v", path, h)
			}
		}
	}
}

// gin writes a status with the body; without one it has to come out all the same, and the next answer on the connection after it.
func TestHEAD(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.engine.Match([]string{"GET", "HEAD"}, "/me", s.sessions.Require, who)
	get, head := s.do("GET", "/me", 401, unauthorised), s.do("HEAD", "/me", 401, "")
	for _, name := range []string{"Content-Type", "Content-Length", "Cache-Control", "Id-Refresh-Token"} {
		if head.Get(name) == "" || head.Get(name) != get.Get(name) {
			t.Errorf("%s: got %q for HEAD, %q for GET", name, head.Get(name), get.Get(name))
		}
	}
	s.login("alice")
	if h := s.do("HEAD", "/me", 200, ""); len(h["Set-Cookie"]) != 1 {
		t.Errorf("cookies: %v", h["Set-Cookie"])
	}
}

// gzipped is a writer as middlewares of gin put it in place of their own. The answer's length is for it to say.
type gzipped struct {
	gin.ResponseWriter
	body io.Writer
}

func (w gzipped) Write(b []byte) (int, error) {
	w.Header().Set("Content-Encoding", "gzip")
	return w.body.Write(b)
}

func (w gzipped) WriteString(text string) (int, error) { return w.Write([]byte(text)) }

func TestWriterOfAMiddleware(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	zipped := s.engine.Group("/zipped", func(c *gin.Context) {
		body := gzip.NewWriter(c.Writer)
		c.Writer = gzipped{c.Writer, body}
		c.Next()
		if err := body.Close(); err != nil {
			t.Error(err)
		}
	})
	zipped.GET("/me", s.sessions.Require, who)
	zipped.POST("/logout", s.sessions.LogoutHandler())
	h := s.do("GET", "/zipped/me", 401, unauthorised)
	if h.Get("Content-Type") != "application/json" || h.Get("Id-Refresh-Token") != "remove" {
		t.Errorf("headers %v", h)
	}
	s.login("alice")
	s.do("GET", "/zipped/me", 200, "alice")
	if n := len(s.do("POST", "/zipped/logout", 200, "{}\n")["Set-Cookie"]); n != 3 {
		t.Errorf("the logout has set %d cookies, want 3", n)
	}
}

// gin believes everybody's X-Forwarded-For unless told otherwise; sessions believe wire.Config.TrustedProxies alone.
func TestForwardedAddressesAreNotBelieved(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.do("POST", "/login?user=alice", 200, "{}\n", "X-Forwarded-For", "203.0.113.9", "X-Real-IP", "203.0.113.9")
	infos, err := s.sessions.Manager().Sessions(t.Context(), "alice", session.Page{})
	if err != nil || len(infos) != 1 || infos[0].Device.Address == "203.0.113.9" || infos[0].Device.Address == "" {
		t.Errorf("got %v, %v", infos, err)
	}
}
