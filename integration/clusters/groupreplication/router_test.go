package groupreplication

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// within bounds what a router should do at once, on a busy machine too.
const within = 10 * time.Second

// group is a made-up one: servers that say their name to whoever connects, and then send back what they get.
type group struct {
	mu     sync.Mutex
	views  map[string]view // by who gives it; missing: that one does not answer
	frozen map[string]bool // that one answers to nobody until the question is given up
}

func (g *group) set(views map[string]view) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.views = views
}

func (g *group) freeze(host string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.frozen[host] = true
}

func (g *group) ask(ctx context.Context, host string) (view, error) {
	g.mu.Lock()
	v, ok := g.views[host]
	frozen := g.frozen[host]
	g.mu.Unlock()
	if frozen {
		<-ctx.Done()
		return view{}, ctx.Err()
	}
	if !ok {
		return view{}, errors.New("connection refused")
	}
	return v, nil
}

// serve is a server of that name.
func serve(t *testing.T, host string) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var tasks sync.WaitGroup
	tasks.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			tasks.Go(func() {
				defer func() { _ = c.Close() }()
				if _, err := io.WriteString(c, host); err == nil {
					_, _ = io.Copy(c, c)
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		tasks.Wait() // the router, which is closed before, has ended their connections
	})
	return l
}

// begin starts a router over three servers, with all of a group that has a as its primary.
func begin(t *testing.T) (*group, *Router, map[string]net.Listener) {
	t.Helper()
	g := &group{frozen: map[string]bool{}, views: map[string]view{
		"a": seen(3, 0, "PSS"), "b": seen(3, 1, "PSS"), "c": seen(3, 2, "PSS"),
	}}
	servers := map[string]net.Listener{}
	var backends []backend
	for _, host := range []string{"a", "b", "c"} {
		servers[host] = serve(t, host)
		backends = append(backends, backend{host: host, addr: servers[host].Addr().String(), ask: func(ctx context.Context) (view, error) {
			return g.ask(ctx, host)
		}})
	}
	pace := pace{every: 2 * time.Millisecond, patience: 100 * time.Millisecond, dial: time.Second}
	r, err := newRouter(t.Context(), backends, pace, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil && !errors.Is(err, net.ErrClosed) { // the test may have closed it
			t.Error(err)
		}
	})
	await(t, r, "a")
	return g, r, servers
}

// await waits until the router knows the primary.
func await(t *testing.T, r *Router, primary string) {
	t.Helper()
	for end := time.Now().Add(within); r.Primary() != primary; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the router's primary: got %q, want %q", r.Primary(), primary)
		}
	}
}

// dial connects to the router and returns the name of the server at the other end; "": the connection was closed.
func dial(t *testing.T, r *Router) (net.Conn, string) {
	t.Helper()
	c, err := (&net.Dialer{Timeout: within}).DialContext(t.Context(), "tcp4", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, receive(t, c, 1)
}

// receive reads that many bytes; "": the connection was closed.
func receive(t *testing.T, c net.Conn, n int) string {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, n)
	_, err := io.ReadFull(c, got)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Fatalf("the connection is open, and nothing came for %v", within)
	}
	if err != nil {
		return ""
	}
	return string(got)
}

func TestRouterForwardsToThePrimary(t *testing.T) {
	t.Parallel()
	_, r, _ := begin(t)
	c, host := dial(t, r)
	if host != "a" {
		t.Fatalf("connected to %q, want a", host)
	}
	if _, err := io.WriteString(c, "hello"); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, c, 5); got != "hello" {
		t.Errorf("got %q back, want hello", got)
	}
}

func TestRouterFollowsThePrimary(t *testing.T) {
	t.Parallel()
	g, r, _ := begin(t)
	c, _ := dial(t, r)
	g.set(map[string]view{"b": seen(4, 1, "-PS"), "c": seen(4, 2, "-PS")})
	if got := receive(t, c, 1); got != "" {
		t.Errorf("the connection to the old primary: got %q, want it closed", got)
	}
	if _, host := dial(t, r); host != "b" {
		t.Errorf("connected to %q, want b", host)
	}
}

// The old primary still believes in itself; that others know better counts at once, although it answers first and last.
func TestRouterDoesNotGoBackToAPrimaryThatStoodStill(t *testing.T) {
	t.Parallel()
	g, r, _ := begin(t)
	g.set(map[string]view{"a": seen(3, 0, "PSS"), "b": seen(4, 1, "-PS"), "c": seen(4, 2, "-PS")})
	await(t, r, "b")
	for range 20 {
		time.Sleep(2 * time.Millisecond)
		if got := r.Primary(); got != "b" {
			t.Fatalf("the router's primary: got %q, want b", got)
		}
	}
}

func TestRouterClosesConnectionsWhileThereIsNoPrimary(t *testing.T) {
	t.Parallel()
	g, r, _ := begin(t)
	old, _ := dial(t, r)
	g.set(map[string]view{"a": seen(3, 0, "PUU")})
	await(t, r, "")
	if got := receive(t, old, 1); got != "" {
		t.Errorf("the connection to a server without a majority: got %q, want it closed", got)
	}
	if _, host := dial(t, r); host != "" {
		t.Errorf("connected to %q, want the connection closed", host)
	}
	g.set(map[string]view{"a": seen(3, 0, "PSS")})
	await(t, r, "a")
	if _, host := dial(t, r); host != "a" {
		t.Errorf("connected to %q once there is a primary again, want a", host)
	}
}

// A server that stands still must not keep the router from hearing the others.
func TestRouterHearsTheOthersWhileOneStandsStill(t *testing.T) {
	t.Parallel()
	g, r, _ := begin(t)
	g.freeze("a")
	g.set(map[string]view{"a": seen(3, 0, "PSS"), "b": seen(4, 1, "-PS"), "c": seen(4, 2, "-PS")})
	await(t, r, "b")
}

// What was heard from a server that answers no longer does not count for ever.
func TestRouterForgetsOldAnswers(t *testing.T) {
	t.Parallel()
	g, r, _ := begin(t)
	for _, host := range []string{"a", "b", "c"} {
		g.freeze(host)
	}
	await(t, r, "")
}

// The others have not given the dead primary up yet.
func TestRouterClosesConnectionsToADeadPrimary(t *testing.T) {
	t.Parallel()
	g, r, servers := begin(t)
	g.set(map[string]view{"b": seen(3, 1, "pSS"), "c": seen(3, 2, "pSS")})
	if err := servers["a"].Close(); err != nil {
		t.Fatal(err)
	}
	if _, host := dial(t, r); host != "" {
		t.Errorf("connected to %q, want the connection closed", host)
	}
}

func TestRouterCloses(t *testing.T) {
	t.Parallel()
	_, r, _ := begin(t)
	c, _ := dial(t, r)
	ended := make(chan error, 1)
	go func() { ended <- r.Close() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("close: %v", err)
		}
	case <-time.After(within):
		t.Fatalf("the router has not ended after %v", within)
	}
	if got := receive(t, c, 1); got != "" {
		t.Errorf("an open connection: got %q, want it closed", got)
	}
}
