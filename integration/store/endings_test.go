package store_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/mysqltest"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

// awaitLock waits until a statement of the server's waits for the lock of another one.
func awaitLock(t *testing.T, dsn string) {
	t.Helper()
	db := mysqltest.Open(t, dsn) // the store's pool may have one connection only, which waits
	for range 1000 {
		if lockWaits(t, db) > 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("no statement waits for a lock")
}

// A process that ends many sessions finds one among them that another process is just ending. Each of them tells of its own.
func TestEachEndingIsReturnedOnce(t *testing.T) {
	t.Parallel()
	theirs, ours := session.End{ID: 1, Reason: session.ReasonRevoked}, session.End{ID: 2, Reason: session.ReasonKeyCompromise}
	later := time.Now().Add(time.Hour)
	for name, test := range map[string]struct {
		idle time.Duration
		one  func(context.Context, *mysql.Store, session.Handle) error
		many func(context.Context, *mysql.Store) ([]session.Ended, error)
	}{
		"EndExpired": {
			-time.Minute,
			func(ctx context.Context, s *mysql.Store, h session.Handle) error {
				_, err := s.EndExpired(ctx, h, time.Hour, theirs.ID, 1)
				return err
			},
			func(ctx context.Context, s *mysql.Store) ([]session.Ended, error) {
				return s.EndExpired(ctx, session.Handle{}, time.Hour, ours.ID, 10)
			},
		},
		"EndAll": {
			time.Hour,
			func(ctx context.Context, s *mysql.Store, h session.Handle) error {
				_, err := s.End(ctx, h, theirs)
				return err
			},
			func(ctx context.Context, s *mysql.Store) ([]session.Ended, error) {
				return s.EndAll(ctx, later, ours, 10)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := mysqltest.Database(t)
			store := openAt(t, dsn, unlimited)
			for i := range byte(3) {
				row := session.NewRow{Handle: session.Handle{i + 1}, UserID: "user", Lifetimes: session.Lifetimes{Idle: test.idle, Absolute: 2 * time.Hour}}
				if err := store.Insert(t.Context(), row); err != nil {
					t.Fatal(err)
				}
			}
			slow, commit := uncommitted(t, dsn)
			if err := test.one(t.Context(), slow, session.Handle{2}); err != nil {
				t.Fatal(err)
			}
			type result struct {
				ended []session.Ended
				err   error
			}
			results := make(chan result, 1)
			go func() {
				ended, err := test.many(t.Context(), store)
				results <- result{ended, err}
			}()
			awaitLock(t, dsn)
			commit()
			got := <-results
			if got.err != nil || len(got.ended) != 2 {
				t.Fatalf("got %v, %v, want the two that the other process did not end", got.ended, got.err)
			}
			for _, e := range got.ended {
				if e.Handle == (session.Handle{2}) || e.ID != ours.ID || e.UserID != "user" {
					t.Errorf("got %v, with id %d", e.Handle, e.ID)
				}
			}
			if e, err := store.Ending(t.Context(), session.Handle{2}); err != nil || e.ID != theirs.ID {
				t.Errorf("the other's: got id %d, %v, want %d", e.ID, err, theirs.ID)
			}
		})
	}
}

// However a session ends, what the application kept in it goes from the table with it.
func TestEndedKeepNoPayloadAndNoData(t *testing.T) {
	t.Parallel()
	store := open(t, "", unlimited)
	for i := range byte(5) {
		idle := time.Hour
		if i >= 3 {
			idle = -time.Minute
		}
		row := session.NewRow{
			Handle: session.Handle{i + 1}, UserID: "user", Payload: []byte("1"), Data: []byte("1"),
			Lifetimes: session.Lifetimes{Idle: idle, Absolute: 2 * time.Hour},
		}
		if err := store.Insert(t.Context(), row); err != nil {
			t.Fatal(err)
		}
	}
	end := session.End{ID: 1, Reason: session.ReasonRevoked}
	one, oneErr := store.End(t.Context(), session.Handle{1}, end)
	user, userErr := store.EndUser(t.Context(), "user", session.Handle{2}, end, 10)
	all, allErr := store.EndAll(t.Context(), time.Now().Add(time.Hour), end, 10)
	expired, expiredErr := store.EndExpired(t.Context(), session.Handle{4}, time.Hour, 1, 1)
	rest, restErr := store.EndExpired(t.Context(), session.Handle{}, time.Hour, 1, 10)
	if !one || user != 1 || len(all) != 1 || len(expired) != 1 || len(rest) != 1 {
		t.Fatalf("got %v %v, %d %v, %d %v, %d %v, %d %v, want each to end one", one, oneErr, user, userErr, len(all), allErr,
			len(expired), expiredErr, len(rest), restErr)
	}
	kept := 0
	err := store.DB().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM watchword_sessions WHERE payload IS NOT NULL OR data IS NOT NULL").Scan(&kept)
	if err != nil || kept != 0 {
		t.Errorf("%d of 5 sessions kept something, %v", kept, err)
	}
}

// What is known of a theft is as long as what a thief may choose of it, several times over when it is escaped. It must not keep
// the session alive.
func TestEndingsKeepLongDetails(t *testing.T) {
	t.Parallel()
	store := open(t, "", unlimited)
	h := session.Handle{1}
	if err := store.Insert(t.Context(), session.NewRow{Handle: h, UserID: "user", Lifetimes: life}); err != nil {
		t.Fatal(err)
	}
	detail := []byte(strings.Repeat(`<'"\\u003c`, 6000))
	if ended, err := store.End(t.Context(), h, session.End{ID: 1, Reason: session.ReasonTheft, Detail: detail}); err != nil || !ended {
		t.Fatalf("End: got %v, %v, want true", ended, err)
	}
	if ended, err := store.Ending(t.Context(), h); err != nil || !bytes.Equal(ended.Detail, detail) {
		t.Errorf("Ending: got a detail of %d bytes, %v, want %d", len(ended.Detail), err, len(detail))
	}
}
