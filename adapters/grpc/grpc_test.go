package grpcsession_test

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	grpcsession "github.com/watchword-dev/watchword/adapters/grpc"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
	"github.com/watchword-dev/watchword/session/wire"
)

// text is the one message of the test's service.
type text = wrapperspb.StringValue

// site is a server with a service that was made by hand, and a connection to it.
type site struct {
	t        *testing.T
	manager  *session.Manager
	sessions *grpcsession.Sessions
	store    *outage
	conn     *grpc.ClientConn
	mu       sync.Mutex
	now      time.Time
	failures []failure
}

// failure is what OnFailure was told.
type failure struct {
	path   string
	status int
	err    error
}

// outage is a store that can be away.
type outage struct {
	session.Store
	away bool
}

var errAway = fmt.Errorf("%w: away", session.ErrUnavailable)

func (o *outage) Get(ctx context.Context, h session.Handle) (session.Row, time.Time, error) {
	if o.away {
		return session.Row{}, time.Time{}, errAway
	}
	return o.Store.Get(ctx, h)
}

func (o *outage) End(ctx context.Context, h session.Handle, end session.End) (bool, error) {
	if o.away {
		return false, errAway
	}
	return o.Store.End(ctx, h, end)
}

func (s *site) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *site) advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

const service = "/test.Accounts/"

var rules = map[string]wire.Rule{
	service + "Login":       wire.Open(),
	service + "Refresh":     wire.Open(),
	service + "Logout":      wire.Open(),
	service + "Open":        wire.Open(),
	service + "Verify":      wire.Open(),
	service + "Maybe":       wire.Optional(),
	service + "MaybeStream": wire.Optional(),
	service + "Safe":        wire.RequireWith(wire.Requirements{MaxAuthAge: 5 * time.Minute}),
	service + "SafeStream":  wire.RequireWith(wire.Requirements{MaxAuthAge: 5 * time.Minute}),
	service + "Admin": wire.RequireWith(wire.Requirements{
		Allow: wire.PayloadAllows(func(role string) bool { return role == "admin" }),
	}),
}

func policy(method string) wire.Rule { return rules[method] }

