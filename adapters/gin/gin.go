// Package ginsession brings sessions to gin.
//
// Make a Sessions with New, protect routes and groups with Sessions.Require, log users in with Sessions.Create, and mount
// Sessions.RefreshHandler and Sessions.LogoutHandler. Handlers find the session with FromContext. Behind a proxy, name it in
// wire.Config.TrustedProxies, or all clients will seem to have its address; gin.Engine.SetTrustedProxies changes nothing here.
//
// Never start a session before the user has proved who they are, and never answer an error of this package by hand
// without Sessions.WriteError: it clears the client's tokens exactly when they are to be cleared.
//
// Never pass a *gin.Context on as a context.Context: unless gin.Engine.ContextWithFallback is set it holds no session, and does not
// end with the request. Pass c.Request.Context(), from which session.FromContext gets the session as well.
package ginsession

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// Sessions binds a session.Manager to gin. It is safe for concurrent use.
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

// FromContext returns the session that Require or Optional has found for this request. A gin.Context.Copy has it as well.
func FromContext(c *gin.Context) (*session.Session, bool) {
	return session.FromContext(c.Request.Context())
}

// Create starts a session for a user who has just proved who they are, and gives its tokens to the client; see
// wire.Server.Create.
func (s *Sessions) Create(c *gin.Context, userID string, opts session.CreateOptions) (*session.Session, error) {
	return s.server.Create(c.Writer.Header(), c.Request, userID, opts)
}

// Verify returns the session of a request, for handlers that are not behind Require. The errors are those of wire.Server.Verify;
// answer them with WriteError.
func (s *Sessions) Verify(c *gin.Context) (*session.Session, error) {
	return s.server.Verify(c.Writer.Header(), c.Request, wire.Requirements{})
}

// Refresh exchanges the request's refresh token, for a refresh endpoint of one's own; see wire.Server.Refresh. Answer its errors
// with WriteError.
func (s *Sessions) Refresh(c *gin.Context) (*session.Session, error) {
	return s.server.Refresh(c.Writer.Header(), c.Request)
}

// Reauthenticated is to be called in a handler behind Require, once the user of the request's session has proved again who they
// are: the password was checked against that user's, say. It gives the client new tokens, with which requests pass that
// wire.Requirements.MaxAuthAge has refused, and returns the session as they have it. Answer its errors, those of
// wire.Server.Reauthenticated, with WriteError.
func (s *Sessions) Reauthenticated(c *gin.Context) (*session.Session, error) {
	verified, _ := FromContext(c)
	return s.server.Reauthenticated(c.Writer.Header(), c.Request, verified)
}

// Logout ends the request's session and takes the client's tokens away, for a logout endpoint of one's own; see
// wire.Server.Logout. Answer its errors with WriteError.
func (s *Sessions) Logout(c *gin.Context) error {
	return s.server.Logout(c.Writer.Header(), c.Request)
}

// Clear takes the client's tokens away, after its session was ended by session.Manager.RevokeUser, say.
func (s *Sessions) Clear(c *gin.Context) { s.server.Clear(c.Writer.Header(), c.Request) }

// WriteError answers a request with an error of this package or of session, see wire.Server.Fail, and aborts its chain: no other
// handler runs. It leaves gin.Context.Errors alone, since a middleware that answers those would answer a second time;
// wire.Config.OnFailure is there for logging.
func (s *Sessions) WriteError(c *gin.Context, err error) {
	c.Abort()
	failure, body := s.server.Fail(c.Writer.Header(), c.Request, err)
	write(c, failure.Status, body)
}

// WriteTokens answers a login: with {}, and for clients of headers with their tokens as in RFC 6749, section 5.1. It is for
// handlers that have called Create and have nothing else to say.
func (s *Sessions) WriteTokens(c *gin.Context) {
	c.Header("Content-Type", "application/json")
	write(c, http.StatusOK, wire.TokenBody(c.Writer.Header()))
}

// write does without gin.Context.Data, which sets a Content-Length that a middleware that compresses would have to take off again.
// Of an answer to HEAD net/http sends the headers alone.
func write(c *gin.Context, status int, body string) {
	c.Status(status)
	_, _ = c.Writer.WriteString(body) // the client may be gone; there is nobody to tell
}
