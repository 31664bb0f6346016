package connectsession_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	connectsession "github.com/watchword-dev/watchword/adapters/connect"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
	"github.com/watchword-dev/watchword/session/wire"
)

// text is the one message of the test's service.
type text = wrapperspb.StringValue

// site is a server with a service that was made by hand.
type site struct {
	t        *testing.T
	manager  *session.Manager
	sessions *connectsession.Sessions
	store    *outage
	server   *httptest.Server
	mu       sync.Mutex
	now      time.Time
	failures []failure
}

// failure is what OnFailure was told.
type failure struct {
	request string
	status  int
	err     error
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
	service + "LoginStream": wire.Open(),
	service + "Safe":        wire.RequireWith(wire.Requirements{MaxAuthAge: 5 * time.Minute}),
	service + "SafeStream":  wire.RequireWith(wire.Requirements{MaxAuthAge: 5 * time.Minute}),
	service + "Admin": wire.RequireWith(wire.Requirements{
		Allow: wire.PayloadAllows(func(role string) bool { return role == "admin" }),
	}),
}

func policy(procedure string) wire.Rule { return rules[procedure] }

func newSite(t *testing.T, cfg wire.Config, rule wire.Policy) *site {
	t.Helper()
	s := &site{t: t, now: time.Now()} // the cookie jar's clock is the real one
	s.store = &outage{Store: memstore.New(s.clock)}
	var err error
	s.manager, err = session.New(t.Context(), s.store, session.Config{AccessJitter: session.NoJitter, Clock: s.clock, Sleep: func(_ context.Context, d time.Duration) error {
		s.advance(d)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Cookies.RefreshPath = service + "Refresh"
	cfg.OnFailure = func(r *http.Request, status int, err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.failures = append(s.failures, failure{r.Method + " " + r.URL.Path, status, err})
	}
	if s.sessions, err = connectsession.New(s.manager, cfg, rule); err != nil {
		t.Fatal(err)
	}
	s.server = httptest.NewUnstartedServer(s.mux())
	s.server.EnableHTTP2 = true
	s.server.StartTLS()
	t.Cleanup(s.server.Close)
	return s
}

var errPanic = connect.NewError(connect.CodeDataLoss, errors.New("panic"))

// mux stands for what protoc would have made.
func (s *site) mux() *http.ServeMux {
	mux := http.NewServeMux()
	recovered := connect.WithRecover(func(context.Context, connect.Spec, http.Header, any) error { return errPanic })
	for name, method := range map[string]func(context.Context, string) (string, error){
		"Login": func(ctx context.Context, name string) (string, error) {
			return user(s.sessions.Create(ctx, name, session.CreateOptions{Payload: name}))
		},
		"Refresh": func(ctx context.Context, _ string) (string, error) { return user(s.sessions.Refresh(ctx)) },
		"Prove":   func(ctx context.Context, _ string) (string, error) { return user(s.sessions.Reauthenticated(ctx)) },
		"Verify":  func(ctx context.Context, _ string) (string, error) { return user(s.sessions.Verify(ctx)) },
		"Logout":  func(ctx context.Context, _ string) (string, error) { return "", s.sessions.Logout(ctx) },
		"Clear": func(ctx context.Context, _ string) (string, error) {
			s.sessions.Clear(ctx)
			return "", nil
		},
		"Me": who, "Open": who, "Maybe": who, "Safe": who, "Admin": who, "Read": who,
		"Fail":  func(_ context.Context, which string) (string, error) { return "", failures[which] },
		"Panic": func(context.Context, string) (string, error) { panic("as planned") },
	} {
		options := []connect.HandlerOption{recovered, connect.WithInterceptors(s.sessions)}
		if name == "Read" {
			options = append(options, connect.WithIdempotency(connect.IdempotencyNoSideEffects))
		}
		mux.Handle(service+name, connect.NewUnaryHandler(service+name, func(ctx context.Context, r *connect.Request[text]) (*connect.Response[text], error) {
			out, err := method(ctx, r.Msg.GetValue())
			return connect.NewResponse(wrapperspb.String(out)), err
		}, options...))
	}
	verify := func(ctx context.Context, _ string) (string, error) { return user(s.sessions.Verify(ctx)) }
	login := func(ctx context.Context, name string) (string, error) {
		return user(s.sessions.Create(ctx, name, session.CreateOptions{}))
	}
	// A stream answers each message with the user it is for, or ends with the error that it gets.
	for name, next := range map[string]func(context.Context, string) (string, error){
		"Stream": who, "MaybeStream": who, "VerifyStream": verify, "SafeStream": verify, "LoginStream": login,
	} {
		mux.Handle(service+name, connect.NewBidiStreamHandler(service+name, func(ctx context.Context, stream *connect.BidiStream[text, text]) error {
			for {
				in, err := stream.Receive()
				if errors.Is(err, io.EOF) {
					return nil
				} else if err != nil {
					return err
				}
				out, err := next(ctx, in.GetValue())
				if err != nil {
					return err
				}
				if err := stream.Send(wrapperspb.String(out)); err != nil {
					return err
				}
			}
		}, recovered, connect.WithInterceptors(s.sessions)))
	}
	return mux
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

// client is a browser, or, once its headers name the header transport, something else.
type client struct {
	*site
	http    *http.Client
	options []connect.ClientOption
	header  http.Header // of each call
}

// browser makes a client with a cookie jar of its own.
func (s *site) browser(options ...connect.ClientOption) *client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &client{
		site: s, options: options, header: http.Header{},
		http: &http.Client{Jar: jar, Transport: s.server.Client().Transport},
	}
}

// answer is what came back. Its header holds that of a refusal as well.
type answer struct {
	procedure string
	reply     string
	header    http.Header
	err       error
}

// call sends a message, with more headers.
func (c *client) call(procedure, argument string, more ...string) answer {
	c.t.Helper()
	request := connect.NewRequest(wrapperspb.String(argument))
	c.prepare(request.Header(), more)
	response, err := connect.NewClient[text, text](c.http, c.server.URL+service+procedure, c.options...).CallUnary(c.t.Context(), request)
	a := answer{procedure: procedure, err: err}
	var coded *connect.Error
	if errors.As(err, &coded) {
		a.header = coded.Meta()
	} else if err == nil {
		a.reply, a.header = response.Msg.GetValue(), response.Header()
	}
	c.learn(a.header)
	return a
}

// stream opens a stream, and returns how to send a message and wait for its answer.
func (c *client) stream(procedure string, more ...string) func(string) answer {
	c.t.Helper()
	stream := connect.NewClient[text, text](c.http, c.server.URL+service+procedure, c.options...).CallBidiStream(c.t.Context())
	c.prepare(stream.RequestHeader(), more)
	c.t.Cleanup(func() { // before the server's, which waits for its handlers
		_ = stream.CloseRequest()
		_ = stream.CloseResponse()
	})
	return func(message string) answer {
		_ = stream.Send(wrapperspb.String(message)) // Receive tells
		in, err := stream.Receive()
		a := answer{procedure: procedure, reply: in.GetValue(), header: stream.ResponseHeader(), err: err}
		c.learn(a.header)
		return a
	}
}

func (c *client) prepare(header http.Header, more []string) {
	for name, values := range c.header {
		header[name] = values
	}
	for i := 0; i < len(more); i += 2 {
		header.Add(more[i], more[i+1])
	}
}

// learn does what clients of the header transport do. A browser's cookie jar learns by itself.
func (c *client) learn(header http.Header) {
	if token := header.Get("X-Access-Token"); token != "" {
		c.header.Set("Authorization", "Bearer "+token)
	}
	if token := header.Get("X-Refresh-Token"); token != "" {
		c.header.Set("X-Refresh-Token", token)
	}
}

// byGet returns the same browser, which calls what is free of side effects by GET.
func (c *client) byGet() *client {
	other := *c
	other.options = []connect.ClientOption{connect.WithHTTPGet(), connect.WithIdempotency(connect.IdempotencyNoSideEffects)}
	return &other
}

const (
	access  = "__Host-sAccessToken"
	refresh = "__Secure-sRefreshToken"
	id      = "sIdRefreshToken"
)

// jar returns the names of a browser's cookies.
func (c *client) jar() (names []string) {
	u, err := url.Parse(c.server.URL + service + "Refresh")
	if err != nil {
		c.t.Fatal(err)
	}
	for _, cookie := range c.http.Jar.Cookies(u) {
		names = append(names, cookie.Name)
	}
	slices.Sort(names)
	return names
}

// ok asserts a reply, and how many cookies and token headers came with it.
func (s *site) ok(a answer, reply string, given int) {
	s.t.Helper()
	if a.err != nil || a.reply != reply {
		s.t.Errorf("%s: got %q, %v; want %q", a.procedure, a.reply, a.err, reply)
	}
	s.gives(a, given)
}

// refused asserts a code, whose message is the contract's code, its detail, and how many cookies came with it.
func (s *site) refused(a answer, code connect.Code, message, reason string, given int) {
	s.t.Helper()
	var got *connect.Error
	if !errors.As(a.err, &got) || got.Code() != code || got.Message() != message {
		s.t.Errorf("%s: got %q, %v; want %v %q", a.procedure, a.reply, a.err, code, message)
		return
	}
	if want := errorInfo(message, reason); len(got.Details()) != 1 || got.Details()[0].Type() != "google.rpc.ErrorInfo" || string(got.Details()[0].Bytes()) != want {
		s.t.Errorf("%s: details %+v, want one of %q", a.procedure, got.Details(), want)
	}
	if retry := a.header.Get("Retry-After"); retry != "" != (code == connect.CodeUnavailable) {
		s.t.Errorf("%s: Retry-After %q", a.procedure, retry)
	}
	s.gives(a, given)
}

// errorInfo is a google.rpc.ErrorInfo, as protoc's code encodes it.
func errorInfo(code, reason string) string {
	text := func(tag, value string) string { return tag + string(rune(len(value))) + value }
	info := text("\n", strings.ToUpper(code)) + text("\x12", "watchword")
	if reason != "" {
		info += text("\x1a", text("\n", "reason")+text("\x12", reason))
	}
	return info
}

func (s *site) gives(a answer, want int) {
	s.t.Helper()
	given := a.header["Set-Cookie"]
	for _, name := range []string{"X-Access-Token", "X-Refresh-Token"} {
		given = append(given, a.header.Values(name)...)
	}
	if len(given) != want {
		s.t.Errorf("%s: got %q, want %d cookies or tokens", a.procedure, given, want)
	}
}

func (s *site) login(name string, options ...connect.ClientOption) *client {
	s.t.Helper()
	c := s.browser(options...)
	s.ok(c.call("Login", name), name, 3)
	return c
}

// revoke ends a user's sessions.
func (s *site) revoke(name string) {
	s.t.Helper()
	if n, err := s.manager.RevokeUser(s.t.Context(), name, session.RevokeOptions{}); err != nil || n == 0 {
		s.t.Fatalf("revoke: %d, %v", n, err)
	}
}

var protocols = map[string][]connect.ClientOption{
	connect.ProtocolConnect: nil,
	connect.ProtocolGRPC:    {connect.WithGRPC()},
	connect.ProtocolGRPCWeb: {connect.WithGRPCWeb()},
}

// Whatever the protocol, cookies come in the headers of the HTTP response, or the jar would not see them.
func TestBrowser(t *testing.T) {
	t.Parallel()
	for protocol, options := range protocols {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, wire.Config{}, policy)
			alice := s.browser(options...)
			s.refused(alice.call("Me", ""), connect.CodeUnauthenticated, "unauthorised", "", 0)
			s.ok(alice.call("Login", "alice"), "alice", 3)
			s.ok(alice.call("Me", ""), "alice", 0)
			s.advance(session.DefaultAccessLifetime)
			s.refused(alice.call("Me", ""), connect.CodeUnauthenticated, "try_refresh", "", 0)
			s.refused(alice.stream("Stream")(""), connect.CodeUnauthenticated, "try_refresh", "", 0)
			stolen := alice.refreshCookie()
			s.ok(alice.call("Refresh", ""), "alice", 3)
			s.ok(alice.stream("Stream")(""), "alice", 1) // the first use renews
			s.ok(alice.call("Me", ""), "alice", 0)

			s.advance(time.Minute)
			thief := s.browser(options...)
			s.refused(thief.call("Refresh", "", "Cookie", stolen), connect.CodeUnauthenticated, "token_theft", "theft", 3)
			s.refused(alice.call("Me", ""), connect.CodeUnauthenticated, "unauthorised", "theft", 3)
			if left := alice.jar(); len(left) > 0 {
				t.Errorf("the browser still has %q", left)
			}

			s.ok(alice.call("Login", "alice"), "alice", 3)
			s.revoke("alice")
			s.refused(alice.stream("Stream")(""), connect.CodeUnauthenticated, "unauthorised", "revoked", 3)
			if left := alice.jar(); len(left) > 0 {
				t.Errorf("after a stream was refused the browser still has %q", left)
			}

			s.ok(alice.call("Login", "alice"), "alice", 3)
			s.ok(alice.call("Logout", ""), "", 3)
			s.ok(alice.call("Logout", ""), "", 3)
			s.refused(alice.call("Refresh", ""), connect.CodeUnauthenticated, "unauthorised", "", 0)
			s.ok(alice.call("Login", "alice"), "alice", 3)
			s.ok(alice.call("Clear", ""), "", 3)
			if left := alice.jar(); len(left) > 0 {
				t.Errorf("after Clear the browser still has %q", left)
			}
		})
	}
}

