package grpcsession

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/watchword-dev/watchword/session"
)

// UnaryInterceptor is a grpc.UnaryServerInterceptor, for chains of one's own. Put StreamInterceptor beside it.
func (s *Sessions) UnaryInterceptor(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	c := newCall(ctx, info.FullMethod)
	ctx, err := s.admit(ctx, c)
	var reply any
	if err == nil {
		reply, err = next(ctx, req)
		err = s.translate(c, err)
	}
	// The tokens go last, since the handler may replace what the verification has renewed. A handler that has sent the header
	// metadata by itself keeps them from the client. That does no harm to a renewed token, which the next call brings again.
	if lost := grpc.SetHeader(ctx, c.tokens()); lost != nil && err == nil && c.header.Get(refreshToken) != "" {
		return nil, s.fail(c, lost)
	}
	return reply, err
}

// StreamInterceptor is a grpc.StreamServerInterceptor, for chains of one's own. Put UnaryInterceptor beside it.
func (s *Sessions) StreamInterceptor(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	c := newCall(ss.Context(), info.FullMethod)
	ctx, err := s.admit(ss.Context(), c)
	_ = ss.SetHeader(c.tokens()) // fails only where they were sent already; a renewed token comes again with the next call
	c.sent = true
	if err != nil {
		return err
	}
	return s.translate(c, next(srv, &stream{ServerStream: ss, ctx: ctx}))
}

// stream is a grpc.ServerStream whose context carries the session.
type stream struct {
	grpc.ServerStream
	ctx context.Context
}

// Context implements grpc.ServerStream.
func (s *stream) Context() context.Context { return s.ctx }

// admit does what the method's rule asks for. Its error is a status.
func (s *Sessions) admit(ctx context.Context, c *call) (context.Context, error) {
	ctx = context.WithValue(ctx, callKey{}, c)
	verified, err := s.server.Admit(c.header, c.request, s.policy)
	if err != nil {
		return ctx, s.fail(c, err)
	}
	if verified != nil {
		ctx = session.NewContext(ctx, verified)
	}
	return ctx, nil
}

// call is a call as wire.Server knows it.
type call struct {
	request *http.Request
	header  http.Header // what wire.Server has for the client
	sent    bool        // the header metadata is out, so that no tokens can follow
}

type callKey struct{}

func newCall(ctx context.Context, fullMethod string) *call {
	request := &http.Request{Method: http.MethodPost, URL: &url.URL{Path: fullMethod}, Header: http.Header{}}
	if from, ok := peer.FromContext(ctx); ok && from.Addr != nil {
		request.RemoteAddr = from.Addr.String()
	}
	md, _ := metadata.FromIncomingContext(ctx)
	for name, values := range md {
		if !strings.HasPrefix(name, ":") {
			request.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	return &call{request: request.WithContext(ctx), header: http.Header{}}
}

// callOf returns the call that a handler's context belongs to.
func callOf(ctx context.Context) (*call, error) {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok {
		return nil, errors.New("grpcsession: the call did not come through the interceptors of ServerOptions")
	}
	return c, nil
}

// unaryCall is callOf for calls that can still be given tokens.
func unaryCall(ctx context.Context) (*call, error) {
	c, err := callOf(ctx)
	if err == nil && c.sent {
		return nil, errors.New("grpcsession: a stream cannot give its client tokens: they travel in the header metadata, before everything else")
	}
	return c, err
}

// refreshToken is the metadata that carries one, both ways.
const refreshToken = "x-refresh-token"

// tokens returns what the client is given to hold, as header metadata.
func (c *call) tokens() metadata.MD {
	md := metadata.MD{}
	for _, name := range []string{"x-access-token", "x-access-token-expires-in", refreshToken, "x-refresh-token-expires-in"} {
		if values := c.header.Values(name); len(values) > 0 {
			md[name] = values
		}
	}
	return md
}
