package adapters_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	grpcsession "github.com/watchword-dev/watchword/adapters/grpc"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

func TestGRPC(t *testing.T) {
	t.Parallel()
	rpcConformance(t, serveGRPC)
}

// rpcConformance holds an adapter for RPCs to one contract, with gRPC's own client.
func rpcConformance(t *testing.T, serve rpcServer) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, rpcServer){
		"life": rpcLife, "theft": rpcTheft, "requirements": rpcRequirements, "streams": rpcStreams, "outage": rpcOutage,
		"garbage": rpcGarbage, "concurrency": rpcConcurrency, "beside HTTP": rpcBesideHTTP,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, serve)
		})
	}
}

// rpcServer serves the suite's service over a backend until the test ends, and returns its address.
type rpcServer = func(*backend, wire.Config) string

const rpcService = "/test.Accounts/"

// rpcSessions is what the handlers of every RPC framework call.
type rpcSessions interface {
	Create(ctx context.Context, userID string, opts session.CreateOptions) (*session.Session, error)
	Verify(ctx context.Context) (*session.Session, error)
	Refresh(ctx context.Context) (*session.Session, error)
	Reauthenticated(ctx context.Context) (*session.Session, error)
	Logout(ctx context.Context) error
}

// rpcMethods are the suite's service. Stream and Watch are streams, which answer each message; the latter verifies each time.
func rpcMethods(s rpcSessions) map[string]func(context.Context, string) (string, error) {
	user := func(found *session.Session, err error) (string, error) {
		if err != nil {
			return "", err
		}
		return found.UserID(), nil
	}
	who := func(ctx context.Context, _ string) (string, error) {
		if found, ok := session.FromContext(ctx); ok {
			return found.UserID(), nil
		}
		return "nobody", nil
	}
	return map[string]func(context.Context, string) (string, error){
		"Login": func(ctx context.Context, name string) (string, error) {
			return user(s.Create(ctx, name, session.CreateOptions{Payload: name}))
		},
		"Refresh": func(ctx context.Context, _ string) (string, error) { return user(s.Refresh(ctx)) },
		"Prove":   func(ctx context.Context, _ string) (string, error) { return user(s.Reauthenticated(ctx)) },
		"Logout":  func(ctx context.Context, _ string) (string, error) { return "", s.Logout(ctx) },
		"Watch":   func(ctx context.Context, _ string) (string, error) { return user(s.Verify(ctx)) },
		"Me":      who, "Maybe": who, "Fresh": who, "Admin": who, "Open": who, "Stream": who,
	}
}

func isStream(method string) bool { return method == "Stream" || method == "Watch" }

// rpcRequirement is what a method asks for beside a session.
var rpcRequirement = map[string]wire.Requirements{
	rpcService + "Fresh": {MaxAuthAge: proofAge},
	rpcService + "Admin": {Allow: wire.PayloadAllows(isAdmin)},
}

var rpcOpen = []string{rpcService + "Login", rpcService + "Refresh", rpcService + "Logout", rpcService + "Open"}

func grpcPolicy(method string) wire.Rule {
	want, asks := rpcRequirement[method]
	switch {
	case asks:
		return wire.RequireWith(want)
	case slices.Contains(rpcOpen, method), method == grpc_health_v1.Health_Check_FullMethodName:
		return wire.Open()
	case method == rpcService+"Maybe":
		return wire.Optional()
	default:
		return wire.Require()
	}
}

// serveGRPC serves the service, and the health service, with gRPC.
func serveGRPC(b *backend, cfg wire.Config) string {
	b.t.Helper()
	sessions, err := grpcsession.New(b.manager, cfg, grpcPolicy)
	if err != nil {
		b.t.Fatal(err)
	}
	certificate, _ := throwAway()
	server := grpc.NewServer(append(sessions.ServerOptions(), grpc.Creds(credentials.NewServerTLSFromCert(&certificate)))...)
	server.RegisterService(grpcDesc(rpcMethods(sessions)), nil)
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	listener := b.listen()
	go func() { _ = server.Serve(listener) }()
	b.t.Cleanup(server.Stop)
	return listener.Addr().String()
}

