package server_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/watchword-dev/watchword/demo/api/internal/lab"
	"github.com/watchword-dev/watchword/demo/api/internal/limit"
	"github.com/watchword-dev/watchword/demo/api/internal/server"
	"github.com/watchword-dev/watchword/demo/api/internal/users"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
	"github.com/watchword-dev/watchword/session/wire"
)

// demo is a server under test, with everything that it logs.
type demo struct {
	*httptest.Server
	clock *clock
	log   *buffer
	lab   *lab.Lab // nil unless it was asked for

	manager *session.Manager
}

// clock is the time of the process and of the store.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

type buffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

// options change what a demo under test is made of.
type options struct {
	session  session.Config
	wire     wire.Config
	store    func(session.Store) session.Store
	change   func(*server.Config)
	openUser bool
	lab      bool
	labs     func(*lab.Config)
}

func start(t *testing.T, opts options) *demo {
	t.Helper()
	d := &demo{clock: &clock{now: time.Now()}, log: &buffer{}}
	log := zerolog.New(d.log).Level(zerolog.DebugLevel)
	opts.session.Clock = d.clock.Now
	opts.session.Sleep = func(_ context.Context, wait time.Duration) error {
		d.clock.advance(wait)
		return nil
	}
	opts.session.OnEvent = server.LogEvents(log)
	grace := max(cmp.Or(opts.session.Grace, session.DefaultGrace), 0)
	recorder, outage := lab.NewRecorder(d.clock.Now, grace), lab.NewOutage(d.clock.Now, nil)
	var store session.Store = memstore.New(d.clock.Now)
	if opts.store != nil {
		store = opts.store(store)
	}
	if opts.lab {
		store = recorder.Store(store, outage.Down)
		logEvent := opts.session.OnEvent
		opts.session.OnEvent = func(e session.Event) {
			logEvent(e)
			recorder.Event(e)
		}
	}
	opts.session.AccessJitter = session.NoJitter // tests turn the clock to the very end of a token
	manager, err := session.New(t.Context(), store, opts.session)
	if err != nil {
		t.Fatal(err)
	}
	d.manager = manager
	accounts := users.New(users.NewMemory(), users.NewHasher(users.Cost{MemoryKiB: 8, Passes: 1}), opts.openUser)
	if err := accounts.Ensure(t.Context(), "demo", "watchword-demo-login"); err != nil {
		t.Fatal(err)
	}
	opts.wire.Cookies.Insecure = true
	cfg := server.Config{
		Manager: manager, Wire: opts.wire, Users: accounts, Attempts: limit.NewAttempts(limit.NewMemory(d.clock.Now)), Log: log,
		Web: filepath.Join(t.TempDir(), "unbuilt"), ProofAge: 5 * time.Minute, Store: "memory", Grace: grace, Access: session.DefaultAccessLifetime,
	}
	if opts.lab {
		labConfig := lab.Config{
			Recorder: recorder, Outage: outage, Manager: manager, Wire: opts.wire, Grace: grace,
			Pace: 5 * time.Millisecond, Heartbeat: 20 * time.Millisecond, Linger: 300 * time.Millisecond,
		}
		if opts.labs != nil {
			opts.labs(&labConfig)
		}
		if cfg.Lab, err = lab.New(labConfig); err != nil {
			t.Fatal(err)
		}
		cfg.Ping = outage.Ping
		d.lab = cfg.Lab
	}
	if opts.change != nil {
		opts.change(&cfg)
	}
	handler, err := server.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	d.Server = httptest.NewServer(handler)
	t.Cleanup(func() {
		if d.lab != nil {
			d.lab.Close() // or streams would keep the server from closing
		}
		d.Close()
		_ = handler.Close()
	})
	return d
}

