// Command site is what the browser tests of adapters/browser run against: a real server on net/http and the in-memory store,
// with short lifetimes and switches for what goes wrong in the field. It prints its address and serves until it is told to end.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/watchword-dev/watchword/adapters/nethttp"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
	"github.com/watchword-dev/watchword/session/wire"
)

func main() {
	var cfg config
	flag.StringVar(&cfg.files, "files", ".", "the `directory` of the pages")
	flag.StringVar(&cfg.client, "client", "dist", "the `directory` of the client, served at /client/")
	flag.DurationVar(&cfg.access, "access", 2*time.Second, "how long access tokens live")
	flag.DurationVar(&cfg.grace, "grace", session.DefaultGrace, "how long crossing requests are honoured")
	flag.StringVar(&cfg.antiCSRF, "anti-csrf", string(wire.AntiCSRFFetchMetadata), "fetch-metadata, token, both or none")
	flag.BoolVar(&cfg.original, "original", false, "plain cookie names and status 440, as the original's front ends know them")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, cfg, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

type config struct {
	files, client, antiCSRF string
	access, grace           time.Duration
	original                bool
}

// site is a server and what the tests may ask of it beside its sessions.
type site struct {
	sessions  *nethttp.Sessions
	refreshes atomic.Int64 // calls of the refresh endpoint, answered or not
	outage    atomic.Value // of string: which of the endpoints have no store, as outages has them
}

// outages are the values of POST /outage.
var outages = map[string]bool{"none": true, "refresh": true, "all": true}

func run(ctx context.Context, cfg config, stdout io.Writer) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	manager, err := session.New(ctx, memstore.New(nil), session.Config{AccessLifetime: cfg.access, AccessJitter: session.NoJitter, Grace: cfg.grace})
	if err != nil {
		return err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	contract := wire.Config{
		Cookies:  wire.Cookies{Insecure: true},
		AntiCSRF: wire.AntiCSRF(cfg.antiCSRF),
		// Another origin of the same site, so that cookies of this one reach it and are not to be read there.
		AllowedOrigins: []string{fmt.Sprintf("http://www.watchword.localhost:%d", port)},
	}
	if cfg.original {
		contract.Cookies.Prefix = wire.PrefixNone
		contract.StatusTryRefresh, contract.StatusUnauthorised, contract.StatusTheft = 440, 440, 440
	}
	sessions, err := nethttp.New(manager, contract)
	if err != nil {
		return err
	}
	s := &site{sessions: sessions}
	s.outage.Store("none")
	server := &http.Server{Handler: s.handler(cfg), ReadHeaderTimeout: 5 * time.Second}

	background, cancel := context.WithCancel(ctx)
	defer cancel()
	go manager.Run(background)
	context.AfterFunc(ctx, func() { _ = server.Close() }) // the tests do not wait for what is under way
	if _, err := fmt.Fprintf(stdout, "http://127.0.0.1:%d\n", port); err != nil {
		return err
	}
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (s *site) handler(cfg config) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServer(http.Dir(cfg.files)))
	mux.Handle("/client/", http.StripPrefix("/client/", http.FileServer(http.Dir(cfg.client))))
	mux.HandleFunc("GET /stats", s.stats)
	mux.HandleFunc("POST /outage", s.switchOutage)
	mux.HandleFunc("POST /revoke", s.revoke)

	mux.HandleFunc("POST /login", s.login)
	mux.Handle("GET /me", s.unless("all", s.sessions.Require(http.HandlerFunc(s.me))))
	mux.Handle("POST /echo", s.unless("all", s.sessions.Require(http.HandlerFunc(s.echo))))
	mux.Handle("POST /logout", s.unless("all", s.sessions.LogoutHandler()))
	mux.Handle(s.sessions.RefreshPath(), s.counted(s.unless("all", s.unless("refresh", s.sessions.RefreshHandler()))))
	return s.sessions.CORS(mux)
}

// login takes everybody's word for who they are.
func (s *site) login(w http.ResponseWriter, r *http.Request) {
	if _, err := s.sessions.Create(w, r, "alice", session.CreateOptions{}); err != nil {
		s.sessions.WriteError(w, r, err)
		return
	}
	s.sessions.WriteTokens(w, r)
}

func (s *site) me(w http.ResponseWriter, r *http.Request) {
	verified, _ := session.FromContext(r.Context())
	writeJSON(w, map[string]string{"user": verified.UserID()})
}

func (s *site) echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<16))
	if err != nil {
		http.Error(w, "too much", http.StatusRequestEntityTooLarge)
		return
	}
	writeJSON(w, map[string]string{"echo": string(body)})
}

func (s *site) stats(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]int64{"refreshes": s.refreshes.Load()})
}

// switchOutage has the refresh endpoint, or all of them, answer as they do while the store is away.
func (s *site) switchOutage(w http.ResponseWriter, r *http.Request) {
	of := r.URL.Query().Get("of")
	if !outages[of] {
		http.Error(w, "of is none, refresh or all", http.StatusBadRequest)
		return
	}
	s.outage.Store(of)
	writeJSON(w, map[string]string{"outage": of})
}

// revoke ends all of the user's sessions, as an administrator would.
func (s *site) revoke(w http.ResponseWriter, r *http.Request) {
	ended, err := s.sessions.Manager().RevokeUser(r.Context(), "alice", session.RevokeOptions{})
	if err != nil {
		s.sessions.WriteError(w, r, err)
		return
	}
	writeJSON(w, map[string]int{"ended": ended})
}

func (s *site) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.refreshes.Add(1)
		next.ServeHTTP(w, r)
	})
}

func (s *site) unless(outage string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.outage.Load() == outage {
			s.sessions.WriteError(w, r, session.ErrUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client may be gone; there is nobody to tell
}
