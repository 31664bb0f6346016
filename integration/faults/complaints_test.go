package faults_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/mysqlproxy"
	"github.com/watchword-dev/watchword/integration/mysqltest"
	"github.com/watchword-dev/watchword/session"
)

// The tests of this file are named for what users of other libraries complain of.

// A refresh that needed a second connection while it holds one would never end where each connection is held by another refresh.
func TestARefreshHoldsOneConnectionAtMost(t *testing.T) {
	t.Parallel()
	const refreshes = 200
	for _, conns := range []int{1, 8} {
		t.Run(fmt.Sprint(conns), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, mysqltest.Database(t))
			c := newCell(t, w, "refreshes", limit, nil)
			w.store.DB().SetMaxOpenConns(conns)
			var tokens []session.Tokens
			for range refreshes {
				_, one := c.create()
				tokens = append(tokens, one)
			}
			c.exec("UPDATE watchword_sessions SET current_at = current_at - ?", hour)
			// None gets its first answer before as many as there are connections have sent their statements.
			var (
				sent atomic.Int64
				full = make(chan struct{})
			)
			c.proxy.Arm(mysqlproxy.Fault{Match: mysqlproxy.Begins("SELECT payload"), Times: conns, Do: func(*mysqlproxy.Exchange) {
				if sent.Add(1) == int64(conns) {
					close(full)
				}
				select {
				case <-full:
				case <-time.After(limit / 2):
				}
			}})
			var work sync.WaitGroup
			lanes := make(chan session.Tokens)
			for range max(conns, 8) {
				work.Go(func() {
					for one := range lanes {
						if _, next, err := c.m.Refresh(t.Context(), one.RefreshToken, session.RefreshOptions{}); err != nil || next.RefreshToken == "" {
							t.Errorf("refresh on a pool of %d: got %v", conns, err)
						}
					}
				})
			}
			for _, one := range tokens {
				lanes <- one
			}
			close(lanes)
			work.Wait()
			if n := sent.Load(); n != int64(conns) {
				t.Errorf("%d refreshes were under way at once, want %d", n, conns)
			}
			if n := c.count("SELECT COUNT(*) FROM watchword_sessions WHERE pending_mark IS NOT NULL AND handed = 1"); n != refreshes {
				t.Errorf("%d sessions have a successor, want %d", n, refreshes)
			}
		})
	}
}

// Cleanup, while sessions begin and are rotated next to the ones that it removes: nobody meets a deadlock, as the server counts them.
func TestCleanupDoesNotDeadlockWithLogins(t *testing.T) {
	t.Parallel()
	w := newWorld(t, mysqltest.Database(t))
	c := newCell(t, w, "cleanup", limit, nil)
	w.store.DB().SetMaxOpenConns(12)
	var refused atomic.Int64
	c.proxy.Arm(mysqlproxy.Fault{Times: mysqlproxy.Always, At: mysqlproxy.Answered, Do: func(x *mysqlproxy.Exchange) {
		if n := x.Refusal(); n == 1213 || n == 1205 {
			refused.Add(1)
		}
	}})
	var logins, cleaners sync.WaitGroup
	for range 8 {
		logins.Go(func() {
			for range 60 {
				s, tokens, err := c.m.Create(t.Context(), c.user, session.CreateOptions{})
				if err != nil {
					t.Errorf("a login beside the cleanup: %v", err)
					return
				}
				h := s.Handle()
				if _, err := w.direct.ExecContext(t.Context(), "UPDATE watchword_sessions SET expires_at = created_at - 1 WHERE handle = ?", h[:]); err != nil {
					t.Errorf("expire a session: %v", err)
				}
				_ = tokens
			}
		})
	}
	stop := make(chan struct{})
	var ended, purged atomic.Int64
	for range 3 {
		cleaners.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				done, err := c.m.Cleanup(t.Context())
				if err != nil {
					t.Errorf("cleanup beside logins: %v", err)
				}
				n, err := w.store.Purge(t.Context(), 0, 0, 20)
				if err != nil {
					t.Errorf("purge beside logins: %v", err)
				}
				ended.Add(int64(done.Expired))
				purged.Add(int64(n))
			}
		})
	}
	logins.Wait()
	close(stop)
	cleaners.Wait()
	t.Logf("%d sessions ended, %d records removed, %d statements rolled back by the server", ended.Load(), purged.Load(), refused.Load())
	if ended.Load() == 0 || purged.Load() == 0 {
		t.Error("the cleaners found nothing to do")
	}
}

// lost sets a session up whose successor is under way, for a client that goes on asking.
func lost(t *testing.T) (*cell, session.Handle, string) {
	t.Helper()
	w := newWorld(t, mysqltest.Database(t))
	c := newCell(t, w, t.Name(), window*9/10, func(cfg *session.Config) {
		cfg.Grace = 4 * window
		cfg.MaxHandOuts = 3
	})
	s, tokens := c.create()
	c.age(s.Handle())
	c.refresh(tokens.RefreshToken)
	return c, s.Handle(), tokens.RefreshToken
}

// window is how far apart hand-outs have to be to count as several.
const window = 1500 * time.Millisecond