func newSite(t *testing.T, wireCfg wire.Config, rule wire.Policy) *site {
	t.Helper()
	s := &site{t: t, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	s.store = &outage{Store: memstore.New(s.clock)}
	var err error
	s.manager, err = session.New(t.Context(), s.store, session.Config{AccessJitter: session.NoJitter, Clock: s.clock, Sleep: func(_ context.Context, d time.Duration) error {
		s.advance(d)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	wireCfg.OnFailure = func(r *http.Request, status int, err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.failures = append(s.failures, failure{r.URL.Path, status, err})
	}
	if s.sessions, err = grpcsession.New(s.manager, wireCfg, rule); err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(s.sessions.ServerOptions()...)
	server.RegisterService(s.desc(), nil)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	s.conn, err = grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUserAgent("test"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.conn.Close() })
	return s
}

// desc stands for what protoc would have made.
func (s *site) desc() *grpc.ServiceDesc {
	desc := &grpc.ServiceDesc{ServiceName: strings.Trim(service, "/"), HandlerType: (*any)(nil)}
	for name, method := range map[string]func(context.Context, string) (string, error){
		"Login": func(ctx context.Context, user string) (string, error) {
			created, err := s.sessions.Create(ctx, user, session.CreateOptions{Payload: user})
			if err != nil {
				return "", err
			}
			return created.UserID(), nil
		},
		"Refresh": func(ctx context.Context, _ string) (string, error) { return user(s.sessions.Refresh(ctx)) },
		"Prove":   func(ctx context.Context, _ string) (string, error) { return user(s.sessions.Reauthenticated(ctx)) },
		"Verify":  func(ctx context.Context, _ string) (string, error) { return user(s.sessions.Verify(ctx)) },
		"Logout":  func(ctx context.Context, _ string) (string, error) { return "", s.sessions.Logout(ctx) },
		"Me":      who, "Open": who, "Maybe": who, "Safe": who, "Admin": who,
		"Fail": func(_ context.Context, which string) (string, error) { return "", failures[which] },
		"SendsHeader": func(ctx context.Context, user string) (string, error) {
			if err := grpc.SendHeader(ctx, metadata.Pairs("own", "1")); err != nil {
				return "", err
			}
			if user != "" {
				_, err := s.sessions.Create(ctx, user, session.CreateOptions{})
				return "", err
			}
			return who(ctx, "")
		},
	} {
		desc.Methods = append(desc.Methods, grpc.MethodDesc{
			MethodName: name,
			Handler: func(srv any, ctx context.Context, decode func(any) error, through grpc.UnaryServerInterceptor) (any, error) {
				in := &text{}
				if err := decode(in); err != nil {
					return nil, err
				}
				return through(ctx, in, &grpc.UnaryServerInfo{Server: srv, FullMethod: service + name}, func(ctx context.Context, req any) (any, error) {
					out, err := method(ctx, req.(*text).GetValue())
					return wrapperspb.String(out), err
				})
			},
		})
	}
	// A stream answers each message with the user it is for, or ends with the error that it gets.
	echo := func(next func(context.Context, string) (string, error)) grpc.StreamHandler {
		return func(_ any, ss grpc.ServerStream) error {
			for {
				in := &text{}
				if err := ss.RecvMsg(in); errors.Is(err, io.EOF) {
					return nil
				} else if err != nil {
					return err
				}
				out, err := next(ss.Context(), in.GetValue())
				if err != nil {
					return err
				}
				if err := ss.SendMsg(wrapperspb.String(out)); err != nil {
					return err
				}
			}
		}
	}
	verify := func(ctx context.Context, _ string) (string, error) { return user(s.sessions.Verify(ctx)) }
	login := func(ctx context.Context, name string) (string, error) {
		return user(s.sessions.Create(ctx, name, session.CreateOptions{}))
	}
	for name, next := range map[string]func(context.Context, string) (string, error){
		"Stream": who, "MaybeStream": who, "VerifyStream": verify, "SafeStream": verify, "LoginStream": login,
	} {
		desc.Streams = append(desc.Streams, grpc.StreamDesc{StreamName: name, Handler: echo(next), ServerStreams: true, ClientStreams: true})
	}
	return desc
}

func user(found *session.Session, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return found.UserID(), nil
}

func who(ctx context.Context, _ string) (string, error) {
	if found, ok := session.FromContext(ctx); ok {
		return found.UserID(), nil
	}
	return "nobody", nil
}

// client holds a client's tokens.
type client struct {
	*site
	access, refresh string
}

// answer is what came back.
type answer struct {
	method string
	reply  string
	header metadata.MD
	err    error
}

// call sends what the client holds, with more metadata, and takes over the tokens of the answer.
func (c *client) call(method, argument string, more ...string) answer {
	c.t.Helper()
	a := answer{method: method}
	out := &text{}
	a.err = c.conn.Invoke(c.context(more...), service+method, wrapperspb.String(argument), out, grpc.Header(&a.header))
	a.reply = out.GetValue()
	c.learn(a.header)
	return a
}

func (c *client) context(more ...string) context.Context {
	ctx := metadata.AppendToOutgoingContext(c.t.Context(), more...)
	if c.access != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+c.access)
	}
	if c.refresh != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "x-refresh-token", c.refresh)
	}
	return ctx
}

func (c *client) learn(header metadata.MD) {
	for name, token := range map[string]*string{"x-access-token": &c.access, "x-refresh-token": &c.refresh} {
		if values := header.Get(name); len(values) == 1 {
			*token = values[0]
		} else if len(values) > 1 {
			c.t.Errorf("%s: %d values", name, len(values))
		}
	}
}

// stream opens a stream, and returns how to send a message and wait for its answer.
func (c *client) stream(method string) func(string) answer {
	c.t.Helper()
	ss, err := c.conn.NewStream(c.context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, service+method)
	if err != nil {
		c.t.Fatal(err)
	}
	return func(message string) answer {
		a := answer{method: method}
		if a.err = ss.SendMsg(wrapperspb.String(message)); a.err == nil || errors.Is(a.err, io.EOF) {
			out := &text{}
			a.err = ss.RecvMsg(out)
			a.reply = out.GetValue()
		}
		a.header, _ = ss.Header()
		return a
	}
}

var accessOnly, both = []string{"x-access-token"}, []string{"x-access-token", "x-refresh-token"}

// ok asserts a reply, and which tokens came with it.
func (s *site) ok(a answer, reply string, tokens ...string) {
	s.t.Helper()
	if a.err != nil || a.reply != reply {
		s.t.Errorf("%s: got %q, %v; want %q", a.method, a.reply, a.err, reply)
	}
	s.gives(a, tokens)
}

