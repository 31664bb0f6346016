package server_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/demo/api/internal/limit"
	"github.com/watchword-dev/watchword/demo/api/internal/server"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

const wrong = `{"userId":"ann","password":"not the password"}`

// wantTooMany checks an answer to an attempt too many.
func (c *client) wantTooMany(a answer, seconds int) {
	c.t.Helper()
	c.want(a, 429, "too_many_attempts")
	if got := a.Header.Get("Retry-After"); got != strconv.Itoa(seconds) {
		c.t.Errorf("%s: got Retry-After %q, want %d", a.Request.URL.Path, got, seconds)
	}
	if len(a.Cookies()) != 0 {
		c.t.Errorf("%s touches cookies: %v", a.Request.URL.Path, a.Cookies())
	}
}

// TestTooManyWrongPasswords: ten at once, and then one a minute, wherever the password is asked for and whoever asks.
func TestTooManyWrongPasswords(t *testing.T) {
	t.Parallel()
	d := start(t, options{wire: wire.Config{TrustedProxies: []string{"127.0.0.1"}}})
	c, stranger := d.client(t), d.client(t)
	c.register("ann")
	elsewhere := func(i int) string { return fmt.Sprint("198.51.100.", i) }
	for i := range 8 {
		stranger.want(stranger.do("POST", "/api/login", wrong, "X-Forwarded-For", elsewhere(i)), 401, "invalid_credentials")
	}
	c.want(c.do("POST", "/api/reauthenticate", `{"password":"not the password"}`), 401, "invalid_credentials")
	c.want(c.do("POST", "/api/password", `{"old":"not the password","new":"a new password of ann"}`), 401, "invalid_credentials")
	// Now also the right one is not looked at.
	for _, a := range []answer{
		stranger.do("POST", "/api/login", wrong, "X-Forwarded-For", elsewhere(9)),
		stranger.do("POST", "/api/login", `{"userId":"ann","password":"password of ann"}`),
		c.do("POST", "/api/reauthenticate", `{"password":"password of ann"}`),
		c.do("POST", "/api/password", `{"old":"password of ann","new":"a new password of ann"}`),
	} {
		c.wantTooMany(a, 60)
	}
	c.want(c.do("GET", "/api/me", ""), 200, "")                                    // the session has nothing to do with it
	stranger.want(stranger.do("POST", "/api/login", demoCredentials), 200, "")     // nor has anybody else
	stranger.want(stranger.do("POST", "/api/register", wrong), 409, "user_exists") // nor has registration
	d.clock.advance(59*time.Second + time.Millisecond)
	stranger.wantTooMany(stranger.do("POST", "/api/login", wrong), 1)
	d.clock.advance(time.Second)
	stranger.want(stranger.do("POST", "/api/login", wrong), 401, "invalid_credentials")
	stranger.wantTooMany(stranger.do("POST", "/api/login", wrong), 60)
	d.clock.advance(10 * time.Minute)
	for range 30 { // what succeeds is given back
		stranger.want(stranger.do("POST", "/api/login", `{"userId":"ann","password":"password of ann"}`), 200, "")
	}
	for range 10 {
		stranger.want(stranger.do("POST", "/api/login", wrong), 401, "invalid_credentials")
	}
	stranger.wantTooMany(stranger.do("POST", "/api/login", wrong), 60)
}

// TestUnknownAccountsAreLimitedAlike: the limit does not tell who has an account.
func TestUnknownAccountsAreLimitedAlike(t *testing.T) {
	t.Parallel()
	c := start(t, options{}).client(t)
	for range 10 {
		c.want(c.do("POST", "/api/login", wrong), 401, "invalid_credentials")
	}
	c.wantTooMany(c.do("POST", "/api/login", wrong), 60)
}

