package soak_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

const (
	bucket    = 100 * time.Millisecond
	smoothing = 5   // buckets
	restored  = 0.9 // of the throughput before
	baseline  = 10 * time.Second
)

// meter counts what was acknowledged, in buckets of time.
type meter struct {
	begun   time.Time
	buckets []atomic.Int64 // operations that the store has acknowledged
	plain   []atomic.Int64 // plain statements, beside them
	waits   []atomic.Int64 // the longest of the calls that ended then, whatever came of them

	stored      atomic.Int64
	verified    atomic.Int64 // access tokens that were good
	unavailable atomic.Int64
	aside       atomic.Int64 // of these, while the server was up
	crossed     atomic.Int64 // refreshes that were told to try again
	conflicts   atomic.Int64 // of an update with an earlier one of unknown outcome
	kills       atomic.Int64
}

func newMeter(begun time.Time, length time.Duration) *meter {
	n := length/bucket + 1
	return &meter{begun: begun, buckets: make([]atomic.Int64, n), plain: make([]atomic.Int64, n), waits: make([]atomic.Int64, n)}
}

// count notes an operation that the store has acknowledged.
func (m *meter) count() {
	m.stored.Add(1)
	m.tick(m.buckets)
}

// refuse notes an answer of unavailable.
func (m *meter) refuse(down bool) {
	m.unavailable.Add(1)
	if !down {
		m.aside.Add(1)
	}
}

func (m *meter) tick(buckets []atomic.Int64) {
	if i := int(time.Since(m.begun) / bucket); i < len(buckets) {
		buckets[i].Add(1)
	}
}

// waited notes how long a call took that has ended now.
func (m *meter) waited(since time.Time) {
	took := int64(time.Since(since))
	if i := int(time.Since(m.begun) / bucket); i < len(m.waits) {
		for known := m.waits[i].Load(); took > known && !m.waits[i].CompareAndSwap(known, took); {
			known = m.waits[i].Load()
		}
	}
}

// longest is the longest call that ended between two moments.
func (m *meter) longest(from, to time.Duration) (longest time.Duration) {
	for i := int(from / bucket); i < min(int(to/bucket)+1, len(m.waits)); i++ {
		longest = max(longest, time.Duration(m.waits[i].Load()))
	}
	return longest
}

type totals struct{ stored, verified, unavailable int64 }

func (m *meter) total() totals {
	return totals{m.stored.Load(), m.verified.Load(), m.unavailable.Load()}
}

// series is the throughput so far, in operations a bucket.
func (m *meter) series(buckets []atomic.Int64) []int64 {
	series := make([]int64, min(len(buckets), int(time.Since(m.begun)/bucket)))
	for i := range series {
		series[i] = buckets[i].Load()
	}
	return series
}

// recovered says how high the throughput was before a death, and how long after the server's return its mean over half a second had
// reached 90 % of that. False: it did not before the series ends.
func recovered(series []int64, from, died, returned time.Duration) (before float64, took time.Duration, ok bool) {
	first, last := int(from/bucket), int(died/bucket)
	if last <= first || last > len(series) {
		return 0, 0, false
	}
	calm := slices.Sorted(slices.Values(series[first:last]))
	before = float64(calm[len(calm)/2])
	sum := int64(0)
	begin := int(returned/bucket) + 1 // the first whole bucket
	for i := begin; i < len(series); i++ {
		sum += series[i]
		if i >= begin+smoothing {
			sum -= series[i-smoothing]
		}
		if i >= begin+smoothing-1 && float64(sum)/smoothing >= restored*before {
			return before, time.Duration(i+1)*bucket - returned, true
		}
	}
	return before, 0, false
}

func orNever(took time.Duration, ok bool) string {
	if !ok {
		return "never"
	}
	return took.Round(time.Millisecond).String()
}

// shares is the throughput after a moment as percentages, half second by half second.
func shares(series []int64, from time.Duration, of float64) string {
	var told strings.Builder
	for i := int(from/bucket) + 1; i+smoothing <= len(series) && i < int(from/bucket)+8*smoothing; i += smoothing {
		sum := int64(0)
		for _, n := range series[i : i+smoothing] {
			sum += n
		}
		fmt.Fprintf(&told, "%4.0f%%", 100*float64(sum)/smoothing/of)
	}
	return told.String()
}

// calm is the worst of what recovered says of as many moments between the deaths at which nothing happened: the throughput of a busy machine
// goes up and down by itself, and what it shows then is not a death's doing. It is zero where the deaths follow each other too closely.
func (w *world) calm(series []int64, kills []kill) (worst time.Duration, moments int) {
	for i, k := range kills {
		next := time.Duration(len(series)) * bucket
		if i+1 < len(kills) {
			next = kills[i+1].at.Sub(w.begun)
		}
		from := k.returned.Sub(w.begun) + afterDeath
		at := from + baseline
		if k.returned.IsZero() || at+baseline > next {
			continue
		}
		_, took, ok := recovered(series[:min(int(next/bucket), len(series))], from, at, at)
		if !ok {
			took = next - at
		}
		worst = max(worst, took)
		moments++
	}
	return worst, moments
}

// afterDeath is how long after the server's return a calm moment's ten seconds before begin.
const afterDeath = 5 * time.Second

// judgeRecovery prints a line for each death, and fails where the recovery took too long: longer than is wanted, and longer than the throughput
// takes where nothing has happened.
func (w *world) judgeRecovery(kills []kill) {
	w.t.Helper()
	var table strings.Builder
	calm, moments := w.calm(w.meter.series(w.meter.buckets), kills)
	limit := max(*recovery, calm)
	table.WriteString("kill at   server back after   store operations/s before   90 % of that, from the return   plain statements: the same   longest call: before, until then, later   each half second\n")
	series, plain, rested := w.meter.series(w.meter.buckets), w.meter.series(w.meter.plain), time.Second // of warming up
	within := 0
	for _, k := range kills {
		died, returned := k.at.Sub(w.begun), k.returned.Sub(w.begun)
		if k.returned.IsZero() {
			continue // told already
		}
		from := max(rested, died-baseline)
		before, took, ok := recovered(series, from, died, returned)
		_, control, controlOK := recovered(plain, from, died, returned)
		told := orNever(took, ok)
		fmt.Fprintf(&table, "%6.1fs   %17s   %25.0f   %29s   %26s   %23s %5s %5s   %s\n",
			died.Seconds(), (returned - died).Round(time.Millisecond), before*float64(time.Second/bucket), told, orNever(control, controlOK),
			w.meter.longest(died-time.Second*3, died-bucket).Round(time.Millisecond), w.meter.longest(died, returned).Round(time.Millisecond),
			w.meter.longest(returned+bucket, returned+8*time.Second).Round(time.Millisecond), shares(series, returned, before))
		switch {
		case before == 0:
			w.t.Errorf("no operation was acknowledged before the kill at %v", died)
		case !ok || took > limit:
			w.t.Errorf("after the kill at %v the throughput was back %s after the server, want within %v", died, told, limit)
		case took <= *recovery:
			within++
		}
		rested = returned + took
	}
	w.t.Log("\n" + table.String())
	w.t.Logf("back within %v after %d of %d deaths; of %d moments at which nothing happened, the throughput was at 90 %% of the time before after %v at the latest",
		*recovery, within, len(kills), moments, calm)
}
