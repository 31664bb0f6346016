package histories_test

import (
	"os"
	"testing"
	"time"
)

// report prints what is wrong, with the session's history.
func (w *world) report(t *testing.T, findings []finding) {
	t.Helper()
	const most = 5
	for i, f := range findings {
		if i == most {
			t.Errorf("and %d findings more", len(findings)-most)
			break
		}
		t.Errorf("%s", f)
		if f.draw != nil {
			t.Log("drawn in", f.draw(os.TempDir()))
		}
		for _, o := range w.history.operations(f.Session) {
			t.Log(o)
		}
	}
}

// summarise prints what the run consisted of.
func (w *world) summarise(t *testing.T, took, searched time.Duration, tallied tally) {
	t.Helper()
	h := w.history
	counts := map[kind]int{}
	classes := map[class]int{}
	var longest, unanswered, lost, slow int
	for _, r := range w.records() {
		longest = max(longest, len(r.ops))
		for _, o := range r.ops {
			counts[o.Kind]++
			classes[o.Class]++
			if o.open() {
				unanswered++
			}
			if o.Lost {
				lost++
			}
			if o.Kind != readRow && o.Return-o.Call >= h.rules.grace/4 {
				slow++
			}
		}
	}
	faults := map[string]int{}
	for _, o := range h.outages {
		faults[o.What]++
	}
	t.Logf("%v: %d calls, %d sessions, at most %d operations each; %v; %v", took.Round(time.Second), h.calls.Load(), len(h.sessions), longest, counts, classes)
	t.Logf("%d outcomes unknown, %d answers lost on the way, %d took a quarter of the grace; faults: %v", unanswered, lost, slow, faults)
	t.Logf("orders found in %v, the longest search %+v; invariants: %+v", searched.Round(time.Millisecond), h.longest, tallied)
}