func (b *backend) listen() net.Listener {
	b.t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(b.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	return listener
}

// grpcDesc stands for what protoc would have made.
func grpcDesc(methods map[string]func(context.Context, string) (string, error)) *grpc.ServiceDesc {
	desc := &grpc.ServiceDesc{ServiceName: strings.Trim(rpcService, "/"), HandlerType: (*any)(nil)}
	for name, method := range methods {
		if isStream(name) {
			desc.Streams = append(desc.Streams, grpc.StreamDesc{StreamName: name, ServerStreams: true, ClientStreams: true, Handler: func(_ any, ss grpc.ServerStream) error {
				for {
					in := &wrapperspb.StringValue{}
					if err := ss.RecvMsg(in); errors.Is(err, io.EOF) {
						return nil
					} else if err != nil {
						return err
					}
					out, err := method(ss.Context(), in.GetValue())
					if err != nil {
						return err
					}
					if err := ss.SendMsg(wrapperspb.String(out)); err != nil {
						return err
					}
				}
			}})
			continue
		}
		handle := func(ctx context.Context, in any) (any, error) {
			out, err := method(ctx, in.(*wrapperspb.StringValue).GetValue())
			return wrapperspb.String(out), err
		}
		desc.Methods = append(desc.Methods, grpc.MethodDesc{
			MethodName: name,
			Handler: func(srv any, ctx context.Context, decode func(any) error, through grpc.UnaryServerInterceptor) (any, error) {
				in := &wrapperspb.StringValue{}
				if err := decode(in); err != nil {
					return nil, err
				}
				return through(ctx, in, &grpc.UnaryServerInfo{Server: srv, FullMethod: rpcService + name}, handle)
			},
		})
	}
	return desc
}

// rpcClient is a client of gRPC that holds tokens. Copies of it share the connection.
type rpcClient struct {
	*backend
	conn            *grpc.ClientConn
	access, refresh string
}

func (b *backend) dial(address string) rpcClient {
	b.t.Helper()
	_, roots := throwAway()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(
		&tls.Config{RootCAs: roots, ServerName: "example.test", MinVersion: tls.VersionTLS13},
	)))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = conn.Close() })
	return rpcClient{backend: b, conn: conn}
}

// rpcAnswer is what came back.
type rpcAnswer struct {
	t      *testing.T
	method string
	reply  string
	header metadata.MD
	err    error
}

// call sends what the client holds, with more metadata, and takes over the tokens of the answer.
func (c *rpcClient) call(method, argument string, more ...string) rpcAnswer {
	c.t.Helper()
	a := rpcAnswer{t: c.t, method: method}
	out := &wrapperspb.StringValue{}
	a.err = c.conn.Invoke(c.context(more...), rpcService+method, wrapperspb.String(argument), out, grpc.Header(&a.header))
	a.reply = out.GetValue()
	for name, token := range map[string]*string{"x-access-token": &c.access, "x-refresh-token": &c.refresh} {
		if values := a.header.Get(name); len(values) == 1 {
			*token = values[0]
		} else if len(values) > 1 {
			c.t.Errorf("%s: %d values of %s", method, len(values), name)
		}
	}
	return a
}

func (c *rpcClient) context(more ...string) context.Context {
	pairs := append(more, "session-transport", "header")
	if c.access != "" {
		pairs = append(pairs, "authorization", "Bearer "+c.access)
	}
	if c.refresh != "" {
		pairs = append(pairs, "x-refresh-token", c.refresh)
	}
	return metadata.AppendToOutgoingContext(c.t.Context(), pairs...)
}

// stream opens a stream, and returns how to send a message and wait for its answer.
func (c *rpcClient) stream(method string) func() rpcAnswer {
	c.t.Helper()
	ss, err := c.conn.NewStream(c.context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, rpcService+method)
	if err != nil {
		c.t.Fatal(err)
	}
	return func() rpcAnswer {
		_ = ss.SendMsg(&wrapperspb.StringValue{}) // RecvMsg tells
		out := &wrapperspb.StringValue{}
		a := rpcAnswer{t: c.t, method: method, err: ss.RecvMsg(out), reply: out.GetValue()}
		a.header, _ = ss.Header()
		return a
	}
}