// asks is a client that asks for a refresh in one window after the other, and is told ErrUnavailable each time.
func (c *cell) asks(times int, token string) {
	c.t.Helper()
	for i := range times {
		next := time.After(window)
		if _, _, err := c.m.Refresh(c.t.Context(), token, session.RefreshOptions{}); !errors.Is(err, session.ErrUnavailable) {
			c.t.Fatalf("refresh %d in an outage: got %v, want ErrUnavailable", i+1, err)
		}
		<-next
	}
}

// A lost commit is not judged theft: hand-outs whose answer the store has lost were none, however many there are. (Rule 2d.)
func TestI9LostCommitsAreNoTheft(t *testing.T) {
	t.Parallel()
	c, h, token := lost(t)
	fault := c.proxy.Arm(mysqlproxy.Fault{
		Match: mysqlproxy.Begins("UPDATE"), Times: mysqlproxy.Always, At: mysqlproxy.Answered, Do: mysqlproxy.Cut,
	})
	c.asks(6, token)
	fault.Disarm()
	if r := c.row(h); r.handed <= 3 {
		t.Fatalf("the server has counted %d hand-outs, want more than the limit", r.handed)
	}
	c.wantHandOut(token)
}

// A statement that waits for a row lock outlives its client, which has long been told ErrUnavailable, by innodb_lock_wait_timeout, 50 s
// by default. However many of them are carried out when the lock is free, it is no theft.
func TestI9StatementsThatOutliveTheirClientsAreNoTheft(t *testing.T) {
	t.Parallel()
	c, h, token := lost(t)
	tx, err := c.direct.BeginTx(t.Context(), nil)
	c.must(err)
	defer func() { _ = tx.Rollback() }()
	_, err = tx.ExecContext(t.Context(), "UPDATE watchword_sessions SET label = 'locked' WHERE handle = ?", h[:])
	c.must(err)
	time.Sleep(window) // into the next one
	c.asks(3, token)
	c.must(tx.Commit())
	c.proxy.Settle(limit)
	if r := c.row(h); r.handed <= 3 {
		t.Fatalf("the server has counted %d hand-outs, want more than the limit: the statements are to be carried out late", r.handed)
	}
	c.wantHandOut(token)
}

// wantHandOut fails unless a client that was given nothing for long is given a successor now, and goes on with it.
func (c *cell) wantHandOut(token string) {
	c.t.Helper()
	_, tokens, err := c.m.Refresh(c.t.Context(), token, session.RefreshOptions{})
	if err == nil && tokens.RefreshToken == "" { // it was handed out too often for this grace
		time.Sleep(5 * window)
		_, tokens, err = c.m.Refresh(c.t.Context(), token, session.RefreshOptions{})
	}
	if err != nil {
		c.errorf("after the outage: got %v, want a successor", err)
		return
	}
	c.use(tokens.AccessToken)
	c.wantThefts(0)
}

// Whoever does shadow the client is found out all the same, beside an outage.
func TestI2ShadowsAreFoundOutBesideAnOutage(t *testing.T) {
	t.Parallel()
	c, _, token := lost(t)
	fault := c.proxy.Arm(mysqlproxy.Fault{
		Match: mysqlproxy.Begins("UPDATE"), Times: mysqlproxy.Always, At: mysqlproxy.Answered, Do: mysqlproxy.Cut,
	})
	c.asks(2, token)
	fault.Disarm()
	var theft *session.TheftError
	for range 12 {
		next := time.After(window)
		_, _, err := c.m.Refresh(t.Context(), token, session.RefreshOptions{})
		if errors.As(err, &theft) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		<-next
	}
	if theft == nil || theft.Kind != session.TheftShadow {
		t.Fatalf("a token that is presented all the time, and whose successors are never used: got %v, want a shadow", theft)
	}
	c.wantThefts(1)
}

// A statement is committed after its context was cancelled, while its client, who has come back, is being served: one lineage.
func TestI7ACommitAfterItsContextWasCancelled(t *testing.T) {
	t.Parallel()
	for name, begins := range map[string]string{"refresh": "UPDATE"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, mysqltest.Database(t))
			c := newCell(t, w, name, storeTimeout, nil)
			s, tokens := c.create()
			c.age(s.Handle())
			// The first attempt's statement is held up beyond its client's patience, and beyond the second attempt, which wins.
			ctx, cancel := context.WithCancel(t.Context())
			hold := make(chan struct{})
			fault := c.proxy.Arm(mysqlproxy.Fault{Match: mysqlproxy.Begins(begins), Do: func(x *mysqlproxy.Exchange) {
				cancel()
				<-hold
			}})
			if _, _, err := c.m.Refresh(ctx, tokens.RefreshToken, session.RefreshOptions{}); !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: got %v, want ErrUnavailable and that of the context", err)
			}
			next := c.refresh(tokens.RefreshToken)
			c.use(next.AccessToken)
			close(hold)
			fault.Wait(t, limit)
			c.proxy.Settle(limit)
			c.wantAlive(s.Handle(), tokens.RefreshToken, next, 1)
			c.wantThefts(0)
		})
	}
}
