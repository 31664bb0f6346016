package peers

import (
	"context"
	"crypto/rand"
	"net/http"

	"github.com/gorilla/sessions"

	"github.com/watchword-dev/watchword/integration/bench/env"
)

// gorilla keeps the session in a cookie that securecookie signs.
func (*Set) gorilla(ctx context.Context, _ *env.Env) (Peer, error) {
	p := Peer{Name: Gorilla, About: "`CookieStore` over securecookie: signed, not encrypted"}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	store := sessions.NewCookieStore(key)
	store.Options.Secure, store.Options.HttpOnly, store.Options.SameSite = true, true, http.SameSiteLaxMode
	const name = "session"

	user := func(r *http.Request) string {
		s, err := store.Get(r, name)
		if err != nil {
			return ""
		}
		id, _ := s.Values["user"].(string)
		return id
	}
	next := answer(user) // a second Get is a look into the request's registry
	p.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user(r) == "" {
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
	var err error
	p.Cookies, err = cookies(ctx, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := store.New(r, name)
		if err == nil {
			s.Values["user"], s.Values["role"] = userID, "user"
			err = s.Save(r, w)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
	return p, err
}
