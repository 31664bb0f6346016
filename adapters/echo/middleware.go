package echosession

import (
	"net/http"

	"github.com/labstack/echo/v5"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// Require passes on requests with a good session, which the handler finds with FromContext, and answers all others.
func (s *Sessions) Require(next echo.HandlerFunc) echo.HandlerFunc {
	return s.RequireWith(wire.Requirements{})(next)
}

// RequireWith makes a Require for requests that ask for more than a good session.
func (s *Sessions) RequireWith(want wire.Requirements) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			verified, err := s.server.Verify(c.Response().Header(), c.Request(), want)
			if err != nil {
				return s.WriteError(c, err)
			}
			attach(c, verified)
			return next(c)
		}
	}
}

// RequirePayload makes a Require for sessions whose access token's payload allows it; others get 403. See wire.PayloadAllows.
func (s *Sessions) RequirePayload(allow func(*session.Session) bool) echo.MiddlewareFunc {
	return s.RequireWith(wire.Requirements{Allow: allow})
}

// Optional passes on requests with a good session like Require, and requests without any session as they are. A session
// that needs a refresh, or fails the anti-CSRF check, is answered like in Require: the user is not anonymous.
func (s *Sessions) Optional(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c *echo.Context) error {
		verified, err := s.server.VerifyOptional(c.Response().Header(), c.Request())
		if err != nil {
			return s.WriteError(c, err)
		}
		if verified != nil {
			attach(c, verified)
		}
		return next(c)
	}
}

// attach puts the session into the request's context, where code that knows nothing of echo finds it too.
func attach(c *echo.Context, verified *session.Session) {
	c.SetRequest(c.Request().WithContext(session.NewContext(c.Request().Context(), verified)))
}

// RefreshHandler is the refresh endpoint: POST at RefreshPath.
func (s *Sessions) RefreshHandler() echo.HandlerFunc { return endpoint(s.server.RefreshEndpoint) }

// LogoutHandler is the logout endpoint: POST, at any path within wire.Cookies.Path.
func (s *Sessions) LogoutHandler() echo.HandlerFunc { return endpoint(s.server.LogoutEndpoint) }

func endpoint(answer func(http.Header, *http.Request) (int, string)) echo.HandlerFunc {
	return func(c *echo.Context) error {
		status, body := answer(c.Response().Header(), c.Request())
		return c.JSONBlob(status, []byte(body))
	}
}

// CORS lets pages of wire.Config.AllowedOrigins call with cookies, and answers their preflight requests. Hand it to
// echo.Echo.Use, before Require, since errors need its headers as well: there it gets the preflights of all paths, though no
// route has OPTIONS, which the middleware of a single route does not. With other middleware in echo.Echo.Pre that answers or
// redirects, hand it to Pre, before that.
func (s *Sessions) CORS(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c *echo.Context) error {
		if s.server.Contract().CORS(c.Request().Method, c.Request().Header, c.Response().Header()) {
			return c.NoContent(http.StatusNoContent)
		}
		return next(c)
	}
}
