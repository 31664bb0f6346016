package session_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchword-dev/watchword/session"
)

func isUnavailable(err error) bool { return errors.Is(err, session.ErrUnavailable) }

// run has a Manager run until the function that it returns is called.
func run(t *testing.T, m *session.Manager) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		m.Run(ctx)
	}()
	return func() { cancel(); <-ended }
}

// nightly is three o'clock, as a cron library's schedule says it.
func nightly(now time.Time) time.Time {
	next := time.Date(now.Year(), now.Month(), now.Day(), 3, 0, 0, 0, now.Location())
	if !next.After(now) {
		next = next.AddDate(0, 0, 1)
	}
	return next
}

// With a schedule a cleanup begins when that says, and at no other time.
func TestCleanupOnSchedule(t *testing.T) {
	t.Parallel()
	inSlowBubble(t, steadily(0), func(t *testing.T, s *slowStore, start func(...func(*session.Config)) *session.Manager) {
		stop := run(t, start(func(cfg *session.Config) { cfg.CleanupSchedule = nightly }))
		time.Sleep(3 * 24 * time.Hour)
		stop()
		nights := map[int]int{}
		for _, b := range s.batches {
			nights[b.at.Day()]++
			if b.at.Hour() != 3 || b.at.Minute() != 0 || b.at.Second() != 0 {
				t.Errorf("a batch at %v, want all of them at three o'clock", b.at)
			}
		}
		if len(nights) != 3 || len(s.batches) != 6 {
			t.Errorf("got %d batches in %d nights, want 6, in 3", len(s.batches), len(nights))
		}
	})
}

// What a schedule may say beside: never again, and what has passed.
func TestCleanupOnOddSchedules(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		next  func(asked int, now time.Time) time.Time
		least int
		most  int
	}{
		{"never", func(int, time.Time) time.Time { return time.Time{} }, 0, 0},
		{"once", func(asked int, now time.Time) time.Time {
			if asked > 1 {
				return time.Time{}
			}
			return now.Add(time.Minute)
		}, 1, 1},
		{"now", func(_ int, now time.Time) time.Time { return now }, 3000, 3600},
		{"long ago", func(_ int, now time.Time) time.Time { return now.Add(-time.Hour) }, 3000, 3600},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			inSlowBubble(t, steadily(0), func(t *testing.T, s *slowStore, start func(...func(*session.Config)) *session.Manager) {
				asked := 0
				stop := run(t, start(func(cfg *session.Config) {
					cfg.CleanupSchedule = func(now time.Time) time.Time { asked++; return test.next(asked, now) }
				}))
				time.Sleep(time.Hour)
				stop()
				if n := len(s.batches) / 2; n < test.least || n > test.most {
					t.Errorf("got %d cleanups within an hour, want from %d to %d", n, test.least, test.most)
				}
			})
		})
	}
}

// A cleanup that has to be over stops, and the next goes on where it was.
func TestCleanupTimeLimit(t *testing.T) {
	t.Parallel()
	inSlowBubble(t, steadily(time.Millisecond), func(t *testing.T, s *slowStore, start func(...func(*session.Config)) *session.Manager) {
		const rows = 5000 // 20 s with the rests
		s.expire(t, rows)
		stop := run(t, start(func(cfg *session.Config) { cfg.CleanupSchedule, cfg.CleanupTimeLimit = nightly, 8*time.Second }))
		time.Sleep(24 * time.Hour)
		first := s.gone()
		time.Sleep(4 * 24 * time.Hour)
		stop()
		for _, b := range s.batches {
			if b.at.Hour() != 3 || b.at.Minute() != 0 || b.at.Second() > 8 {
				t.Errorf("a batch at %v, want none later than 8 s after three", b.at)
			}
		}
		if first < rows/10 || first > rows/2 || s.removed != rows {
			t.Errorf("the first night removed %d of %d, and all of them %d, want some, and all", first, rows, s.removed)
		}
	})
}

// electingStore lets one process at a time clean up.
type electingStore struct {
	*slowStore
	turn  sync.Mutex
	away  error
	asked int
}