// refreshCookie returns the cookie with which a browser refreshes.
func (c *client) refreshCookie() string {
	c.t.Helper()
	u, err := url.Parse(c.server.URL + service + "Refresh")
	if err != nil {
		c.t.Fatal(err)
	}
	for _, cookie := range c.http.Jar.Cookies(u) {
		if cookie.Name == refresh {
			return cookie.String()
		}
	}
	c.t.Fatal("there is no refresh cookie")
	return ""
}

// A client of headers never gets a cookie.
func TestBearer(t *testing.T) {
	t.Parallel()
	for protocol, options := range protocols {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, wire.Config{}, policy)
			alice := s.browser(options...)
			alice.header.Set("Session-Transport", "header")
			alice.header.Set("Sec-Fetch-Site", "cross-site") // no browser adds a bearer token by itself
			s.ok(alice.call("Login", "alice"), "alice", 2)
			s.ok(alice.call("Me", ""), "alice", 0)
			s.advance(session.DefaultAccessLifetime)
			s.refused(alice.call("Me", ""), connect.CodeUnauthenticated, "try_refresh", "", 0)
			s.ok(alice.call("Refresh", ""), "alice", 2)
			s.ok(alice.stream("Stream")(""), "alice", 1)
			s.advance(6 * time.Minute)
			s.refused(alice.call("Safe", ""), connect.CodePermissionDenied, "reauthenticate", "", 0)
			s.ok(alice.call("Prove", ""), "alice", 2)
			s.ok(alice.call("Safe", ""), "alice", 1)
			s.ok(alice.call("Logout", ""), "", 0)
			s.refused(alice.call("Me", ""), connect.CodeUnauthenticated, "unauthorised", "logout", 0)
			if jar := alice.jar(); len(jar) > 0 {
				t.Errorf("cookies: %q", jar)
			}
		})
	}
}

