// Package echosession brings sessions to echo.
//
// Make a Sessions with New, protect routes and groups with Sessions.Require, log users in with Sessions.Create, and mount
// Sessions.RefreshHandler and Sessions.LogoutHandler. Handlers find the session with FromContext, and code that knows nothing of
// echo with session.FromContext in the request's context. Behind a proxy, name it in wire.Config.TrustedProxies, or all clients
// will seem to have its address; echo.Echo.IPExtractor changes nothing here.
//
// Never start a session before the user has proved who they are, and never answer an error of this package by hand, or
// return it as it is, without Sessions.WriteError: it clears the client's tokens exactly when they are to be cleared.
package echosession

import (
	"net/http"

	"github.com/labstack/echo/v5"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// Sessions binds a session.Manager to echo. It is safe for concurrent use.
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

// FromContext returns the session that Require or Optional has found for this request.
func FromContext(c *echo.Context) (*session.Session, bool) {
	return session.FromContext(c.Request().Context())
}

// Create starts a session for a user who has just proved who they are, and gives its tokens to the client; see
// wire.Server.Create.
func (s *Sessions) Create(c *echo.Context, userID string, opts session.CreateOptions) (*session.Session, error) {
	return s.server.Create(c.Response().Header(), c.Request(), userID, opts)
}

// Verify returns the session of a request, for handlers that are not behind Require. The errors are those of wire.Server.Verify;
// answer them with WriteError.
func (s *Sessions) Verify(c *echo.Context) (*session.Session, error) {
	return s.server.Verify(c.Response().Header(), c.Request(), wire.Requirements{})
}

// Refresh exchanges the request's refresh token, for a refresh endpoint of one's own; see wire.Server.Refresh. Answer its errors
// with WriteError.
func (s *Sessions) Refresh(c *echo.Context) (*session.Session, error) {
	return s.server.Refresh(c.Response().Header(), c.Request())
}

// Reauthenticated is to be called in a handler behind Require, once the user of the request's session has proved again who they
// are: the password was checked against that user's, say. It gives the client new tokens, with which requests pass that
// wire.Requirements.MaxAuthAge has refused, and returns the session as they have it. Answer its errors, those of
// wire.Server.Reauthenticated, with WriteError.
func (s *Sessions) Reauthenticated(c *echo.Context) (*session.Session, error) {
	verified, _ := FromContext(c)
	return s.server.Reauthenticated(c.Response().Header(), c.Request(), verified)
}

// Logout ends the request's session and takes the client's tokens away, for a logout endpoint of one's own; see
// wire.Server.Logout. Answer its errors with WriteError.
func (s *Sessions) Logout(c *echo.Context) error {
	return s.server.Logout(c.Response().Header(), c.Request())
}

// Clear takes the client's tokens away, after its session was ended by session.Manager.RevokeUser, say.
func (s *Sessions) Clear(c *echo.Context) { s.server.Clear(c.Response().Header(), c.Request()) }

// WriteError answers a request with an error of this package or of session; see wire.Server.Fail. A handler is to return what it
// returns, as with echo.Context.JSON: an error in writing, and never err itself, which is answered and no longer a matter for
// echo.Echo.HTTPErrorHandler. For logging there is wire.Config.OnFailure.
func (s *Sessions) WriteError(c *echo.Context, err error) error {
	failure, body := s.server.Fail(c.Response().Header(), c.Request(), err)
	return c.JSONBlob(failure.Status, []byte(body))
}

// WriteTokens answers a login: with {}, and for clients of headers with their tokens as in RFC 6749, section 5.1. It is for
// handlers that have called Create and have nothing else to say.
func (s *Sessions) WriteTokens(c *echo.Context) error {
	return c.JSONBlob(http.StatusOK, []byte(wire.TokenBody(c.Response().Header())))
}
