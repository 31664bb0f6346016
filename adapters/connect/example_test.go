package connectsession_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	connectsession "github.com/watchword-dev/watchword/adapters/connect"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
	"github.com/watchword-dev/watchword/session/wire"
)

// accounts is a service. Its procedures take and return a string, which spares this example generated code.
type accounts struct{ sessions *connectsession.Sessions }

func (a accounts) Login(ctx context.Context, user string) (string, error) {
	// Check the password first.
	_, err := a.sessions.Create(ctx, user, session.CreateOptions{})
	return "welcome", err // as it is: the interceptor makes a connect.Error of it
}

func (a accounts) Refresh(ctx context.Context, _ string) (string, error) {
	_, err := a.sessions.Refresh(ctx)
	return "refreshed", err
}

func (a accounts) Me(ctx context.Context, _ string) (string, error) {
	s, ok := session.FromContext(ctx)
	if !ok {
		return "", session.ErrUnauthorised // the policy is wrong
	}
	return "hello " + s.UserID(), nil
}

func Example() {
	now := time.Now()
	clock := func() time.Time { return now }
	manager, err := session.New(context.Background(), memstore.New(clock), session.Config{Clock: clock})
	if err != nil {
		panic(err)
	}
	rules := map[string]wire.Rule{ // of what else there is, each procedure asks for a session
		"/example.Accounts/Login":   wire.Open(),
		"/example.Accounts/Refresh": wire.Open(),
	}
	cfg := wire.Config{Cookies: wire.Cookies{RefreshPath: "/example.Accounts/Refresh"}}
	sessions, err := connectsession.New(manager, cfg, func(procedure string) wire.Rule { return rules[procedure] })
	if err != nil {
		panic(err)
	}
	server := httptest.NewTLSServer(newAccountsHandler(accounts{sessions}, connect.WithInterceptors(sessions)))
	defer server.Close()

	browser := server.Client()
	if browser.Jar, err = cookiejar.New(nil); err != nil {
		panic(err)
	}
	call := func(procedure, argument string) {
		client := connect.NewClient[wrapperspb.StringValue, wrapperspb.StringValue](browser, server.URL+"/example.Accounts/"+procedure)
		response, err := client.CallUnary(context.Background(), connect.NewRequest(wrapperspb.String(argument)))
		if err != nil {
			fmt.Println(procedure, err)
			return
		}
		fmt.Println(procedure, response.Msg.GetValue())
	}
	call("Login", "alice")
	call("Me", "")
	now = now.Add(time.Hour)
	call("Me", "")
	call("Refresh", "")
	call("Me", "")
	// Output:
	// Login welcome
	// Me hello alice
	// Me unauthenticated: try_refresh
	// Refresh refreshed
	// Me hello alice
}

// newAccountsHandler stands for what protoc-gen-connect-go makes.
func newAccountsHandler(a accounts, options ...connect.HandlerOption) http.Handler {
	mux := http.NewServeMux()
	for name, serve := range map[string]func(context.Context, string) (string, error){"Login": a.Login, "Refresh": a.Refresh, "Me": a.Me} {
		procedure := "/example.Accounts/" + name
		mux.Handle(procedure, connect.NewUnaryHandlerSimple(procedure, func(ctx context.Context, request *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
			reply, err := serve(ctx, request.GetValue())
			return wrapperspb.String(reply), err
		}, options...))
	}
	return mux
}
