package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/mysqltest"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

func manager(t *testing.T, store session.Store, cfg session.Config) *session.Manager {
	t.Helper()
	m, err := session.New(t.Context(), store, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A context that ends while a statement waits for a lock ends the call, and holds no connection.
func TestContextEndsAWaitingStatement(t *testing.T) {
	t.Parallel()
	dsn := mysqltest.Database(t)
	store := openAt(t, dsn, unlimited)
	m := manager(t, store, session.Config{})
	s, _, err := m.Create(t.Context(), "user", session.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	tx, err := mysqltest.Open(t, dsn).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	h := s.Handle()
	if _, err := tx.ExecContext(t.Context(), "DELETE FROM watchword_sessions WHERE handle = ?", h[:]); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := store.SetData(ctx, h, 0, 5, []byte("1")); !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want ErrUnavailable and DeadlineExceeded", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if n := store.DB().Stats().InUse; n != 0 {
		t.Errorf("%d connections are still in use", n)
	}
	if _, err := s.SetData(t.Context(), 2); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// I9: connections that the server kills cost at most an ErrUnavailable, which a repetition mends; nobody is logged out.
func TestI9KilledConnections(t *testing.T) {
	t.Parallel()
	dsn := mysqltest.Database(t)
	store := openAt(t, dsn, unlimited)
	var thefts atomic.Int64
	m := manager(t, store, session.Config{Grace: 20 * time.Millisecond, MaxHandOuts: 1000, OnTheft: func(context.Context, *session.TheftError) {
		thefts.Add(1)
	}})
	stop := make(chan struct{})
	var killer sync.WaitGroup
	admin := mysqltest.Open(t, dsn)
	admin.SetMaxOpenConns(1)
	list, killed := otherConnections(t, admin), 0
	killer.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
			var ids sql.NullString
			if err := admin.QueryRowContext(t.Context(), list).Scan(&ids); err != nil {
				t.Errorf("list connections: %v", err)
				return
			}
			for id := range strings.SplitSeq(ids.String, ",") {
				if _, err := admin.ExecContext(t.Context(), "KILL "+id); err == nil { // it may be gone already
					killed++
				}
			}
		}
	})
	var done, failed atomic.Int64
	var clients sync.WaitGroup
	for range 8 {
		_, tokens, err := m.Create(t.Context(), "user", session.CreateOptions{})
		for errors.Is(err, session.ErrUnavailable) {
			_, tokens, err = m.Create(t.Context(), "user", session.CreateOptions{})
		}
		if err != nil {
			t.Fatal(err)
		}
		clients.Go(func() {
			for range 60 {
				time.Sleep(25 * time.Millisecond) // past the grace, so that every refresh writes
				_, next, err := m.Refresh(t.Context(), tokens.RefreshToken, session.RefreshOptions{})
				switch {
				case errors.Is(err, session.ErrUnavailable):
					failed.Add(1)
					continue
				case err != nil:
					t.Errorf("a killed connection gave %v", err)
					return
				}
				done.Add(1)
				if _, err := m.Verify(t.Context(), next.AccessToken, session.VerifyOptions{}); err != nil {
					t.Errorf("a killed connection gave %v", err)
					return
				}
				if next.RefreshToken != "" {
					tokens = next
				}
			}
		})
	}
	clients.Wait()
	close(stop)
	killer.Wait()
	if thefts.Load() > 0 {
		t.Errorf("%d lost answers were taken for theft", thefts.Load())
	}
	t.Logf("%d connections killed; %d refreshes answered, %d were told to come again", killed, done.Load(), failed.Load())
	if done.Load() == 0 || killed == 0 {
		t.Errorf("%d refreshes were answered and %d connections killed: this test has tested nothing", done.Load(), killed)
	}
}

// Creates, refreshes, revocations of one and of many, and cleanup at once: no deadlock reaches a caller.
func TestNoDeadlockReachesACaller(t *testing.T) {
	t.Parallel()
	store := open(t, "", unlimited)
	m := manager(t, store, session.Config{Grace: session.NoGrace, StoreTimeout: time.Minute, AccessJitter: session.NoJitter, AccessLifetime: time.Second, IdleLifetime: 1001 * time.Millisecond})
	var workers sync.WaitGroup
	var ops, cleaned, removed atomic.Int64
	check := func(what string, err error) {
		// Another worker has ended it, or on a busy machine its access token is a second old.
		if err != nil && !errors.Is(err, session.ErrUnauthorised) && !errors.Is(err, session.ErrTryRefresh) {
			t.Errorf("%s: %v", what, err)
		}
		ops.Add(1)
	}
	for worker := range 12 {
		workers.Go(func() {
			for i := range 60 {
				user := fmt.Sprint("user", (worker+i)%40)
				s, tokens, err := m.Create(t.Context(), user, session.CreateOptions{})
				check("create", err)
				if err != nil {
					return
				}
				for range 2 {
					var next session.Tokens
					_, next, err = m.Refresh(t.Context(), tokens.RefreshToken, session.RefreshOptions{})
					check("refresh", err)
					if err != nil {
						break
					}
					_, err = m.Verify(t.Context(), next.AccessToken, session.VerifyOptions{})
					check("first use", err)
					tokens = next
				}
				if i%7 == 0 {
					_, err = m.RevokeOthers(t.Context(), user, s.Handle(), session.RevokeOptions{})
					check("revoke others", err)
				}
				if i%5 == 0 {
					_, err = m.Revoke(t.Context(), s.Handle(), session.RevokeOptions{})
					check("revoke", err)
				}
			}
		})
	}
	var cleaners sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		cleaners.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Millisecond):
				}
				done, err := m.Cleanup(t.Context())
				check("clean up", err)
				cleaned.Add(int64(done.Expired))
				purged, err := store.Purge(t.Context(), time.Second, time.Second, 50)
				check("purge", err)
				removed.Add(int64(purged))
			}
		})
	}
	workers.Wait()
	close(stop)
	cleaners.Wait()
	t.Logf("%d operations, %d expired sessions ended, %d endings purged", ops.Load(), cleaned.Load(), removed.Load())
	if cleaned.Load() == 0 || removed.Load() == 0 {
		t.Error("the cleaners found nothing to do")
	}
}

// An unreachable database is named, and its password is not.
func TestUnreachableDatabase(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := mysql.Open(ctx, "app:hunter2@tcp(127.0.0.1:1)/shop", mysql.Options{})
	if !errors.Is(err, session.ErrUnavailable) || !strings.Contains(err.Error(), "127.0.0.1:1") || !strings.Contains(err.Error(), "shop") ||
		strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v, want ErrUnavailable with host and database, without the password", err)
	}
}

// Errors of the server may hold the values of a statement. Ours never do.
func TestErrorsHoldNoValues(t *testing.T) {
	t.Parallel()
	store := open(t, "", unlimited)
	mustExec(t, store.DB(), "DROP TABLE watchword_sessions")
	const secret = "secretuser"
	_, err := store.List(t.Context(), secret, session.Page{Limit: 1})
	if err == nil || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), "Migrate") {
		t.Errorf("got %v, want an error that says what to do and holds no value", err)
	}
}
