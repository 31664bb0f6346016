//go:build clusters

package vitessreal_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/clusters/cluster"
	"github.com/watchword-dev/watchword/integration/clusters/failover"
	"github.com/watchword-dev/watchword/integration/clusters/vitess"
	"github.com/watchword-dev/watchword/session"
)

const (
	feedInterval = time.Second
	feedSlack    = time.Second // beside the interval: for the store's answer, on a machine that is busy
	slowReading  = 500 * time.Millisecond
	lookEvery    = 15 * time.Millisecond
	looksWithin  = 20 * lookEvery // a reading has ended and its result is seen, on a machine that is busy
	revokeEvery  = 100 * time.Millisecond
	revocations  = 250              // of each process: they go on for as long as a fault does
	missedAfter  = 90 * time.Second // a revocation that was not heard of by then
	bareGivesUp  = time.Second
)

// span is a reading, from its beginning to its end.
type span struct{ from, to time.Time }

// reader is a process, with what its feed's readings were like.
type reader struct {
	*session.Manager

	mu       sync.Mutex
	good     []span
	troubled []span // those that failed or took long
}

func (r *reader) polled(p session.FeedPoll) {
	now := time.Now()
	s := span{now.Add(-p.Took), now}
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.Err == nil {
		r.good = append(r.good, s)
	}
	if p.Err != nil || p.Took > slowReading {
		r.troubled = append(r.troubled, s)
	}
}

// after is the first good reading that began after a moment, and whether a reading between that moment and another was troubled.
func (r *reader) after(from, to time.Time) (first span, troubled bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.IndexFunc(r.good, func(s span) bool { return s.from.After(from) }); i >= 0 {
		first = r.good[i]
	}
	return first, slices.ContainsFunc(r.troubled, func(s span) bool { return s.from.Before(to) && from.Before(s.to) })
}

// refusal is when a process refused the token of a session that another had revoked; zero: it never did.
type refusal struct {
	by               *reader
	acknowledged, at time.Time
}

// What was revoked in one process is refused by the other an interval later, and where the feed cannot be read, since a shard has no
// primary, with the first reading that began after the acknowledgement and succeeded; and one succeeds as soon as bare reads do. Meanwhile
// nobody is refused whose session goes on, and sessions on another shard are refreshed as ever.
func TestI4RevocationsDuringFailover(t *testing.T) {
	for _, f := range faults {
		if !f.feed {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			s := open(t)
			var thefts atomic.Int64
			var readers []*reader
			for range 2 {
				r := &reader{}
				r.Manager = failover.Begin(t, s.dsn(), session.Config{
					StoreTimeout: failover.StoreTimeout, FeedInterval: feedInterval, OnFeedPoll: r.polled,
					Logger: slog.New(slog.DiscardHandler),
				}, &thefts).Manager
				readers = append(readers, r)
			}
			ctx, stop := context.WithCancel(t.Context())
			var background sync.WaitGroup
			defer background.Wait()
			defer stop()
			bystander := s.onShard(t, readers[0].Manager, secondShard)
			if f.shard != secondShard {
				background.Go(func() { neverDisturbed(ctx, t, readers[0].Manager, bystander) })
			}
			var bare reader
			db := s.pool(t, s.dsn())
			background.Go(func() { bare.readBare(ctx, db) })

			all, done := s.revokeAll(t, readers)
			time.Sleep(5 * feedInterval)
			breaking := s.fault(t, f)
			begun := time.Now()
			breaking.Break(t)
			if err := cluster.Await(ctx, "the shard to take writes again", failover.Recovery, breaking.Recovered); err != nil {
				t.Error(err)
			}
			breaking.Mend(t)
			done()
			judge(t, f.name, *all, &bare, readers, begun)
		})
	}
}

type login struct {
	handle          session.Handle
	access, refresh string
}

