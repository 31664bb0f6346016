package abuse_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const refreshPath = "/api/session/refresh"

// refreshEvery is which part of the legitimate requests is a refresh.
const refreshEvery = 50

// client is a browser with a session.
type client struct {
	base string
	http *http.Client
}

// newClient makes a browser at an address of its own, so that the demo's limits on attempts take it for nobody else.
func newClient(t *testing.T, s *server, from net.Addr) *client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{
		DialContext:         (&net.Dialer{LocalAddr: from, Timeout: 10 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 16,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &client{base: "http://" + s.Addr, http: &http.Client{Jar: jar, Transport: transport, Timeout: 15 * time.Second}}
}

func (c *client) do(ctx context.Context, method, path, body string, header ...string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return do(c.http, req)
}

// must does a request that has to be answered with 200.
func (c *client) must(t *testing.T, method, path, body string, header ...string) answer {
	t.Helper()
	a, err := c.do(t.Context(), method, path, body, header...)
	if err != nil {
		t.Fatal(err)
	}
	if a.status != http.StatusOK {
		t.Fatalf("%s %s: got %d %s, want 200", method, path, a.status, a.body)
	}
	return a
}

func (c *client) login(t *testing.T, user string) {
	t.Helper()
	c.must(t, http.MethodPost, "/api/login", fmt.Sprintf(`{"userId":%q,"password":"watchword"}`, user))
}

// cookie is what the browser would send to a path under a name.
func (c *client) cookie(t *testing.T, path, name string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.base+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for _, cookie := range c.http.Jar.Cookies(req.URL) {
		if cookie.Name == name {
			return cookie.Value
		}
	}
	t.Fatalf("the browser holds no cookie %s", name)
	return ""
}

// public is the legitimate public: clients that have logged in.
type public struct {
	t       *testing.T
	clients []*client
	// refreshes is how many requests for new tokens there were.
	refreshes atomic.Int64
	requests  atomic.Int64
}

// publicSize is how many clients it has.
const publicSize = 20

func newPublic(t *testing.T, s *server) *public {
	t.Helper()
	p := &public{t: t}
	for i := range publicSize {
		c := newClient(t, s, source(1, i+1))
		c.login(t, fmt.Sprintf("somebody-%d", i))
		c.must(t, http.MethodGet, "/api/me", "")
		p.clients = append(p.clients, c)
	}
	return p
}

// hangUp closes the connections that nobody waits on; they are opened anew when they are needed.
func (p *public) hangUp() {
	for _, c := range p.clients {
		c.http.CloseIdleConnections()
	}
}

// served is how the public fared.
type served struct {
	inTime, late, lost int
	slowest            time.Duration
}

func (s served) String() string {
	return fmt.Sprintf("%d in time, %d late, %d lost, slowest %v", s.inTime, s.late, s.lost, s.slowest.Round(time.Millisecond))
}

// visit sends requests at a steady pace, whether earlier ones have been answered or not, and waits for all answers. A refusal is an
// error: nobody of the public has deserved one.
func (p *public) visit(d time.Duration) served {
	p.t.Helper()
	var (
		mu    sync.Mutex
		got   served
		all   sync.WaitGroup
		began = time.Now()
		count = int(d.Seconds() * float64(*legitRate))
	)
	for n := range count {
		if early := time.Until(began.Add(time.Duration(n) * time.Second / time.Duration(*legitRate))); early > 0 {
			time.Sleep(early) // the pace
		}
		all.Go(func() {
			method, path := http.MethodGet, "/api/me"
			if n%refreshEvery == refreshEvery-1 {
				method, path = http.MethodPost, refreshPath
				p.refreshes.Add(1)
			}
			p.requests.Add(1)
			sent := time.Now()
			a, err := p.clients[n*7%len(p.clients)].do(p.t.Context(), method, path, "")
			took := time.Since(sent)
			mu.Lock()
			defer mu.Unlock()
			got.slowest = max(got.slowest, took)
			switch {
			case err != nil:
				got.lost++
				p.t.Logf("a legitimate request was lost after %v: %v", took, err)
			case a.status != http.StatusOK:
				p.t.Errorf("%s %s of a legitimate client: got %d %s", method, path, a.status, a.body)
			case took > *deadline:
				got.late++
			default:
				got.inTime++
			}
		})
	}
	all.Wait()
	return got
}