var accessToken, bothTokens = []string{"x-access-token"}, []string{"x-access-token", "x-refresh-token"}

// ok asserts a reply, and which tokens came with it.
func (a rpcAnswer) ok(reply string, tokens ...string) {
	a.t.Helper()
	if a.err != nil || a.reply != reply {
		a.t.Errorf("%s: got %q, %v; want %q", a.method, a.reply, a.err, reply)
	}
	a.gives(tokens)
}

// refused asserts a status with the contract's code as its message, the reason, and that there came no tokens with it.
func (a rpcAnswer) refused(code codes.Code, message, reason string) {
	a.t.Helper()
	got := status.Convert(a.err)
	if got.Code() != code || got.Message() != message {
		a.t.Errorf("%s: got %q, %v %q; want %v %q", a.method, a.reply, got.Code(), got.Message(), code, message)
	}
	info := &errdetails.ErrorInfo{}
	for _, detail := range got.Details() {
		if found, ok := detail.(*errdetails.ErrorInfo); ok {
			info = found
		}
	}
	if info.GetDomain() != "watchword" || info.GetReason() != strings.ToUpper(message) || info.GetMetadata()["reason"] != reason {
		a.t.Errorf("%s: details %v, want the reason %q", a.method, got.Details(), reason)
	}
	a.gives(nil)
}

func (a rpcAnswer) gives(tokens []string) {
	a.t.Helper()
	given := slices.DeleteFunc(slices.Sorted(maps.Keys(a.header)), func(name string) bool { return !slices.Contains(bothTokens, name) })
	if !slices.Equal(given, tokens) || len(a.header["set-cookie"]) > 0 {
		a.t.Errorf("%s: got the tokens %q and the cookies %q, want %q", a.method, given, a.header["set-cookie"], tokens)
	}
}

// rpc makes a backend that is served, and a client that has logged in.
func rpc(t *testing.T, serve rpcServer) rpcClient {
	t.Helper()
	b := newBackend(t, session.Config{})
	c := b.dial(serve(b, wire.Config{}))
	c.call("Login", "alice").ok("alice", bothTokens...)
	return c
}

func rpcLife(t *testing.T, serve rpcServer) {
	alice := rpc(t, serve)
	nobody := alice.dial(alice.conn.Target())
	nobody.call("Me", "").refused(codes.Unauthenticated, "unauthorised", "")
	alice.call("Me", "").ok("alice")
	alice.clock.advance(session.DefaultAccessLifetime)
	alice.call("Me", "").refused(codes.Unauthenticated, "try_refresh", "")
	alice.call("Refresh", "").ok("alice", bothTokens...)
	alice.call("Me", "").ok("alice", accessToken...) // the first use renews
	alice.call("Me", "").ok("alice")
	alice.call("Logout", "").ok("")
	alice.call("Logout", "").ok("")
	alice.call("Me", "").refused(codes.Unauthenticated, "unauthorised", "logout")
	alice.call("Refresh", "").refused(codes.Unauthenticated, "unauthorised", "logout")
	alice.call("Login", "").refused(codes.InvalidArgument, "invalid_request", "")
	alice.noAlarm()
}

func rpcTheft(t *testing.T, serve rpcServer) {
	alice := rpc(t, serve)
	thief := alice
	alice.clock.advance(time.Minute)
	alice.call("Refresh", "").ok("alice", bothTokens...)
	alice.call("Me", "").ok("alice", accessToken...)
	alice.clock.advance(time.Minute)
	thief.call("Refresh", "").refused(codes.Unauthenticated, "token_theft", "theft")
	alice.call("Me", "").refused(codes.Unauthenticated, "unauthorised", "theft")
	if n := alice.alarms(); n != 1 {
		t.Errorf("%d thefts, want one", n)
	}
}