func TestAntiCSRF(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{TrustedOrigins: []string{"https://trusted.example"}}, policy)
	own := s.server.URL
	for _, test := range []struct {
		header  []string
		refused bool
	}{
		{nil, false},
		{[]string{"Sec-Fetch-Site", "same-origin", "Origin", own}, false},
		{[]string{"Sec-Fetch-Site", "none"}, false},
		{[]string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, true},
		{[]string{"Sec-Fetch-Site", "same-site", "Origin", "https://sub.example"}, true},
		{[]string{"Sec-Fetch-Site", "cross-site", "Origin", "https://trusted.example"}, false},
		// Browsers from before 2023 send no Sec-Fetch-Site. Connect tells the host with which their Origin is compared.
		{[]string{"Origin", own}, false},
		{[]string{"Origin", "https://trusted.example"}, false},
		{[]string{"Origin", "https://evil.example"}, true},
		{[]string{"Origin", "null"}, true},
	} {
		alice := s.login("alice")
		for _, got := range []answer{
			alice.call("Me", "", test.header...), alice.call("Maybe", "", test.header...),
			alice.stream("Stream", test.header...)(""), alice.call("Read", "", test.header...),
		} {
			if test.refused {
				s.refused(got, connect.CodePermissionDenied, "anti_csrf", "", 0)
			} else {
				s.ok(got, "alice", 0)
			}
		}
		s.ok(alice.byGet().call("Read", "", test.header...), "alice", 0) // changes nothing
		for _, procedure := range []string{"Login", "Refresh", "Logout"} {
			if got := s.login("bob").call(procedure, "bob", test.header...); test.refused {
				s.refused(got, connect.CodePermissionDenied, "anti_csrf", "", 0)
			} else if got.err != nil {
				t.Errorf("%s of %q: %v", procedure, test.header, got.err)
			}
		}
	}

	// Without a host no origin is one's own, and "null" is not either.
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, service+"Me", strings.NewReader(`""`))
	r.Host, r.Header = "", http.Header{"Origin": {"null"}, "Content-Type": {"application/json"}}
	w := httptest.NewRecorder()
	s.server.Config.Handler.ServeHTTP(w, r)
	if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "anti_csrf") {
		t.Errorf("without a host: got %d %s", w.Code, w.Body)
	}
}