func TestTooManyRegistrations(t *testing.T) {
	t.Parallel()
	d := start(t, options{})
	c := d.client(t)
	c.register("ann")
	for range 10 {
		c.want(c.do("POST", "/api/register", `{"userId":"ann","password":"another password"}`), 409, "user_exists")
		c.wantWeak(c.do("POST", "/api/register", `{"userId":"bob","password":"fourteen chars"}`), "too_short") // says nothing of bob
		c.wantWeak(c.do("POST", "/api/register", `{"userId":"bob","password":"fourteen chars"}`), "too_short")
	}
	c.wantTooMany(c.do("POST", "/api/register", `{"userId":"ann","password":"another password"}`), 60)
	c.register("bob")
	d.clock.advance(time.Minute)
	c.want(c.do("POST", "/api/register", `{"userId":"ann","password":"another password"}`), 409, "user_exists")
}

// TestTooManyFromOneAddress: of an IPv6 subscriber all addresses count together, and successes count, too.
func TestTooManyFromOneAddress(t *testing.T) {
	t.Parallel()
	d := start(t, options{wire: wire.Config{TrustedProxies: []string{"127.0.0.1"}}})
	c := d.client(t)
	from := func(i int, subscriber string) answer {
		return c.do("POST", "/api/login", fmt.Sprintf(`{"userId":"user %d","password":"not the password"}`, i), "X-Forwarded-For", fmt.Sprintf("2001:db8:0:%s::%x", subscriber, i))
	}
	for i := range 199 {
		c.want(from(i, "1"), 401, "invalid_credentials")
	}
	c.want(c.do("POST", "/api/login", demoCredentials, "X-Forwarded-For", "2001:db8:0:1:ffff::"), 200, "")
	c.wantTooMany(from(1000, "1"), 5)
	c.wantTooMany(c.do("POST", "/api/login", demoCredentials, "X-Forwarded-For", "2001:db8:0:1::1"), 5)
	c.want(from(1000, "2"), 401, "invalid_credentials")
	d.clock.advance(5 * time.Second)
	c.want(from(1000, "1"), 401, "invalid_credentials")
	c.wantTooMany(from(1001, "1"), 5)
}

// TestAttemptsAtOnce: no number of connections gets round it.
func TestAttemptsAtOnce(t *testing.T) {
	t.Parallel()
	d := start(t, options{})
	var (
		tried, refused atomic.Int64
		wg             sync.WaitGroup
	)
	for range 50 {
		c := d.client(t)
		wg.Go(func() {
			switch a := c.do("POST", "/api/login", wrong); a.StatusCode {
			case 401:
				tried.Add(1)
			case 429:
				refused.Add(1)
			default:
				t.Errorf("got %d %s", a.StatusCode, a.body)
			}
		})
	}
	wg.Wait()
	if tried.Load() != 10 || refused.Load() != 40 {
		t.Errorf("%d passwords were looked at and %d not, want 10 and 40", tried.Load(), refused.Load())
	}
}

// silent is a limiter that does not answer.
type silent struct{ limit.Store }

func (silent) Take(context.Context, limit.Key, limit.Rate) (time.Duration, error) {
	return 0, fmt.Errorf("count an attempt: %w", session.ErrUnavailable)
}

// TestWithoutTheLimiterNothingIsTried: an answer of its own, which leaves the session alone.
func TestWithoutTheLimiterNothingIsTried(t *testing.T) {
	t.Parallel()
	var attempts *limit.Attempts
	d := start(t, options{change: func(cfg *server.Config) { attempts = cfg.Attempts }})
	c := d.client(t)
	c.login()
	*attempts = *limit.NewAttempts(silent{})
	for path, body := range map[string]string{
		"/api/login": demoCredentials, "/api/register": wrong, "/api/reauthenticate": `{"password":"watchword-demo-login"}`,
		"/api/password": `{"old":"watchword-demo-login","new":"a new password of ann"}`,
	} {
		a := c.do("POST", path, body)
		c.want(a, 503, "unavailable")
		if len(a.Cookies()) != 0 || a.Header.Get("Retry-After") == "" {
			t.Errorf("%s: got headers %v", path, a.Header)
		}
	}
	c.want(c.do("GET", "/api/me", ""), 200, "")
}
