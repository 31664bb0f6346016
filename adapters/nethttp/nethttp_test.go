package nethttp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/adapters/nethttp"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
	"github.com/watchword-dev/watchword/session/wire"
)

// site is a small web application, and a browser that visits it.
type site struct {
	t        *testing.T
	server   *httptest.Server
	client   *http.Client
	manager  *session.Manager
	sessions *nethttp.Sessions
	store    *outage
	mu       sync.Mutex
	now      time.Time
	failures []error
	thefts   []*session.TheftError
}

// outage is a store that can be away.
type outage struct {
	session.Store
	away bool
}

var errAway = fmt.Errorf("%w: away", session.ErrUnavailable)

func (o *outage) Get(ctx context.Context, h session.Handle) (session.Row, time.Time, error) {
	if o.away {
		return session.Row{}, time.Time{}, errAway
	}
	return o.Store.Get(ctx, h)
}

func (o *outage) End(ctx context.Context, h session.Handle, end session.End) (bool, error) {
	if o.away {
		return false, errAway
	}
	return o.Store.End(ctx, h, end)
}

func (s *site) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *site) advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// safeAge is how old a proof of who the user is may be at /safe.
const safeAge = 5 * time.Minute

func newSite(t *testing.T, httpCfg wire.Config, cfg session.Config) *site {
	t.Helper()
	s := &site{t: t, now: time.Now()} // the cookie jar's clock is the real one
	s.store = &outage{Store: memstore.New(s.clock)}
	cfg.Clock = s.clock
	cfg.Sleep = func(_ context.Context, d time.Duration) error {
		s.advance(d)
		return nil
	}
	cfg.OnTheft = func(_ context.Context, theft *session.TheftError) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.thefts = append(s.thefts, theft)
	}
	var err error
	cfg.AccessJitter = session.NoJitter // tests turn the clock to the very end of a token
	if s.manager, err = session.New(t.Context(), s.store, cfg); err != nil {
		t.Fatal(err)
	}
	httpCfg.OnFailure = func(_ *http.Request, _ int, err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.failures = append(s.failures, err)
	}
	sessions, err := nethttp.New(s.manager, httpCfg)
	if err != nil {
		t.Fatal(err)
	}
	s.sessions = sessions
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if _, err := sessions.Create(w, r, r.FormValue("user"), session.CreateOptions{Payload: r.FormValue("payload")}); err != nil {
			sessions.WriteError(w, r, err)
		}
	})
	who := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if found, ok := session.FromContext(r.Context()); ok {
			_, _ = io.WriteString(w, found.UserID())
			return
		}
		_, _ = io.WriteString(w, "nobody")
	})
	mux.Handle("/me", sessions.Require(who))
	mux.Handle("/maybe", sessions.Optional(who))
	mux.Handle("/safe", sessions.RequireWith(wire.Requirements{MaxAuthAge: safeAge})(who))
	proved := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		renewed, err := sessions.Reauthenticated(w, r)
		if err != nil {
			sessions.WriteError(w, r, err)
			return
		}
		_, _ = io.WriteString(w, renewed.UserID()+" "+renewed.AuthTime().Sub(s.clock()).Abs().Truncate(time.Second).String())
	})
	mux.Handle("POST /prove", sessions.Require(proved))
	mux.Handle("POST /prove-by-itself", proved)
	mux.Handle("GET /sessions", sessions.Optional(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		infos, err := s.manager.Sessions(r.Context(), r.FormValue("user"), session.Page{})
		if err != nil {
			sessions.WriteError(w, r, err)
			return
		}
		for _, info := range infos {
			own := "other"
			if info.Current {
				own = "own"
			}
			_, _ = fmt.Fprintf(w, "%s %s %s;", own, info.Device.UserAgent, info.Device.Address)
		}
	})))
	mux.Handle(sessions.RefreshPath(), sessions.RefreshHandler())
	mux.Handle("/logout", sessions.LogoutHandler())
	s.server = httptest.NewTLSServer(sessions.CORS(mux))
	t.Cleanup(s.server.Close)
	s.client = s.browser()
	return s
}

// browser makes a client with a cookie jar of its own.
func (s *site) browser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &http.Client{Jar: jar, Transport: s.server.Client().Transport}
}

