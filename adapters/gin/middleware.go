package ginsession

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// Require passes on requests with a good session, which the handler finds with FromContext, and answers all others.
func (s *Sessions) Require(c *gin.Context) {
	s.RequireWith(wire.Requirements{})(c)
}

// RequireWith makes a Require for requests that ask for more than a good session.
func (s *Sessions) RequireWith(want wire.Requirements) gin.HandlerFunc {
	return func(c *gin.Context) {
		verified, err := s.server.Verify(c.Writer.Header(), c.Request, want)
		if err != nil {
			s.WriteError(c, err)
			return
		}
		attach(c, verified)
	}
}

// RequirePayload makes a Require for sessions whose access token's payload allows it; others get 403. See wire.PayloadAllows.
func (s *Sessions) RequirePayload(allow func(*session.Session) bool) gin.HandlerFunc {
	return s.RequireWith(wire.Requirements{Allow: allow})
}

// Optional passes on requests with a good session like Require, and requests without any session as they are. A session
// that needs a refresh, or fails the anti-CSRF check, is answered like in Require: the user is not anonymous.
func (s *Sessions) Optional(c *gin.Context) {
	verified, err := s.server.VerifyOptional(c.Writer.Header(), c.Request)
	if err != nil {
		s.WriteError(c, err)
		return
	}
	if verified != nil {
		attach(c, verified)
	}
}

// attach puts the session into the request's context, where code that knows nothing of gin finds it too.
func attach(c *gin.Context, verified *session.Session) {
	c.Request = c.Request.WithContext(session.NewContext(c.Request.Context(), verified))
}

// RefreshHandler is the refresh endpoint: POST at RefreshPath.
func (s *Sessions) RefreshHandler() gin.HandlerFunc { return endpoint(s.server.RefreshEndpoint) }

// LogoutHandler is the logout endpoint: POST, at any path within wire.Cookies.Path.
func (s *Sessions) LogoutHandler() gin.HandlerFunc { return endpoint(s.server.LogoutEndpoint) }

func endpoint(answer func(http.Header, *http.Request) (int, string)) gin.HandlerFunc {
	return func(c *gin.Context) {
		status, body := answer(c.Writer.Header(), c.Request)
		write(c, status, body)
	}
}

// CORS lets pages of wire.Config.AllowedOrigins call with cookies, and answers their preflight requests. Hand it to
// gin.Engine.Use before any route is added, and before Require, since errors need its headers as well. The middleware of a group or
// of a route does not get to see preflights, since gin finds no route for OPTIONS and answers 404.
func (s *Sessions) CORS(c *gin.Context) {
	if s.server.Contract().CORS(c.Request.Method, c.Request.Header, c.Writer.Header()) {
		c.AbortWithStatus(http.StatusNoContent)
	}
}
