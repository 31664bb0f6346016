// Package request measures a whole request to a protected page, behind the product and behind what one would use instead.
package request

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"time"

	"github.com/watchword-dev/watchword/integration/bench/env"
	"github.com/watchword-dev/watchword/integration/bench/load"
	"github.com/watchword-dev/watchword/integration/bench/measure"
	"github.com/watchword-dev/watchword/integration/bench/peers"
	"github.com/watchword-dev/watchword/integration/bench/report"
)

// clients is how many send at once: as many as the pools of connections to MySQL hold, so that no peer's has to queue.
const clients = 32

// onTop is how many allocations our middleware may add to those of the handler alone.
const onTop = 6

// Part is "request".
func Part() env.Part {
	return env.Part{Name: "request", About: "whole requests over HTTP, beside those of other libraries", Run: run, Modules: []string{
		"github.com/golang-jwt/jwt/v5", "github.com/go-pkgz/auth/v2", "github.com/gorilla/sessions", "github.com/gorilla/securecookie",
		"github.com/alexedwards/scs/v2", "github.com/alexedwards/scs/mysqlstore", "github.com/go-sql-driver/mysql",
	}}
}

func run(ctx context.Context, e *env.Env) (section report.Section, err error) {
	set, err := peers.Open(ctx, e)
	if err != nil {
		return section, err
	}
	defer func() { err = errors.Join(err, set.Close()) }()

	rounds, each := 7, 1500*time.Millisecond
	if e.Short {
		rounds, each = 1, 100*time.Millisecond
	}
	e.Progress("%d peers over HTTP, %d rounds of %v each", len(set.Peers), rounds+1, each)
	whole, sizes, err := overHTTP(ctx, set, rounds, each)
	if err != nil {
		return section, err
	}
	e.Progress("handler and middleware alone")
	alone, err := measure.ByTurns(ctx, rounds, each/3, inProcess(ctx, set)...)
	if err != nil {
		return section, err
	}
	allocs := map[string]float64{}
	for _, p := range set.Peers {
		allocs[p.Name] = e.AllocsPerRun(200, serve(ctx, p))
	}
	return write(set, whole, alone, sizes, allocs), nil
}

// overHTTP has the clients of each peer work by turns; the others' connections lie idle meanwhile.
func overHTTP(ctx context.Context, set *peers.Set, rounds int, each time.Duration) (_ []measure.Result, sizes map[string]int, err error) {
	sizes = map[string]int{}
	var contenders []measure.Contender
	for _, p := range set.Peers {
		site, err := load.Serve(ctx, p.Handler)
		if err != nil {
			return nil, nil, err
		}
		defer func() { err = errors.Join(err, site.Close()) }()
		all := make([]*load.Client, clients)
		for i := range all {
			if all[i], err = site.Dial(ctx, p.Request(ctx, site.URL()+"me")); err != nil {
				return nil, nil, err
			}
			defer func() { _ = all[i].Close() }()
			if err = all[i].Do(); err != nil { // a server does not wait long for a connection's first request
				return nil, nil, fmt.Errorf("%s: %w", p.Name, err)
			}
		}
		sizes[p.Name] = all[0].RequestBytes()
		contenders = append(contenders, measure.Contender{
			Name: p.Name, Run: measure.Clients(clients, func(_ context.Context, client int) error { return all[client].Do() }),
		})
	}
	results, err := measure.ByTurns(ctx, rounds, each, contenders...)
	return results, sizes, err
}

// inProcess calls the handlers without a connection, so that no cost of sending hides theirs.
func inProcess(ctx context.Context, set *peers.Set) []measure.Contender {
	var all []measure.Contender
	for _, p := range set.Peers {
		f := serve(ctx, p)
		all = append(all, measure.Contender{Name: p.Name, Run: measure.Repeat(func(n int) error {
			for range n {
				f()
			}
			return nil
		})})
	}
	return all
}

// serve answers one request with the peer's handler. As in a server, the request's context and the answer's header are its own; the
// rest of reading a request is not the middleware's cost.
func serve(ctx context.Context, p peers.Peer) func() {
	r := p.Request(ctx, "http://127.0.0.1/me")
	return func() {
		w := &discard{header: http.Header{}}
		p.Handler.ServeHTTP(w, r.WithContext(context.WithValue(ctx, requestKey{}, w)))
		if w.status != 0 && w.status != http.StatusOK {
			panic(fmt.Sprintf("%s: status %d", p.Name, w.status)) // it has passed the checks before
		}
	}
}

type requestKey struct{}

// discard is an answer that nobody reads.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header               { return d.header }
func (d *discard) Write(p []byte) (int, error)       { return len(p), nil }
func (d *discard) WriteString(s string) (int, error) { return len(s), nil }
func (d *discard) WriteHeader(status int)            { d.status = status }

func cores() int { return runtime.GOMAXPROCS(0) }
