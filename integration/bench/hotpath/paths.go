// Package hotpath profiles what runs most often, and says where its time and its memory go.
package hotpath

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	"github.com/watchword-dev/watchword/adapters/nethttp"
	"github.com/watchword-dev/watchword/integration/bench/load"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
	"github.com/watchword-dev/watchword/session/wire"
)

// path is something that runs often. open prepares it and returns what does it once, and what ends it.
type path struct {
	name, about string
	open        func(ctx context.Context) (op func() error, end func() error, err error)
}

// paths use the store in memory, whose cost is small: what is seen is our own.
func paths() []path {
	return []path{
		{"verify-again", "`Manager.Verify` of the same token again", verifyAgain},
		{"verify-first", "`Manager.Verify` of a token at first sight", verifyFirst},
		{"require", "`nethttp`'s `Require` around a handler, without a connection", require},
		{"request", "a whole request over HTTP, client and server in one process", request},
		{"refresh", "`Manager.Refresh` and the first `Verify` after it, store in memory", refresh},
		{"create", "`Manager.Create`, store in memory", create},
	}
}

func nothing() error { return nil }

func verifyAgain(ctx context.Context) (op, end func() error, err error) {
	m, err := session.New(ctx, memstore.New(nil), session.Config{})
	if err != nil {
		return nil, nil, err
	}
	_, tokens, err := m.Create(ctx, "alice", options)
	return func() error {
		_, err := m.Verify(ctx, tokens.AccessToken, session.VerifyOptions{})
		return err
	}, nothing, err
}

var options = session.CreateOptions{Payload: map[string]string{"role": "user"}}

// verifyFirst goes round many tokens, with a new Manager for each round.
func verifyFirst(ctx context.Context) (op, end func() error, err error) {
	store := memstore.New(nil)
	m, err := session.New(ctx, store, session.Config{})
	if err != nil {
		return nil, nil, err
	}
	const round = 20_000
	all := make([]string, round)
	for i := range all {
		_, tokens, err := m.Create(ctx, "alice", options)
		if err != nil {
			return nil, nil, err
		}
		all[i] = tokens.AccessToken
	}
	next := 0
	return func() error {
		if next%round == 0 {
			if m, err = session.New(ctx, store, session.Config{}); err != nil {
				return err
			}
		}
		_, err := m.Verify(ctx, all[next%round], session.VerifyOptions{})
		next++
		return err
	}, nothing, err
}

// protected is a handler behind Require, and a good request's Cookie header.
func protected(ctx context.Context) (http.Handler, string, error) {
	m, err := session.New(ctx, memstore.New(nil), session.Config{})
	if err != nil {
		return nil, "", err
	}
	sessions, err := nethttp.New(m, wire.Config{})
	if err != nil {
		return nil, "", err
	}
	w := httptest.NewRecorder()
	login := httptest.NewRequestWithContext(ctx, http.MethodPost, "https://app.example/login", http.NoBody)
	if _, err := sessions.Create(w, login, "alice", options); err != nil {
		return nil, "", err
	}
	result := w.Result()
	defer func() { _ = result.Body.Close() }()
	var cookies []string
	for _, c := range result.Cookies() {
		if c.Path == "/" {
			cookies = append(cookies, c.Name+"="+c.Value)
		}
	}
	return sessions.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := session.FromContext(r.Context()); !ok {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})), strings.Join(cookies, "; "), nil
}

func require(ctx context.Context) (op, end func() error, err error) {
	handler, cookies, err := protected(ctx)
	if err != nil {
		return nil, nil, err
	}
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "https://app.example/me", http.NoBody)
	r.Header.Set("Cookie", cookies)
	return func() error {
		w := &answer{header: http.Header{}}
		if handler.ServeHTTP(w, r); w.status != 0 {
			return errors.New("the request was refused")
		}
		return nil
	}, nothing, nil
}

type answer struct {
	header http.Header
	status int
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) Write(p []byte) (int, error) { return len(p), nil }
func (a *answer) WriteHeader(status int)      { a.status = status }

func request(ctx context.Context) (op, end func() error, err error) {
	handler, cookies, err := protected(ctx)
	if err != nil {
		return nil, nil, err
	}
	site, err := load.Serve(ctx, handler)
	if err != nil {
		return nil, nil, err
	}
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, site.URL()+"me", http.NoBody)
	r.Header.Set("Cookie", cookies)
	client, err := site.Dial(ctx, r)
	if err != nil {
		return nil, nil, errors.Join(err, site.Close())
	}
	return client.Do, func() error { return errors.Join(client.Close(), site.Close()) }, nil
}

// refresh rotates one session after another, each with the token that its last refresh has brought and whose arrival was confirmed by a
// request. The clock moves on with each round, since a token that has just become current would be kept.
func refresh(ctx context.Context) (op, end func() error, err error) {
	var now atomic.Int64
	now.Store(time.Now().UnixNano())
	clock := func() time.Time { return time.Unix(0, now.Load()) }
	m, err := session.New(ctx, memstore.New(clock), session.Config{Clock: clock})
	if err != nil {
		return nil, nil, err
	}
	all := make([]string, 1_000)
	for i := range all {
		_, tokens, err := m.Create(ctx, "alice", options)
		if err != nil {
			return nil, nil, err
		}
		all[i] = tokens.RefreshToken
	}
	next := 0
	return func() error {
		if next%len(all) == 0 {
			now.Add(int64(2 * session.DefaultGrace))
		}
		at := next % len(all)
		next++
		_, tokens, err := m.Refresh(ctx, all[at], session.RefreshOptions{})
		if err != nil {
			return err
		}
		if all[at] = tokens.RefreshToken; all[at] == "" {
			return errors.New("the refresh token was kept")
		}
		_, err = m.Verify(ctx, tokens.AccessToken, session.VerifyOptions{})
		return err
	}, nothing, nil
}

func create(ctx context.Context) (op, end func() error, err error) {
	m, err := session.New(ctx, memstore.New(nil), session.Config{})
	return func() error {
		_, _, err := m.Create(ctx, "alice", options)
		return err
	}, nothing, err
}