// second is another browser, which is logged in as the same user.
func (s *site) second() *http.Client {
	s.t.Helper()
	other := s.browser()
	s.expect(s.as(other, "POST", "/login?user=alice"), 200, "")
	return other
}

// newest returns the handle of alice's newest session.
func (s *site) newest() session.Handle {
	s.t.Helper()
	infos, err := s.manager.Sessions(s.t.Context(), "alice", session.Page{Limit: 1})
	if err != nil || len(infos) != 1 {
		s.t.Fatalf("alice's newest session: %v, %v", infos, err)
	}
	return infos[0].Handle
}

func (s *site) revoke(h session.Handle, reason session.Reason) {
	s.t.Helper()
	if ended, err := s.manager.Revoke(s.t.Context(), h, session.RevokeOptions{Reason: reason}); err != nil || !ended {
		s.t.Fatalf("revoke: %v, %v", ended, err)
	}
}

// answer is what came back, body read.
type answer struct {
	*http.Response
	body string
}

func (s *site) do(method, path string, header ...string) answer {
	s.t.Helper()
	return s.as(s.client, method, path, header...)
}

func (s *site) as(client *http.Client, method, path string, header ...string) answer {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.server.URL+path, http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{resp, string(body)}
}

// expect asserts a status and the whole body, or its error code and, after a space, the reason.
func (s *site) expect(a answer, status int, body string) answer {
	s.t.Helper()
	got := a.body
	var coded struct{ Error, Reason string }
	if json.Unmarshal([]byte(got), &coded) == nil && coded.Error != "" {
		got = strings.TrimSuffix(coded.Error+" "+coded.Reason, " ")
	}
	if a.StatusCode != status || got != body {
		s.t.Errorf("%s %s: got %d %q, want %d %q", a.Request.Method, a.Request.URL.Path, a.StatusCode, a.body, status, body)
	}
	return a
}

// sets asserts the names of the cookies that a response sets and of those that it clears.
func (s *site) sets(a answer, set, cleared []string) {
	s.t.Helper()
	var gotSet, gotCleared []string
	for _, c := range a.Cookies() {
		if c.MaxAge < 0 {
			gotCleared = append(gotCleared, c.Name)
		} else {
			gotSet = append(gotSet, c.Name)
		}
	}
	if !slices.Equal(gotSet, set) || !slices.Equal(gotCleared, cleared) {
		s.t.Errorf("%s: set %v, cleared %v; want %v, %v", a.Request.URL.Path, gotSet, gotCleared, set, cleared)
	}
}

const (
	access  = "__Host-sAccessToken"
	refresh = "__Secure-sRefreshToken"
	id      = "sIdRefreshToken"
)

var all = []string{access, refresh, id}

// jar returns the value of a cookie in the browser.
func (s *site) jar(name string) string {
	s.t.Helper()
	return s.jarOf(s.client, name)
}

func (s *site) jarOf(client *http.Client, name string) string {
	s.t.Helper()
	u, err := url.Parse(s.server.URL + wire.DefaultRefreshPath)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, c := range client.Jar.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

func TestLoginRefreshLogout(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{}, session.Config{})
	s.sets(s.expect(s.do("GET", "/me"), 401, "unauthorised"), nil, nil) // nothing was shown, and nothing is known to be over
	s.sets(s.expect(s.do("POST", "/login?user=alice"), 200, ""), all, nil)
	s.sets(s.expect(s.do("GET", "/me"), 200, "alice"), nil, nil)

	s.advance(session.DefaultAccessLifetime)
	s.sets(s.expect(s.do("GET", "/me"), 401, "try_refresh"), nil, nil)
	old := s.jar(refresh)
	s.sets(s.expect(s.do("POST", wire.DefaultRefreshPath), 200, "{}\n"), all, nil)
	if s.jar(refresh) == old {
		t.Error("the refresh token was not rotated")
	}
	s.sets(s.expect(s.do("GET", "/me"), 200, "alice"), []string{access}, nil) // the first use renews
	s.sets(s.expect(s.do("GET", "/me"), 200, "alice"), nil, nil)

	// Within grace of the confirmation the token is brand-new: no refresh cookie, lest a late response put it back.
	s.sets(s.expect(s.do("POST", wire.DefaultRefreshPath), 200, "{}\n"), []string{access, id}, nil)

	s.sets(s.expect(s.do("POST", "/logout"), 200, "{}\n"), nil, all)
	s.sets(s.expect(s.do("POST", "/logout"), 200, "{}\n"), nil, all) // a second one clears as well
	s.expect(s.do("GET", "/me"), 401, "unauthorised")
	infos, err := s.manager.Sessions(t.Context(), "alice", session.Page{})
	if err != nil || len(infos) != 0 {
		t.Errorf("sessions after the logout: %v, %v", infos, err)
	}
}

