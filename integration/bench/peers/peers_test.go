package peers

import (
	"net/http"
	"strings"
	"testing"
)

// Each peer that needs no database does its job.
func TestPeersDoTheirJob(t *testing.T) {
	t.Parallel()
	var s Set
	for name, open := range map[string]func() (Peer, error){
		JWT:     func() (Peer, error) { return s.jwt(t.Context(), nil) },
		Pkgz:    func() (Peer, error) { return s.pkgz(t.Context(), nil) },
		Gorilla: func() (Peer, error) { return s.gorilla(t.Context(), nil) },
	} {
		p, err := open()
		if err == nil {
			err = p.check(t.Context())
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A peer that does not do its job fails the run before anything is measured.
func TestCheckFindsWhatAPeerDoesNotDo(t *testing.T) {
	t.Parallel()
	const good = "token=abcdefgh"
	handler := func(refuse func(cookies string) bool, user string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if refuse(r.Header.Get("Cookie")) {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			answer(func(*http.Request) string { return user }).ServeHTTP(w, r)
		})
	}
	for name, test := range map[string]struct {
		handler http.Handler
		want    string // of the complaint; empty: none
	}{
		"all is well":            {handler(func(c string) bool { return c != good }, userID), ""},
		"refuses everybody":      {handler(func(string) bool { return true }, userID), "a good session"},
		"names somebody else":    {handler(func(c string) bool { return c != good }, "somebody"), "a good session"},
		"lets the forger pass":   {handler(func(c string) bool { return c == "" }, userID), "a forged cookie"},
		"lets everybody pass":    {handler(func(string) bool { return false }, userID), "no cookie"},
		"looks at the name only": {handler(func(c string) bool { return !strings.HasPrefix(c, "token=") }, userID), "a forged cookie"},
	} {
		err := Peer{Handler: test.handler, Cookies: good}.check(t.Context())
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want a complaint about %q", name, err, test.want)
		}
	}
}
