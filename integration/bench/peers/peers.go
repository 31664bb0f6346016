// Package peers has what one would use in the product's place do the same job: find out whose request it is, and let the handler
// know.
package peers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"

	"github.com/watchword-dev/watchword/integration/bench/env"
)

// userID is who has logged in, everywhere.
const userID = "0199c82c-c000-73c5-8b91-b19d9b2d5ec9"

// Peer is one of them, with a session that has begun.
type Peer struct {
	Name    string
	About   string // how it is set up
	Handler http.Handler
	Cookies string // a request's Cookie header in that session
	Open    bool   // whoever asks gets an answer
}

// Ours, Bare and the others, by name.
const (
	Bare      = "no session"
	BareEmpty = "no session, no cookies"
	Watchword = "watchword"
	JWT       = "golang-jwt"
	Pkgz      = "go-pkgz/auth"
	Gorilla   = "gorilla/sessions"
	SCS       = "scs + mysqlstore"
	SCSReadme = "scs + mysqlstore, as in its README"
)

// Set is all of them, on one MySQL.
type Set struct {
	Peers []Peer
	close []func() error
}

// Open starts them and proves that each does its job. The caller closes the set.
func Open(ctx context.Context, e *env.Env) (_ *Set, err error) {
	s := &Set{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	for _, open := range []func(context.Context, *env.Env) (Peer, error){s.watchword, s.jwt, s.pkgz, s.gorilla, s.scs, s.scsReadme} {
		p, err := open(ctx, e)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", p.Name, err)
		}
		s.Peers = append(s.Peers, p)
	}
	// The floor gets the very request that we get.
	bare := answer(func(*http.Request) string { return userID })
	s.Peers = append(s.Peers,
		Peer{Name: Bare, About: "the handler alone; the request carries our cookies", Handler: bare, Cookies: s.Peers[0].Cookies, Open: true},
		Peer{Name: BareEmpty, About: "the handler alone; the request carries none", Handler: bare, Open: true},
	)
	for _, p := range s.Peers {
		if err := p.check(ctx); err != nil {
			return nil, fmt.Errorf("%s does not do its job: %w", p.Name, err)
		}
	}
	return s, nil
}

// Close ends what the peers keep running.
func (s *Set) Close() error {
	var all []error
	for _, f := range slices.Backward(s.close) {
		all = append(all, f())
	}
	s.close = nil
	return errors.Join(all...)
}

// Get finds a peer by name.
func (s *Set) Get(name string) Peer {
	return s.Peers[slices.IndexFunc(s.Peers, func(p Peer) bool { return p.Name == name })]
}

// answer is the handler that all have in common; user says whose request it is.
func answer(user func(*http.Request) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"user":"`+user(r)+`"}`)
	})
}

// Request is a browser's that asks for a page's data.
func (p Peer) Request(ctx context.Context, url string) *http.Request {
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	for name, value := range map[string]string{
		"Accept": "application/json", "Accept-Encoding": "gzip, deflate, br, zstd", "Accept-Language": "en-GB,en;q=0.9",
		"Referer": "https://app.example/page", "Sec-Fetch-Dest": "empty", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin",
		"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
	} {
		r.Header.Set(name, value)
	}
	if p.Cookies != "" {
		r.Header.Set("Cookie", p.Cookies)
	}
	return r
}

// cookies has a login answered and returns the Cookie header of requests after it: those that are sent with every path.
func cookies(ctx context.Context, login http.Handler) (string, error) {
	w := httptest.NewRecorder()
	login.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, "https://app.example/login", http.NoBody))
	result := w.Result()
	defer func() { _ = result.Body.Close() }()
	if result.StatusCode != http.StatusOK {
		return "", fmt.Errorf("login: status %d: %s", result.StatusCode, w.Body)
	}
	var all []string
	for _, c := range result.Cookies() {
		if c.Path == "/" && c.Value != "" {
			all = append(all, c.Name+"="+c.Value)
		}
	}
	if len(all) == 0 {
		return "", errors.New("login set no cookie")
	}
	return strings.Join(all, "; "), nil
}