func TestTheftClearsTheCookies(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{StatusTheft: 440, StatusUnauthorised: 440}, session.Config{})
	s.expect(s.do("POST", "/login?user=alice"), 200, "")
	stolen := s.jar(refresh)
	s.advance(time.Minute)
	s.expect(s.do("POST", wire.DefaultRefreshPath), 200, "{}\n")
	s.expect(s.do("GET", "/me"), 200, "alice")
	s.advance(time.Minute)
	thief := s.browser()
	got := s.as(thief, "POST", wire.DefaultRefreshPath, "Cookie", refresh+"="+stolen)
	s.sets(s.expect(got, 440, "token_theft theft"), nil, all)
	if got.Header.Get("Id-Refresh-Token") != "remove" {
		t.Errorf("id-refresh-token: got %q", got.Header.Get("Id-Refresh-Token"))
	}
	s.sets(s.expect(s.do("POST", wire.DefaultRefreshPath), 440, "unauthorised theft"), nil, all)
}

func TestTheIDCookieStandsForTheSession(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{}, session.Config{})
	s.expect(s.do("POST", "/login?user=alice"), 200, "")
	token := s.jar(access)
	other := s.browser()
	s.sets(s.expect(s.as(other, "GET", "/me", "Cookie", access+"="+token), 401, "unauthorised"), nil, all)
	s.expect(s.as(other, "GET", "/me", "Cookie", access+"="+token+"; "+id+"=anything"), 200, "alice")
	s.sets(s.expect(s.as(s.browser(), "GET", "/me", "Cookie", id+"=anything"), 401, "try_refresh"), nil, nil)
}

func TestOptional(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{}, session.Config{})
	s.expect(s.do("GET", "/maybe"), 200, "nobody")
	s.expect(s.do("POST", "/login?user=alice"), 200, "")
	s.expect(s.do("GET", "/maybe"), 200, "alice")
	s.advance(session.DefaultAccessLifetime)
	s.expect(s.do("GET", "/maybe"), 401, "try_refresh")
}

func TestAntiCSRFToken(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{AntiCSRF: wire.AntiCSRFToken}, session.Config{})
	login := s.expect(s.do("POST", "/login?user=alice"), 200, "")
	token := login.Header.Get("Anti-Csrf")
	for _, method := range []string{"GET", "OPTIONS"} {
		s.expect(s.do(method, "/me"), 200, "alice")
	}
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "QUERY"} {
		s.sets(s.expect(s.do(method, "/me"), 403, "anti_csrf"), nil, nil)
		s.expect(s.do(method, "/me", "anti-csrf", "x"+token), 403, "anti_csrf")
		s.expect(s.do(method, "/me", "anti-csrf", token), 200, "alice")
	}
	s.sets(s.expect(s.do("POST", "/logout"), 403, "anti_csrf"), nil, nil)
	// The refresh call carries no anti-csrf header, and gets one.
	if again := s.expect(s.do("POST", wire.DefaultRefreshPath), 200, "{}\n").Header.Get("Anti-Csrf"); again != token {
		t.Errorf("anti-csrf after a refresh: got %q, want %q", again, token)
	}
	s.expect(s.do("POST", "/logout", "anti-csrf", token), 200, "{}\n")
}