// refused asserts a status, whose message is the contract's code, its details, and that it came without tokens.
func (s *site) refused(a answer, code codes.Code, message, reason string) {
	s.t.Helper()
	got := status.Convert(a.err)
	if got.Code() != code || got.Message() != message {
		s.t.Errorf("%s: got %v %q, want %v %q", a.method, got.Code(), got.Message(), code, message)
	}
	s.gives(a, nil)
	var info *errdetails.ErrorInfo
	var retry *errdetails.RetryInfo
	for _, detail := range got.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			info = detail
		case *errdetails.RetryInfo:
			retry = detail
		}
	}
	if info.GetDomain() != "watchword" || info.GetReason() != strings.ToUpper(message) || info.GetMetadata()["reason"] != reason {
		s.t.Errorf("%s: details %v, want the reason %q", a.method, got.Details(), reason)
	}
	if delay := retry.GetRetryDelay().AsDuration(); delay > 0 != (code == codes.Unavailable) {
		s.t.Errorf("%s: retry after %v", a.method, delay)
	}
}

func (s *site) gives(a answer, tokens []string) {
	s.t.Helper()
	var given []string
	for name, values := range a.header {
		if strings.Contains(name, "token") && !strings.HasSuffix(name, "-expires-in") {
			given = append(given, name)
			if len(a.header[name+"-expires-in"]) != len(values) {
				s.t.Errorf("%s: %s comes without its time to live", a.method, name)
			}
		}
	}
	if slices.Sort(given); !slices.Equal(given, tokens) {
		s.t.Errorf("%s: got the tokens %v, want %v", a.method, given, tokens)
	}
}

func (s *site) login(name string) *client {
	s.t.Helper()
	c := &client{site: s}
	s.ok(c.call("Login", name), name, both...)
	return c
}

// revoke ends a user's sessions.
func (s *site) revoke(name string) {
	s.t.Helper()
	if n, err := s.manager.RevokeUser(s.t.Context(), name, session.RevokeOptions{}); err != nil || n == 0 {
		s.t.Fatalf("revoke: %d, %v", n, err)
	}
}

func TestLoginRefreshLogout(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{Transport: wire.TransportCookie}, policy) // gRPC has no cookies, whatever it says
	s.refused((&client{site: s}).call("Me", ""), codes.Unauthenticated, "unauthorised", "")
	alice := s.login("alice")
	s.ok(alice.call("Me", ""), "alice")

	s.advance(session.DefaultAccessLifetime)
	s.refused(alice.call("Me", ""), codes.Unauthenticated, "try_refresh", "")
	stolen := *alice
	s.ok(alice.call("Refresh", ""), "alice", both...)
	s.ok(alice.call("Me", ""), "alice", accessOnly...) // the first use renews
	s.ok(alice.call("Me", ""), "alice")
	s.ok(alice.call("Refresh", ""), "alice", accessOnly...) // brand-new still

	s.ok(alice.call("Logout", ""), "")
	s.ok(alice.call("Logout", ""), "")
	s.refused(alice.call("Me", ""), codes.Unauthenticated, "unauthorised", "logout")
	s.refused(alice.call("Refresh", ""), codes.Unauthenticated, "unauthorised", "logout")
	s.refused(stolen.call("Refresh", ""), codes.Unauthenticated, "unauthorised", "logout")
}

func TestTheft(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{}, policy)
	alice := s.login("alice")
	stolen := *alice
	s.advance(time.Minute)
	s.ok(alice.call("Refresh", ""), "alice", both...)
	s.ok(alice.call("Me", ""), "alice", accessOnly...)
	s.advance(time.Minute)
	s.refused(stolen.call("Refresh", ""), codes.Unauthenticated, "token_theft", "theft")
	s.refused(alice.call("Refresh", ""), codes.Unauthenticated, "unauthorised", "theft")
	s.refused(alice.call("Me", ""), codes.Unauthenticated, "unauthorised", "theft")
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{}, policy)
	nobody, alice, admin := &client{site: s}, s.login("alice"), s.login("admin")
	for _, c := range []*client{nobody, alice} {
		s.ok(c.call("Open", ""), "nobody")
		s.ok((&client{site: s, access: "junk"}).call("Open", ""), "nobody")
	}
	s.ok(nobody.call("Maybe", ""), "nobody")
	s.ok(alice.call("Maybe", ""), "alice")
	s.refused(nobody.call("Admin", ""), codes.Unauthenticated, "unauthorised", "")
	s.refused(alice.call("Admin", ""), codes.PermissionDenied, "forbidden", "")
	s.ok(admin.call("Admin", ""), "admin")

	s.ok(alice.call("Safe", ""), "alice")
	s.advance(6 * time.Minute)
	s.refused(alice.call("Safe", ""), codes.PermissionDenied, "reauthenticate", "")
	s.ok(alice.call("Me", ""), "alice")
	s.ok(alice.call("Prove", ""), "alice", both...)
	s.ok(alice.call("Safe", ""), "alice", accessOnly...)

	s.advance(session.DefaultAccessLifetime)
	s.refused(alice.call("Maybe", ""), codes.Unauthenticated, "try_refresh", "") // not anonymous

	strict := newSite(t, wire.Config{}, nil)
	for _, method := range []string{"Open", "Login", "Maybe", "Me"} {
		strict.refused((&client{site: strict}).call(method, ""), codes.Unauthenticated, "unauthorised", "")
	}
	strict.refused((&client{site: strict}).stream("Stream")(""), codes.Unauthenticated, "unauthorised", "")
}

