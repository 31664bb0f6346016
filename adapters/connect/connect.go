// Package connectsession brings sessions to Connect, for browsers with cookies and for clients with bearer tokens, over each of
// Connect's three protocols.
//
// Make a Sessions with New and give it to every service as an interceptor: connect.WithInterceptors(sessions). A wire.Policy names the
// procedures that may be called without a session, such as login; all others ask for one, which their handlers find with
// session.FromContext. Log users in with Sessions.Create. Behind a proxy, name it in wire.Config.TrustedProxies, or all clients
// will seem to have its address.
//
// Browsers refresh and log out at plain HTTP endpoints: mount RefreshHandler and LogoutHandler of adapters/nethttp, with the same
// manager and wire.Config, beside the services, and its CORS around everything. Procedures can call Sessions.Refresh and
// Sessions.Logout instead; for cookies wire.Cookies.RefreshPath has to be the path of the former.
//
// Handlers return the errors of this package and of session as they are. The interceptor makes a connect.Error of them, whose
// message is the code of package wire and nothing else:
//
//	CodeUnauthenticated    try_refresh, unauthorised, token_theft
//	CodePermissionDenied   forbidden, reauthenticate, anti_csrf
//	CodeInvalidArgument    invalid_request, too_large
//	CodeAborted            conflict
//	CodeResourceExhausted  session_limit
//	CodeUnavailable        unavailable, with the header Retry-After
//	CodeInternal           internal
//
// Each has a google.rpc.ErrorInfo: its domain is "watchword", its reason the code in upper case, such as TRY_REFRESH, and its metadata
// has under "reason" why the session has ended, where that is known. The statuses of wire.Config do not apply.
//
// A stream's session is verified when the stream begins. The handler of one that lasts has to call Sessions.Verify from time to time,
// or the stream goes on after the session has ended.
//
// Connect decodes the message of a unary call before any interceptor sees it: limit it with connect.WithReadMaxBytes.
//
// Never start a session before the user has proved who they are. Never declare a procedure free of side effects that has any: Connect
// then takes it by GET, which any page can send with the user's cookies. Never act for a user in a handler that finds no session
// in its context: the interceptor may be missing.
package connectsession

import (
	"context"
	"errors"
	"net/http"

	"connectrpc.com/connect"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// Sessions binds a session.Manager to Connect. It is a connect.Interceptor, and safe for concurrent use.
type Sessions struct {
	server *wire.Server
	policy wire.Policy
}

// New makes a Sessions. The zero wire.Config is good for a site behind TLS. The requests that OnFailure and AntiCSRFBypass get to
// see have the procedure as their path. The error matches session.ErrInvalidConfig and names the field.
func New(manager *session.Manager, cfg wire.Config, policy wire.Policy) (*Sessions, error) {
	server, err := wire.NewServer(manager, cfg)
	if err != nil {
		return nil, err
	}
	return &Sessions{server: server, policy: policy}, nil
}

// Manager returns the Manager, for what no single call asks for.
func (s *Sessions) Manager() *session.Manager { return s.server.Manager() }

// Create starts a session for a user who has just proved who they are, and gives its tokens to the client; see
// wire.Server.Create. Like everything that writes to the client it has to come before the first message of a stream.
func (s *Sessions) Create(ctx context.Context, userID string, opts session.CreateOptions) (*session.Session, error) {
	c, err := callOf(ctx)
	if err != nil {
		return nil, err
	}
	return s.server.Create(c.header, c.request, userID, opts)
}

// Verify checks once more what the procedure asks for, or for a session in a procedure that is Open or Optional. A long stream calls
// it from time to time, and returns its error: ErrUnauthorised when the session has ended, ErrTryRefresh when the access token that
// the stream began with has expired, whereupon the client refreshes and opens another stream.
func (s *Sessions) Verify(ctx context.Context) (*session.Session, error) {
	c, err := callOf(ctx)
	if err != nil {
		return nil, err
	}
	ignored := http.Header{} // a renewed token is left to the next call: a stream's headers are out
	return s.server.Verify(ignored, c.request, s.policy.Requirements(c.request.URL.Path))
}

// Refresh exchanges the call's refresh token, for a refresh procedure of one's own, which is to be Open; see wire.Server.Refresh.
func (s *Sessions) Refresh(ctx context.Context) (*session.Session, error) {
	c, err := callOf(ctx)
	if err != nil {
		return nil, err
	}
	return s.server.Refresh(c.header, c.request)
}

// Reauthenticated is to be called once the user of the call's session has proved again who they are: the password was checked
// against that user's, say. It gives the client new tokens, with which calls pass that wire.Requirements.MaxAuthAge has refused,
// and returns the session as they have it.
func (s *Sessions) Reauthenticated(ctx context.Context) (*session.Session, error) {
	c, err := callOf(ctx)
	if err != nil {
		return nil, err
	}
	verified, _ := session.FromContext(ctx)
	return s.server.Reauthenticated(c.header, c.request, verified)
}

// Logout ends the call's session and takes the client's tokens away, for a logout procedure of one's own, which is to be Open;
// see wire.Server.Logout.
func (s *Sessions) Logout(ctx context.Context) error {
	c, err := callOf(ctx)
	if err != nil {
		return err
	}
	return s.server.Logout(c.header, c.request)
}

// Clear takes the client's tokens away, after its session was ended by session.Manager.RevokeUser, say. Outside of a handler it
// does nothing.
func (s *Sessions) Clear(ctx context.Context) {
	if c, err := callOf(ctx); err == nil {
		s.server.Clear(c.header, c.request)
	}
}

// callOf returns the call that a handler's context belongs to.
func callOf(ctx context.Context) (call, error) {
	info, ok := connect.CallInfoForHandlerContext(ctx)
	if !ok {
		return call{}, errors.New("connectsession: the context is not that of a Connect handler")
	}
	return newCall(ctx, info, info.HTTPMethod()), nil
}
