package adapters_test

import (
	"io"
	"log"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/adapters/nethttp"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

func TestNetHTTP(t *testing.T) {
	t.Parallel()
	conformance(t, mountNetHTTP)
}

// mountNetHTTP mounts the routes in http.ServeMux.
func mountNetHTTP(t *testing.T, manager *session.Manager, cfg wire.Config) func(net.Listener) error {
	t.Helper()
	s := newNetHTTP(t, manager, cfg)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", s.login)
	mux.Handle("/me", s.Require(userID))
	mux.Handle("/maybe", s.Optional(userID))
	mux.Handle("GET /fresh", s.RequireWith(wire.Requirements{MaxAuthAge: proofAge})(userID))
	mux.Handle("GET /admin", s.RequirePayload(wire.PayloadAllows(isAdmin))(userID))
	mux.Handle("POST /prove", s.Require(http.HandlerFunc(s.prove)))
	mux.HandleFunc("POST /clear", s.clear)
	mux.Handle(s.RefreshPath(), s.RefreshHandler())
	mux.Handle("/logout", s.LogoutHandler())
	mux.Handle("GET /fail", s.Require(http.HandlerFunc(s.fail)))
	return serveHTTP(s.CORS(mux))
}

// serveHTTP is how net/http serves a handler.
func serveHTTP(handler http.Handler) func(net.Listener) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	return server.Serve
}

func isAdmin(payload string) bool { return payload == "admin" }

// netHTTP are the suite's handlers for net/http.
type netHTTP struct{ *nethttp.Sessions }

func newNetHTTP(t *testing.T, manager *session.Manager, cfg wire.Config) netHTTP {
	t.Helper()
	sessions, err := nethttp.New(manager, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return netHTTP{sessions}
}

func (s netHTTP) login(w http.ResponseWriter, r *http.Request) {
	var opts session.CreateOptions
	if query := r.URL.Query(); query.Has("payload") {
		opts.Payload = query.Get("payload")
	}
	if _, err := s.Create(w, r, r.URL.Query().Get("user"), opts); err != nil {
		s.WriteError(w, r, err)
		return
	}
	s.WriteTokens(w, r)
}

// userID answers whose session it is.
var userID = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	user := "nobody"
	if found, ok := session.FromContext(r.Context()); ok {
		user = found.UserID()
	}
	_, _ = io.WriteString(w, user)
})

func (s netHTTP) prove(w http.ResponseWriter, r *http.Request) {
	renewed, err := s.Reauthenticated(w, r)
	if err != nil {
		s.WriteError(w, r, err)
		return
	}
	_, _ = io.WriteString(w, renewed.UserID())
}

func (s netHTTP) clear(w http.ResponseWriter, r *http.Request) {
	s.Clear(w, r)
	_, _ = io.WriteString(w, "cleared")
}

func (s netHTTP) fail(w http.ResponseWriter, r *http.Request) {
	s.WriteError(w, r, session.ErrUnavailable)
}