func TestAntiCSRFToken(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{AntiCSRF: wire.AntiCSRFToken}, policy)
	alice := s.browser()
	login := alice.call("Login", "alice")
	s.ok(login, "alice", 3)
	for _, token := range []string{"", "wrong"} {
		s.refused(alice.call("Me", "", "Anti-Csrf", token), connect.CodePermissionDenied, "anti_csrf", "", 0)
		s.refused(alice.call("Logout", "", "Anti-Csrf", token), connect.CodePermissionDenied, "anti_csrf", "", 0)
		s.refused(alice.stream("Stream", "Anti-Csrf", token)(""), connect.CodePermissionDenied, "anti_csrf", "", 0)
	}
	s.ok(alice.byGet().call("Read", ""), "alice", 0)
	token := login.header.Get("Anti-Csrf")
	s.ok(alice.call("Me", "", "Anti-Csrf", token), "alice", 0)
	s.ok(alice.stream("Stream", "Anti-Csrf", token)(""), "alice", 0)
	s.ok(alice.call("Logout", "", "Anti-Csrf", token), "", 3)
}

// Streams send nothing with which a cookie could be set once their first message is out.
func TestStreams(t *testing.T) {
	t.Parallel()
	for protocol, options := range protocols {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, wire.Config{}, policy)
			nobody := s.browser(options...)
			s.refused(nobody.stream("Stream")(""), connect.CodeUnauthenticated, "unauthorised", "", 0)
			s.ok(nobody.stream("MaybeStream")(""), "nobody", 0)
			s.ok(nobody.stream("LoginStream")("alice"), "alice", 3)
			alice := nobody
			s.ok(alice.stream("MaybeStream")(""), "alice", 0)

			verified, safe := alice.stream("VerifyStream"), alice.stream("SafeStream")
			for range 2 {
				s.ok(verified(""), "alice", 0)
				s.ok(safe(""), "alice", 0)
			}
			s.advance(6 * time.Minute)
			s.ok(verified(""), "alice", 0)
			s.refused(safe(""), connect.CodePermissionDenied, "reauthenticate", "", 0) // the procedure's rule, not just the session
			s.refused(alice.stream("SafeStream")(""), connect.CodePermissionDenied, "reauthenticate", "", 0)
			s.advance(session.DefaultAccessLifetime)
			s.refused(verified(""), connect.CodeUnauthenticated, "try_refresh", "", 0)

			s.ok(alice.call("Refresh", ""), "alice", 3)
			verified = alice.stream("VerifyStream")
			long := alice.stream("Stream")
			s.ok(verified(""), "alice", 1)
			s.ok(long(""), "alice", 0)
			s.revoke("alice")
			s.refused(verified(""), connect.CodeUnauthenticated, "unauthorised", "revoked", 1) // which came with the first message
			s.ok(long(""), "alice", 0)                                                         // as the package comment warns
		})
	}
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{}, policy)
	nobody, alice, admin := s.browser(), s.login("alice"), s.login("admin")
	s.ok(nobody.call("Open", ""), "nobody", 0)
	s.ok(alice.call("Open", ""), "nobody", 0)
	s.ok(nobody.call("Maybe", ""), "nobody", 0)
	s.ok(alice.call("Maybe", ""), "alice", 0)
	s.refused(nobody.call("Admin", ""), connect.CodeUnauthenticated, "unauthorised", "", 0)
	s.refused(alice.call("Admin", ""), connect.CodePermissionDenied, "forbidden", "", 0)
	s.ok(admin.call("Admin", ""), "admin", 0)
	s.ok(alice.call("Safe", ""), "alice", 0)
	s.advance(6 * time.Minute)
	s.refused(alice.call("Safe", ""), connect.CodePermissionDenied, "reauthenticate", "", 0)
	s.ok(alice.call("Refresh", ""), "alice", 3)
	s.ok(alice.call("Prove", ""), "alice", 3) // renewed by the interceptor, and replaced by the handler
	s.ok(alice.call("Safe", ""), "alice", 1)
	s.advance(session.DefaultAccessLifetime)
	s.refused(alice.call("Maybe", ""), connect.CodeUnauthenticated, "try_refresh", "", 0) // not anonymous

	strict := newSite(t, wire.Config{}, nil)
	for _, procedure := range []string{"Open", "Login", "Maybe", "Me"} {
		strict.refused(strict.browser().call(procedure, ""), connect.CodeUnauthenticated, "unauthorised", "", 0)
	}
	strict.refused(strict.browser().stream("Stream")(""), connect.CodeUnauthenticated, "unauthorised", "", 0)
}