func create(t *testing.T, m *session.Manager) login {
	t.Helper()
	s, tokens, err := m.Create(t.Context(), "user", session.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return login{s.Handle(), tokens.AccessToken, tokens.RefreshToken}
}

// onShard begins sessions until one lies on a shard.
func (s *shards) onShard(t *testing.T, m *session.Manager, shard string) login {
	t.Helper()
	db := s.pool(t, s.at(vitess.Sharded, shard))
	for range 64 {
		l := create(t, m)
		var n int
		if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+sessionsTable+" WHERE handle = ?", l.handle[:]).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n == 1 {
			return l
		}
	}
	t.Fatalf("no session lies on the shard %s", shard)
	return login{}
}

// neverDisturbed refreshes a session and uses it again and again.
func neverDisturbed(ctx context.Context, t *testing.T, m *session.Manager, l login) {
	t.Helper()
	for ctx.Err() == nil {
		begun := time.Now()
		_, tokens, err := m.Refresh(context.WithoutCancel(ctx), l.refresh, session.RefreshOptions{})
		if err == nil {
			_, err = m.Verify(context.WithoutCancel(ctx), tokens.AccessToken, session.VerifyOptions{})
		}
		if took := time.Since(begun); err != nil || took > failover.StoreTimeout/2 {
			t.Errorf("a session on a shard that nobody broke: after %v got %v, want it to go on as ever", took, err)
			return
		}
		if tokens.RefreshToken != "" {
			l.refresh = tokens.RefreshToken
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// readBare reads, past the store, tables of all shards, as the engine makes it possible at the best.
func (r *reader) readBare(ctx context.Context, db *sql.DB) {
	for ctx.Err() == nil {
		begun := time.Now()
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), bareGivesUp)
		var n int
		err := db.QueryRowContext(bounded, "SELECT COUNT(*) FROM watchword_signing_keys").Scan(&n)
		if err == nil {
			err = db.QueryRowContext(bounded, "SELECT COUNT(*) FROM "+sessionsTable+" WHERE fed_at >= 0").Scan(&n)
		}
		cancel()
		r.polled(session.FeedPoll{Took: time.Since(begun), Err: err})
		time.Sleep(lookEvery)
	}
}

// revokeAll has each process begin sessions and revoke them one after the other, and the others wait for their refusal. done waits for all.
func (s *shards) revokeAll(t *testing.T, readers []*reader) (all *[]refusal, done func()) {
	t.Helper()
	var (
		mu                 sync.Mutex
		revokers, watchers sync.WaitGroup
	)
	all = new([]refusal)
	for i, r := range readers {
		logins := make([]login, revocations)
		for n := range logins {
			logins[n] = create(t, r.Manager)
		}
		revokers.Go(func() {
			for _, l := range logins {
				if !revokeSurely(t, r.Manager, l.handle) {
					return
				}
				acknowledged := time.Now()
				for _, other := range slices.Delete(slices.Clone(readers), i, i+1) {
					watchers.Go(func() {
						at := awaitRefusal(t, other.Manager, l, acknowledged)
						mu.Lock()
						defer mu.Unlock()
						*all = append(*all, refusal{other, acknowledged, at})
					})
				}
				time.Sleep(revokeEvery)
			}
		})
	}
	return all, func() {
		revokers.Wait()
		watchers.Wait()
	}
}

// revokeSurely repeats a revocation until it is acknowledged.
func revokeSurely(t *testing.T, m *session.Manager, h session.Handle) bool {
	t.Helper()
	for deadline := time.Now().Add(missedAfter); ; time.Sleep(revokeEvery) {
		_, err := m.Revoke(t.Context(), h, session.RevokeOptions{})
		if err == nil {
			return true
		}
		if !errors.Is(err, session.ErrUnavailable) || time.Now().After(deadline) {
			t.Errorf("revoke %s: %v", h, err)
			return false
		}
	}
}

// awaitRefusal uses a token until it is refused.
func awaitRefusal(t *testing.T, m *session.Manager, l login, since time.Time) time.Time {
	t.Helper()
	for time.Since(since) < missedAfter {
		_, err := m.Verify(t.Context(), l.access, session.VerifyOptions{})
		if errors.Is(err, session.ErrUnauthorised) {
			return time.Now()
		}
		if err != nil {
			t.Errorf("token of session %s, which was revoked: got %v, want it to pass or ErrUnauthorised", l.handle, err)
		}
		time.Sleep(lookEvery)
	}
	return time.Time{}
}
