package groupreplication

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// backend is a server that a Router may forward to.
type backend struct {
	host string // as the views name it
	addr string // where it listens
	ask  func(context.Context) (view, error)
}

// pace is how a Router goes about it.
type pace struct {
	every    time.Duration // from one question to the next, for each server
	patience time.Duration // how long an answer may take, and how long it counts
	dial     time.Duration // how long a server may take to accept a connection
}

func usualPace() pace {
	return pace{every: 200 * time.Millisecond, patience: 2 * time.Second, dial: time.Second}
}

// Router forwards connections to whichever server is the primary of the group. It asks all of them who that is, closes the
// connections to one that is no longer, and while there is none it closes those that it accepts.
type Router struct {
	backends []backend
	pace     pace
	log      func(format string, args ...any)
	listener net.Listener
	stop     context.CancelFunc
	tasks    sync.WaitGroup

	mu      sync.Mutex
	views   []answer // one for each backend
	primary string   // "": none
	pairs   map[*pair]bool
}

// answer is what a server said last.
type answer struct {
	view view
	at   time.Time // zero: it did not answer
}

// pair is a client's connection and the one that it is forwarded to.
type pair struct {
	host           string
	client, server net.Conn
}

func (p *pair) close() {
	_ = p.client.Close() // both are given up
	_ = p.server.Close()
}

// newRouter starts a router on a free port of 127.0.0.1. It runs until Close.
func newRouter(ctx context.Context, backends []backend, pace pace, log func(format string, args ...any)) (*Router, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the router: %w", err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	r := &Router{
		backends: backends, pace: pace, log: log, listener: listener, stop: stop,
		views: make([]answer, len(backends)), pairs: map[*pair]bool{},
	}
	for i := range backends {
		r.tasks.Go(func() { r.watch(ctx, i) })
	}
	r.tasks.Go(func() { r.accept(ctx) })
	return r, nil
}

// Addr is where it listens, on 127.0.0.1.
func (r *Router) Addr() string { return r.listener.Addr().String() }

// Primary is the host of the server that it forwards to; "": there is none.
func (r *Router) Primary() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.primary
}

// Close ends the router with all its connections.
func (r *Router) Close() error {
	r.stop()
	err := r.listener.Close()
	r.mu.Lock()
	for p := range r.pairs {
		p.close()
	}
	r.mu.Unlock()
	r.tasks.Wait()
	return err
}

// watch asks one server again and again. Each has a watch of its own, so that one that stands still holds up nobody.
func (r *Router) watch(ctx context.Context, i int) {
	tick := time.NewTicker(r.pace.every)
	defer tick.Stop()
	for ctx.Err() == nil {
		r.heard(i, r.ask(ctx, r.backends[i]))
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

func (r *Router) ask(ctx context.Context, b backend) answer {
	ctx, cancel := context.WithTimeout(ctx, r.pace.patience)
	defer cancel()
	v, err := b.ask(ctx)
	if err != nil {
		return answer{}
	}
	return answer{v, time.Now()}
}

// heard takes in an answer, and drops the connections to a primary that is none any more.
func (r *Router) heard(i int, a answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.views[i] = a
	var views []view
	for _, a := range r.views {
		if !a.at.IsZero() && time.Since(a.at) <= r.pace.patience {
			views = append(views, a.view)
		}
	}
	primary := elect(views)
	if primary == r.primary {
		return
	}
	r.log("router: the primary is %q, it was %q", primary, r.primary)
	r.primary = primary
	for p := range r.pairs {
		if p.host != primary {
			p.close()
		}
	}
}

func (r *Router) accept(ctx context.Context) {
	for {
		client, err := r.listener.Accept()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			r.log("router: accept a connection: %v", err)
			time.Sleep(r.pace.every) // too many open files, most often
			continue
		}
		r.tasks.Go(func() { r.forward(ctx, client) })
	}
}

// forward serves one connection until either side closes it, or its server is no primary any more.
func (r *Router) forward(ctx context.Context, client net.Conn) {
	p := &pair{client: client}
	if p.host, p.server = r.connect(ctx); p.server == nil {
		_ = client.Close()
		return
	}
	if !r.add(ctx, p) {
		p.close()
		return
	}
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{p.client, p.server}, {p.server, p.client}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1]) // however it ends, it ends both
			p.close()
		})
	}
	both.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.pairs, p)
}

// connect dials the primary; nil: there is none, or it does not answer.
func (r *Router) connect(ctx context.Context) (host string, server net.Conn) {
	host = r.Primary()
	for _, b := range r.backends {
		if b.host == host {
			server, err := (&net.Dialer{Timeout: r.pace.dial}).DialContext(ctx, "tcp4", b.addr)
			if err != nil {
				return host, nil
			}
			return host, server
		}
	}
	return host, nil
}

// add registers a pair, unless its server is no primary any more, or the router has ended.
func (r *Router) add(ctx context.Context, p *pair) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.host != r.primary || ctx.Err() != nil {
		return false
	}
	r.pairs[p] = true
	return true
}
