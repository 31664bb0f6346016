package nethttp

import (
	"net/http"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// Require passes on requests with a good session, which the handler finds with session.FromContext, and answers all
// others.
func (s *Sessions) Require(next http.Handler) http.Handler {
	return s.RequireWith(wire.Requirements{})(next)
}

// RequireWith makes a Require for requests that ask for more than a good session.
func (s *Sessions) RequireWith(want wire.Requirements) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			verified, err := s.server.Verify(w.Header(), r, want)
			if err != nil {
				s.WriteError(w, r, err)
				return
			}
			next.ServeHTTP(w, r.WithContext(session.NewContext(r.Context(), verified)))
		})
	}
}

// RequirePayload makes a Require for sessions whose access token's payload allows it; others get 403. See wire.PayloadAllows.
func (s *Sessions) RequirePayload(allow func(*session.Session) bool) func(http.Handler) http.Handler {
	return s.RequireWith(wire.Requirements{Allow: allow})
}

// Optional passes on requests with a good session like Require, and requests without any session as they are. A session
// that needs a refresh, or fails the anti-CSRF check, is answered like in Require: the user is not anonymous.
func (s *Sessions) Optional(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		verified, err := s.server.VerifyOptional(w.Header(), r)
		if err != nil {
			s.WriteError(w, r, err)
			return
		}
		if verified != nil {
			r = r.WithContext(session.NewContext(r.Context(), verified))
		}
		next.ServeHTTP(w, r)
	})
}

// RefreshHandler is the refresh endpoint: POST at RefreshPath.
func (s *Sessions) RefreshHandler() http.Handler { return endpoint(s.server.RefreshEndpoint) }

// LogoutHandler is the logout endpoint: POST, at any path within wire.Cookies.Path.
func (s *Sessions) LogoutHandler() http.Handler { return endpoint(s.server.LogoutEndpoint) }

func endpoint(answer func(http.Header, *http.Request) (int, string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, body := answer(w.Header(), r)
		write(w, r, status, body)
	})
}

// CORS lets pages of wire.Config.AllowedOrigins call with cookies, and answers their preflight requests. It goes outside
// of Require, since errors need its headers as well.
func (s *Sessions) CORS(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.server.Contract().CORS(r.Method, r.Header, w.Header()) {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}
