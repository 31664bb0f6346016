package nethttp_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/watchword-dev/watchword/adapters/nethttp"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
	"github.com/watchword-dev/watchword/session/wire"
)

func Example() {
	manager, err := session.New(context.Background(), memstore.New(nil), session.Config{})
	if err != nil {
		panic(err)
	}
	sessions, err := nethttp.New(manager, wire.Config{})
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

// Some requests need a user who has proved who they are a moment ago.
func ExampleSessions_RequireWith() {
	now := time.Now()
	manager, err := session.New(context.Background(), memstore.New(nil), session.Config{Clock: func() time.Time { return now }})
	if err != nil {
		panic(err)
	}
	sessions, err := nethttp.New(manager, wire.Config{})
	if err != nil {
		panic(err)
	}

	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if _, err := sessions.Create(w, r, "alice", session.CreateOptions{}); err != nil {
			sessions.WriteError(w, r, err)
		}
	})
	mux.Handle("POST /password", sessions.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Check the password of the session's user first.
		if _, err := sessions.Reauthenticated(w, r); err != nil {
			sessions.WriteError(w, r, err)
		}
	})))
	fresh := sessions.RequireWith(wire.Requirements{MaxAuthAge: 5 * time.Minute})
	mux.Handle("POST /delete-account", fresh(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, "gone")
	})))

	jar := map[string]*http.Cookie{}
	post := func(path string) {
		request := httptest.NewRequestWithContext(context.Background(), http.MethodPost, path, http.NoBody)
		for _, cookie := range jar {
			request.AddCookie(cookie)
		}
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, request)
		for _, cookie := range answer.Result().Cookies() {
			jar[cookie.Name] = cookie
		}
		fmt.Println(strings.TrimSpace(fmt.Sprintln(path, answer.Code, answer.Body)))
	}
	post("/login")
	now = now.Add(10 * time.Minute)
	post("/delete-account")
	post("/password")
	post("/delete-account")
	// Output:
	// /login 200
	// /delete-account 403 {"error":"reauthenticate"}
	// /password 200
	// /delete-account 200 gone
}
