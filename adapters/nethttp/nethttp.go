// Package nethttp brings sessions to net/http, and so to http.ServeMux, chi and every router of that kind.
//
// Make a Sessions with New, protect routes with Sessions.Require, log users in with Sessions.Create, and mount
// Sessions.RefreshHandler and Sessions.LogoutHandler. Handlers find the session with session.FromContext. Behind a proxy, name
// it in wire.Config.TrustedProxies, or all clients will seem to have its address.
//
// Never start a session before the user has proved who they are, and never answer an error of this package by hand
// without Sessions.WriteError: it clears the client's tokens exactly when they are to be cleared.
package nethttp

import (
	"io"
	"net/http"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// Sessions binds a session.Manager to net/http. It is safe for concurrent use.
type Sessions struct{ server *wire.Server }

// New makes a Sessions. The zero wire.Config is good for a site behind TLS. The error matches session.ErrInvalidConfig and names
// the field.
func New(manager *session.Manager, cfg wire.Config) (*Sessions, error) {
	server, err := wire.NewServer(manager, cfg)
	if err != nil {
		return nil, err
	}
	return &Sessions{server: server}, nil
}

// Manager returns the Manager, for what no single request asks for.
func (s *Sessions) Manager() *session.Manager { return s.server.Manager() }

// RefreshPath returns the path at which RefreshHandler has to be mounted.
func (s *Sessions) RefreshPath() string { return s.server.Contract().RefreshPath() }

// Create starts a session for a user who has just proved who they are, and gives its tokens to the client; see
// wire.Server.Create.
func (s *Sessions) Create(w http.ResponseWriter, r *http.Request, userID string, opts session.CreateOptions) (*session.Session, error) {
	return s.server.Create(w.Header(), r, userID, opts)
}

// Verify returns the session of a request, for handlers that are not behind Require. The errors are those of wire.Server.Verify;
// answer them with WriteError.
func (s *Sessions) Verify(w http.ResponseWriter, r *http.Request) (*session.Session, error) {
	return s.server.Verify(w.Header(), r, wire.Requirements{})
}

// Refresh exchanges the request's refresh token, for a refresh endpoint of one's own; see wire.Server.Refresh. Answer its errors
// with WriteError.
func (s *Sessions) Refresh(w http.ResponseWriter, r *http.Request) (*session.Session, error) {
	return s.server.Refresh(w.Header(), r)
}

// Reauthenticated is to be called in a handler behind Require, once the user of the request's session has proved again who they
// are: the password was checked against that user's, say. It gives the client new tokens, with which requests pass that
// wire.Requirements.MaxAuthAge has refused, and returns the session as they have it. Answer its errors, those of
// wire.Server.Reauthenticated, with WriteError.
func (s *Sessions) Reauthenticated(w http.ResponseWriter, r *http.Request) (*session.Session, error) {
	verified, _ := session.FromContext(r.Context())
	return s.server.Reauthenticated(w.Header(), r, verified)
}

// Logout ends the request's session and takes the client's tokens away, for a logout endpoint of one's own; see
// wire.Server.Logout. Answer its errors with WriteError.
func (s *Sessions) Logout(w http.ResponseWriter, r *http.Request) error {
	return s.server.Logout(w.Header(), r)
}

// Clear takes the client's tokens away, after its session was ended by session.Manager.RevokeUser, say.
func (s *Sessions) Clear(w http.ResponseWriter, r *http.Request) { s.server.Clear(w.Header(), r) }

// WriteError answers a request with an error of this package or of session; see wire.Server.Fail.
func (s *Sessions) WriteError(w http.ResponseWriter, r *http.Request, err error) {
	failure, body := s.server.Fail(w.Header(), r, err)
	write(w, r, failure.Status, body)
}

// WriteTokens answers a login: with {}, and for clients of headers with their tokens as in RFC 6749, section 5.1. It is for
// handlers that have called Create and have nothing else to say.
func (s *Sessions) WriteTokens(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	write(w, r, http.StatusOK, wire.TokenBody(w.Header()))
}

func write(w http.ResponseWriter, r *http.Request, status int, body string) {
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, body) //nolint:gosec // JSON of constants and of our own tokens: no word of the request is in it
	}
}