// A call whose verification renews the access token, and whose handler then gives new ones, gives one of each.
func TestRenewedAndReauthenticated(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{}, policy)
	alice := s.login("alice")
	s.advance(time.Minute)
	s.ok(alice.call("Refresh", ""), "alice", both...)
	unconfirmed := alice.access
	s.ok(alice.call("Prove", ""), "alice", both...)
	s.ok(alice.call("Safe", ""), "alice", accessOnly...)
	if alice.access == unconfirmed {
		t.Error("the access token is still the refresh's")
	}
}

func TestOutage(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{}, policy)
	alice := s.login("alice")
	s.store.away = true
	s.ok(alice.call("Me", ""), "alice")
	for _, method := range []string{"Refresh", "Logout", "Prove"} {
		s.refused(alice.call(method, ""), codes.Unavailable, "unavailable", "")
	}
	s.store.away = false
	s.advance(time.Minute)
	s.ok(alice.call("Refresh", ""), "alice", both...)
	for _, f := range s.failures {
		if f.status != http.StatusServiceUnavailable || !errors.Is(f.err, session.ErrUnavailable) || !strings.HasPrefix(f.path, service) {
			t.Errorf("OnFailure was told of %+v", f)
		}
	}
	if len(s.failures) != 3 {
		t.Errorf("OnFailure was told of %d failures, want 3", len(s.failures))
	}
}

func TestStreams(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{}, policy)
	nobody, alice := &client{site: s}, s.login("alice")
	s.refused(nobody.stream("Stream")(""), codes.Unauthenticated, "unauthorised", "")
	s.ok(nobody.stream("MaybeStream")(""), "nobody")
	s.ok(alice.stream("MaybeStream")(""), "alice")

	s.advance(time.Minute)
	s.ok(alice.call("Refresh", ""), "alice", both...)
	long := alice.stream("Stream")
	s.ok(long(""), "alice", accessOnly...)
	s.ok(alice.stream("VerifyStream")(""), "alice", accessOnly...)
	s.ok(alice.call("Me", ""), "alice", accessOnly...)

	verified, safe := alice.stream("VerifyStream"), alice.stream("SafeStream")
	for range 2 {
		s.ok(verified(""), "alice")
		s.ok(safe(""), "alice")
	}
	s.advance(5 * time.Minute)
	s.ok(verified(""), "alice")
	s.refused(safe(""), codes.PermissionDenied, "reauthenticate", "") // the method's rule, not just the session
	s.refused(alice.stream("SafeStream")(""), codes.PermissionDenied, "reauthenticate", "")
	s.advance(session.DefaultAccessLifetime)
	s.refused(verified(""), codes.Unauthenticated, "try_refresh", "")
	s.refused(alice.stream("VerifyStream")(""), codes.Unauthenticated, "try_refresh", "")

	s.ok(alice.call("Refresh", ""), "alice", both...)
	s.ok(alice.call("Me", ""), "alice", accessOnly...)
	verified = alice.stream("VerifyStream")
	s.ok(verified(""), "alice")
	s.revoke("alice")
	s.refused(verified(""), codes.Unauthenticated, "unauthorised", "revoked")
	s.refused(alice.stream("Stream")(""), codes.Unauthenticated, "unauthorised", "revoked")
	if a := long(""); a.err != nil || a.reply != "alice" {
		t.Errorf("a stream that does not call Verify: got %q, %v", a.reply, a.err) // as the package comment warns
	}

	if a := s.login("bob").stream("LoginStream")("carol"); !strings.Contains(fmt.Sprint(a.err), "stream") {
		t.Errorf("tokens in a stream: got %q, %v", a.reply, a.err)
	}
	if infos, err := s.manager.Sessions(t.Context(), "carol", session.Page{}); err != nil || len(infos) != 0 {
		t.Errorf("sessions without tokens: %v, %v", infos, err)
	}
}

