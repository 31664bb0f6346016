package flows_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/mysqltest"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

// issuer is a Manager over the database of demo processes, for tests that need more sessions than passwords can be checked for.
func issuer(t *testing.T, dsn string) *session.Manager {
	t.Helper()
	store, err := mysql.Open(t.Context(), dsn, mysql.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	mysqltest.Limit(store.DB(), 32)
	m, err := session.New(t.Context(), store, session.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func issue(t *testing.T, m *session.Manager, user string) (cookies string) {
	t.Helper()
	_, tokens, err := m.Create(t.Context(), user, session.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return "sAccessToken=" + tokens.AccessToken + "; sIdRefreshToken=" + tokens.ID
}

// ask sends a request with these cookies and no others, over a connection that is kept.
func ask(ctx context.Context, p *process, method, path, cookies string) (answer, error) {
	return (&browser{client: http.DefaultClient}).try(ctx, p, method, path, "", "Cookie", cookies)
}

// TestRevocationReachesThreeProcesses: 200 sessions are ended in one process, each at a moment of its own, and the access token
// of each is refused by two others within an interval and half a second.
func TestRevocationReachesThreeProcesses(t *testing.T) {
	t.Parallel()
	const (
		sessions = 200
		bound    = session.DefaultFeedInterval + 500*time.Millisecond
	)
	dsn := mysqltest.Database(t)
	here, others := start(t, dsn), []*process{start(t, dsn), start(t, dsn)}
	m := issuer(t, dsn)
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		worst  time.Duration
		passed atomic.Int64
	)
	for i := range sessions {
		cookies := issue(t, m, fmt.Sprint("user", i))
		for _, p := range append(others, here) {
			if a, err := ask(t.Context(), p, "GET", "/api/me", cookies); err != nil || a.status != http.StatusOK {
				t.Fatalf("before: got %d, %v", a.status, err)
			}
		}
		wg.Go(func() {
			time.Sleep(time.Duration(i) * 25 * time.Millisecond) // moments spread over the interval, and a load that is none
			if a, err := ask(t.Context(), here, "POST", "/api/logout", cookies); err != nil || a.status != http.StatusOK {
				t.Errorf("logout: got %d, %v", a.status, err)
				return
			}
			revoked := time.Now()
			if a, err := ask(t.Context(), here, "GET", "/api/me", cookies); err != nil || a.status != http.StatusUnauthorized {
				t.Errorf("in the same process: got %d, %v", a.status, err)
			}
			for _, p := range others {
				for {
					asked := time.Now()
					a, err := ask(t.Context(), p, "GET", "/api/me", cookies)
					if err != nil {
						t.Errorf("session %d: %v", i, err)
						return
					}
					if a.status == http.StatusUnauthorized {
						if !strings.Contains(a.body, `"reason":"logout"`) {
							t.Errorf("session %d: the refusal does not say why: %s", i, a.body)
						}
						passed.Add(1)
						break
					}
					if late := asked.Sub(revoked); late > bound {
						t.Errorf("session %d: the access token passes %v after the logout had returned", i, late)
						return
					}
					time.Sleep(20 * time.Millisecond)
				}
				mu.Lock()
				worst = max(worst, time.Since(revoked))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	t.Logf("%d refusals, the last of them %v after its logout", passed.Load(), worst)
}

// TestVerificationAsksTheServerNothing: while three processes verify 10,000 access tokens each over HTTP, the server counts the
// statements of reading the feed and the keys, and no others.
func TestVerificationAsksTheServerNothing(t *testing.T) {
	t.Parallel()
	const verifications = 10_000
	dsn := mysqltest.Database(t)
	var processes []*process
	for range 3 {
		processes = append(processes, start(t, dsn, "CLEANUP_INTERVAL=0")) // a cleanup is nobody's request, but may come at any time
	}
	cookies := issue(t, issuer(t, dsn), "user")
	db := mysqltest.Open(t, dsn)
	before, began := digests(t, db), time.Now()
	var wg sync.WaitGroup
	for _, p := range processes {
		for range 4 {
			wg.Go(func() {
				for range verifications / 4 {
					if a, err := ask(t.Context(), p, "GET", "/api/me", cookies); err != nil || a.status != http.StatusOK {
						t.Errorf("got %d, %v", a.status, err)
						return
					}
				}
			})
		}
	}
	wg.Wait()
	took := time.Since(began)
	polls, others := 0, map[string]int{}
	for text, n := range digests(t, db) {
		switch n -= before[text]; {
		case n == 0 || strings.Contains(text, "performance_schema"):
		case strings.Contains(text, "fed_at"):
			polls += n
		case strings.Contains(text, "signing_keys"):
		default:
			others[text] += n
		}
	}
	if len(others) > 0 {
		t.Errorf("the server counted other statements than those that read feed and keys: %v", slices.Collect(maps.Keys(others)))
	}
	// An interval is at least four fifths of a second.
	if most := len(processes) * (int(took/(800*time.Millisecond)) + 1); polls > most {
		t.Errorf("the feed was read %d times in %v, want %d at most", polls, took, most)
	}
	t.Logf("%d verifications in %v, the feed was read %d times", len(processes)*verifications, took, polls)
}

// digests returns how often the server has executed each kind of statement in the connection's schema.
func digests(t *testing.T, db *sql.DB) map[string]int {
	t.Helper()
	counts := map[string]int{}
	rows, err := db.QueryContext(t.Context(), "SELECT DIGEST_TEXT, COUNT_STAR FROM performance_schema.events_statements_summary_by_digest"+
		" WHERE SCHEMA_NAME = DATABASE()")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var (
			text string
			n    int
		)
		if err := rows.Scan(&text, &n); err != nil {
			t.Fatal(err)
		}
		counts[text] += n
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if len(counts) == 0 {
		t.Fatal("the server counts no statements: it needs performance_schema = ON")
	}
	return counts
}

// TestI4RandomInterleavingsOnMySQL: refreshes, verifications and revocations of one session cross in three processes, 10,000
// times. Once the revocation has returned no token of the session is good in the process that revoked, and after a reading of
// the feed in none.
func TestI4RandomInterleavingsOnMySQL(t *testing.T) {
	t.Parallel()
	const (
		workers = 16
		rounds  = 10_000 / workers
	)
	dsn := mysqltest.Database(t)
	store, err := mysql.Open(t.Context(), dsn, mysql.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	mysqltest.Limit(store.DB(), 32)
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	// Three processes, and three in the strict mode, in which a token that has just been handed out is replaced at once.
	managers := make([]*session.Manager, 6)
	for i := range managers {
		cfg := session.Config{StoreTimeout: time.Minute}
		if i >= 3 {
			cfg.Grace = session.NoGrace
		}
		m, err := session.New(ctx, store, cfg)
		if err != nil {
			t.Fatal(err)
		}
		running.Go(func() { m.Run(ctx) })
		managers[i] = m
	}
	c := crossings{managers: managers}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for round := range rounds {
				if !c.cross(t, fmt.Sprintf("user-%d-%d", w, round), w*rounds+round) {
					return
				}
			}
		})
	}
	wg.Wait()
	time.Sleep(session.DefaultFeedInterval + 500*time.Millisecond) // each has read the feed
	for i, token := range c.access {
		for _, m := range managers {
			if _, err := m.Verify(t.Context(), token, session.VerifyOptions{}); err == nil {
				t.Fatalf("access token %d passes", i)
			}
		}
	}
	t.Logf("%d rounds, %d access tokens, %d refreshes before and %d after the revocation", workers*rounds, len(c.access), c.succeeded.Load(), c.refused.Load())
}

// crossings remembers every access token that was handed out.
type crossings struct {
	managers           []*session.Manager
	succeeded, refused atomic.Int64

	mu     sync.Mutex
	access []string
}

func (c *crossings) hold(tokens session.Tokens) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.access = append(c.access, tokens.AccessToken)
}

// cross is one round: a session that is as old as kind says, two refreshes, a first use, and a revocation, at once.
func (c *crossings) cross(t *testing.T, user string, kind int) bool {
	t.Helper()
	ctx := t.Context()
	at := func(i int) *session.Manager { return c.managers[kind/3%2*3+(kind+i)%3] }
	s, tokens, err := at(0).Create(ctx, user, session.CreateOptions{})
	if err != nil {
		t.Error(err)
		return false
	}
	c.hold(tokens)
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() {
			_, next, err := at(i+1).Refresh(ctx, tokens.RefreshToken, session.RefreshOptions{})
			if err != nil {
				c.refused.Add(1)
				if !errors.Is(err, session.ErrUnauthorised) && !errors.Is(err, session.ErrTryRefresh) {
					t.Errorf("refresh: %v", err)
				}
				return
			}
			c.succeeded.Add(1)
			c.hold(next)
			if verified, err := at(i).Verify(ctx, next.AccessToken, session.VerifyOptions{}); err == nil {
				if renewed, ok := verified.Renewed(); ok {
					c.hold(renewed)
				}
			}
		})
	}
	wg.Go(func() {
		var (
			revoker = at(2)
			ended   int
			err     error
		)
		switch {
		case kind%20 == 0:
			ended, err = revoker.RevokeOthers(ctx, user, session.Handle{1}, session.RevokeOptions{})
		case kind%2 == 0:
			var one bool
			if one, err = revoker.Revoke(ctx, s.Handle(), session.RevokeOptions{}); one {
				ended = 1
			}
		default:
			ended, err = revoker.RevokeUser(ctx, user, session.RevokeOptions{})
		}
		if err != nil {
			t.Errorf("revoke: %v", err)
			return
		}
		for i := range 2 {
			if _, _, err := at(i).Refresh(ctx, tokens.RefreshToken, session.RefreshOptions{}); !errors.Is(err, session.ErrUnauthorised) {
				t.Errorf("a refresh that began after the revocation: got %v", err)
			}
		}
		// In the strict mode another process may have ended the session as stolen: this one learns of that from the feed.
		if _, err := revoker.Verify(ctx, tokens.AccessToken, session.VerifyOptions{}); err == nil && ended > 0 {
			t.Error("the access token passes in the process that revoked")
		}
	})
	wg.Wait()
	return !t.Failed()
}
