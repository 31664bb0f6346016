package session

import (
	"testing"
	"time"
)

// What a process knows of the store's clock after an answer that has waited: no less than it knew before, and never too much.
func TestReadingWhoseAnswerWaited(t *testing.T) {
	t.Parallel()
	at := func(s float64) time.Time {
		return time.UnixMilli(1_760_000_000_000).Add(time.Duration(s * float64(time.Second)))
	}
	last := &reading{begun: at(0), ended: at(0), now: at(100)} // the store's clock is 100 s ahead, or a little more
	for name, test := range map[string]struct {
		last *reading
		now  reading
		want time.Time
	}{
		"no reading before":          {nil, reading{at(10), at(22), at(110)}, at(22)},
		"it came soon":               {last, reading{at(10), at(10.9), at(110)}, at(10.9)},
		"read at once, came late":    {last, reading{at(10), at(22), at(110.5)}, at(10.5 + 10.5/999)},
		"read late":                  {last, reading{at(10), at(22), at(121.999)}, at(22)},
		"the store's clock set back": {last, reading{at(10), at(22), at(90)}, at(22)},
		"set back by a little":       {last, reading{at(10), at(22), at(109)}, at(22)},
	} {
		got := test.now.after(test.last)
		if got.ended.Sub(test.want).Abs() > time.Microsecond || !got.begun.Equal(test.now.begun) || !got.now.Equal(test.now.now) {
			t.Errorf("%s: got %+v, want the end at %v", name, got, test.want)
		}
		// A process whose clock is right never takes the store's for later than it is.
		if test.last != nil && test.now.now.After(at(110)) {
			if estimate := notAfter(got.now, at(30).Sub(got.ended)); estimate.After(at(130)) {
				t.Errorf("%s: at 130 s of the store's clock it is taken for %v", name, estimate)
			}
		}
	}
}
