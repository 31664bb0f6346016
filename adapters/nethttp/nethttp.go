// Package nethttp brings sessions to net/http, and so to http.ServeMux, chi and every router of that kind.
//
// Make a Sessions with New, protect routes with Sessions.Require, log users in with Sessions.Create, and mount
// Sessions.RefreshHandler and Sessions.LogoutHandler. Handlers find the session with session.FromContext. Behind a proxy, name
// it in Config.TrustedProxies, or all clients will seem to have its address.
//
// Never start a session before the user has proved who they are, and never answer an error of this package by hand
// without Sessions.WriteError: it clears the client's tokens exactly when they are to be cleared.
package nethttp

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// Config says how sessions travel over HTTP. The zero value is good for a site behind TLS.
type Config struct {
	wire.Config

	// OnFailure, if set, is told of every error that the middleware, the handlers or WriteError answer to a client that is
	// still there, for logging.
	// Failures of clients are frequent and are no reason for more than a debug line; status 500 and above are.
	OnFailure func(r *http.Request, status int, err error)
}

// Sessions binds a session.Manager to net/http. It is safe for concurrent use.
type Sessions struct {
	manager   *session.Manager
	contract  *wire.Contract
	onFailure func(*http.Request, int, error)
}

// New makes a Sessions. The error matches session.ErrInvalidConfig and names the field.
func New(manager *session.Manager, cfg Config) (*Sessions, error) {
	if manager == nil {
		return nil, fmt.Errorf("%w: a manager is required", session.ErrInvalidConfig)
	}
	contract, err := wire.New(cfg.Config)
	if err != nil {
		return nil, err
	}
	s := &Sessions{manager: manager, contract: contract, onFailure: cfg.OnFailure}
	if s.onFailure == nil {
		s.onFailure = func(*http.Request, int, error) {}
	}
	return s, nil
}

// Manager returns the Manager, for what no single request asks for.
func (s *Sessions) Manager() *session.Manager { return s.manager }

// RefreshPath returns the path at which RefreshHandler has to be mounted.
func (s *Sessions) RefreshPath() string { return s.contract.RefreshPath() }

// Create starts a session for a user who has just proved who they are, and sets the client's cookies. The options' Device, if
// it is zero, becomes what the request shows of the client; see wire.Config.TrustedProxies. The errors are those of
// session.Manager.Create; ErrTooLarge also means that the access token does not fit into a cookie.
func (s *Sessions) Create(w http.ResponseWriter, r *http.Request, userID string, opts session.CreateOptions) (*session.Session, error) {
	if limit := s.contract.MaxAccessToken(); opts.MaxAccessToken <= 0 || opts.MaxAccessToken > limit {
		opts.MaxAccessToken = limit
	}
	if opts.Device == (session.Device{}) {
		opts.Device = s.contract.Device(r.RemoteAddr, r.Header)
	}
	created, tokens, err := s.manager.Create(r.Context(), userID, opts)
	if err != nil {
		return nil, err
	}
	s.contract.SetTokens(w.Header(), tokens)
	return created, nil
}

// Verify returns the session of a request. Methods that may change something need the anti-CSRF token where that is
// configured. The errors are those of session.Manager.Verify; answer them with WriteError.
func (s *Sessions) Verify(w http.ResponseWriter, r *http.Request) (*session.Session, error) {
	return s.verify(w, r, RequireOptions{})
}

func (s *Sessions) verify(w http.ResponseWriter, r *http.Request, opts RequireOptions) (*session.Session, error) {
	req := s.contract.Read(r.Header)
	if !req.HasID {
		return nil, session.ErrUnauthorised
	}
	err := session.ErrTryRefresh
	for i, token := range req.Access {
		verified, tokenErr := s.manager.Verify(r.Context(), token, session.VerifyOptions{
			CheckAntiCSRF: wire.Unsafe(r.Method), AntiCSRF: req.AntiCSRF, MaxAuthAge: opts.MaxAuthAge,
		})
		if tokenErr == nil {
			if renewed, ok := verified.Renewed(); ok {
				s.contract.SetTokens(w.Header(), renewed)
			}
			return verified, nil
		}
		if i == 0 || weight(tokenErr) > weight(err) {
			err = tokenErr
		}
	}
	return nil, err
}

