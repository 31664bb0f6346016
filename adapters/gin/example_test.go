package ginsession_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gin-gonic/gin"

	ginsession "github.com/watchword-dev/watchword/adapters/gin"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
	"github.com/watchword-dev/watchword/session/wire"
)

func Example() {
	manager, err := session.New(context.Background(), memstore.New(nil), session.Config{})
	if err != nil {
		panic(err)
	}
	sessions, err := ginsession.New(manager, wire.Config{AllowedOrigins: []string{"https://app.example"}})
	if err != nil {
		panic(err)
	}

	router := gin.New()
	router.Use(gin.Recovery(), sessions.CORS)
	router.POST("/login", func(c *gin.Context) {
		// Check the password first.
		if _, err := sessions.Create(c, "alice", session.CreateOptions{}); err != nil {
			sessions.WriteError(c, err)
			return
		}
		sessions.WriteTokens(c)
	})
	router.POST(sessions.RefreshPath(), sessions.RefreshHandler())
	router.POST("/logout", sessions.LogoutHandler())
	private := router.Group("/", sessions.Require)
	private.GET("/me", func(c *gin.Context) {
		s, _ := ginsession.FromContext(c)
		c.String(http.StatusOK, "hello %s", s.UserID())
	})

	jar := map[string]*http.Cookie{}
	for _, call := range []struct{ method, path string }{
		{"GET", "/me"}, {"POST", "/login"}, {"GET", "/me"}, {"POST", sessions.RefreshPath()}, {"GET", "/me"},
	} {
		request := httptest.NewRequestWithContext(context.Background(), call.method, call.path, http.NoBody)
		for _, cookie := range jar {
			request.AddCookie(cookie)
		}
		answer := httptest.NewRecorder()
		router.ServeHTTP(answer, request)
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