// An Open procedure can look for a session by itself. What that would renew is left to the next call.
func TestVerifyInAnOpenProcedure(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{}, policy)
	s.refused(s.browser().call("Verify", ""), connect.CodeUnauthenticated, "unauthorised", "", 0)
	alice := s.login("alice")
	s.advance(time.Minute)
	s.ok(alice.call("Refresh", ""), "alice", 3)
	s.ok(alice.call("Verify", ""), "alice", 0)
	s.ok(alice.call("Me", ""), "alice", 1)
}

func TestOutage(t *testing.T) {
	t.Parallel()
	for protocol, options := range protocols {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, wire.Config{}, policy)
			alice := s.login("alice", options...)
			before := alice.jar()
			s.store.away = true
			s.ok(alice.call("Me", ""), "alice", 0)
			for _, procedure := range []string{"Refresh", "Logout", "Prove"} {
				s.refused(alice.call(procedure, ""), connect.CodeUnavailable, "unavailable", "", 0)
			}
			if after := alice.jar(); !slices.Equal(after, before) || len(after) != 3 {
				t.Errorf("cookies: %q, before %q", after, before)
			}
			s.store.away = false
			s.advance(time.Minute)
			s.ok(alice.call("Refresh", ""), "alice", 3)
			for i, procedure := range []string{"Refresh", "Logout", "Prove"} {
				if f := s.failures[i]; f.request != "POST "+service+procedure || f.status != http.StatusServiceUnavailable || !errors.Is(f.err, session.ErrUnavailable) {
					t.Errorf("OnFailure was told of %+v", f)
				}
			}
		})
	}
}

