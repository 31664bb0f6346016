package fibersession_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/gofiber/fiber/v3"

	fibersession "github.com/watchword-dev/watchword/adapters/fiber"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
	"github.com/watchword-dev/watchword/session/wire"
)

func Example() {
	manager, err := session.New(context.Background(), memstore.New(nil), session.Config{})
	if err != nil {
		panic(err)
	}
	sessions, err := fibersession.New(manager, wire.Config{AllowedOrigins: []string{"https://app.example"}})
	if err != nil {
		panic(err)
	}

	app := fiber.New(fiber.Config{ReadBufferSize: 16 << 10})
	app.Use(sessions.CORS)
	app.Post("/login", func(c fiber.Ctx) error {
		// Check the password first.
		if _, err := sessions.Create(c, "alice", session.CreateOptions{}); err != nil {
			return sessions.WriteError(c, err)
		}
		return sessions.WriteTokens(c)
	})
	app.All(sessions.RefreshPath(), sessions.RefreshHandler())
	app.Post("/logout", sessions.LogoutHandler())
	app.Get("/me", sessions.Require, func(c fiber.Ctx) error {
		s, _ := fibersession.FromContext(c)
		return c.SendString("hello " + s.UserID())
	})

	jar := map[string]*http.Cookie{}
	for _, call := range []struct{ method, path string }{
		{"GET", "/me"}, {"POST", "/login"}, {"GET", "/me"}, {"POST", sessions.RefreshPath()}, {"GET", "/me"},
	} {
		request := httptest.NewRequestWithContext(context.Background(), call.method, call.path, http.NoBody)
		for _, cookie := range jar {
			request.AddCookie(cookie)
		}
		answer, err := app.Test(request)
		if err != nil {
			panic(err)
		}
		for _, cookie := range answer.Cookies() {
			jar[cookie.Name] = cookie
		}
		body, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		fmt.Println(call.method, call.path, answer.StatusCode, string(body))
	}
	// Output:
	// GET /me 401 {"error":"unauthorised"}
	//
	// POST /login 200 {}
	//
	// GET /me 200 hello alice
	// POST /api/session/refresh 200 {}
	//
	// GET /me 200 hello alice
}
