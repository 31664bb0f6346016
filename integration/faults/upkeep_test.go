package faults_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/watchword-dev/watchword/integration/mysqlproxy"
	"github.com/watchword-dev/watchword/session"
)

// upkeep is what Manager.Run does, and what sets a database up.
var upkeep = []operation{
	{name: "feed poll", statements: "SELECT", waits: 1,
		own: mysqlproxy.Contains("revoked_at"),
		setup: func(c *cell) scenario {
			s, tokens := c.create()
			elsewhere := c.elsewhere()
			_, err := elsewhere.Revoke(c.t.Context(), s.Handle(), session.RevokeOptions{})
			c.must(err)
			return scenario{
				run: func(ctx context.Context) (outcome, error) { return done, c.runOnce(ctx) },
				check: func(outcome) {
					if _, err := c.m.Verify(c.t.Context(), tokens.AccessToken, session.VerifyOptions{}); !errors.Is(err, session.ErrUnauthorised) {
						c.errorf("a session that another process has ended: got %v, want ErrUnauthorised", err)
					}
				},
			}
		}},
	{name: "cleanup", statements: "SELECT SELECT UPDATE SELECT SELECT SELECT SELECT DELETE DELETE SELECT SELECT DELETE SELECT", waits: 1, once: "✓RRRRRRRRRRR✓", stopped: "RRRRRRRRRRRR✓", config: inOneTurn, setup: func(c *cell) scenario {
		c.exec("DELETE FROM watchword_sessions")
		expired, _ := c.create()
		old, _ := c.create()
		_, err := old.Revoke(c.t.Context(), session.RevokeOptions{})
		c.must(err)
		alive, tokens := c.create()
		a, b := expired.Handle(), old.Handle()
		c.exec("UPDATE watchword_sessions SET expires_at = created_at - 1 WHERE handle = ?", a[:])
		c.exec("UPDATE watchword_sessions SET ended_at = ended_at - ? WHERE handle = ?", 24*60*hour, b[:])
		c.exec("INSERT INTO watchword_revocations VALUES (1, ?, 'zquser', 'revoked')", b[:])
		return scenario{
			run: func(ctx context.Context) (outcome, error) {
				_, err := c.m.Cleanup(ctx)
				return done, err
			},
			check: func(outcome) {
				if r := c.row(a); !r.ended || r.reason != string(session.ReasonIdle) {
					c.errorf("the expired session has ended %v, for %q", r.ended, r.reason)
				}
				if n := c.count("SELECT COUNT(*) FROM watchword_sessions WHERE handle = ?", b[:]) + c.count("SELECT COUNT(*) FROM watchword_revocations"); n != 0 {
					c.errorf("%d old records are left", n)
				}
				c.wantAlive(alive.Handle(), tokens.RefreshToken, tokens, 0)
			},
		}
	}},
	{name: "key rotation by Run", statements: "SELECT INSERT SELECT", waits: 1, once: "✓R✓",
		config: func(cfg *session.Config) { cfg.Revocation = session.RevocationOff },
		setup: func(c *cell) scenario {
			c.newKeys()
			c.exec("UPDATE watchword_signing_keys SET activates_at = activates_at - ? WHERE purpose = 'access'", 24*hour)
			s, tokens := c.create()
			return scenario{
				run: func(ctx context.Context) (outcome, error) { return done, c.maintainOnce(ctx) },
				check: func(outcome) {
					c.wantKeys("access", 2, 0)
					c.wantKeys("refresh", 1, 0)
					c.wantAlive(s.Handle(), tokens.RefreshToken, tokens, 0)
				},
			}
		}},
	{name: "RotateNow", statements: "SELECT INSERT SELECT", waits: 1, once: "✓R✓", setup: func(c *cell) scenario {
		c.newKeys()
		s, tokens := c.create()
		return scenario{
			run: func(ctx context.Context) (outcome, error) {
				return done, c.m.RotateNow(ctx, session.PurposeAccess, "test", false)
			},
			check: func(outcome) {
				c.wantKeys("access", 2, 0)
				c.wantAlive(s.Handle(), tokens.RefreshToken, tokens, 0)
			},
		}
	}},
	{name: "RotateNow, compromised", statements: "SELECT INSERT UPDATE SELECT", waits: 1, once: "✓RR✓", setup: func(c *cell) scenario {
		c.newKeys()
		s, tokens := c.create()
		return scenario{
			run: func(ctx context.Context) (outcome, error) {
				return done, c.m.RotateNow(ctx, session.PurposeAccess, "test", true)
			},
			check: func(outcome) {
				// A repetition cuts off what the first attempt has made, too.
				keys := c.count("SELECT COUNT(*) FROM watchword_signing_keys WHERE purpose = 'access'")
				c.wantKeys("access", min(max(keys, 2), 3), min(max(keys, 2), 3)-1)
				if _, err := c.m.Verify(c.t.Context(), tokens.AccessToken, session.VerifyOptions{}); !errors.Is(err, session.ErrTryRefresh) {
					c.errorf("a token of a key that was cut off: got %v, want ErrTryRefresh", err)
				}
				_, next, err := c.m.Refresh(c.t.Context(), tokens.RefreshToken, session.RefreshOptions{})
				if err != nil {
					c.errorf("refresh after that: %v", err)
				}
				c.wantAlive(s.Handle(), tokens.RefreshToken, next, 0)
			},
		}
	}},
	{name: "New on a fresh database", statements: "SELECT INSERT INSERT SELECT SELECT", waits: 2, once: "✓RR✓✓", setup: func(c *cell) scenario {
		c.exec("DELETE FROM watchword_signing_keys")
		var m *session.Manager
		cfg := session.Config{Grace: grace, StoreTimeout: c.timeout}
		return scenario{
			run: func(ctx context.Context) (outcome, error) {
				var err error
				m, err = session.New(ctx, c.store, cfg)
				return done, err
			},
			check: func(outcome) {
				c.wantKeys("access", 1, 0)
				c.wantKeys("refresh", 1, 0)
				c.m = m
				s, tokens := c.create()
				c.wantAlive(s.Handle(), tokens.RefreshToken, tokens, 0)
			},
		}
	}},
	{name: "Migrate of a fresh database", statements: "SELECT CREATE CREATE INSERT CREATE INSERT CREATE INSERT ALTER INSERT", waits: 4, once: "✓RRRRRRRRR", setup: func(c *cell) scenario {
		c.exec("DROP TABLE IF EXISTS watchword_schema_version, watchword_sessions, watchword_signing_keys, watchword_revocations")
		c.withoutTables = true
		timeout := 4 * c.timeout // Migrate has none of its own, and changing a schema takes its time
		return scenario{
			run: func(ctx context.Context) (outcome, error) {
				ctx, cancel := context.WithTimeout(ctx, timeout)
				defer cancel()
				timeout = limit
				return done, c.store.Migrate(ctx)
			},
			check: func(outcome) {
				if n := c.count("SELECT SUM(version) FROM watchword_schema_version"); n != 1+2+3+4 {
					c.errorf("the versions add up to %d, want 10", n)
				}
				c.must(c.store.Migrate(c.t.Context()))
				c.m = c.elsewhere()
				s, tokens := c.create()
				c.wantAlive(s.Handle(), tokens.RefreshToken, tokens, 0)
			},
		}
	}},
}

