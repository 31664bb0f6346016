package soak_test

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	smoothing = 5   // buckets
	restored  = 0.9 // of the throughput before
	baseline  = 10 * time.Second

	// settled is how long after the server's return the throughput is that which the machine gives, whatever a death did to it.
	settled = 5 * time.Second

	// worn is how much of its throughput the first third of a run may have lost by the last.
	worn = 0.8
)

// level is the throughput between two moments, in operations a bucket: the median, or zero where there is no bucket.
func level(series []int64, from, to time.Duration) float64 {
	first, last := int(from/bucket), int(to/bucket)
	if last <= first || last > len(series) {
		return 0
	}
	calm := slices.Sorted(slices.Values(series[first:last]))
	return float64(calm[len(calm)/2])
}

// recovered says how long after the server's return the mean throughput over half a second had reached 90 % of a level. False: it did not
// before the series ends.
func recovered(series []int64, returned time.Duration, level float64) (took time.Duration, ok bool) {
	sum := int64(0)
	begin := int(returned/bucket) + 1 // the first whole bucket
	for i := begin; i < len(series); i++ {
		sum += series[i]
		if i >= begin+smoothing {
			sum -= series[i-smoothing]
		}
		if i >= begin+smoothing-1 && float64(sum)/smoothing >= restored*level {
			return time.Duration(i+1)*bucket - returned, true
		}
	}
	return 0, false
}

// around is the lower of two levels: of the ten seconds before a moment, and of the time from when all had settled after it until the next
// death. The throughput of a busy machine goes up and down by a third by itself, for half a minute sometimes. Where it is lower before and
// after alike, or becomes lower for good at this moment, a recovery cannot be told from that by the level before alone; that deaths do not
// wear the throughput down is looked at over the whole run. Zero: there is no level before. No
// level after is none to come back to.
func around(series []int64, from, at, back, next time.Duration) (lower, before float64) {
	before = level(series, from, at)
	if after := level(series, back+settled, next); next-back-settled >= baseline && 0 < after && after < before {
		return after, before
	}
	return before, before
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

// calm is the worst of what recovered says of as many moments between the deaths at which nothing happened, against the level before them:
// what the throughput of this machine shows then is no death's doing. It is zero where the deaths follow each other too closely.
func (w *world) calm(series []int64, kills []kill) (worst time.Duration, moments int) {
	for i, k := range kills {
		next := w.nextDeath(series, kills, i)
		from := k.returned.Sub(w.begun) + settled
		at := from + baseline
		if k.returned.IsZero() || at+baseline > next {
			continue
		}
		took, ok := recovered(series[:min(int(next/bucket), len(series))], at, level(series, from, at))
		if !ok {
			took = next - at
		}
		worst = max(worst, took)
		moments++
	}
	return worst, moments
}

// nextDeath is when the next kill is, or the end of the run.
func (w *world) nextDeath(series []int64, kills []kill, i int) time.Duration {
	if i+1 < len(kills) {
		return kills[i+1].at.Sub(w.begun)
	}
	return time.Duration(len(series)) * bucket
}

// judgeRecovery prints a line for each death, and fails where the recovery took too long: longer than is wanted, and longer than the throughput
// takes where nothing has happened.
func (w *world) judgeRecovery(kills []kill) {
	w.t.Helper()
	var table strings.Builder
	series, plain, rested := w.meter.series(w.meter.buckets), w.meter.series(w.meter.plain), time.Second // of warming up
	calm, moments := w.calm(series, kills)
	limit := max(*recovery, calm)
	table.WriteString("kill at   server back after   store operations/s before   of that later   90 % of the lower, from the return   of that before   plain statements: of that before   longest call: before, until then, later   each half second\n")
	within, strictly := 0, 0
	for i, k := range kills {
		died, returned := k.at.Sub(w.begun), k.returned.Sub(w.begun)
		if k.returned.IsZero() {
			continue // told already
		}
		from, next := max(rested, died-baseline), w.nextDeath(series, kills, i)
		lower, before := around(series, from, died, returned, next)
		took, ok := recovered(series, returned, lower)
		strict, strictOK := recovered(series, returned, before)
		control, controlOK := recovered(plain, returned, level(plain, from, died))
		told := orNever(took, ok)
		fmt.Fprintf(&table, "%6.1fs   %17s   %25.0f   %12.0f%%   %34s   %14s   %32s   %23s %5s %5s   %s\n",
			died.Seconds(), (returned - died).Round(time.Millisecond), before*float64(time.Second/bucket), 100*level(series, returned+settled, next)/before,
			told, orNever(strict, strictOK), orNever(control, controlOK),
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
		if strictOK && strict <= *recovery {
			strictly++
		}
		rested = returned + took
	}
	w.t.Log("\n" + table.String())
	w.t.Logf("back within %v after %d of %d deaths, and after %d at 90 %% of the ten seconds before, whatever followed; of %d moments at which nothing happened the throughput was at 90 %% of the time before after %v at the latest",
		*recovery, within, len(kills), strictly, moments, calm)
	w.judgeWear(series)
}

// judgeWear fails where the throughput was lower in the last third of the run than in the first: a death leaves nothing behind.
func (w *world) judgeWear(series []int64) {
	w.t.Helper()
	third := time.Duration(len(series)/3) * bucket
	first, last := level(series, time.Second, third), level(series, 2*third, 3*third)
	w.t.Logf("store operations/s: %.0f in the first third, %.0f in the last", first*float64(time.Second/bucket), last*float64(time.Second/bucket))
	if *duration >= time.Minute && last < worn*first {
		w.t.Errorf("the throughput was %.0f a bucket in the first third and %.0f in the last, want at least %v of it", first, last, worn)
	}
}
