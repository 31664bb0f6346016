package grpcsession_test

import (
	"context"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	grpcsession "github.com/watchword-dev/watchword/adapters/grpc"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
	"github.com/watchword-dev/watchword/session/wire"
)

// accounts is a service. Its methods take and return a string, which spares this example generated code.
type accounts struct{ sessions *grpcsession.Sessions }

func (a accounts) Login(ctx context.Context, user string) (string, error) {
	// Check the password first.
	_, err := a.sessions.Create(ctx, user, session.CreateOptions{})
	return "welcome", err // as it is: the interceptor makes a status of it
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
	rules := map[string]wire.Rule{ // of what else there is, each method asks for a session
		"/example.Accounts/Login":   wire.Open(),
		"/example.Accounts/Refresh": wire.Open(),
	}
	sessions, err := grpcsession.New(manager, wire.Config{}, func(method string) wire.Rule { return rules[method] })
	if err != nil {
		panic(err)
	}
	server := grpc.NewServer(sessions.ServerOptions()...) // and grpc.Creds: tokens want TLS
	registerAccounts(server, accounts{sessions})
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // an example
	if err != nil {
		panic(err)
	}
	go func() { _ = server.Serve(listener) }()
	defer server.Stop()

	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		panic(err)
	}
	tokens := map[string]string{}
	call := func(method, argument string) {
		ctx := metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+tokens["x-access-token"])
		if method == "Refresh" {
			ctx = metadata.AppendToOutgoingContext(ctx, "x-refresh-token", tokens["x-refresh-token"])
		}
		var reply wrapperspb.StringValue
		var header metadata.MD
		err := conn.Invoke(ctx, "/example.Accounts/"+method, wrapperspb.String(argument), &reply, grpc.Header(&header))
		for name, values := range header {
			tokens[name] = values[0]
		}
		fmt.Println(method, status.Code(err), status.Convert(err).Message()+reply.GetValue())
	}
	call("Login", "alice")
	call("Me", "")
	now = now.Add(time.Hour)
	call("Me", "")
	call("Refresh", "")
	call("Me", "")
	// Output:
	// Login OK welcome
	// Me OK hello alice
	// Me Unauthenticated try_refresh
	// Refresh OK refreshed
	// Me OK hello alice
}

// registerAccounts stands for what protoc-gen-go-grpc makes.
func registerAccounts(server *grpc.Server, a accounts) {
	const name = "example.Accounts"
	desc := grpc.ServiceDesc{ServiceName: name, HandlerType: (*any)(nil)}
	for method, serve := range map[string]func(context.Context, string) (string, error){"Login": a.Login, "Refresh": a.Refresh, "Me": a.Me} {
		handle := func(ctx context.Context, request any) (any, error) {
			reply, err := serve(ctx, request.(*wrapperspb.StringValue).GetValue())
			return wrapperspb.String(reply), err
		}
		desc.Methods = append(desc.Methods, grpc.MethodDesc{
			MethodName: method,
			Handler: func(_ any, ctx context.Context, decode func(any) error, through grpc.UnaryServerInterceptor) (any, error) {
				request := &wrapperspb.StringValue{}
				if err := decode(request); err != nil {
					return nil, err
				}
				return through(ctx, request, &grpc.UnaryServerInfo{FullMethod: "/" + name + "/" + method}, handle)
			},
		})
	}
	server.RegisterService(&desc, nil)
}
