package grpcsession_test

import (
	"context"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	grpcsession "github.com/watchword-dev/watchword/adapters/grpc"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
	"github.com/watchword-dev/watchword/session/wire"
)

// counted counts the calls of its store by its clock, which every method reads, but for looks at the keys.
type counted struct {
	*memstore.Store
	asked *int
}

func (s counted) Keys(ctx context.Context) ([]session.Key, time.Time, error) {
	before := *s.asked
	defer func() { *s.asked = before }()
	return s.Store.Keys(ctx)
}

// transport is what gRPC gives an interceptor to write header metadata to.
type transport struct{ md metadata.MD }

func (*transport) Method() string { return "" }
func (s *transport) SetHeader(md metadata.MD) error {
	s.md = metadata.Join(s.md, md)
	return nil
}
func (s *transport) SendHeader(md metadata.MD) error { return s.SetHeader(md) }
func (*transport) SetTrailer(metadata.MD) error      { return nil }

// streamed is a stream without messages.
type streamed struct {
	grpc.ServerStream
	ctx context.Context
	out *transport
}

func (s streamed) Context() context.Context       { return s.ctx }
func (s streamed) SetHeader(md metadata.MD) error { return s.out.SetHeader(md) }

// deployment has given out the tokens of one session, in each process the same ones.
func deployment(t testing.TB) (*grpcsession.Sessions, session.Tokens, *int) {
	t.Helper()
	now, asked := time.UnixMilli(1_760_000_000_000), new(int)
	store := counted{memstore.New(func() time.Time { *asked++; return now }), asked}
	manager, err := session.New(t.Context(), store, session.Config{
		AccessJitter: session.NoJitter, // the corpus holds tokens
		Clock:        func() time.Time { return now }, Random: rand.NewChaCha8([32]byte{}), Revocation: session.RevocationStrict,
	})
	if err != nil {
		t.Fatal(err)
	}
	_, tokens, err := manager.Create(t.Context(), "alice", session.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := grpcsession.New(manager, wire.Config{TrustedProxies: []string{"192.0.2.0/24"}}, policy)
	if err != nil {
		t.Fatal(err)
	}
	*asked = 0
	return sessions, tokens, asked
}

// outcomes are the codes and messages of every refusal that metadata can bring about.
var outcomes = map[string]codes.Code{
	"try_refresh": codes.Unauthenticated, "unauthorised": codes.Unauthenticated, "invalid_request": codes.InvalidArgument,
}

// FuzzMetadata gives the interceptors any metadata. Nothing but a good token opens a session or has the store asked; a refusal is a status
// of the contract, and what a client is given is its tokens and nothing else.
func FuzzMetadata(f *testing.F) {
	f.Add("", byte(0))
	sessions, tokens, asked := deployment(f)
	f.Fuzz(func(t *testing.T, lines string, pick byte) {
		if *asked > 0 {
			sessions, tokens, asked = deployment(t)
		}
		md := metadata.MD{}
		for line := range strings.SplitSeq(lines, "\n") {
			name, value, _ := strings.Cut(line, ": ")
			md.Append(name, value)
		}
		out := &transport{}
		ctx := metadata.NewIncomingContext(peer.NewContext(t.Context(), &peer.Peer{Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}}), md)
		ctx = grpc.NewContextWithServerTransportStream(ctx, out)
		method := []string{"Me", "Refresh", "Logout", "Maybe", "Stream"}[int(pick)%5]
		found := false
		handler := func(ctx context.Context) (err error) {
			switch method {
			case "Refresh":
				_, err = sessions.Refresh(ctx)
				found = err == nil
			case "Logout":
				err = sessions.Logout(ctx)
			default:
				_, found = session.FromContext(ctx)
			}
			return err
		}
		var err error
		if method == "Stream" {
			err = sessions.StreamInterceptor(nil, streamed{ctx: ctx, out: out}, &grpc.StreamServerInfo{FullMethod: service + method}, func(_ any, ss grpc.ServerStream) error {
				return handler(ss.Context())
			})
		} else {
			_, err = sessions.UnaryInterceptor(ctx, nil, &grpc.UnaryServerInfo{FullMethod: service + method}, func(ctx context.Context, _ any) (any, error) {
				return nil, handler(ctx)
			})
		}
		good := strings.Contains(lines, tokens.AccessToken) && method != "Refresh" || strings.Contains(lines, tokens.RefreshToken) && method == "Refresh"
		answered := status.Convert(err)
		code, known := outcomes[answered.Message()]
		switch {
		case found && !good, *asked > 0 && !good:
			t.Fatalf("%s without a token: a session %v, and the store was asked %d times", method, found, *asked)
		case err == nil && !found && method != "Logout" && method != "Maybe":
			t.Fatalf("%s: it goes on without a session", method)
		case err != nil && (!known || answered.Code() != code):
			t.Fatalf("%s: got %v %q", method, answered.Code(), answered.Message())
		}
		for name, values := range out.md {
			if !slices.Contains([]string{"x-access-token", "x-access-token-expires-in", "x-refresh-token", "x-refresh-token-expires-in"}, name) ||
				len(values) != 1 || strings.ContainsFunc(values[0], func(r rune) bool { return r <= ' ' || r > '~' }) {
				t.Fatalf("%s: it gave %s: %q", method, name, values)
			}
		}
		if err != nil && len(out.md) > 0 {
			t.Fatalf("%s: it refused with %v, and gave %v", method, err, out.md)
		}
	})
}