// Old cookies of the same name, left by a former path or domain, neither log anybody out nor raise an alarm.
func TestSeveralCookiesOfOneName(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{}, session.Config{})
	s.expect(s.do("POST", "/login?user=alice"), 200, "")
	stale, staleAccess := s.jar(refresh), s.jar(access)
	s.advance(time.Hour)
	s.expect(s.do("POST", wire.DefaultRefreshPath), 200, "{}\n")
	s.expect(s.do("GET", "/me"), 200, "alice")
	s.advance(time.Hour)
	newest, newestAccess := s.jar(refresh), s.jar(access)
	cookies := fmt.Sprintf("%s=%s; %s=garbage; %s=%s", refresh, stale, refresh, refresh, newest)
	s.expect(s.as(s.browser(), "POST", wire.DefaultRefreshPath, "Cookie", cookies), 200, "{}\n")
	s.expect(s.as(s.browser(), "GET", "/me", "Cookie", id+"=1; "+access+"="+staleAccess+"; "+access+"="+newestAccess), 401, "try_refresh")
	if len(s.failures) != 1 || !errors.Is(s.failures[0], session.ErrTryRefresh) {
		t.Errorf("failures: %v", s.failures)
	}
	s.expect(s.do("POST", wire.DefaultRefreshPath), 200, "{}\n")
	s.expect(s.as(s.browser(), "GET", "/me", "Cookie", id+"=1; "+access+"="+staleAccess+"; "+access+"="+s.jar(access)), 200, "alice")
}

func TestI9OutageTouchesNoCookie(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{}, session.Config{})
	s.expect(s.do("POST", "/login?user=alice"), 200, "")
	s.store.away = true
	s.expect(s.do("GET", "/me"), 200, "alice")
	for _, path := range []string{wire.DefaultRefreshPath, "/logout"} {
		got := s.expect(s.do("POST", path), 503, "unavailable")
		s.sets(got, nil, nil)
		if got.Header.Get("Retry-After") == "" || got.Header.Get("Id-Refresh-Token") != "" {
			t.Errorf("%s: headers %v", path, got.Header)
		}
	}
	s.store.away = false
	s.expect(s.do("POST", wire.DefaultRefreshPath), 200, "{}\n")
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{}, session.Config{})
	s.expect(s.do("POST", "/login?user="), 400, "invalid_request")
	s.sets(s.expect(s.do("POST", "/login?user=a&payload="+strings.Repeat("x", 4000)), 413, "too_large"), nil, nil)
	if n, err := s.manager.RevokeUser(t.Context(), "a", session.RevokeOptions{}); err != nil || n != 0 {
		t.Errorf("a login that failed left %d sessions, %v", n, err)
	}
	for _, path := range []string{wire.DefaultRefreshPath, "/logout"} {
		if got := s.do("GET", path); got.StatusCode != 405 || got.Header.Get("Allow") != "POST" {
			t.Errorf("GET %s: got %d", path, got.StatusCode)
		}
	}
	s.store.away = true // whoever asks the store now gets 503
	for _, cookie := range []string{
		"", refresh + "=", refresh + "=garbage", refresh + "=" + strings.Repeat("A", 9000), strings.Repeat(refresh+"=x; ", 8), refresh,
		refresh + `="x"`, refresh + "=\xff\xfe",
	} {
		s.expect(s.as(s.browser(), "POST", wire.DefaultRefreshPath, "Cookie", cookie), 401, "unauthorised")
	}
	for _, cookie := range []string{strings.Repeat(refresh+"=x; ", 50), strings.Repeat("a=b; ", 20_000)} {
		s.sets(s.expect(s.as(s.browser(), "POST", wire.DefaultRefreshPath, "Cookie", cookie), 400, "invalid_request"), nil, nil)
	}
	for _, cookie := range []string{"garbage", "..", strings.Repeat("A", 9000)} {
		s.expect(s.as(s.browser(), "GET", "/me", "Cookie", id+"=1; "+access+"="+cookie), 401, "try_refresh")
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{AllowedOrigins: []string{"https://app.example"}}, session.Config{})
	got := s.do("OPTIONS", "/me", "Origin", "https://app.example", "Access-Control-Request-Method", "PUT")
	if got.StatusCode != 204 || got.Header.Get("Access-Control-Allow-Credentials") != "true" {
		t.Errorf("preflight: got %d %v", got.StatusCode, got.Header)
	}
	got = s.expect(s.do("GET", "/me", "Origin", "https://app.example"), 401, "unauthorised")
	if got.Header.Get("Access-Control-Allow-Origin") != "https://app.example" {
		t.Errorf("an error came without CORS headers: %v", got.Header)
	}
}
