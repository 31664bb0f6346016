package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// faultTests are those of RunFaults that look at the store alone.
var faultTests = []test{
	{"CancelledInFlight", cancelledInFlight},
	{"CancelledRevokeOfMany", cancelledRevokeOfMany},
	{"CancelledCrowd", cancelledCrowd},
	{"I9_ManyClients", manyClients},
}

// fading is a context that is cancelled when it is looked at for the nth time: whatever a store does between two looks, there is
// an n for which its caller goes just there.
type fading struct {
	context.Context
	cancel context.CancelFunc
	left   atomic.Int64
}

func fade(ctx context.Context, n int) (*fading, context.CancelFunc) {
	f := &fading{}
	f.Context, f.cancel = context.WithCancel(ctx)
	f.left.Store(int64(n))
	return f, f.cancel
}

func (f *fading) look() {
	if f.left.Add(-1) == 0 {
		f.cancel()
	}
}

// Done implements context.Context.
func (f *fading) Done() <-chan struct{} { f.look(); return f.Context.Done() }

// Err implements context.Context.
func (f *fading) Err() error { f.look(); return f.Context.Err() }

// faded reports whether it was looked at often enough.
func (f *fading) faded() bool { return f.left.Load() <= 0 }

// manyLooks are more than a call has at a context.
const manyLooks = 200

// cancelledInFlight: whenever a caller goes, a call has been carried out as a whole or not at all, and a repetition does what is left.
func cancelledInFlight(t *testing.T, s suite) {
	for _, a := range attempts(s.hasFeed(t)) {
		t.Run(a.name, func(t *testing.T) {
			for n := 1; n < manyLooks; n++ {
				call, seen := a.begin(t, s)
				if !a.interrupt(t, s, n, call, seen) {
					return
				}
				if t.Failed() {
					t.Fatalf("when the caller went at look %d at its context", n)
				}
			}
			t.Fatalf("the store looks at its context more than %d times", manyLooks)
		})
	}
}

// interrupt tries a call whose caller goes at the nth look, and then again. It says whether there was an nth look.
func (a attempted) interrupt(t *testing.T, s suite, n int, call func(context.Context) (bool, error), seen func(*testing.T) bool) bool {
	t.Helper()
	ctx, cancel := fade(s.ctx, n)
	defer cancel()
	var (
		done bool
		err  error
	)
	ends(t, a.name+" with a context that is cancelled", func() { done, err = call(ctx) })
	faded := ctx.faded()
	if err == nil {
		equal(t, a.name+", answered", done, true)
		equal(t, "what was answered is to be seen", seen(t), true)
		return faded
	}
	if !faded {
		t.Fatalf("%s: got %v before anything went wrong", a.name, err)
	}
	isOver(t, a.name+" with a context that is cancelled meanwhile", err, context.Canceled)
	before := seen(t)
	done, err = call(s.ctx)
	if err != nil {
		t.Fatalf("%s, repeated: %v", a.name, err)
	}
	if before && done && !a.often {
		t.Errorf("I7: %s, repeated after it was carried out: says that it was carried out again", a.name)
	}
	equal(t, a.name+" is to be seen after the repetition", seen(t), true)
	return true
}

// cancelledRevokeOfMany: of many sessions, ended in batches some of whose callers go, each is ended once.
func cancelledRevokeOfMany(t *testing.T, s suite) {
	const many = 10
	begin, feed := s.now(t), s.hasFeed(t)
	for name, end := range map[string]func(ctx context.Context, id string, before time.Time) (int, error){
		"EndUser": func(ctx context.Context, id string, _ time.Time) (int, error) {
			return s.EndUser(ctx, id, session.Handle{}, fed(5), 3)
		},
		"EndAll": func(ctx context.Context, _ string, before time.Time) (int, error) {
			ended, err := s.EndAll(ctx, before, fed(5), 3)
			return len(ended), err
		},
	} {
		for n := 1; n < 8; n++ {
			id := fmt.Sprint("user ", serial.Add(1))
			for range many {
				s.insert(t, user(id))
			}
			bystander := s.insert(t, user(id), expired)
			counted, lost, before := 0, 0, s.later(t)
			for round := 0; ; round++ {
				ctx, cancel := fade(s.ctx, n)
				if round%2 == 1 {
					ctx.left.Store(1 << 30)
				}
				got, err := end(ctx, id, before)
				cancel()
				if counted += got; err != nil {
					isOver(t, name, err, context.Canceled)
					lost++
				} else if got == 0 || name == "EndUser" && got < 3 {
					break
				}
				if round > rounds {
					t.Fatal(errEndless)
				}
			}
			ended, err := s.Endings(s.ctx, id, session.EndingsPage{Limit: 100})
			if err != nil || len(ended) != many {
				t.Fatalf("Endings after %s: got %d, %v, want %d", name, len(ended), err, many)
			}
			if counted > many || lost == 0 && counted != many {
				t.Errorf("%s, of whose batches %d had no answer, counted %d of %d sessions", name, lost, counted, many)
			}
			for _, e := range ended {
				isEnd(t, "the ended", e.End, fed(5))
			}
			if feed {
				s.inFeed(t, begin, handlesOf(ended)...)
			}
			_, err = s.Ending(s.ctx, bystander)
			notFound(t, "Ending of a session that had only expired", err)
		}
	}
}

// cancelledCrowd: many call at once, and go at some moment. Nothing is left half done, and nothing is left held.
func cancelledCrowd(t *testing.T, s suite) {
	for round := range uint64(4) {
		h := s.insert(t)
		var confirmed atomic.Int64
		ends(t, "a crowd of callers who go", func() {
			var wg sync.WaitGroup
			for i := range uint64(24) {
				wg.Go(func() {
					rng := rand.New(rand.NewPCG(round, i)) //nolint:gosec // is replayed by its seed
					for range 6 {
						ctx, cancel := fade(s.ctx, 1+rng.IntN(12))
						if err := step(ctx, s, h, &confirmed, rng.Uint64()); err != nil && !errors.Is(err, session.ErrUnavailable) {
							t.Errorf("in a crowd: got %v, want an answer or ErrUnavailable", err)
						}
						cancel()
					}
				})
			}
			wg.Wait()
		})
		row, now := s.get(t, h)
		whole(t, "I3: the row after a crowd", row, now)
		if got := int(confirmed.Load()); got > row.Generation {
			t.Errorf("I3: %d confirmations were answered, and the row has had %d", got, row.Generation)
		}
		yes(t, "End")(s.End(s.ctx, h, fed(1)))
	}
	for _, c := range s.everyCall(t) {
		ends(t, c.name+" after a crowd", func() {
			if err := c.call(s.ctx); err != nil {
				t.Errorf("%s after a crowd: %v", c.name, err)
			}
		})
	}
}

// step goes on with the row as it is: it confirms what is pending, or mints a successor.
func step(ctx context.Context, s suite, h session.Handle, confirmed *atomic.Int64, draw uint64) error {
	row, now, err := s.Get(ctx, h)
	if err != nil {
		return err
	}
	next := session.Successor{Mark: mark(fmt.Sprintf("%016x", draw)), MintedAt: now}
	if row.Pending.IsZero() {
		_, err = s.Mint(ctx, h, row.Current, row.Pending, row.HandedAt, next, renewal)
		return err
	}
	if draw%3 == 0 {
		_, err = s.HandOut(ctx, h, row.Current, row.Pending, true, renewal)
		return err
	}
	ok, err := s.Confirm(ctx, h, row.Pending, nil, renewal)
	if ok {
		confirmed.Add(1)
	}
	return err
}
