package adapters_test

import (
	"net"
	"slices"
	"testing"

	"github.com/gofiber/fiber/v3"

	fibersession "github.com/watchword-dev/watchword/adapters/fiber"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

func TestFiber(t *testing.T) {
	t.Parallel()
	conformance(t, mountFiber)
}

func mountFiber(t *testing.T, manager *session.Manager, cfg wire.Config) func(net.Listener) error {
	t.Helper()
	s, err := fibersession.New(manager, cfg)
	if err != nil {
		t.Fatal(err)
	}
	userID := func(c fiber.Ctx) error {
		if found, ok := fibersession.FromContext(c); ok {
			return c.SendString(found.UserID())
		}
		return c.SendString("nobody")
	}
	app := fiber.New(fiber.Config{
		ReadBufferSize: 128 << 10, // more than the contract reads of cookies
		RequestMethods: append(slices.Clone(fiber.DefaultMethods), "QUERY"),
	})
	app.Use(s.CORS)
	app.Post("/login", func(c fiber.Ctx) error {
		var opts session.CreateOptions
		if payload, ok := c.Queries()["payload"]; ok {
			opts.Payload = payload
		}
		if _, err := s.Create(c, c.Query("user"), opts); err != nil {
			return s.WriteError(c, err)
		}
		return s.WriteTokens(c)
	})
	app.All("/me", s.Require, userID)
	app.All("/maybe", s.Optional, userID)
	app.Get("/fresh", s.RequireWith(wire.Requirements{MaxAuthAge: proofAge}), userID)
	app.Get("/admin", s.RequirePayload(wire.PayloadAllows(isAdmin)), userID)
	app.Post("/prove", s.Require, func(c fiber.Ctx) error {
		renewed, err := s.Reauthenticated(c)
		if err != nil {
			return s.WriteError(c, err)
		}
		return c.SendString(renewed.UserID())
	})
	app.Post("/clear", func(c fiber.Ctx) error {
		s.Clear(c)
		return c.SendString("cleared")
	})
	app.All(s.RefreshPath(), s.RefreshHandler())
	app.All("/logout", s.LogoutHandler())
	app.Get("/fail", s.Require, func(c fiber.Ctx) error { return s.WriteError(c, session.ErrUnavailable) })
	return func(listener net.Listener) error {
		return app.Listener(listener, fiber.ListenConfig{DisableStartupMessage: true})
	}
}