// weight orders the errors of several tokens in one request: the one that leaves most of a session counts, and of sessions that
// have ended the first of which it is known why.
func weight(err error) int {
	var ended *session.EndedError
	switch {
	case errors.As(err, &ended) && ended.Reason != "":
		return 1
	case errors.Is(err, session.ErrUnauthorised):
		return 0
	case errors.Is(err, session.ErrTryRefresh):
		return 2
	default:
		return 3
	}
}

// Refresh exchanges the request's refresh token and sets the client's cookies. The errors are those of
// session.Manager.Refresh; answer them with WriteError.
func (s *Sessions) Refresh(w http.ResponseWriter, r *http.Request) (*session.Session, error) {
	candidates := s.manager.RankRefreshTokens(r.Context(), s.contract.Read(r.Header).Refresh)
	opts := session.RefreshOptions{Device: s.contract.Device(r.RemoteAddr, r.Header)}
	over := session.ErrUnauthorised
	for i, token := range candidates {
		refreshed, tokens, err := s.manager.Refresh(r.Context(), token, opts)
		var theft *session.TheftError
		if errors.Is(err, session.ErrUnauthorised) && !errors.As(err, &theft) {
			if i == 0 || weight(err) > weight(over) {
				over = err
			}
			continue // that session is over; the jar may hold another one's token
		}
		if err != nil {
			return nil, err
		}
		s.contract.SetTokens(w.Header(), tokens)
		return refreshed, nil
	}
	return nil, over
}

// Reauthenticated is to be called in a handler behind Require, once the user of the request's session has proved again who they
// are: the password was checked against that user's, say. It gives the client new tokens, in its cookies, with which requests
// pass that RequireOptions.MaxAuthAge has refused, and returns the session as they have it.
//
// The errors are those of session.Manager.Reauthenticated and, where the context holds no session, of Verify; answer them with
// WriteError. ErrTryRefresh asks the client to refresh and to repeat the request, proof and all.
func (s *Sessions) Reauthenticated(w http.ResponseWriter, r *http.Request) (*session.Session, error) {
	verified, ok := session.FromContext(r.Context())
	if !ok {
		var err error
		if verified, err = s.Verify(w, r); err != nil {
			return nil, err
		}
	}
	renewed, tokens, err := s.manager.Reauthenticated(r.Context(), verified, session.RefreshOptions{
		Device: s.contract.Device(r.RemoteAddr, r.Header),
	})
	if err != nil {
		return nil, err
	}
	s.contract.SetTokens(w.Header(), tokens)
	return renewed, nil
}

// Logout ends the request's session and takes the client's tokens away. Without a session it only does the latter, so
// that logging out twice is no error. While the session cannot be ended the client keeps its tokens; answer the error
// with WriteError.
func (s *Sessions) Logout(w http.ResponseWriter, r *http.Request) error {
	verified, err := s.Verify(w, r)
	if err == nil {
		_, err = verified.Revoke(r.Context(), session.RevokeOptions{})
	}
	if err != nil && !errors.Is(err, session.ErrUnauthorised) {
		return err
	}
	s.contract.Clear(w.Header())
	return nil
}

// Clear takes the client's tokens away, after its session was ended by session.Manager.RevokeUser, say.
func (s *Sessions) Clear(w http.ResponseWriter) { s.contract.Clear(w.Header()) }

// WriteError answers a request with an error of this package or of session: status, headers, and the body
// {"error":"<code>"}, with a "reason" where it is known why the session has ended; see wire.Failure.
func (s *Sessions) WriteError(w http.ResponseWriter, r *http.Request, err error) {
	failure := s.contract.Failure(err)
	if r.Context().Err() == nil { // else the client is gone, and the error says nothing but that
		s.onFailure(r, failure.Status, err)
	}
	body := s.contract.SetFailure(w.Header(), failure)
	w.WriteHeader(failure.Status)
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, body) //nolint:gosec // JSON of constants: no word of the request is in it
	}
}
