package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/mysqltest"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

// Whatever changes many sessions locks those that it changes and nobody else's: other sessions begin, are refreshed, end and
// are listed while it has not been committed.
func TestBulkChangesHoldNobodyElseUp(t *testing.T) {
	t.Parallel()
	const (
		users = 40
		limit = 6
	)
	end := session.End{ID: 9, Reason: session.ReasonRevoked, Fed: true}
	before := session.End{ID: 1, Reason: session.ReasonRevoked, Fed: true}
	expired := func(user int) bool { return user%8 == 1 }
	for name, bulk := range map[string]struct {
		run     func(context.Context, *mysql.Store, time.Time) (int, error)
		changed int
	}{
		"EndUser": {func(ctx context.Context, s *mysql.Store, _ time.Time) (int, error) {
			return s.EndUser(ctx, "user03", session.Handle{}, end, limit)
		}, 2},
		"EndUser but one": {func(ctx context.Context, s *mysql.Store, _ time.Time) (int, error) {
			return s.EndUser(ctx, "user03", handleOf(3, 1), end, limit)
		}, 1},
		"EndAll": {func(ctx context.Context, s *mysql.Store, later time.Time) (int, error) {
			ended, err := s.EndAll(ctx, later, end, limit)
			return len(ended), err
		}, limit},
		"EndExpired": {func(ctx context.Context, s *mysql.Store, _ time.Time) (int, error) {
			ended, err := s.EndExpired(ctx, session.Handle{}, time.Hour, 9, limit)
			return len(ended), err
		}, users / 8},
		"Purge": {func(ctx context.Context, s *mysql.Store, _ time.Time) (int, error) {
			return s.Purge(ctx, 30*time.Minute, 30*time.Minute, limit)
		}, limit},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := mysqltest.Database(t)
			store := openAt(t, dsn, unlimited)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			must := func(ok bool, err error) {
				t.Helper()
				if err != nil || !ok {
					t.Fatalf("got %v, %v", ok, err)
				}
			}
			insert := func(user, i int, idle time.Duration) error {
				return store.Insert(ctx, session.NewRow{
					Handle: handleOf(user, i), UserID: fmt.Sprintf("user%02d", user), Current: session.Mark{1},
					Lifetimes: session.Lifetimes{Idle: idle, Absolute: 24 * time.Hour},
				})
			}
			// Of each user two live sessions, one that was ended, one that ended an hour ago; of some, one that has expired. The
			// first ones expire first.
			for user := range users {
				must(true, insert(user, 0, 50*time.Minute))
				must(true, insert(user, 1, 2*time.Hour))
				must(true, insert(user, 2, 3*time.Hour))
				must(store.End(ctx, handleOf(user, 2), before))
				must(true, insert(user, 3, -time.Hour))
				ended, err := store.EndExpired(ctx, handleOf(user, 3), time.Hour, 1, 1)
				must(len(ended) == 1, err)
				if expired(user) {
					must(true, insert(user, 4, -time.Minute))
				}
			}
			must(true, store.Publish(ctx, session.Revocation{UserID: "user03"}))
			mustExec(t, store.DB(), "ANALYZE TABLE watchword_sessions")
			_, later, err := store.Keys(ctx)
			must(true, err)

			slow, commit := uncommitted(t, dsn)
			n, err := bulk.run(ctx, slow, later)
			must(n == bulk.changed, err)
			locked := endedBy(t, slow, 9)

			begin := time.Now()
			step := func(what string, ok bool, err error) {
				t.Helper()
				if err != nil || !ok {
					t.Fatalf("%s: got %v, %v", what, ok, err)
				}
				if took := time.Since(begin); took > 2*time.Second {
					t.Fatalf("%s waited for %v", what, took)
				}
				begin = time.Now()
			}
			// Everywhere between what is there already, in the order of handles, of users and of time.
			for user := range users + 1 {
				// EndUser goes along an index, and locks the gap before its user's first session, too: where what the user before has
				// ended goes.
				alongIndex := name == "EndUser" || name == "EndUser but one"
				mine, neighbour := alongIndex && user == 3, alongIndex && user == 2
				for i, idle := range []time.Duration{time.Second, 40 * time.Minute, 90 * time.Minute, 4 * time.Hour} {
					if mine {
						break
					}
					step("a session that begins", true, insert(user, 10+i, idle))
					next := session.Successor{Mark: session.Mark{2}, MintedAt: time.Now()}
					ok, err := store.Mint(ctx, handleOf(user, 10+i), session.Mark{1}, session.Mark{}, time.Time{}, next, renewal)
					step("refresh of a new session", ok, err)
				}
				if user == users {
					break
				}
				for i := range 2 {
					h := handleOf(user, i)
					if locked[h] || mine {
						continue
					}
					for n, idle := range []time.Duration{time.Minute, 100 * time.Minute, 5 * time.Hour} {
						next := session.Successor{Mark: session.Mark{byte(n + 2)}, MintedAt: time.Now()}
						moved := session.Renewal{Lifetimes: session.Lifetimes{Idle: idle, Absolute: 24 * time.Hour}}
						ok, err := store.Mint(ctx, h, session.Mark{byte(n + 1)}, session.Mark{}, time.Time{}, next, moved)
						step("refresh", ok, err)
						ok, err = store.Confirm(ctx, h, next.Mark, nil, moved)
						step("first use", ok, err)
					}
					if i == 0 && !neighbour {
						ok, err := store.End(ctx, h, before)
						step("end", ok, err)
					}
				}
				_, err := store.List(ctx, fmt.Sprintf("user%02d", user), session.Page{Limit: 100})
				step("list", true, err)
			}
			step("publish", true, store.Publish(ctx, session.Revocation{UserID: "user03"}))
			_, _, err = store.Revocations(ctx, later, 100)
			step("feed", true, err)
			commit()
		})
	}
}

// handleOf makes handles of a user's, which lie among those of all others.
func handleOf(user, i int) session.Handle { return session.Handle{0: 1, 1: byte(i), 2: byte(user)} }

// endedBy returns the sessions that an ending has ended, as the store sees them.
func endedBy(t *testing.T, store *mysql.Store, id session.Version) map[session.Handle]bool {
	t.Helper()
	rows, err := store.DB().QueryContext(t.Context(), "SELECT handle FROM watchword_sessions WHERE ending_id = ?", uint64(id))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	ended := map[session.Handle]bool{}
	for rows.Next() {
		var h []byte
		if err := rows.Scan(&h); err != nil {
			t.Fatal(err)
		}
		ended[session.Handle(h)] = true
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return ended
}
