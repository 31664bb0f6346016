package nethttp_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/watchword-dev/watchword/adapters/nethttp"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

func Example() {
	manager, err := session.New(context.Background(), memstore.New(nil), session.Config{})
	if err != nil {
		panic(err)
	}
	sessions, err := nethttp.New(manager, nethttp.Config{})
	if err != nil {
		panic(err)
	}

	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		// Check the password first.
		if _, err := sessions.Create(w, r, "alice", session.CreateOptions{}); err != nil {
			sessions.WriteError(w, r, err)
		}
	})
	mux.Handle("GET /me", sessions.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.FromContext(r.Context())
		_, _ = fmt.Fprintf(w, "hello %s", s.UserID())
	})))
	mux.Handle(sessions.RefreshPath(), sessions.RefreshHandler())
	mux.Handle("POST /logout", sessions.LogoutHandler())

	login := httptest.NewRecorder()
	mux.ServeHTTP(login, httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/login", http.NoBody))
	request := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/me", http.NoBody)
	for _, cookie := range login.Result().Cookies() {
		request.AddCookie(cookie)
	}
	me := httptest.NewRecorder()
	mux.ServeHTTP(me, request)
	fmt.Println(me.Code, me.Body)
	// Output: 200 hello alice
}
