// Package fibersession brings sessions to fiber.
//
// Make a Sessions with New, protect routes and groups with Sessions.Require, log users in with Sessions.Create, and mount
// Sessions.RefreshHandler and Sessions.LogoutHandler. Handlers find the session with FromContext. Behind a proxy, name it in
// wire.Config.TrustedProxies, or all clients will seem to have its address; fiber.Config.TrustProxy changes nothing here.
//
// Set fiber.Config.ReadBufferSize to 16384 or more. All headers of a request have to fit into it, and the 4096 bytes that fiber
// takes by default are no more than what one cookie may have: a browser that has collected a few of them gets 431.
//
// Never start a session before the user has proved who they are, and never answer an error of this package by hand
// without Sessions.WriteError: it clears the client's tokens exactly when they are to be cleared.
//
// Never pass a fiber.Ctx on as a context.Context: it holds no session, and as soon as the handler has returned it is another
// request's. Pass c.Context(), from which session.FromContext gets the session as well. It does not end when the client goes
// away, since fasthttp does not notice. What c.Query and its like return is no better than c: Sessions.Create copies the strings
// that it is given, but copy those for the Manager with strings.Clone, or set fiber.Config.Immutable.
package fibersession

import (
	"strings"

	"github.com/gofiber/fiber/v3"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// Sessions binds a session.Manager to fiber. It is safe for concurrent use.
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

// FromContext returns the session that Require or Optional has found for this request. It stays good when the handler has
// returned, which c does not.
func FromContext(c fiber.Ctx) (*session.Session, bool) { return session.FromContext(c.Context()) }

// Create starts a session for a user who has just proved who they are, and gives its tokens to the client; see
// wire.Server.Create.
func (s *Sessions) Create(c fiber.Ctx, userID string, opts session.CreateOptions) (*session.Session, error) {
	opts.Label = strings.Clone(opts.Label)
	opts.Device.UserAgent, opts.Device.Address = strings.Clone(opts.Device.UserAgent), strings.Clone(opts.Device.Address)
	x := begin(c)
	defer x.end()
	return s.server.Create(x.header, x.request, strings.Clone(userID), opts)
}

// Verify returns the session of a request, for handlers that are not behind Require. The errors are those of wire.Server.Verify;
// answer them with WriteError.
func (s *Sessions) Verify(c fiber.Ctx) (*session.Session, error) {
	return s.verify(c, wire.Requirements{})
}

func (s *Sessions) verify(c fiber.Ctx, want wire.Requirements) (*session.Session, error) {
	x := begin(c)
	defer x.end()
	return s.server.Verify(x.header, x.request, want)
}

// Refresh exchanges the request's refresh token, for a refresh endpoint of one's own; see wire.Server.Refresh. Answer its errors
// with WriteError.
func (s *Sessions) Refresh(c fiber.Ctx) (*session.Session, error) {
	x := begin(c)
	defer x.end()
	x.takeBody()
	return s.server.Refresh(x.header, x.request)
}

// Reauthenticated is to be called in a handler behind Require, once the user of the request's session has proved again who they
// are: the password was checked against that user's, say. It gives the client new tokens, with which requests pass that
// wire.Requirements.MaxAuthAge has refused, and returns the session as they have it. Answer its errors, those of
// wire.Server.Reauthenticated, with WriteError.
func (s *Sessions) Reauthenticated(c fiber.Ctx) (*session.Session, error) {
	verified, _ := FromContext(c)
	x := begin(c)
	defer x.end()
	return s.server.Reauthenticated(x.header, x.request, verified)
}

// Logout ends the request's session and takes the client's tokens away, for a logout endpoint of one's own; see
// wire.Server.Logout. Answer its errors with WriteError.
func (s *Sessions) Logout(c fiber.Ctx) error {
	x := begin(c)
	defer x.end()
	return s.server.Logout(x.header, x.request)
}

// Clear takes the client's tokens away, after its session was ended by session.Manager.RevokeUser, say.
func (s *Sessions) Clear(c fiber.Ctx) {
	x := begin(c)
	defer x.end()
	s.server.Clear(x.header, x.request)
}

// WriteError answers a request with an error of this package or of session; see wire.Server.Fail. It returns nil, so that a handler
// can end with it, and so can a fiber.ErrorHandler: the error that it answers is none for another one to answer again.
func (s *Sessions) WriteError(c fiber.Ctx, err error) error {
	x := begin(c)
	failure, body := s.server.Fail(x.header, x.request, err)
	// A request without a single header is one that fiber could not read. It is shown to middleware before it is answered with
	// 431, say, and that must not tell a browser that its session is over.
	if len(x.request.Header) > 0 {
		x.end()
	}
	c.Response().Header.Del(fiber.HeaderContentEncoding) // of the body that is replaced: fiber compresses after all handlers
	return c.Status(failure.Status).SendString(body)
}

// WriteTokens answers a login: with {}, and for clients of headers with their tokens as in RFC 6749, section 5.1. It is for
// handlers that have called Create and have nothing else to say.
func (s *Sessions) WriteTokens(c fiber.Ctx) error {
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return c.Status(fiber.StatusOK).SendString(wire.TokenBody(copied(c.Response().Header.All())))
}
