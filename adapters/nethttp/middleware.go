package nethttp

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// RequireOptions are the options of RequireWith.
type RequireOptions struct {
	// MaxAuthAge is how long ago the user may have proved who they are; zero: any time. A session that is good but for this gets
	// ErrReauthenticate: 403 with the code "reauthenticate". Its client is to ask the user for the password, say, and to send that
	// to a handler which calls Sessions.Reauthenticated.
	MaxAuthAge time.Duration
}

// Require passes on requests with a good session, which the handler finds with session.FromContext, and answers all
// others.
func (s *Sessions) Require(next http.Handler) http.Handler {
	return s.RequireWith(RequireOptions{})(next)
}

// RequireWith makes a Require for requests that ask for more than a good session.
func (s *Sessions) RequireWith(opts RequireOptions) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			verified, err := s.verify(w, r, opts)
			if err != nil {
				s.WriteError(w, r, err)
				return
			}
			next.ServeHTTP(w, r.WithContext(session.NewContext(r.Context(), verified)))
		})
	}
}

// Optional passes on requests with a good session like Require, and requests without any session as they are. A session
// that needs a refresh, or fails the anti-CSRF check, is answered like in Require: the user is not anonymous.
func (s *Sessions) Optional(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		verified, err := s.Verify(w, r)
		switch {
		case err == nil:
			r = r.WithContext(session.NewContext(r.Context(), verified))
		case !errors.Is(err, session.ErrUnauthorised):
			s.WriteError(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// RefreshHandler is the refresh endpoint: POST at RefreshPath.
func (s *Sessions) RefreshHandler() http.Handler {
	return s.post(func(w http.ResponseWriter, r *http.Request) error {
		_, err := s.Refresh(w, r)
		return err
	})
}

// LogoutHandler is the logout endpoint: POST, at any path within CookiePath.
func (s *Sessions) LogoutHandler() http.Handler { return s.post(s.Logout) }

// post serves an endpoint that answers {} or an error.
func (s *Sessions) post(f func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			methodNotAllowed(w, http.MethodPost)
			return
		}
		if err := f(w, r); err != nil {
			s.WriteError(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "{}\n") // the client may be gone; there is nobody to tell
	})
}

func methodNotAllowed(w http.ResponseWriter, allow string) {
	w.Header().Set("Allow", allow)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusMethodNotAllowed)
	_, _ = io.WriteString(w, `{"error":"method_not_allowed"}`+"\n") // the client may be gone; there is nobody to tell
}

// CORS lets pages of wire.Config.AllowedOrigins call with cookies, and answers their preflight requests. It goes outside
// of Require, since errors need its headers as well.
func (s *Sessions) CORS(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.contract.CORS(r.Method, r.Header, w.Header()) {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}
