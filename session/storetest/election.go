package storetest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// elector returns the store as one that elects. Run asks no other store for it.
func (s suite) elector(t *testing.T) session.Elector {
	t.Helper()
	elector, ok := s.Store.(session.Elector)
	if !ok {
		t.Fatalf("%T is no session.Elector, although another of the same Open was one", s.Store)
	}
	return elector
}

// electNext asserts that the next one who asks is elected: that nobody is any more.
func (s suite) electNext(t *testing.T, what string) {
	t.Helper()
	elected, err := s.elector(t).Elect(s.ctx, func(session.Cleaner) error { return nil })
	if err != nil || !elected {
		t.Errorf("Elect %s: got %v, %v, want true", what, elected, err)
	}
}

func electOne(t *testing.T, s suite) {
	elector := s.elector(t)
	dead, alive := s.insert(t, expired), s.insert(t)
	elected, err := elector.Elect(s.ctx, func(c session.Cleaner) error {
		only(t, "EndExpired of the one elected", dead)(c.EndExpired(s.ctx, session.Handle{}, time.Hour, 1, 10))
		n, err := c.Purge(s.ctx, time.Minute, long, 10)
		equal(t, "Purge of the one elected", n, 1)
		return err
	})
	if err != nil || !elected {
		t.Fatalf("Elect: got %v, %v, want true", elected, err)
	}
	s.get(t, alive)

	// Another one may have to wait for a connection, and is not elected in any case.
	again := true
	elected, err = elector.Elect(s.ctx, func(session.Cleaner) error {
		ctx, cancel := context.WithTimeout(s.ctx, 100*time.Millisecond)
		defer cancel()
		var err error
		again, err = elector.Elect(ctx, func(session.Cleaner) error {
			t.Error("two are elected at one time")
			return nil
		})
		if err != nil && !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("Elect while another is: got %v", err)
		}
		return nil
	})
	if err != nil || !elected || again {
		t.Errorf("Elect: got %v, %v, and another meanwhile: %v, want the first alone", elected, err, again)
	}
	s.electNext(t, "when that is over")
}

func electOver(t *testing.T, s suite) {
	elector := s.elector(t)
	failed := errors.New("the function's own")
	if elected, err := elector.Elect(s.ctx, func(session.Cleaner) error { return failed }); !elected || !errors.Is(err, failed) {
		t.Errorf("Elect: got %v, %v, want true and the function's error", elected, err)
	}
	s.electNext(t, "after an error")

	ctx, cancel := context.WithCancel(s.ctx)
	elected, err := elector.Elect(ctx, func(c session.Cleaner) error {
		cancel()
		_, err := c.EndExpired(ctx, session.Handle{}, time.Hour, 1, 10)
		return err
	})
	if !elected || !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("Elect of one who hangs up: got %v, %v, want true and ErrUnavailable", elected, err)
	}
	for range 1000 { // the store may have to notice first
		if elected, err = elector.Elect(s.ctx, func(session.Cleaner) error { return nil }); elected || err != nil {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err != nil || !elected {
		t.Errorf("Elect after one who has hung up: got %v, %v, want true", elected, err)
	}
	elected, err = elector.Elect(ctx, func(session.Cleaner) error { return nil })
	if elected || !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("Elect with a cancelled context: got %v, %v, want false and ErrUnavailable", elected, err)
	}
}

func electOnceAtATime(t *testing.T, s suite) {
	elector := s.elector(t)
	var inside, most atomic.Int64
	n := race(t, 16, func(int) (bool, error) {
		for range rounds {
			elected, err := elector.Elect(s.ctx, func(session.Cleaner) error {
				if now := inside.Add(1); now > most.Load() {
					most.Store(now)
				}
				time.Sleep(time.Millisecond)
				inside.Add(-1)
				return nil
			})
			if elected || err != nil {
				return elected, err
			}
			time.Sleep(time.Millisecond)
		}
		return false, nil
	})
	equal(t, "elected of 16 who go on asking", n, 16)
	equal(t, "elected at one time", most.Load(), 1)
}