// An Open method can look for a session by itself. What that would renew is left to the next call.
func TestVerifyInAnOpenMethod(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{}, policy)
	s.refused((&client{site: s}).call("Verify", ""), codes.Unauthenticated, "unauthorised", "")
	alice := s.login("alice")
	s.advance(time.Minute)
	s.ok(alice.call("Refresh", ""), "alice", both...)
	s.ok(alice.call("Verify", ""), "alice")
	s.ok(alice.call("Me", ""), "alice", accessOnly...)
}

// A handler that sends the header metadata by itself loses nothing but what the next call brings again.
func TestHandlerThatSendsTheHeader(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{}, policy)
	alice := s.login("alice")
	s.advance(time.Minute)
	s.ok(alice.call("Refresh", ""), "alice", both...)
	s.ok(alice.call("SendsHeader", ""), "alice")
	s.ok(alice.call("Me", ""), "alice", accessOnly...)
	s.refused(alice.call("SendsHeader", "bob"), codes.Internal, "internal", "") // a login that would get lost
}

var failures = map[string]error{
	"session": fmt.Errorf("secret: %w", session.ErrConflict),
	"limit":   session.ErrSessionLimit,
	"large":   session.ErrTooLarge,
	"csrf":    session.ErrAntiCSRF,
	"reason":  &session.EndedError{Reason: "\xff"},
	"status":  status.Error(codes.NotFound, "no such thing"),
	"wrapped": fmt.Errorf("wrapped: %w", status.Error(codes.NotFound, "no such thing")),
	"both":    fmt.Errorf("%w: %w", status.Error(codes.NotFound, "no such thing"), session.ErrUnauthorised),
	"own":     errors.New("own"),
}

func TestHandlersErrors(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{}, policy)
	alice := s.login("alice")
	s.refused(alice.call("Fail", "session"), codes.Aborted, "conflict", "")
	s.refused(alice.call("Fail", "limit"), codes.ResourceExhausted, "session_limit", "")
	s.refused(alice.call("Fail", "large"), codes.InvalidArgument, "too_large", "")
	s.refused(alice.call("Fail", "csrf"), codes.PermissionDenied, "anti_csrf", "")
	s.refused(alice.call("Fail", "reason"), codes.Unauthenticated, "unauthorised", "") // no code, whatever the store has there
	s.refused(alice.call("Login", ""), codes.InvalidArgument, "invalid_request", "")
	const notFound = "rpc error: code = NotFound desc = no such thing"
	for which, want := range map[string]string{"status": "no such thing", "wrapped": "wrapped: " + notFound, "both": notFound + ": unauthorised"} {
		if got := status.Convert(alice.call("Fail", which).err); got.Code() != codes.NotFound || got.Message() != want || len(got.Details()) > 0 {
			t.Errorf("%s: got %v", which, got)
		}
	}
	if got := status.Convert(alice.call("Fail", "own").err); got.Code() != codes.Unknown || got.Message() != "own" {
		t.Errorf("a handler's own error: got %v", got)
	}
	if len(s.failures) != 6 {
		t.Errorf("OnFailure was told of %v", s.failures)
	}
}

