// Package server is the demo's HTTP side: the routes, and what each of them does with a session.
package server

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/rs/zerolog"

	"github.com/watchword-dev/watchword/adapters/nethttp"
	"github.com/watchword-dev/watchword/demo/api/internal/page"
	"github.com/watchword-dev/watchword/demo/api/internal/users"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// Config is what the server is made of.
type Config struct {
	Manager *session.Manager
	Wire    wire.Config
	Users   *users.Users
	Log     zerolog.Logger

	// Ping asks whether the database answers; nil without one.
	Ping func(context.Context) error

	Grace time.Duration       // for the page; zero in the strict mode
	Theft session.TheftPolicy // for the page
	Drill bool                // let the page play the thief; for a loopback address only
	Login *Login              // shown on the page; nil: none
}

// Login is a login that is no secret.
type Login struct {
	UserID   string `json:"userId"`
	Password string `json:"password"`
}

// api holds what the handlers need.
type api struct {
	sessions *nethttp.Sessions
	manager  *session.Manager
	contract *wire.Contract
	users    *users.Users
	cfg      Config
}

// New makes the handler of all routes. The error matches session.ErrInvalidConfig and names the field.
func New(cfg Config) (http.Handler, error) {
	contract, err := wire.New(cfg.Wire)
	if err != nil {
		return nil, err
	}
	cfg.Wire.OnFailure = logFailure
	sessions, err := nethttp.New(cfg.Manager, cfg.Wire)
	if err != nil {
		return nil, err
	}
	a := &api{sessions: sessions, manager: cfg.Manager, contract: contract, users: cfg.Users, cfg: cfg}

	r := chi.NewRouter()
	r.Use(logRequests(cfg.Log), recoverPanics, secure, middleware.GetHead)
	r.NotFound(func(w http.ResponseWriter, _ *http.Request) { fail(w, http.StatusNotFound, "not_found") })
	r.MethodNotAllowed(methodNotAllowed(r))
	r.Get("/healthz", a.health)
	r.Get("/.well-known/jwks.json", nethttp.JWKSHandler(cfg.Manager).ServeHTTP)
	r.Mount("/api", a.routes())
	for _, path := range page.Paths {
		r.Get(path, page.Handler().ServeHTTP)
	}
	return r, nil
}

// routes are those below /api.
func (a *api) routes() chi.Router {
	r := chi.NewRouter()
	r.Use(private, a.sessions.CORS)

	r.Post("/login", a.login)
	r.Post("/register", a.register)
	r.Post("/logout", a.sessions.LogoutHandler().ServeHTTP) // without a session too, so that it always clears the cookies
	refresh := strings.TrimPrefix(a.sessions.RefreshPath(), "/api")
	r.Post(refresh, a.sessions.RefreshHandler().ServeHTTP)

	r.Get("/demo", a.describe)
	if a.cfg.Drill {
		// Below the refresh endpoint, since that is where browsers send the refresh cookie.
		r.Post(refresh+"/demo-replay", newDrill(a.manager, a.contract).serve)
	}

	r.Group(func(r chi.Router) {
		r.Use(a.sessions.Require)
		r.Get("/me", a.me)
		r.Get("/data", a.data)
		r.Put("/data", a.putData)
		r.Get("/sessions", a.list)
		r.Delete("/sessions/{handle}", a.end)
		r.Patch("/sessions/{handle}", a.rename)
		r.Get("/endings", a.endings)
		r.Post("/logout-all", a.logoutAll)
		r.Post("/logout-others", a.logoutOthers)
		r.Post("/reauthenticate", a.reauthenticate)
	})
	r.With(a.sessions.RequireWith(wire.Requirements{MaxAuthAge: maxProofAge})).Post("/password", a.password)
	return r
}

// describe tells the page how this demo is set up.
func (a *api) describe(w http.ResponseWriter, _ *http.Request) {
	store := "memory"
	if a.cfg.Ping != nil {
		store = "mysql"
	}
	respond(w, http.StatusOK, struct {
		Store       string                 `json:"store"`
		GraceMS     int64                  `json:"graceMs"`
		ProofMS     int64                  `json:"proofMs"`
		AntiCSRF    wire.AntiCSRF          `json:"antiCsrf"`
		Revocation  session.RevocationMode `json:"revocation"`
		Theft       session.TheftPolicy    `json:"theft"`
		RefreshPath string                 `json:"refreshPath"`
		Drill       bool                   `json:"drill"`
		Login       *Login                 `json:"login,omitempty"`
	}{
		store, a.cfg.Grace.Milliseconds(), maxProofAge.Milliseconds(),
		cmp.Or(a.cfg.Wire.AntiCSRF, wire.AntiCSRFFetchMetadata), a.manager.Health().Feed.Mode, a.cfg.Theft,
		a.sessions.RefreshPath(), a.cfg.Drill, a.cfg.Login,
	})
}

// methodNotAllowed answers 405 with the methods that the path does have (RFC 9110, section 15.5.6).
func methodNotAllowed(routes chi.Routes) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var allowed []string
		for _, m := range []string{
			http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		} {
			asked := m
			if m == http.MethodHead {
				asked = http.MethodGet
			}
			if routes.Match(chi.NewRouteContext(), asked, r.URL.Path) {
				allowed = append(allowed, m)
			}
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		fail(w, http.StatusMethodNotAllowed, "method_not_allowed")
	}
}
