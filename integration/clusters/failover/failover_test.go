package failover

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

var noon = time.Date(2026, time.January, 1, 12, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return noon.Add(time.Duration(seconds * float64(time.Second))) }

// A gap is the longest time without success: also one that began before, or has not ended.
func TestGap(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		good []float64
		want time.Duration
	}{
		"none at all":      {nil, 10 * time.Second},
		"in the middle":    {[]float64{1, 2, 6, 7, 9}, 4 * time.Second},
		"out of order":     {[]float64{7, 2, 9, 6, 1}, 4 * time.Second},
		"has not ended":    {[]float64{1, 2, 3}, 7 * time.Second},
		"began before":     {[]float64{-3, 4, 6, 8}, 7 * time.Second},
		"all of it before": {[]float64{-9, -3, -1, 1, 3, 5, 7, 9}, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMeter()
			for _, s := range test.good {
				m.note(create, at(s), 0, nil)
			}
			m.note(create, at(5), 0, session.ErrUnavailable)
			if got := m.gap(create, at(0), at(10)); got != test.want {
				t.Errorf("gap of %v: got %v, want %v", test.good, got, test.want)
			}
		})
	}
}

// A refusal may be an interval late, and where the feed could not be read as much later as the engine could not be read either.
func TestLateRefusals(t *testing.T) {
	t.Parallel()
	trouble := []moment{{at(1), at(3)}, {at(3), at(5)}}
	for name, test := range map[string]struct {
		troubled []moment
		readable [][2]float64 // spans
		refused  float64
		late     bool
	}{
		"in time":                             {nil, [][2]float64{{-5, 9}}, 1.9, false},
		"late":                                {nil, [][2]float64{{-5, 9}}, 2.1, true},
		"the engine was away, too":            {trouble, [][2]float64{{-5, 0.5}, {6, 20}}, 9, false},
		"the engine was back for long":        {trouble, [][2]float64{{-5, 0.5}, {2, 20}}, 9, true},
		"it was back for long, and then away": {trouble, [][2]float64{{-5, 0.5}, {2, 7}}, 9, true},
		"it was back in between":              {trouble, [][2]float64{{-5, 0.5}, {2, 4}, {7, 20}}, 9, false},
		"the feed had trouble before it only": {[]moment{{at(-3), at(-1)}}, [][2]float64{{-5, 9}}, 3, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := &listener{troubled: test.troubled}
			for _, span := range test.readable {
				for s := span[0]; s < span[1]; s += 0.1 {
					l.readable = append(l.readable, moment{at(s), at(s + 0.05)})
				}
			}
			v := refusal{by: l, acknowledged: at(0), at: at(test.refused)}.judge()
			if late := v.err != nil; late != test.late {
				t.Errorf("got %+v, want late: %v", v, test.late)
			}
		})
	}
	if v := (refusal{by: &listener{}, acknowledged: at(0)}).judge(); !errors.Is(v.err, errMissed) {
		t.Errorf("no refusal at all: got %v, want %v", v.err, errMissed)
	}
}

// A client leaves a process alone that was unavailable, unless there is no other.
func TestClientsAvoidWhatIsUnavailable(t *testing.T) {
	t.Parallel()
	c := newClient(t, "user", make([]*session.Manager, 3), newMeter())
	chosen := func() (all []int) {
		for range 200 {
			all = append(all, c.process())
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	for _, test := range []struct {
		avoid []int
		want  []int
	}{{nil, []int{0, 1, 2}}, {[]int{1}, []int{0, 2}}, {[]int{0, 1, 2}, []int{0, 1, 2}}} {
		for _, i := range test.avoid {
			c.avoid[i] = time.Now().Add(time.Minute)
		}
		if got := chosen(); !slices.Equal(got, test.want) {
			t.Errorf("without %v: got %v, want %v", test.avoid, got, test.want)
		}
	}
}
