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
		after []int64
		took  time.Duration
		ok    bool
	}{
		"at once":            {slices.Repeat([]int64{100}, 20), 600 * time.Millisecond, true}, // the first whole bucket, and four more
		"after a second":     {slices.Concat(slices.Repeat([]int64{50}, 10), slices.Repeat([]int64{100}, 10)), 1400 * time.Millisecond, true},
		"one peak is enough": {slices.Concat(slices.Repeat([]int64{50}, 10), []int64{300}, slices.Repeat([]int64{50}, 10)), 1100 * time.Millisecond, true},
		"a little less":      {slices.Repeat([]int64{89}, 20), 0, false},
		"never":              {slices.Repeat([]int64{0}, 20), 0, false},
		"the run has ended":  {slices.Repeat([]int64{100}, 4), 0, false},
	} {
		series := slices.Concat(calm, dead, test.after)
		before := level(series, 0, 2*time.Second)
		if before != 100 {
			t.Errorf("%s: got %v a bucket before, want 100", name, before)
		}
		if took, ok := recovered(series, 3*time.Second, before); took != test.took || ok != test.ok {
			t.Errorf("%s: got %v, %v, want %v, %v", name, took, ok, test.took, test.ok)
		}
	}
	if before := level(calm, time.Second, time.Second); before != 0 {
		t.Errorf("without a time before: got %v", before)
	}
}

// Where the machine becomes slower for half a minute, that is the level to come back to; where it becomes faster, the level before is.
func TestAround(t *testing.T) {
	t.Parallel()
	before, dead, dip := slices.Repeat([]int64{100}, 100), slices.Repeat([]int64{0}, 20), slices.Repeat([]int64{50}, 50)
	const at, back = 10 * time.Second, 12 * time.Second
	for name, test := range map[string]struct {
		later []int64
		next  time.Duration
		want  float64
	}{
		"slower":            {slices.Repeat([]int64{70}, 130), 30 * time.Second, 70},
		"faster":            {slices.Repeat([]int64{140}, 130), 30 * time.Second, 100},
		"too short to tell": {slices.Repeat([]int64{70}, 130), 20 * time.Second, 100},
		"beyond the run":    {slices.Repeat([]int64{70}, 20), 30 * time.Second, 100},
		"nothing any more":  {slices.Repeat([]int64{0}, 130), 30 * time.Second, 100},
	} {
		series := slices.Concat(before, dead, dip, test.later)
		lower, was := around(series, 0, at, back, test.next)
		if lower != test.want || was != 100 {
			t.Errorf("%s: got %v, before %v, want %v, 100", name, lower, was, test.want)
		}
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
