package adapters_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	connectsession "github.com/watchword-dev/watchword/adapters/connect"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

func TestConnect(t *testing.T) {
	t.Parallel()
	rpcConformance(t, serveConnect)
}

func connectPolicy(procedure string) wire.Rule {
	want, asks := rpcRequirement[procedure]
	switch {
	case asks:
		return wire.RequireWith(want)
	case slices.Contains(rpcOpen, procedure):
		return wire.Open()
	case procedure == rpcService+"Maybe":
		return wire.Optional()
	default:
		return wire.Require()
	}
}

// serveConnect serves the service with Connect, which speaks gRPC as well.
func serveConnect(b *backend, cfg wire.Config) string {
	b.t.Helper()
	sessions, err := connectsession.New(b.manager, cfg, connectPolicy)
	if err != nil {
		b.t.Fatal(err)
	}
	web := newNetHTTP(b.t, b.manager, cfg)
	mux := http.NewServeMux()
	mux.Handle(web.RefreshPath(), web.RefreshHandler())
	mux.Handle("/logout", web.LogoutHandler())
	for name, method := range rpcMethods(sessions) {
		mux.Handle(rpcService+name, connectHandler(rpcService+name, method, isStream(name), connect.WithInterceptors(sessions)))
	}
	certificate, _ := throwAway()
	server := &http.Server{
		Handler: web.CORS(mux), ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13},
	}
	listener := b.listen()
	go func() { _ = server.ServeTLS(listener, "", "") }()
	b.t.Cleanup(func() { _ = server.Close() })
	return listener.Addr().String()
}

// connectHandler stands for what protoc would have made.
func connectHandler(procedure string, method func(context.Context, string) (string, error), stream bool, options ...connect.HandlerOption) http.Handler {
	if !stream {
		return connect.NewUnaryHandlerSimple(procedure, func(ctx context.Context, in *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
			out, err := method(ctx, in.GetValue())
			return wrapperspb.String(out), err
		}, options...)
	}
	return connect.NewBidiStreamHandler(procedure, func(ctx context.Context, s *connect.BidiStream[wrapperspb.StringValue, wrapperspb.StringValue]) error {
		for {
			in, err := s.Receive()
			if errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			out, err := method(ctx, in.GetValue())
			if err != nil {
				return err
			}
			if err := s.Send(wrapperspb.String(out)); err != nil {
				return err
			}
		}
	}, options...)
}

// A browser of another origin calls by the Connect protocol, and refreshes and logs out at the plain endpoints beside it.
func TestConnectInABrowser(t *testing.T) {
	t.Parallel()
	const app = "https://app.example.test"
	b := newBackend(t, session.Config{})
	address := serveConnect(b, wire.Config{AllowedOrigins: []string{app}, AllowedHeaders: []string{"Connect-Protocol-Version"}})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, roots := throwAway()
	browser := &http.Client{Jar: jar, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "example.test", MinVersion: tls.VersionTLS13}, ForceAttemptHTTP2: true,
	}}
	t.Cleanup(browser.CloseIdleConnections)
	send := func(method, path, body string, header ...string) (int, string, http.Header) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, "https://"+address+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Origin", app)
		request.Header.Set("Sec-Fetch-Site", "same-site")
		request.Header.Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			request.Header.Set(header[i], header[i+1])
		}
		response, err := browser.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		raw, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(raw), response.Header
	}
	expect := func(path string, code int, body string, cookies int, header ...string) http.Header {
		t.Helper()
		gotCode, gotBody, got := send(http.MethodPost, path, `"alice"`, header...)
		if gotCode != code || !strings.Contains(gotBody, body) || len(got["Set-Cookie"]) != cookies {
			t.Errorf("%s: got %d %s and %q; want %d %s and %d cookies", path, gotCode, gotBody, got["Set-Cookie"], code, body, cookies)
		}
		return got
	}

	code, _, header := send(http.MethodOptions, rpcService+"Me", "", "Access-Control-Request-Method", "POST")
	if code != http.StatusNoContent || !strings.Contains(header.Get("Access-Control-Allow-Headers"), "Connect-Protocol-Version") {
		t.Errorf("preflight: got %d %v", code, header)
	}
	login := expect(rpcService+"Login", http.StatusOK, `"alice"`, 3)
	if login.Get("Access-Control-Allow-Origin") != app || !strings.Contains(strings.Join(login["Access-Control-Expose-Headers"], ","), "id-refresh-token") {
		t.Errorf("login: headers %v", login)
	}
	expect(rpcService+"Me", http.StatusOK, `"alice"`, 0)
	expect(rpcService+"Me", http.StatusForbidden, `"message":"anti_csrf"`, 0, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")
	b.clock.advance(session.DefaultAccessLifetime)
	if refused := expect(rpcService+"Me", http.StatusUnauthorized, `"code":"unauthenticated","message":"try_refresh"`, 0); refused.Get("Access-Control-Allow-Origin") != app {
		t.Errorf("a refusal cannot be read by the page: %v", refused)
	}
	expect(wire.DefaultRefreshPath, http.StatusOK, "{}", 3)
	expect(rpcService+"Me", http.StatusOK, `"alice"`, 1) // the first use renews
	expect(rpcService+"Me", http.StatusOK, `"alice"`, 0)
	b.store.reset(func(int, string) fault { return away })
	if unavailable := expect(rpcService+"Logout", http.StatusServiceUnavailable, `"message":"unavailable"`, 0); unavailable.Get("Retry-After") == "" {
		t.Errorf("outage: headers %v", unavailable)
	}
	b.store.reset(nil)
	expect("/logout", http.StatusOK, "{}", 3)
	expect(rpcService+"Me", http.StatusUnauthorized, `"message":"unauthorised"`, 0)
	b.noAlarm()
}