// newKeys has the Manager begin with keys of its own: those of other cells of the schema are due, or cut off.
func (c *cell) newKeys() {
	c.t.Helper()
	c.exec("DELETE FROM watchword_signing_keys")
	var err error
	c.m, err = session.New(c.t.Context(), c.keys, c.cfg)
	c.must(err)
}

// wantKeys fails unless there are so many keys of a purpose, of which so many were cut off.
func (c *cell) wantKeys(purpose string, keys, cutOff int) {
	c.t.Helper()
	got := c.count("SELECT COUNT(*) FROM watchword_signing_keys WHERE purpose = ?", purpose)
	off := c.count("SELECT COUNT(*) FROM watchword_signing_keys WHERE purpose = ? AND retires_at IS NOT NULL", purpose)
	if got != keys || off != cutOff {
		c.errorf("got %d %s keys of which %d are cut off, want %d and %d", got, purpose, off, keys, cutOff)
	}
}

// runOnce lets Run read the feed once.
func (c *cell) runOnce(ctx context.Context) error {
	polls := make(chan error, 1)
	c.polls.Store(&polls)
	defer c.polls.Store(nil)
	ctx, stop := context.WithCancel(ctx)
	var run sync.WaitGroup
	run.Go(func() { c.m.Run(ctx) })
	err := errors.New("the feed was not read")
	select {
	case err = <-polls:
	case <-time.After(limit):
	}
	stop()
	run.Wait()
	return err
}

// maintainOnce lets Run look after the keys once.
func (c *cell) maintainOnce(ctx context.Context) error {
	ended := c.keys.watch()
	ctx, stop := context.WithCancel(ctx)
	var run sync.WaitGroup
	run.Go(func() { c.m.Run(ctx) })
	err := errors.New("nobody looked after the keys")
	select {
	case err = <-ended:
	case <-time.After(limit):
	}
	stop()
	run.Wait()
	return err
}

// inOneTurn has a cleanup be elected once, however long its statements take: it goes by the clock whether a turn is over.
func inOneTurn(cfg *session.Config) {
	at := time.Now()
	cfg.Clock = func() time.Time { return at }
}

// watchedKeys sees how looking after the keys ends, which Run tells nobody but the log: it loads them, inserts what is due, and then
// loads them again.
type watchedKeys struct {
	session.Store

	mu    sync.Mutex
	loads int
	err   error
	ended chan error // nil: nobody watches
}

func (w *watchedKeys) watch() <-chan error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loads, w.err, w.ended = 0, nil, make(chan error, 1)
	return w.ended
}

func (w *watchedKeys) Keys(ctx context.Context) ([]session.Key, time.Time, error) {
	keys, now, err := w.Store.Keys(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loads++
	nothingDue := w.loads == 1 && len(keys) > 2
	if w.ended != nil && (err != nil || nothingDue || w.loads == 2) {
		w.ended <- errors.Join(w.err, err)
		w.ended = nil
	}
	return keys, now, err
}

// Elect implements session.Elector by the store's.
func (w *watchedKeys) Elect(ctx context.Context, f func(session.Cleaner) error) (bool, error) {
	return w.Store.(session.Elector).Elect(ctx, f) //nolint:forcetypeassert // *mysql.Store is one
}

func (w *watchedKeys) InsertKey(ctx context.Context, key session.Key) error {
	err := w.Store.InsertKey(ctx, key)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !errors.Is(err, session.ErrDuplicate) {
		w.err = errors.Join(w.err, err)
	}
	return err
}