func rpcRequirements(t *testing.T, serve rpcServer) {
	alice := rpc(t, serve)
	nobody := alice.dial(alice.conn.Target())
	nobody.call("Maybe", "").ok("nobody")
	alice.call("Maybe", "").ok("alice")
	alice.call("Open", "").ok("nobody")
	nobody.call("Admin", "").refused(codes.Unauthenticated, "unauthorised", "")
	alice.call("Admin", "").refused(codes.PermissionDenied, "forbidden", "")
	admin := nobody
	admin.call("Login", "admin").ok("admin", bothTokens...)
	admin.call("Admin", "").ok("admin")

	alice.call("Fresh", "").ok("alice")
	alice.clock.advance(proofAge + time.Second)
	alice.call("Fresh", "").refused(codes.PermissionDenied, "reauthenticate", "")
	alice.call("Refresh", "").ok("alice", bothTokens...)
	alice.call("Prove", "").ok("alice", bothTokens...) // of the renewed token and the proof's the latter
	alice.call("Fresh", "").ok("alice", accessToken...)
	alice.clock.advance(session.DefaultAccessLifetime)
	alice.call("Maybe", "").refused(codes.Unauthenticated, "try_refresh", "")
	alice.call("Fresh", "").refused(codes.Unauthenticated, "try_refresh", "")
}

func rpcStreams(t *testing.T, serve rpcServer) {
	alice := rpc(t, serve)
	nobody := alice.dial(alice.conn.Target())
	nobody.stream("Stream")().refused(codes.Unauthenticated, "unauthorised", "")
	alice.clock.advance(time.Minute)
	alice.call("Refresh", "").ok("alice", bothTokens...)
	long, watch := alice.stream("Stream"), alice.stream("Watch")
	long().ok("alice", accessToken...)
	watch().ok("alice", accessToken...)
	alice.call("Me", "").ok("alice", accessToken...)

	watch = alice.stream("Watch")
	for range 3 {
		watch().ok("alice")
		alice.clock.advance(session.DefaultAccessLifetime / 3)
	}
	watch().refused(codes.Unauthenticated, "try_refresh", "")
	alice.call("Refresh", "").ok("alice", bothTokens...)
	alice.call("Me", "").ok("alice", accessToken...)
	watch = alice.stream("Watch")
	watch().ok("alice")
	alice.revoke(alice.sessions("alice")[0].Handle, session.ReasonPasswordChange)
	watch().refused(codes.Unauthenticated, "unauthorised", "password_changed")
	alice.stream("Stream")().refused(codes.Unauthenticated, "unauthorised", "password_changed")
	long().ok("alice", accessToken...) // it does not ask
}

func rpcOutage(t *testing.T, serve rpcServer) {
	alice := rpc(t, serve)
	alice.clock.advance(time.Minute)
	for _, fails := range []fault{away, lost} {
		alice.store.reset(func(int, string) fault { return fails })
		alice.call("Me", "").ok("alice")
		for _, method := range []string{"Refresh", "Logout", "Prove"} {
			if fails == lost && method == "Logout" {
				continue // would have ended the session
			}
			alice.call(method, "").refused(codes.Unavailable, "unavailable", "")
		}
		alice.store.reset(nil)
		alice.call("Refresh", "").ok("alice", bothTokens...)
		alice.call("Me", "").ok("alice", accessToken...)
		alice.clock.advance(time.Minute)
	}
	alice.noAlarm()
}