// Whatever the metadata is, it gets a status of the contract, without asking the store.
func TestBadMetadata(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{}, policy)
	token := s.login("alice").access
	s.store.away = true
	for _, test := range []struct {
		md      []string
		code    codes.Code
		message string
	}{
		{nil, codes.Unauthenticated, "unauthorised"},
		{[]string{"authorization", ""}, codes.Unauthenticated, "unauthorised"},
		{[]string{"authorization", token}, codes.Unauthenticated, "unauthorised"},
		{[]string{"authorization", "Basic " + token}, codes.Unauthenticated, "unauthorised"},
		{[]string{"authorization-bin", "Bearer \x00\xff"}, codes.Unauthenticated, "unauthorised"},
		{[]string{"cookie", "sIdRefreshToken=1; sAccessToken=" + token}, codes.Unauthenticated, "unauthorised"},
		{[]string{"authorization", "Bearer"}, codes.Unauthenticated, "try_refresh"},
		{[]string{"authorization", "Bearer ..."}, codes.Unauthenticated, "try_refresh"},
		{[]string{"authorization", "Bearer " + strings.Repeat("A", 100_000)}, codes.Unauthenticated, "try_refresh"},
		{[]string{"authorization", "Bearer " + token[:len(token)-1]}, codes.Unauthenticated, "try_refresh"},
		{[]string{"authorization", "Bearer " + token, "authorization", "Bearer " + token}, codes.InvalidArgument, "invalid_request"},
		{[]string{"authorization", "Bearer " + token, "authorization", "Basic x"}, codes.InvalidArgument, "invalid_request"},
		{[]string{"authorization", "Bearer " + token, "x-refresh-token", "a", "x-refresh-token", "b"}, codes.InvalidArgument, "invalid_request"},
		{[]string{"authorization", "Bearer " + token, "session-transport", "cookie"}, codes.InvalidArgument, "invalid_request"},
	} {
		c := &client{site: s}
		s.refused(c.call("Me", "", test.md...), test.code, test.message, "")
		if test.message != "try_refresh" && test.code == codes.Unauthenticated {
			s.ok(c.call("Maybe", "", test.md...), "nobody")
			s.refused(c.call("Refresh", "", test.md...), codes.Unauthenticated, "unauthorised", "")
		}
	}
	for _, refresh := range []string{"", "junk", strings.Repeat("A", 100_000)} {
		s.refused((&client{site: s}).call("Refresh", "", "x-refresh-token", refresh), codes.Unauthenticated, "unauthorised", "")
	}
	s.ok((&client{site: s}).call("Me", "", "authorization", "bearer "+token, "session-transport", "header"), "alice")
}

// Bytes that gRPC's own client would not send, from a peer without an address.
func TestBinaryMetadata(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{}, nil)
	s.store.away = true
	for _, token := range []string{"\x00", "\xff\xfe", "a\r\nb", "é", "\x00.\x00.\x00"} {
		for _, md := range []metadata.MD{
			metadata.Pairs("authorization", token), metadata.Pairs("authorization", "Bearer "+token), metadata.Pairs("session-transport", token),
			metadata.Pairs(token, token), {"authorization": nil}, {"authorization": {}},
		} {
			ctx := metadata.NewIncomingContext(peer.NewContext(t.Context(), &peer.Peer{}), md)
			reply, err := s.sessions.UnaryInterceptor(ctx, nil, &grpc.UnaryServerInfo{FullMethod: token},
				func(context.Context, any) (any, error) { return "in", nil })
			if got := status.Code(err); reply != nil || got != codes.Unauthenticated && got != codes.InvalidArgument {
				t.Errorf("%q: got %v, %v", md, reply, err)
			}
		}
	}
}

func TestDevice(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{TrustedProxies: []string{"127.0.0.1"}}, policy)
	for forwarded, want := range map[string]string{"": "127.0.0.1", "192.0.2.1, 198.51.100.7": "198.51.100.7"} {
		c := &client{site: s}
		s.ok(c.call("Login", "user"+forwarded, "x-forwarded-for", forwarded), "user"+forwarded, both...)
		infos, err := s.manager.Sessions(t.Context(), "user"+forwarded, session.Page{})
		if err != nil || len(infos) != 1 || infos[0].Device.Address != want || !strings.HasPrefix(infos[0].Device.UserAgent, "test grpc-go/") {
			t.Errorf("forwarded for %q: got %+v, %v; want %s", forwarded, infos, err, want)
		}
	}
}

// Without the interceptors there is no session and no way to give tokens, rather than a panic.
func TestWithoutInterceptors(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{}, policy)
	_, create := s.sessions.Create(t.Context(), "alice", session.CreateOptions{})
	_, verify := s.sessions.Verify(t.Context())
	_, refresh := s.sessions.Refresh(t.Context())
	_, prove := s.sessions.Reauthenticated(t.Context())
	for _, err := range []error{create, verify, refresh, prove, s.sessions.Logout(t.Context())} {
		if err == nil || !strings.Contains(err.Error(), "ServerOptions") {
			t.Errorf("got %v", err)
		}
	}
	if _, err := grpcsession.New(nil, wire.Config{}, nil); !errors.Is(err, session.ErrInvalidConfig) {
		t.Errorf("without a manager: got %v", err)
	}
}
