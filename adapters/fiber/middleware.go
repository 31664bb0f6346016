package fibersession

import (
	"net/http"

	"github.com/gofiber/fiber/v3"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// Require passes on requests with a good session, which the handler finds with FromContext, and answers all others.
func (s *Sessions) Require(c fiber.Ctx) error {
	verified, err := s.Verify(c)
	return s.pass(c, verified, err)
}

// RequireWith makes a Require for requests that ask for more than a good session.
func (s *Sessions) RequireWith(want wire.Requirements) fiber.Handler {
	return func(c fiber.Ctx) error {
		verified, err := s.verify(c, want)
		return s.pass(c, verified, err)
	}
}

// RequirePayload makes a Require for sessions whose access token's payload allows it; others get 403. See wire.PayloadAllows.
func (s *Sessions) RequirePayload(allow func(*session.Session) bool) fiber.Handler {
	return s.RequireWith(wire.Requirements{Allow: allow})
}

// Optional passes on requests with a good session like Require, and requests without any session as they are. A session
// that needs a refresh, or fails the anti-CSRF check, is answered like in Require: the user is not anonymous.
func (s *Sessions) Optional(c fiber.Ctx) error {
	x := begin(c)
	verified, err := s.server.VerifyOptional(x.header, x.request)
	x.end()
	return s.pass(c, verified, err)
}

// pass answers an error, and otherwise runs the next handler, with the session, if there is one, in the request's context.
func (s *Sessions) pass(c fiber.Ctx, verified *session.Session, err error) error {
	if err != nil {
		return s.WriteError(c, err)
	}
	if verified != nil {
		c.SetContext(session.NewContext(c.Context(), verified))
	}
	return c.Next()
}

// RefreshHandler is the refresh endpoint: POST at RefreshPath.
func (s *Sessions) RefreshHandler() fiber.Handler { return endpoint(s.server.RefreshEndpoint) }

// LogoutHandler is the logout endpoint: POST, at any path within wire.Cookies.Path.
func (s *Sessions) LogoutHandler() fiber.Handler { return endpoint(s.server.LogoutEndpoint) }

func endpoint(answer func(http.Header, *http.Request) (int, string)) fiber.Handler {
	return func(c fiber.Ctx) error {
		x := begin(c)
		x.takeBody()
		status, body := answer(x.header, x.request)
		x.end()
		return c.Status(status).SendString(body)
	}
}

// CORS lets pages of wire.Config.AllowedOrigins call with cookies, and answers their preflight requests. Hand it to fiber.App.Use
// before Require, since errors need its headers as well, and before any route.
func (s *Sessions) CORS(c fiber.Ctx) error {
	x := begin(c)
	preflight := s.server.Contract().CORS(x.request.Method, x.request.Header, x.header)
	x.end()
	if preflight {
		return c.SendStatus(fiber.StatusNoContent)
	}
	return c.Next()
}