func rpcGarbage(t *testing.T, serve rpcServer) {
	alice := rpc(t, serve)
	nobody := alice.dial(alice.conn.Target())
	alice.store.reset(nil)
	for _, token := range []string{"", "x", "..", alice.access[1:], alice.access + "A", strings.Repeat("A", 9000)} {
		nobody.access, nobody.refresh = token, token
		if token != "" {
			nobody.call("Me", "").refused(codes.Unauthenticated, "try_refresh", "")
			nobody.stream("Stream")().refused(codes.Unauthenticated, "try_refresh", "")
		}
		nobody.call("Refresh", "").refused(codes.Unauthenticated, "unauthorised", "")
	}
	nobody.access, nobody.refresh = "", ""
	for _, more := range [][]string{
		{"authorization", "Bearer " + alice.access, "authorization", "Bearer " + alice.access},
		{"authorization", "Bearer " + alice.access, "authorization", ""},
		{"x-refresh-token", "a", "x-refresh-token", "b"},
		{"session-transport", "cookie"}, {"session-transport", "header"},
	} {
		nobody.call("Me", "", more...).refused(codes.InvalidArgument, "invalid_request", "")
		nobody.call("Maybe", "", more...).refused(codes.InvalidArgument, "invalid_request", "")
		nobody.call("Refresh", "", more...).refused(codes.InvalidArgument, "invalid_request", "")
	}
	nobody.call("Me", "", "authorization-bin", "Bearer \x00\xff").refused(codes.Unauthenticated, "unauthorised", "")
	if asked := alice.store.asked(); len(asked) > 0 {
		t.Errorf("the store was asked: %q", asked)
	}
}

// A client whose many calls find the token expired at once, and refresh each on their own.
func rpcConcurrency(t *testing.T, serve rpcServer) {
	alice := rpc(t, serve)
	for range 3 {
		alice.clock.advance(session.DefaultAccessLifetime)
		next := make([]rpcClient, 16)
		var all sync.WaitGroup
		for i := range next {
			next[i] = alice
			all.Go(func() {
				next[i].call("Me", "").refused(codes.Unauthenticated, "try_refresh", "")
				if a := next[i].call("Refresh", ""); a.err != nil {
					t.Errorf("refresh: %v", a.err)
				}
				if a := next[i].call("Me", ""); a.err != nil || a.reply != "alice" {
					t.Errorf("after the refresh: got %q, %v", a.reply, a.err)
				}
			})
		}
		all.Wait()
		alice = next[0]
	}
	alice.noAlarm()
}

// One session serves HTTP and RPCs.
func rpcBesideHTTP(t *testing.T, serve rpcServer) {
	alice := rpc(t, serve)
	web := alice.serve(mountNetHTTP, wire.Config{})
	get := func(c rpcClient, method, path string) (int, http.Header) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, "https://example.test"+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Session-Transport", "header")
		request.Header.Set("Authorization", "Bearer "+c.access)
		request.Header.Set("X-Refresh-Token", c.refresh)
		response, err := (&http.Client{Transport: web.transport}).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		return response.StatusCode, response.Header
	}
	if code, _ := get(alice, http.MethodGet, "/me"); code != http.StatusOK {
		t.Errorf("an RPC's login over HTTP: got %d", code)
	}
	alice.clock.advance(session.DefaultAccessLifetime)
	code, header := get(alice, http.MethodPost, wire.DefaultRefreshPath)
	if code != http.StatusOK {
		t.Fatalf("refresh over HTTP: got %d", code)
	}
	alice.access, alice.refresh = header.Get("X-Access-Token"), header.Get("X-Refresh-Token")
	alice.call("Me", "").ok("alice", accessToken...)
	alice.call("Logout", "").ok("")
	if code, _ := get(alice, http.MethodGet, "/me"); code != http.StatusUnauthorized {
		t.Errorf("after a logout by RPC, over HTTP: got %d", code)
	}
	alice.noAlarm()
}

// Services of others are asked for a session as well, unless the policy names them.
func TestGRPCHealth(t *testing.T) {
	t.Parallel()
	alice := rpc(t, serveGRPC)
	client := grpc_health_v1.NewHealthClient(alice.conn)
	if _, err := client.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}); err != nil {
		t.Errorf("check: %v", err)
	}
	for ctx, want := range map[context.Context]string{t.Context(): "unauthorised", alice.context(): "<nil>"} {
		stream, err := client.Watch(ctx, &grpc_health_v1.HealthCheckRequest{})
		if err == nil {
			_, err = stream.Recv()
		}
		if got := fmt.Sprint(err); !strings.HasSuffix(got, want) {
			t.Errorf("watch: got %s, want %s", got, want)
		}
	}
}
