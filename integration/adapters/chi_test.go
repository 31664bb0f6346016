package adapters_test

import (
	"net"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

func TestChi(t *testing.T) {
	chi.RegisterMethod("QUERY")
	t.Parallel()
	conformance(t, mountChi)
}

// mountChi mounts the routes in a router of chi.
func mountChi(t *testing.T, manager *session.Manager, cfg wire.Config) func(net.Listener) error {
	t.Helper()
	s, router := newNetHTTP(t, manager, cfg), chi.NewRouter()
	router.Use(s.CORS)
	router.Post("/login", s.login)
	router.Group(func(protected chi.Router) {
		protected.Use(s.Require)
		protected.Handle("/me", userID)
		protected.Post("/prove", s.prove)
		protected.Get("/fail", s.fail)
	})
	router.With(s.Optional).Handle("/maybe", userID)
	router.With(s.RequireWith(wire.Requirements{MaxAuthAge: proofAge})).Get("/fresh", userID)
	router.With(s.RequirePayload(wire.PayloadAllows(isAdmin))).Get("/admin", userID)
	router.Post("/clear", s.clear)
	router.Handle(s.RefreshPath(), s.RefreshHandler())
	router.Handle("/logout", s.LogoutHandler())
	return serveHTTP(router)
}