// startManager makes a Manager for a server that is not to start.
func startManager(t *testing.T) *session.Manager {
	t.Helper()
	manager, err := session.New(t.Context(), memstore.New(nil), session.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return manager
}

// client is one browser, more or less.
type client struct {
	t    *testing.T
	demo *demo
	http *http.Client
}

func (d *demo) client(t *testing.T) *client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &client{t: t, demo: d, http: &http.Client{Jar: jar}}
}

// answer is a response that has been read.
type answer struct {
	*http.Response
	body string
}

// do sends a request. A body is JSON unless a header says otherwise; headers come in pairs.
func (c *client) do(method, path, body string, headers ...string) answer {
	c.t.Helper()
	a, err := c.try(method, path, body, headers...)
	if err != nil {
		c.t.Fatal(err)
	}
	return a
}

// try is do for requests that may get no answer.
func (c *client) try(method, path, body string, headers ...string) (answer, error) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.demo.URL+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := c.http.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return answer{response, string(text)}, err
}

// thief is a client that has copied the refresh token of this one.
func (c *client) thief() *client {
	c.t.Helper()
	refresh := must(url.Parse(c.demo.URL + "/api/session/refresh"))
	thief := c.demo.client(c.t)
	for _, cookie := range c.http.Jar.Cookies(refresh) {
		if cookie.Name == "sRefreshToken" {
			cookie.Path = refresh.Path
			thief.http.Jar.SetCookies(refresh, []*http.Cookie{cookie})
		}
	}
	return thief
}

// present has a thief present the refresh token.
func (c *client) present() answer {
	c.t.Helper()
	return c.do("POST", "/api/session/refresh", "", "User-Agent", "Thief/1.0")
}

const demoCredentials = `{"userId":"demo","password":"watchword-demo-login"}`

func (c *client) login() answer {
	c.t.Helper()
	a := c.do("POST", "/api/login", demoCredentials)
	c.want(a, 200, "")
	return a
}

func (c *client) register(userID string) answer {
	c.t.Helper()
	body, _ := json.Marshal(map[string]string{"userId": userID, "password": "password of " + string([]rune(userID)[:3])})
	a := c.do("POST", "/api/register", string(body))
	c.want(a, 200, "")
	return a
}

// want checks the status, and the code of an error; with "unauthorised: idle" its reason as well.
func (c *client) want(a answer, status int, code string) {
	c.t.Helper()
	what := a.Request.Method + " " + a.Request.URL.Path
	if a.StatusCode != status {
		c.t.Errorf("%s: got %d %s, want %d %s", what, a.StatusCode, a.body, status, code)
		return
	}
	if got := a.Header.Get("Content-Type"); got != "application/json" {
		c.t.Errorf("%s: got content type %q", what, got)
	}
	if code == "" {
		return
	}
	body := `{"error":"` + code + `"}` + "\n"
	if code, reason, ok := strings.Cut(code, ": "); ok {
		body = `{"error":"` + code + `","reason":"` + reason + `"}` + "\n"
	}
	if a.body != body {
		c.t.Errorf("%s: got %s, want %s", what, a.body, body)
	}
}

// cleared checks whether the answer takes the client's cookies away.
func (c *client) cleared(a answer, want bool) {
	c.t.Helper()
	n := 0
	for _, cookie := range a.Cookies() {
		if cookie.Value == "" && cookie.MaxAge < 0 {
			n++
		}
	}
	if got := n == 3 && a.Header.Get("Id-Refresh-Token") == "remove"; got != want {
		c.t.Errorf("%s %s: cookies cleared: %v, want %v; headers %v", a.Request.Method, a.Request.URL.Path, got, want, a.Header)
	}
}

func field[T any](t *testing.T, a answer, name string) T {
	t.Helper()
	var all map[string]json.RawMessage
	if err := json.Unmarshal([]byte(a.body), &all); err != nil {
		t.Fatalf("%s is not an object: %v", a.body, err)
	}
	var v T
	if err := json.Unmarshal(all[name], &v); err != nil {
		t.Fatalf("field %s of %s: %v", name, a.body, err)
	}
	return v
}
