package store_test

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/mysqltest"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

// elect asserts whether a store is elected while f runs.
func elect(t *testing.T, what string, store *mysql.Store, want bool, f func(session.Cleaner)) {
	t.Helper()
	ran := false
	elected, err := store.Elect(t.Context(), func(c session.Cleaner) error {
		ran = true
		f(c)
		return nil
	})
	if err != nil || elected != want || ran != want {
		t.Errorf("%s: got %v, %v, and ran: %v, want %v", what, elected, err, ran, want)
	}
}

func nothing(session.Cleaner) {}

// One is elected at a time, of those that share the tables, whatever connections they have.
func TestElection(t *testing.T) {
	t.Parallel()
	dsn := mysqltest.Database(t)
	one, two := openAt(t, dsn, oneConnection), openAt(t, dsn, oneConnection)
	prefixed, err := mysql.New(poolOfOne(t, dsn), mysql.Options{TablePrefix: "other_"})
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := open(t, "", oneConnection)
	for range 3 { // the connection is good for the next
		elect(t, "the first", one, true, func(session.Cleaner) {
			elect(t, "while it works", two, false, nothing)
			elect(t, "with another prefix", prefixed, true, nothing)
			elect(t, "in another schema", elsewhere, true, nothing)
		})
		elect(t, "when it has done", two, true, nothing)
	}
	stop := errors.New("stop")
	if elected, err := one.Elect(t.Context(), func(session.Cleaner) error { return stop }); !elected || !errors.Is(err, stop) {
		t.Errorf("got %v, %v, want what the function said", elected, err)
	}
	elect(t, "after an error", two, true, nothing)
	func() {
		defer func() { _ = recover() }()
		_, _ = one.Elect(t.Context(), func(session.Cleaner) error { panic("a hook of the caller's") })
	}()
	elect(t, "after a panic", two, true, nothing)
	for _, store := range []*mysql.Store{one, two, elsewhere} {
		if n := store.DB().Stats().InUse; n != 0 {
			t.Errorf("%d connections are still in use", n)
		}
	}
}

func poolOfOne(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db := mysqltest.Open(t, dsn+"&interpolateParams=true")
	oneConnection(db)
	return db
}

// The elected one's statements run on the connection that is elected, so that a pool of one is enough.
func TestElectedOneWorksOnItsConnection(t *testing.T) {
	t.Parallel()
	store := open(t, "", oneConnection)
	for user := range 3 {
		err := store.Insert(t.Context(), session.NewRow{Handle: handleOf(user, 0), UserID: "gone", Lifetimes: session.Lifetimes{Idle: -time.Hour, Absolute: time.Hour}})
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	elect(t, "a pool of one", store, true, func(c session.Cleaner) {
		ended, err := c.EndExpired(ctx, session.Handle{}, time.Hour, 1, 2)
		if err != nil || len(ended) != 2 {
			t.Errorf("EndExpired: got %d, %v, want 2", len(ended), err)
		}
		if n, err := c.Purge(ctx, time.Minute, time.Minute, 10); err != nil || n != 2 {
			t.Errorf("Purge: got %d, %v, want 2", n, err)
		}
	})
	if n, err := store.Purge(ctx, time.Minute, time.Minute, 10); err != nil || n != 0 {
		t.Errorf("Purge on the pool: got %d, %v, want none", n, err)
	}
}

// When the elected one's connection dies the lock is gone, its call fails, and the next is elected.
func TestElectionEndsWithItsConnection(t *testing.T) {
	t.Parallel()
	dsn := mysqltest.Database(t)
	one, two := openAt(t, dsn, oneConnection), openAt(t, dsn, oneConnection)
	var id int
	if err := one.DB().QueryRowContext(t.Context(), "SELECT CONNECTION_ID()").Scan(&id); err != nil {
		t.Fatal(err)
	}
	elected, err := one.Elect(t.Context(), func(c session.Cleaner) error {
		mustExec(t, two.DB(), "KILL ?", id)
		_, err := c.EndExpired(t.Context(), session.Handle{}, time.Hour, 1, 10)
		return err
	})
	if !elected || !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("got %v, %v, want ErrUnavailable", elected, err)
	}
	// The server gives the lock back when it has noticed.
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		again, err := two.Elect(t.Context(), func(session.Cleaner) error { return nil })
		if again && err == nil {
			break
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("got %v, %v after the first one's connection died, want to be elected", again, err)
		}
	}
	elect(t, "on a new connection", one, true, nothing)

	// A connection that died in the pool is no reason to fail.
	if err := one.DB().QueryRowContext(t.Context(), "SELECT CONNECTION_ID()").Scan(&id); err != nil {
		t.Fatal(err)
	}
	mustExec(t, two.DB(), "KILL ?", id)
	elect(t, "after its connection was killed in the pool", one, true, nothing)
}

// A caller that hangs up leaves no lock in the pool.
func TestElectionEndsWithItsContext(t *testing.T) {
	t.Parallel()
	dsn := mysqltest.Database(t)
	one, two := openAt(t, dsn, oneConnection), openAt(t, dsn, oneConnection)
	ctx, cancel := context.WithCancel(t.Context())
	elected, err := one.Elect(ctx, func(c session.Cleaner) error {
		cancel()
		_, err := c.EndExpired(ctx, session.Handle{}, time.Hour, 1, 10)
		return err
	})
	if !elected || !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, %v, want ErrUnavailable and why", elected, err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		again, err := two.Elect(t.Context(), func(session.Cleaner) error { return nil })
		if again && err == nil {
			break
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("got %v, %v after the first one's caller has hung up, want to be elected", again, err)
		}
	}
	if elected, err := one.Elect(ctx, func(session.Cleaner) error { return nil }); elected || !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("with a context that is over: got %v, %v, want ErrUnavailable", elected, err)
	}
}

// Fifty candidates on five pools: never two at once, and everybody comes to their turn.
func TestElectionOfMany(t *testing.T) {
	t.Parallel()
	dsn := mysqltest.Database(t)
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	var (
		all          sync.WaitGroup
		inside, most atomic.Int64
		turns        atomic.Int64
	)
	for range 5 {
		store := openAt(t, dsn, unlimited)
		for range 10 {
			all.Go(func() {
				for done := false; !done; {
					var err error
					done, err = store.Elect(ctx, func(session.Cleaner) error {
						if n := inside.Add(1); n > most.Load() {
							most.Store(n)
						}
						time.Sleep(2 * time.Millisecond)
						inside.Add(-1)
						turns.Add(1)
						return nil
					})
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	all.Wait()
	if turns.Load() != 50 || most.Load() != 1 {
		t.Errorf("got %d turns, with up to %d at one time, want 50, one by one", turns.Load(), most.Load())
	}
}