var failures = map[string]error{
	"session": fmt.Errorf("secret: %w", session.ErrConflict),
	"limit":   session.ErrSessionLimit,
	"large":   session.ErrTooLarge,
	"reason":  &session.EndedError{Reason: "\xff"},
	"coded":   connect.NewError(connect.CodeNotFound, session.ErrUnauthorised),
	"wrapped": fmt.Errorf("wrapped: %w", connect.NewError(connect.CodeNotFound, errors.New("no such thing"))),
	"own":     errors.New("own"),
}

func TestHandlersErrors(t *testing.T) {
	t.Parallel()
	for protocol, options := range protocols {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, wire.Config{}, policy)
			alice := s.login("alice", options...)
			s.refused(alice.call("Fail", "session"), connect.CodeAborted, "conflict", "", 0)
			s.refused(alice.call("Fail", "limit"), connect.CodeResourceExhausted, "session_limit", "", 0)
			s.refused(alice.call("Fail", "large"), connect.CodeInvalidArgument, "too_large", "", 0)
			s.refused(alice.call("Login", ""), connect.CodeInvalidArgument, "invalid_request", "", 0)
			for which, want := range map[string]connect.Code{"coded": connect.CodeNotFound, "wrapped": connect.CodeNotFound, "own": connect.CodeUnknown} {
				a := alice.call("Fail", which)
				if connect.CodeOf(a.err) != want {
					t.Errorf("%s: got %v, want %v", which, a.err, want)
				}
				s.gives(a, 0)
			}
			s.refused(alice.call("Fail", "reason"), connect.CodeUnauthenticated, "unauthorised", "", 3) // no code, whatever the store has there
			if len(s.failures) != 5 {
				t.Errorf("OnFailure was told of %v", s.failures)
			}

			// What a verification renews outlives the handler's panic.
			alice = s.login("alice", options...)
			s.advance(time.Minute)
			s.ok(alice.call("Refresh", ""), "alice", 3)
			a := alice.call("Panic", "")
			if connect.CodeOf(a.err) != connect.CodeDataLoss {
				t.Errorf("panic: got %v", a.err)
			}
			s.gives(a, 1)
			s.ok(alice.call("Me", ""), "alice", 0)
		})
	}
}

