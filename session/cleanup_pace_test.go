package session_test

import (
	"context"
	"encoding/binary"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// slowStore takes time for what it cleans up, and notes it. It elects, if it is to.
type slowStore struct {
	session.Store
	statement time.Duration                   // what a call takes
	row       func(removed int) time.Duration // and each of its rows

	mu      sync.Mutex
	removed int
	inside  int
	most    int // at one time
	batches []slowBatch
}

type slowBatch struct {
	at    time.Time
	limit int
	rows  int
	took  time.Duration
}

// expire adds sessions that have expired.
func (s *slowStore) expire(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		var h session.Handle
		binary.BigEndian.PutUint64(h[8:], uint64(i+1))
		err := s.Insert(t.Context(), session.NewRow{Handle: h, UserID: "gone", Lifetimes: session.Lifetimes{Idle: -time.Hour, Absolute: time.Hour}})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// gone is how many rows were removed.
func (s *slowStore) gone() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.removed
}

func (s *slowStore) take(limit int, f func() (int, error)) error {
	s.mu.Lock()
	begun := time.Now()
	s.inside++
	s.most = max(s.most, s.inside)
	removed := s.removed
	s.mu.Unlock()
	n, err := f()
	time.Sleep(s.statement + time.Duration(n)*s.row(removed))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inside--
	s.removed += n
	s.batches = append(s.batches, slowBatch{begun, limit, n, time.Since(begun)})
	return err
}

func (s *slowStore) EndExpired(ctx context.Context, h session.Handle, absolute time.Duration, id session.Version, limit int) (ended []session.Ended, err error) {
	err = s.take(limit, func() (int, error) {
		ended, err = s.Store.EndExpired(ctx, h, absolute, id, limit)
		return len(ended), err
	})
	return ended, err
}

func (s *slowStore) Purge(ctx context.Context, endings, revocations time.Duration, limit int) (n int, err error) {
	err = s.take(limit, func() (int, error) {
		n, err = s.Store.Purge(ctx, endings, revocations, limit)
		return n, err
	})
	return n, err
}

func steadily(row time.Duration) func(int) time.Duration {
	return func(int) time.Duration { return row }
}

// inSlowBubble runs a test in virtual time, with a store that takes some.
func inSlowBubble(t *testing.T, row func(int) time.Duration, f func(t *testing.T, s *slowStore, start func(change ...func(*session.Config)) *session.Manager)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &slowStore{Store: memstore.New(nil), statement: time.Millisecond, row: row}
		f(t, s, func(change ...func(*session.Config)) *session.Manager {
			cfg := session.Config{Revocation: session.RevocationOff}
			for _, change := range change {
				change(&cfg)
			}
			m, err := session.New(t.Context(), s, cfg)
			if err != nil {
				t.Fatal(err)
			}
			return m
		})
	})
}

// cleanUp runs a cleanup, and says how much of its time it worked.
func (s *slowStore) cleanUp(t *testing.T, m *session.Manager, want int) (share float64) {
	t.Helper()
	begun := time.Now()
	cleaned, err := m.Cleanup(t.Context())
	if err != nil || cleaned.Expired != want {
		t.Fatalf("got %+v, %v, want %d expired", cleaned, err, want)
	}
	var worked time.Duration
	for _, b := range s.batches {
		worked += b.took
	}
	return worked.Seconds() / time.Since(begun).Seconds()
}

