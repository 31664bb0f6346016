// Package grpcsession brings sessions to gRPC.
//
// Make a Sessions with New and give its ServerOptions to grpc.NewServer, so that it sees unary methods and streams. A wire.Policy names
// the methods that may be called without a session, such as login, refresh and health checks; all others ask for one, which their
// handlers find with session.FromContext. Log users in with Sessions.Create. Behind a proxy, name it in wire.Config.TrustedProxies,
// or all clients will seem to have its address.
//
// Clients send the metadata "authorization: Bearer <access token>", and "x-refresh-token" to the method that calls Sessions.Refresh.
// New tokens come in the header metadata of an answer, as x-access-token and x-refresh-token, each with its time to live in seconds
// beside it, in x-access-token-expires-in and x-refresh-token-expires-in. A client takes over whichever it is sent: an access token
// also comes at the first use after a refresh.
//
// Handlers return the errors of this package and of session as they are. The interceptors make a status of them, whose message is
// the code of package wire and nothing else:
//
//	Unauthenticated    try_refresh, unauthorised, token_theft
//	PermissionDenied   forbidden, reauthenticate
//	InvalidArgument    invalid_request, too_large
//	Aborted            conflict
//	ResourceExhausted  session_limit
//	Unavailable        unavailable, with a google.rpc.RetryInfo
//	Internal           internal
//
// Each has a google.rpc.ErrorInfo: its domain is "watchword", its reason the code in upper case, such as TRY_REFRESH, and its metadata
// has under "reason" why the session has ended, where that is known.
//
// A stream's session is verified when the stream begins. The handler of one that lasts has to call Sessions.Verify from time to time,
// or the stream goes on after the session has ended.
//
// Never start a session before the user has proved who they are. Never serve without TLS: whoever reads a token has the session.
// Never act for a user in a handler that finds no session in its context: the interceptors may be missing.
package grpcsession

import (
	"context"
	"net/http"

	"google.golang.org/grpc"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// Sessions binds a session.Manager to gRPC. It is safe for concurrent use.
type Sessions struct {
	server *wire.Server
	policy wire.Policy
}

// New makes a Sessions. Of the wire.Config only TrustedProxies and OnFailure matter, since gRPC has no cookies: Transport is
// wire.TransportHeader whatever it says. OnFailure gets a POST request for the full method, with the metadata as its headers.
// The error matches session.ErrInvalidConfig and names the field.
func New(manager *session.Manager, cfg wire.Config, policy wire.Policy) (*Sessions, error) {
	cfg.Transport = wire.TransportHeader
	server, err := wire.NewServer(manager, cfg)
	if err != nil {
		return nil, err
	}
	return &Sessions{server: server, policy: policy}, nil
}

// Manager returns the Manager, for what no single call asks for.
func (s *Sessions) Manager() *session.Manager { return s.server.Manager() }

// ServerOptions returns both interceptors for grpc.NewServer, behind those of options before them.
func (s *Sessions) ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(s.UnaryInterceptor),
		grpc.ChainStreamInterceptor(s.StreamInterceptor),
	}
}

// Create starts a session for a user who has just proved who they are, and gives its tokens to the client; see
// wire.Server.Create. Like Refresh and Reauthenticated it is for handlers of unary methods.
func (s *Sessions) Create(ctx context.Context, userID string, opts session.CreateOptions) (*session.Session, error) {
	c, err := unaryCall(ctx)
	if err != nil {
		return nil, err
	}
	return s.server.Create(c.header, c.request.WithContext(ctx), userID, opts)
}

// Verify checks once more what the method asks for, or for a session in a method that is Open or Optional. A long stream calls it
// from time to time, and returns its error: ErrUnauthorised when the session has ended, ErrTryRefresh when the access token that
// the stream began with has expired, whereupon the client refreshes and opens another stream.
func (s *Sessions) Verify(ctx context.Context) (*session.Session, error) {
	c, err := callOf(ctx)
	if err != nil {
		return nil, err
	}
	ignored := http.Header{} // a renewed token is left to the next call: a stream's header metadata is out
	return s.server.Verify(ignored, c.request.WithContext(ctx), s.policy.Requirements(c.request.URL.Path))
}

// Refresh exchanges the refresh token in the call's metadata x-refresh-token; see wire.Server.Refresh. Its method is to be Open.
func (s *Sessions) Refresh(ctx context.Context) (*session.Session, error) {
	c, err := unaryCall(ctx)
	if err != nil {
		return nil, err
	}
	return s.server.Refresh(c.header, c.request.WithContext(ctx))
}

// Reauthenticated is to be called once the user of the call's session has proved again who they are: the password was checked
// against that user's, say. It gives the client new tokens, with which calls pass that wire.Requirements.MaxAuthAge has refused,
// and returns the session as they have it.
func (s *Sessions) Reauthenticated(ctx context.Context) (*session.Session, error) {
	c, err := unaryCall(ctx)
	if err != nil {
		return nil, err
	}
	verified, _ := session.FromContext(ctx)
	return s.server.Reauthenticated(c.header, c.request.WithContext(ctx), verified)
}

// Logout ends the call's session; the client throws its tokens away. Without a session it does nothing, so that logging out twice
// is no error; its method is to be Open.
func (s *Sessions) Logout(ctx context.Context) error {
	c, err := callOf(ctx)
	if err != nil {
		return err
	}
	return s.server.Logout(c.header, c.request.WithContext(ctx))
}