// Whatever the headers are, they get a code of the contract, without asking the store.
func TestBadCredentials(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{}, policy)
	s.store.away = true
	for _, test := range []struct {
		header  []string
		code    connect.Code
		message string
		given   int
	}{
		{[]string{"Authorization", ""}, connect.CodeUnauthenticated, "unauthorised", 0},
		{[]string{"Authorization", "Basic x"}, connect.CodeUnauthenticated, "unauthorised", 0},
		{[]string{"Authorization", "Bearer"}, connect.CodeUnauthenticated, "try_refresh", 0},
		{[]string{"Authorization", "Bearer \xff\xfe"}, connect.CodeUnauthenticated, "try_refresh", 0},
		{[]string{"Authorization", "Bearer " + strings.Repeat("A", 100_000)}, connect.CodeUnauthenticated, "try_refresh", 0},
		{[]string{"Authorization", "Bearer a", "Authorization", "Bearer b"}, connect.CodeInvalidArgument, "invalid_request", 0},
		{[]string{"Authorization", "Bearer a", "Cookie", access + "=b"}, connect.CodeInvalidArgument, "invalid_request", 0},
		{[]string{"Session-Transport", "pigeon"}, connect.CodeInvalidArgument, "invalid_request", 0},
		{[]string{"Cookie", strings.Repeat(access+"=x; ", 50)}, connect.CodeInvalidArgument, "invalid_request", 0},
		{[]string{"Cookie", access + "=x"}, connect.CodeUnauthenticated, "unauthorised", 3},
		{[]string{"Cookie", access + "=\xff; " + id + "=1"}, connect.CodeUnauthenticated, "try_refresh", 0},
	} {
		s.refused(s.browser().call("Me", "", test.header...), test.code, test.message, "", test.given)
		s.refused(s.browser().stream("Stream", test.header...)(""), test.code, test.message, "", test.given)
	}
}

func TestDevice(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{TrustedProxies: []string{"127.0.0.1"}}, policy)
	for forwarded, want := range map[string]string{"": "127.0.0.1", "192.0.2.1, 198.51.100.7": "198.51.100.7"} {
		s.ok(s.browser().call("Login", "user"+forwarded, "X-Forwarded-For", forwarded, "User-Agent", "test"), "user"+forwarded, 3)
		infos, err := s.manager.Sessions(t.Context(), "user"+forwarded, session.Page{})
		if err != nil || len(infos) != 1 || infos[0].Device.Address != want || !strings.HasPrefix(infos[0].Device.UserAgent, "test") {
			t.Errorf("forwarded for %q: got %+v, %v; want %s", forwarded, infos, err, want)
		}
	}
}

func TestClientsPassThrough(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{}, policy)
	alice := s.login("alice", connect.WithInterceptors(s.sessions))
	s.ok(alice.call("Me", ""), "alice", 0)
	s.ok(alice.stream("Stream")(""), "alice", 0)
}

// Outside of a handler there is nothing to give tokens to, rather than a panic.
func TestOutsideOfAHandler(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{}, policy)
	_, create := s.sessions.Create(t.Context(), "alice", session.CreateOptions{})
	_, verify := s.sessions.Verify(t.Context())
	_, refresh := s.sessions.Refresh(t.Context())
	_, prove := s.sessions.Reauthenticated(t.Context())
	s.sessions.Clear(t.Context())
	for _, err := range []error{create, verify, refresh, prove, s.sessions.Logout(t.Context())} {
		if err == nil || !strings.Contains(err.Error(), "handler") {
			t.Errorf("got %v", err)
		}
	}
	if _, err := connectsession.New(nil, wire.Config{}, nil); !errors.Is(err, session.ErrInvalidConfig) {
		t.Errorf("without a manager: got %v", err)
	}
}
