package soak_test

import (
	"slices"
	"testing"
	"time"
)

// What the soak test judges by: buckets of a tenth of a second, a death after 2 s, the server's return after 3 s.
func TestRecovered(t *testing.T) {
	t.Parallel()
	calm, dead := slices.Repeat([]int64{90, 100, 110, 100}, 5), slices.Repeat([]int64{0}, 10)
	for name, test := range map[string]struct {
		after  []int64
		before float64
		took   time.Duration
		ok     bool
	}{
		"at once":            {slices.Repeat([]int64{100}, 20), 100, 600 * time.Millisecond, true}, // the first whole bucket, and four more
		"after a second":     {slices.Concat(slices.Repeat([]int64{50}, 10), slices.Repeat([]int64{100}, 10)), 100, 1400 * time.Millisecond, true},
		"one peak is enough": {slices.Concat(slices.Repeat([]int64{50}, 10), []int64{300}, slices.Repeat([]int64{50}, 10)), 100, 1100 * time.Millisecond, true},
		"a little less":      {slices.Repeat([]int64{89}, 20), 100, 0, false},
		"never":              {slices.Repeat([]int64{0}, 20), 100, 0, false},
		"the run has ended":  {slices.Repeat([]int64{100}, 4), 100, 0, false},
	} {
		series := slices.Concat(calm, dead, test.after)
		before, took, ok := recovered(series, 0, 2*time.Second, 3*time.Second)
		if before != test.before || took != test.took || ok != test.ok {
			t.Errorf("%s: got %v a bucket, %v, %v, want %v, %v, %v", name, before, took, ok, test.before, test.took, test.ok)
		}
	}
	if before, _, ok := recovered(calm, time.Second, time.Second, time.Second); ok || before != 0 {
		t.Errorf("without a time before: got %v, %v", before, ok)
	}
}

// What nothing has caused is known from moments at which nothing happened.
func TestCalm(t *testing.T) {
	t.Parallel()
	begun := time.Now()
	w := &world{begun: begun}
	at := func(s int) time.Time { return begun.Add(time.Duration(s) * time.Second) }
	kills := []kill{{at: at(10), returned: at(12)}, {at: at(50), returned: at(52)}, {at: at(60), returned: at(61)}}
	series := slices.Repeat([]int64{100}, 900)
	if worst, n := w.calm(series, kills); n != 2 || worst != 600*time.Millisecond {
		t.Errorf("an even load: got %v of %d moments, want 0.6 s of 2", worst, n)
	}
	for i := 270; i < 300; i++ { // the moment after the first death is at 27 s
		series[i] = 80
	}
	if worst, _ := w.calm(series, kills); worst < 3*time.Second || worst > 3600*time.Millisecond {
		t.Errorf("a lull of three seconds: got %v", worst)
	}
	if worst, n := w.calm(series[:350], kills[:1]); n != 0 || worst != 0 {
		t.Errorf("without time for it: got %v of %d moments, want none", worst, n)
	}
}
