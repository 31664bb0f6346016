package connectsession

import (
	"context"
	"net/http"
	"net/url"

	"connectrpc.com/connect"

	"github.com/watchword-dev/watchword/session"
)

// WrapUnary implements connect.Interceptor. It leaves clients alone.
func (s *Sessions) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, request connect.AnyRequest) (connect.AnyResponse, error) {
		if request.Spec().IsClient {
			return next(ctx, request)
		}
		c, err := callOf(ctx)
		if err != nil {
			return nil, err
		}
		if ctx, err = s.admit(ctx, c); err != nil {
			return nil, err
		}
		response, err := next(ctx, request)
		if err != nil {
			return nil, s.translate(c, err)
		}
		return response, nil
	}
}

// WrapStreamingHandler implements connect.Interceptor.
func (s *Sessions) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		c := newCall(ctx, conn, http.MethodPost) // the only method of streams
		ctx, err := s.admit(ctx, c)
		if err != nil {
			return err
		}
		return s.translate(c, next(ctx, conn))
	}
}

// WrapStreamingClient implements connect.Interceptor. It leaves clients alone.
func (s *Sessions) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// admit does what the procedure's rule asks for. Its error is a connect.Error.
func (s *Sessions) admit(ctx context.Context, c call) (context.Context, error) {
	verified, err := s.server.Admit(c.header, c.request, s.policy)
	if err != nil {
		return ctx, s.fail(c, err)
	}
	if verified != nil {
		ctx = session.NewContext(ctx, verified)
	}
	return ctx, nil
}

// call is a call as wire.Server knows it. The header is that of the HTTP response in every protocol, and for refusals as well, which
// the metadata of a connect.Error is not: gRPC-Web and streams have that in the body, where no browser looks for cookies.
type call struct {
	request *http.Request
	header  http.Header
}

// exchange is what a connect.CallInfo and a connect.StreamingHandlerConn have in common.
type exchange interface {
	Spec() connect.Spec
	Peer() connect.Peer
	RequestHeader() http.Header
	ResponseHeader() http.Header
}

func newCall(ctx context.Context, x exchange, method string) call {
	request := &http.Request{
		Method: method, URL: &url.URL{Path: x.Spec().Procedure}, RemoteAddr: x.Peer().Addr,
		Header: x.RequestHeader(), Host: x.RequestHeader().Get("Host"), // Connect has put it there
	}
	return call{request: request.WithContext(ctx), header: x.ResponseHeader()}
}
