// Package server is the demo's HTTP side: the routes, and what each of them does with a session.
package server

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/rs/zerolog"

	"github.com/watchword-dev/watchword/adapters/nethttp"
	"github.com/watchword-dev/watchword/demo/api/internal/lab"
	"github.com/watchword-dev/watchword/demo/api/internal/limit"
	"github.com/watchword-dev/watchword/demo/api/internal/site"
	"github.com/watchword-dev/watchword/demo/api/internal/users"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// Config is what the server is made of.
type Config struct {
	Manager  *session.Manager
	Wire     wire.Config
	Users    *users.Users
	Attempts *limit.Attempts
	Log      zerolog.Logger

	// Web is the directory of the built front end, which is there or not.
	Web string
	// Ping asks whether the store answers; nil where that is no question.
	Ping func(context.Context) error
	// ProofAge is how long ago a user may have proved who they are, for what a thief of the session must not do.
	ProofAge time.Duration
	// Lab lets the front end play the thief; nil: it may not. For a loopback address only.
	Lab *lab.Lab

	// What follows is only told to the front end.

	Store  string // "memory" or "mysql"
	Grace  time.Duration
	Access time.Duration // how long an access token lives
	Theft  session.TheftPolicy
	Login  *Login // nil: none
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

// Server answers every request. Make one with New.
type Server struct {
	http.Handler
	site *site.Site
}

// Close gives the front end's directory back.
func (s *Server) Close() error { return s.site.Close() }

// New makes a Server. The error matches session.ErrInvalidConfig and names the field.
func New(cfg Config) (*Server, error) {
	contract, err := wire.New(cfg.Wire)
	if err != nil {
		return nil, err
	}
	cfg.Wire.OnFailure = logFailure
	sessions, err := nethttp.New(cfg.Manager, cfg.Wire)
	if err != nil {
		return nil, err
	}
	frontEnd, err := site.Open(cfg.Web, http.HandlerFunc(notFound))
	if err != nil {
		return nil, fmt.Errorf("%w: Web is %q: %w", session.ErrInvalidConfig, cfg.Web, err)
	}
	a := &api{sessions: sessions, manager: cfg.Manager, contract: contract, users: cfg.Users, cfg: cfg}

	r := chi.NewRouter()
	r.Use(logRequests(cfg.Log), recoverPanics, a.secure, middleware.GetHead)
	r.NotFound(notFound)
	r.MethodNotAllowed(methodNotAllowed(r))
	r.Get("/healthz", a.health)
	r.Get("/livez", a.live)
	r.Get("/readyz", a.ready)
	r.Get("/.well-known/jwks.json", nethttp.JWKSHandler(cfg.Manager).ServeHTTP)
	r.Mount("/api", a.routes())
	r.Get("/*", frontEnd.ServeHTTP)
	return &Server{Handler: r, site: frontEnd}, nil
}

func notFound(w http.ResponseWriter, _ *http.Request) { fail(w, http.StatusNotFound, "not_found") }

// routes are those below /api.
func (a *api) routes() chi.Router {
	r := chi.NewRouter()
	r.Use(private, a.sessions.CORS)
	r.Get("/demo", a.describe)
	r.Group(a.sessionRoutes)
	if a.cfg.Lab != nil {
		r.Group(a.labRoutes)
	}
	return r
}

// sessionRoutes are those that have to do with a session.
func (a *api) sessionRoutes(r chi.Router) {
	if a.cfg.Lab != nil {
		r.Use(a.cfg.Lab.Record)
	}
	r.Post("/login", a.login)
	r.Post("/register", a.register)
	r.Post("/logout", a.sessions.LogoutHandler().ServeHTTP) // without a session too, so that it always clears the cookies
	r.Post(a.refreshRoute(), a.sessions.RefreshHandler().ServeHTTP)

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
	r.With(a.sessions.RequireWith(wire.Requirements{MaxAuthAge: a.cfg.ProofAge})).Post("/password", a.password)
}

// refreshRoute is the refresh endpoint below /api.
func (a *api) refreshRoute() string { return strings.TrimPrefix(a.sessions.RefreshPath(), "/api") }

// describe tells the front end how this demo is set up.
func (a *api) describe(w http.ResponseWriter, _ *http.Request) {
	respond(w, http.StatusOK, struct {
		Store       string                 `json:"store"`
		GraceMS     int64                  `json:"graceMs"`
		AccessMS    int64                  `json:"accessMs"`
		IdleMS      int64                  `json:"idleMs"`
		ProofMS     int64                  `json:"proofMs"`
		PasswordMin int                    `json:"passwordMin"` // characters
		AntiCSRF    wire.AntiCSRF          `json:"antiCsrf"`
		Revocation  session.RevocationMode `json:"revocation"`
		Theft       session.TheftPolicy    `json:"theft"`
		RefreshPath string                 `json:"refreshPath"`
		Lab         bool                   `json:"lab"`
		Login       *Login                 `json:"login,omitempty"`
	}{
		a.cfg.Store, a.cfg.Grace.Milliseconds(), a.cfg.Access.Milliseconds(), a.manager.IdleLifetime().Milliseconds(),
		a.cfg.ProofAge.Milliseconds(), users.MinPassword,
		cmp.Or(a.cfg.Wire.AntiCSRF, wire.AntiCSRFFetchMetadata), a.manager.Health().Feed.Mode, a.cfg.Theft,
		a.sessions.RefreshPath(), a.cfg.Lab != nil, a.cfg.Login,
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