// A cleanup rests for most of its time, and fits its batches to the time that they take, whatever a row takes.
func TestCleanupRests(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name       string
		row        time.Duration
		share      float64
		low, high  float64 // of the share
		rows       int
		batch      [2]int // of most
		shortLimit time.Duration
	}{
		{name: "by default", row: 100 * time.Microsecond, low: 0.2, high: 0.28, rows: 20_000, batch: [2]int{300, 600}},
		{name: "slow rows", row: 2 * time.Millisecond, low: 0.2, high: 0.28, rows: 1000, batch: [2]int{10, 30}},
		{name: "very slow rows", row: 50 * time.Millisecond, low: 0.2, high: 0.28, rows: 400, batch: [2]int{10, 10}},
		{name: "fast rows", row: time.Microsecond, low: 0.2, high: 0.28, rows: 50_000, batch: [2]int{1000, 1000}},
		{name: "half", row: 100 * time.Microsecond, share: 0.5, low: 0.45, high: 0.55, rows: 20_000, batch: [2]int{300, 600}},
		{name: "without rests", row: 100 * time.Microsecond, share: 1, low: 1, high: 1, rows: 20_000, batch: [2]int{300, 600}},
		{name: "a short timeout", row: 100 * time.Microsecond, low: 0.2, high: 0.28, rows: 2000, batch: [2]int{10, 40}, shortLimit: 40 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			inSlowBubble(t, steadily(test.row), func(t *testing.T, s *slowStore, start func(...func(*session.Config)) *session.Manager) {
				s.expire(t, test.rows)
				m := start(func(cfg *session.Config) {
					cfg.CleanupShare, cfg.StoreTimeout = test.share, test.shortLimit
					if test.row > 10*time.Millisecond {
						cfg.StoreTimeout = time.Minute
					}
				})
				if share := s.cleanUp(t, m, test.rows); share < test.low || share > test.high {
					t.Errorf("it worked %.2f of its time, want from %.2f to %.2f", share, test.low, test.high)
				}
				fits := 0
				var limits []int
				for _, b := range s.batches {
					limits = append(limits, b.limit)
					if b.limit >= test.batch[0] && b.limit <= test.batch[1] {
						fits++
					}
				}
				if fits < len(s.batches)*3/4 {
					t.Errorf("of %d batches %d were of %v rows, want most of them: %v", len(limits), fits, test.batch, limits[:min(50, len(limits))])
				}
			})
		})
	}
}

// When the database becomes slower than it was the batches shrink, and the rests grow by more than that.
func TestCleanupRestsLongerWhileTheDatabaseIsSlow(t *testing.T) {
	t.Parallel()
	const busy, free = 15_000, 18_000 // in between rows take six times as long
	inSlowBubble(t, func(removed int) time.Duration {
		if removed >= busy && removed < free {
			return 600 * time.Microsecond
		}
		return 100 * time.Microsecond
	}, func(t *testing.T, s *slowStore, start func(...func(*session.Config)) *session.Manager) {
		s.expire(t, 35_000)
		s.cleanUp(t, start(), 35_000)
		share := func(from, to int) float64 {
			var worked time.Duration
			var begun, ended time.Time
			removed := 0
			for _, b := range s.batches {
				if removed >= from && removed < to && b.rows > 0 {
					if begun.IsZero() {
						begun = b.at
					}
					worked += b.took
					ended = b.at
				}
				removed += b.rows
			}
			return worked.Seconds() / ended.Sub(begun).Seconds()
		}
		before, during, after := share(5000, busy), share(busy+500, free-500), share(free+5000, 35_000)
		if before < 0.2 || before > 0.3 || during > before/2 || after < 0.2 {
			t.Errorf("it worked %.2f of its time before, %.2f while the database was slow, %.2f after, want about 0.25, much less, and as before", before, during, after)
		}
	})
}

// What CleanupHold says is asked before each turn, and again each second.
func TestCleanupHolds(t *testing.T) {
	t.Parallel()
	inSlowBubble(t, steadily(100*time.Microsecond), func(t *testing.T, s *slowStore, start func(...func(*session.Config)) *session.Manager) {
		const rows = 10_000
		s.expire(t, rows)
		begun := time.Now()
		lag := func(context.Context) bool { // half a minute of it, after a second
			since := time.Since(begun)
			return since > time.Second && since < 31*time.Second
		}
		s.cleanUp(t, start(func(cfg *session.Config) { cfg.CleanupHold = lag }), rows)
		held := 0
		for _, b := range s.batches {
			if since := b.at.Sub(begun); since > 2*time.Second && since < 31*time.Second {
				held++
			}
		}
		if took := time.Since(begun); held > 0 || took < 31*time.Second || took > 40*time.Second {
			t.Errorf("it took %v, with %d batches while it was to hold on, want some 35 s, with none", took, held)
		}
	})
}

// Whoever calls Cleanup can end it, also while it rests.
func TestCleanupEndsWithItsContext(t *testing.T) {
	t.Parallel()
	inSlowBubble(t, steadily(100*time.Microsecond), func(t *testing.T, s *slowStore, start func(...func(*session.Config)) *session.Manager) {
		s.expire(t, 10_000)
		ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
		defer cancel()
		begun := time.Now()
		cleaned, err := start().Cleanup(ctx)
		if took := time.Since(begun); !isUnavailable(err) || cleaned.Expired == 0 || cleaned.Expired != s.removed || took > time.Second {
			t.Errorf("got %+v, %v, after %v, want %d expired and ErrUnavailable, after 0.7 s", cleaned, err, took, s.removed)
		}
	})
}
