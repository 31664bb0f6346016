package store_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/mysqltest"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

// uncommitted makes a store whose changes are made but not committed, nor to be seen by anybody else, until commit is called: as
// those are of a server that takes its time over the commit.
func uncommitted(t *testing.T, dsn string) (store *mysql.Store, commit func()) {
	t.Helper()
	db := mysqltest.Open(t, dsn+"&interpolateParams=true&autocommit=0")
	oneConnection(db)
	store, err := mysql.New(db, mysql.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return store, func() { t.Helper(); mustExec(t, db, "COMMIT") }
}

// reader reads the feed as a Manager does: each time from overlap before the time of the reading before.
type reader struct {
	store   *mysql.Store
	overlap time.Duration
	now     time.Time // of the last reading, by the store's clock
	known   map[session.Handle]session.Revocation
}

func (r *reader) poll(t *testing.T) {
	t.Helper()
	entries, now, err := r.store.Revocations(t.Context(), r.now.Add(-r.overlap), 1000)
	if err != nil {
		t.Fatal(err)
	}
	r.now = now
	for _, e := range entries {
		r.known[e.Handle] = e
	}
}

// An entry of the feed bears the time at which its statement began, and is there to be read only when that has ended, whatever
// held it up: entries appear out of order. Whoever goes back far enough with each reading misses none of them.
func TestFeedMissesNothing(t *testing.T) {
	t.Parallel()
	const delay = 3 * time.Second
	end := session.End{ID: 1, Reason: session.ReasonRevoked, Fed: true}
	for name, slowly := range map[string]func(t *testing.T, dsn string, h session.Handle) (finish func()){
		"commits late": func(t *testing.T, dsn string, h session.Handle) func() {
			slow, commit := uncommitted(t, dsn)
			if ended, err := slow.End(t.Context(), h, end); err != nil || !ended {
				t.Fatalf("got %v, %v, want the session to end", ended, err)
			}
			return commit
		},
		"waits for a lock": func(t *testing.T, dsn string, h session.Handle) func() {
			holder, release := uncommitted(t, dsn)
			if held, err := holder.SetLabel(t.Context(), h, "held"); err != nil || !held {
				t.Fatalf("got %v, %v, want the session to be held", held, err)
			}
			store, done := openAt(t, dsn, unlimited), make(chan error, 1)
			go func() {
				_, err := store.End(t.Context(), h, end)
				done <- err
			}()
			awaitLock(t, dsn)
			return func() {
				select {
				case err := <-done:
					t.Errorf("the statement ended before the lock was released: %v", err)
				default:
				}
				release()
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := mysqltest.Database(t)
			store := openAt(t, dsn, unlimited)
			slow, fast := session.Handle{1}, session.Handle{2}
			for _, h := range []session.Handle{slow, fast} {
				row := session.NewRow{Handle: h, UserID: "user", Current: session.Mark{1}, Lifetimes: life}
				if err := store.Insert(t.Context(), row); err != nil {
					t.Fatal(err)
				}
			}
			careful := &reader{store: store, overlap: 30 * time.Second, known: map[session.Handle]session.Revocation{}}
			hasty := &reader{store: store, known: map[session.Handle]session.Revocation{}}
			poll := func() { t.Helper(); careful.poll(t); hasty.poll(t) }
			sees := func(when string, r *reader, want ...session.Handle) {
				t.Helper()
				if got := slices.SortedFunc(maps.Keys(r.known), compareHandles); !slices.Equal(got, want) {
					t.Errorf("%s, with an overlap of %v: got %v, want %v", when, r.overlap, got, want)
				}
			}
			poll()
			sees("at first", careful)

			finish := slowly(t, dsn, slow)
			if ended, err := store.End(t.Context(), fast, end); err != nil || !ended {
				t.Fatalf("got %v, %v, want the session to end", ended, err)
			}
			for until := time.Now().Add(delay); time.Now().Before(until); time.Sleep(delay / 10) {
				poll()
				sees("meanwhile", careful, fast)
			}
			finish()
			poll()
			sees("in the end", careful, slow, fast)
			if a, b := careful.known[slow].At, careful.known[fast].At; !a.Before(b) {
				t.Errorf("the entries appeared in the order of their times, %v and %v: this test has tested nothing", a, b)
			}
			sees("in the end", hasty, fast)
		})
	}
}

func compareHandles(a, b session.Handle) int { return slices.Compare(a[:], b[:]) }
