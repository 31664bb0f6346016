package echosession_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"

	echosession "github.com/watchword-dev/watchword/adapters/echo"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
	"github.com/watchword-dev/watchword/session/wire"
)

func Example() {
	manager, err := session.New(context.Background(), memstore.New(nil), session.Config{})
	if err != nil {
		panic(err)
	}
	sessions, err := echosession.New(manager, wire.Config{AllowedOrigins: []string{"https://app.example"}})
	if err != nil {
		panic(err)
	}

	e := echo.New()
	e.Use(middleware.Recover(), sessions.CORS)
	e.POST("/login", func(c *echo.Context) error {
		// Check the password first.
		if _, err := sessions.Create(c, "alice", session.CreateOptions{}); err != nil {
			return sessions.WriteError(c, err)
		}
		return sessions.WriteTokens(c)
	})
	e.POST(sessions.RefreshPath(), sessions.RefreshHandler())
	e.POST("/logout", sessions.LogoutHandler())
	e.GET("/me", func(c *echo.Context) error {
		s, _ := echosession.FromContext(c)
		return c.String(http.StatusOK, "hello "+s.UserID())
	}, sessions.Require)

	jar := map[string]*http.Cookie{}
	for _, call := range []struct{ method, path string }{
		{"GET", "/me"}, {"POST", "/login"}, {"GET", "/me"}, {"POST", sessions.RefreshPath()}, {"GET", "/me"},
	} {
		request := httptest.NewRequestWithContext(context.Background(), call.method, call.path, http.NoBody)
		for _, cookie := range jar {
			request.AddCookie(cookie)
		}
		answer := httptest.NewRecorder()
		e.ServeHTTP(answer, request)
		for _, cookie := range answer.Result().Cookies() {
			jar[cookie.Name] = cookie
		}
		fmt.Println(call.method, call.path, answer.Code, strings.TrimSpace(answer.Body.String()))
	}
	// Output:
	// GET /me 401 {"error":"unauthorised"}
	// POST /login 200 {}
	// GET /me 200 hello alice
	// POST /api/session/refresh 200 {}
	// GET /me 200 hello alice
}
