package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// while runs readers over and over for as long as f takes, which begins when each has read once.
func while(readers int, read func() error, f func()) error {
	var (
		wg, begun sync.WaitGroup
		stop      atomic.Bool
		errs      = make([]error, readers)
	)
	begun.Add(readers)
	for i := range readers {
		wg.Go(func() {
			errs[i] = read()
			begun.Done()
			for !stop.Load() && errs[i] == nil {
				errs[i] = read()
			}
		})
	}
	begun.Wait()
	f()
	stop.Store(true)
	wg.Wait()
	return errors.Join(errs...)
}

// A reader sees a rotation as a whole, or not at all.
func wholeRotations(t *testing.T, s suite) {
	h := s.insert(t)
	s.mint(t, h, "R0", "R1")
	err := while(3, func() error {
		row, now, err := s.Get(s.ctx, h)
		if err != nil {
			return err
		}
		whole(t, "a row that was read beside rotations", row, now)
		if want := mark(fmt.Sprint("R", row.Generation)); row.Current != want || row.Pending != mark(fmt.Sprint("R", row.Generation+1)) {
			return fmt.Errorf("half a rotation was read: generation %d with current %x, pending %x", row.Generation, row.Current, row.Pending)
		}
		return nil
	}, func() {
		for n := range 60 {
			next := session.Successor{Mark: mark(fmt.Sprint("R", n+2)), MintedAt: s.now(t)}
			yes(t, "Confirm")(s.Confirm(s.ctx, h, mark(fmt.Sprint("R", n+1)), &next, renewal))
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// A reader sees all sessions that one call ends as live, or none.
func wholeEndings(t *testing.T, s suite) {
	const many = 10
	for name, end := range map[string]func() error{
		"EndUser": func() error { _, err := s.EndUser(s.ctx, "user", session.Handle{}, how(1), many); return err },
		"EndAll":  func() error { _, err := s.EndAll(s.ctx, s.later(t), how(1), many); return err },
	} {
		for range 5 {
			for range many {
				s.insert(t)
			}
			err := while(2, func() error {
				rows, err := s.List(s.ctx, "user", session.Page{Limit: 2 * many})
				if err == nil && len(rows) != 0 && len(rows) != many {
					err = fmt.Errorf("%s is not atomic: of %d sessions %d were seen to be left", name, many, len(rows))
				}
				return err
			}, func() {
				if err := end(); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
			if err != nil {
				t.Error(err)
			}
		}
	}
}

// Whoever sees that a session has ended sees the entry in the feed.
func endAndEntry(t *testing.T, s suite) {
	begin := s.now(t)
	s.revocations(t, begin, 1)
	for name, end := range map[string]func(session.Handle) error{
		"End": func(h session.Handle) error { _, err := s.End(s.ctx, h, fed(1)); return err },
		"EndUser": func(session.Handle) error {
			_, err := s.EndUser(s.ctx, "user", session.Handle{}, fed(1), 9)
			return err
		},
	} {
		for range 10 {
			h := s.insert(t)
			err := while(2, func() error {
				if _, err := s.Ending(s.ctx, h); err != nil {
					if errors.Is(err, session.ErrNotFound) {
						return nil
					}
					return err
				}
				entries, _, err := s.Revocations(s.ctx, begin, 1000)
				if err == nil && !slices.ContainsFunc(entries, func(e session.Revocation) bool { return e.Handle == h }) {
					err = fmt.Errorf("%s is not atomic: a session was seen to have ended, and the feed does not have it", name)
				}
				return err
			}, func() {
				if err := end(h); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
			if err != nil {
				t.Error(err)
				return
			}
		}
	}
}

// Whoever ends it, and however many do: a session is ended once, and counted by one of them.
func endedByOne(t *testing.T, s suite) {
	var handles []session.Handle
	for range 24 {
		handles = append(handles, s.insert(t))
	}
	before := s.later(t)
	ids, counts := versions(9), make([]int, 9)
	race(t, len(ids), func(i int) (bool, error) {
		for n := range rounds {
			var (
				got  int
				err  error
				done bool
			)
			switch i % 3 {
			case 0:
				var ended bool
				ended, err = s.End(s.ctx, handles[n], how(ids[i]))
				got, done = toInt(ended), n+1 == len(handles)
			case 1:
				got, err = s.EndUser(s.ctx, "user", session.Handle{}, how(ids[i]), 3)
				done = got < 3
			case 2:
				var ended []session.Ended
				ended, err = s.EndAll(s.ctx, before, how(ids[i]), 3)
				got, done = len(ended), len(ended) == 0
			}
			counts[i] += got
			if err != nil || done {
				return err == nil, err
			}
		}
		return false, errEndless
	})
	total := 0
	for i, id := range ids {
		total += counts[i]
		for _, h := range handles {
			if s.ended(t, h).ID == id {
				counts[i]--
			}
		}
		equal(t, fmt.Sprintf("sessions that caller %d counted and did not end", i), counts[i], 0)
	}
	equal(t, "endings that were counted", total, len(handles))
}

// What was acknowledged is there to be read, by whichever connection.
func acknowledged(t *testing.T, s suite) {
	handles := make([]session.Handle, 4)
	for i := range handles {
		handles[i] = s.insert(t)
	}
	race(t, len(handles), func(i int) (bool, error) {
		h := handles[i]
		for n := range 25 {
			label := fmt.Sprint("label ", n)
			if ok, err := s.SetLabel(s.ctx, h, label); err != nil || !ok {
				return ok, err
			}
			row, _, err := s.Get(s.ctx, h)
			if err == nil && row.Label != label {
				err = fmt.Errorf("get after SetLabel(%q) was acknowledged: got %q", label, row.Label)
			}
			if err != nil {
				return false, err
			}
		}
		if ended, err := s.End(s.ctx, h, how(1)); err != nil || !ended {
			return ended, err
		}
		_, _, err := s.Get(s.ctx, h)
		notFound(t, "Get after End was acknowledged", err)
		return true, nil
	})
}

// A reading's clock is from before it: what was made before that is in it.
func feedNow(t *testing.T, s suite) {
	begin := s.now(t)
	s.revocations(t, begin, 1)
	type reading struct {
		now  time.Time
		seen int
	}
	var (
		mu       sync.Mutex
		readings []reading
		acked    []time.Time // a moment after each entry was acknowledged
	)
	err := while(2, func() error {
		entries, now, err := s.Revocations(s.ctx, begin, 1000)
		mu.Lock()
		defer mu.Unlock()
		readings = append(readings, reading{now, len(entries)})
		return err
	}, func() {
		read := 0
		for len(acked) < 50 || read < 10 && len(acked) < 900 {
			s.publish(t, "user", session.ReasonRevoked)
			acked = append(acked, s.now(t))
			time.Sleep(100 * time.Microsecond)
			mu.Lock()
			read = len(readings)
			mu.Unlock()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range readings {
		n := 0
		for _, at := range acked {
			if at.Before(r.now) {
				n++
			}
		}
		if r.seen < n {
			t.Fatalf("a reading of the feed as of %v has %d entries, and %d were acknowledged before that", r.now, r.seen, n)
		}
	}
}
