package adapters_test

import (
	"net"
	"net/http"
	"testing"

	"github.com/labstack/echo/v5"

	echosession "github.com/watchword-dev/watchword/adapters/echo"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

func TestEcho(t *testing.T) {
	t.Parallel()
	conformance(t, mountEcho)
}

func mountEcho(t *testing.T, manager *session.Manager, cfg wire.Config) func(net.Listener) error {
	t.Helper()
	s, err := echosession.New(manager, cfg)
	if err != nil {
		t.Fatal(err)
	}
	userID := func(c *echo.Context) error {
		if found, ok := echosession.FromContext(c); ok {
			return c.String(http.StatusOK, found.UserID())
		}
		return c.String(http.StatusOK, "nobody")
	}
	e := echo.New()
	e.Use(s.CORS)
	e.POST("/login", func(c *echo.Context) error {
		var opts session.CreateOptions
		if query := c.QueryParams(); query.Has("payload") {
			opts.Payload = query.Get("payload")
		}
		if _, err := s.Create(c, c.QueryParam("user"), opts); err != nil {
			return s.WriteError(c, err)
		}
		return s.WriteTokens(c)
	})
	e.Any("/me", userID, s.Require)
	e.Any("/maybe", userID, s.Optional)
	e.GET("/fresh", userID, s.RequireWith(wire.Requirements{MaxAuthAge: proofAge}))
	e.GET("/admin", userID, s.RequirePayload(wire.PayloadAllows(isAdmin)))
	e.POST("/prove", func(c *echo.Context) error {
		renewed, err := s.Reauthenticated(c)
		if err != nil {
			return s.WriteError(c, err)
		}
		return c.String(http.StatusOK, renewed.UserID())
	}, s.Require)
	e.POST("/clear", func(c *echo.Context) error {
		s.Clear(c)
		return c.String(http.StatusOK, "cleared")
	})
	e.Any(s.RefreshPath(), s.RefreshHandler())
	e.Any("/logout", s.LogoutHandler())
	e.GET("/fail", func(c *echo.Context) error { return s.WriteError(c, session.ErrUnavailable) }, s.Require)
	return serveHTTP(e)
}