func (s *electingStore) Elect(_ context.Context, f func(session.Cleaner) error) (bool, error) {
	s.mu.Lock()
	s.asked++
	away := s.away
	s.mu.Unlock()
	if away != nil || !s.turn.TryLock() {
		return false, away
	}
	defer s.turn.Unlock()
	return true, f(s.slowStore)
}

// inElection has processes that share a store which elects.
func inElection(t *testing.T, rows int, f func(t *testing.T, s *electingStore, start func() *session.Manager)) {
	t.Helper()
	inSlowBubble(t, steadily(100*time.Microsecond), func(t *testing.T, slow *slowStore, _ func(...func(*session.Config)) *session.Manager) {
		s := &electingStore{slowStore: slow}
		s.expire(t, rows)
		f(t, s, func() *session.Manager {
			m, err := session.New(t.Context(), s, session.Config{Revocation: session.RevocationOff})
			if err != nil {
				t.Fatal(err)
			}
			return m
		})
	})
}

// Of the processes that come round to a cleanup together one does it, and rests for as long as it should: those that are refused while it
// works leave it alone.
func TestOneProcessCleansUp(t *testing.T) {
	t.Parallel()
	const rows = 40_000 // 4 s of work
	inElection(t, rows, func(t *testing.T, s *electingStore, start func() *session.Manager) {
		var stops []func()
		for range 5 {
			stops = append(stops, run(t, start()))
		}
		time.Sleep(session.DefaultCleanupInterval + time.Minute)
		synctest.Wait()
		if s.removed != rows || s.most != 1 {
			t.Errorf("%d of %d were removed, by up to %d at one time, want all, by one", s.removed, rows, s.most)
		}
		var worked time.Duration
		var busy []slowBatch
		for _, b := range s.batches {
			if b.rows > 0 {
				busy = append(busy, b)
				worked += b.took
			}
		}
		took := busy[len(busy)-1].at.Sub(busy[0].at)
		if share := worked.Seconds() / took.Seconds(); share > 0.3 {
			t.Errorf("all of them together worked %.2f of the time, want what one does: 0.25", share)
		}
		for _, stop := range stops {
			stop()
		}
	})
}

// A store that does not answer is told of, and asked again at the next cleanup.
func TestCleanupWithoutAnElection(t *testing.T) {
	t.Parallel()
	inElection(t, 100, func(t *testing.T, s *electingStore, start func() *session.Manager) {
		s.away = fmt.Errorf("%w: a test", session.ErrUnavailable)
		m := start()
		if cleaned, err := m.Cleanup(t.Context()); !isUnavailable(err) || cleaned != (session.Cleaned{}) {
			t.Errorf("got %+v, %v, want nothing and ErrUnavailable", cleaned, err)
		}
		stop := run(t, m)
		time.Sleep(session.DefaultCleanupInterval + time.Second)
		synctest.Wait()
		if s.removed != 0 || s.asked != 2 {
			t.Errorf("%d were removed, by %d elections, want none, by 2", s.removed, s.asked)
		}
		s.mu.Lock()
		s.away = nil
		s.mu.Unlock()
		time.Sleep(session.DefaultCleanupInterval)
		stop()
		if s.removed != 100 {
			t.Errorf("%d were removed when the store was back, want 100", s.removed)
		}
	})
}

// Cleanup waits for its turn, and returns when nothing is left.
func TestCleanupByHandWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	const rows = 20_000
	inElection(t, rows, func(t *testing.T, s *electingStore, start func() *session.Manager) {
		var (
			all     sync.WaitGroup
			cleaned [3]session.Cleaned
		)
		for i := range cleaned {
			m := start()
			all.Go(func() {
				var err error
				if cleaned[i], err = m.Cleanup(t.Context()); err != nil {
					t.Errorf("process %d: %v", i, err)
				}
				if gone := s.gone(); gone != rows {
					t.Errorf("process %d has returned when %d of %d had gone", i, gone, rows)
				}
			})
		}
		all.Wait()
		if total := cleaned[0].Expired + cleaned[1].Expired + cleaned[2].Expired; total != rows || s.most != 1 {
			t.Errorf("got %+v, by up to %d at one time, want %d in all, by one", cleaned, s.most, rows)
		}
	})
}
