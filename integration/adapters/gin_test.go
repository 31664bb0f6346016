package adapters_test

import (
	"net"
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"

	ginsession "github.com/watchword-dev/watchword/adapters/gin"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

func TestGin(t *testing.T) {
	t.Parallel()
	gin.SetMode(gin.TestMode) // it prints every route otherwise
	conformance(t, mountGin)
}

func mountGin(t *testing.T, manager *session.Manager, cfg wire.Config) func(net.Listener) error {
	t.Helper()
	s, err := ginsession.New(manager, cfg)
	if err != nil {
		t.Fatal(err)
	}
	userID := func(c *gin.Context) {
		if found, ok := ginsession.FromContext(c); ok {
			c.String(http.StatusOK, found.UserID())
			return
		}
		c.String(http.StatusOK, "nobody")
	}
	router := gin.New()
	router.Use(s.CORS)
	anyMethod := func(path string, handlers ...gin.HandlerFunc) {
		router.Any(path, handlers...)
		router.Handle("QUERY", path, handlers...) // gin's Any does not know it
	}
	router.POST("/login", func(c *gin.Context) {
		var opts session.CreateOptions
		if payload, ok := c.GetQuery("payload"); ok {
			opts.Payload = payload
		}
		if _, err := s.Create(c, c.Query("user"), opts); err != nil {
			s.WriteError(c, err)
			return
		}
		s.WriteTokens(c)
	})
	anyMethod("/me", s.Require, userID)
	anyMethod("/maybe", s.Optional, userID)
	router.GET("/fresh", s.RequireWith(wire.Requirements{MaxAuthAge: proofAge}), userID)
	router.GET("/admin", s.RequirePayload(wire.PayloadAllows(isAdmin)), userID)
	router.POST("/prove", s.Require, func(c *gin.Context) {
		renewed, err := s.Reauthenticated(c)
		if err != nil {
			s.WriteError(c, err)
			return
		}
		c.String(http.StatusOK, renewed.UserID())
	})
	router.POST("/clear", func(c *gin.Context) {
		s.Clear(c)
		c.String(http.StatusOK, "cleared")
	})
	anyMethod(s.RefreshPath(), s.RefreshHandler())
	anyMethod("/logout", s.LogoutHandler())
	router.GET("/fail", s.Require, func(c *gin.Context) { s.WriteError(c, session.ErrUnavailable) })
	return serveHTTP(router)
}
