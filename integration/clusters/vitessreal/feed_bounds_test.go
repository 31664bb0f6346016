//go:build clusters

package vitessreal_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/clusters/failover"
)

// judge holds each refusal to its bound, and the feed to what a bare read was able to.
func judge(t *testing.T, name string, all []refusal, bare *reader, readers []*reader, begun time.Time) {
	t.Helper()
	var quiet, delayed time.Duration
	troubled := 0
	for _, r := range all {
		if r.at.IsZero() {
			t.Errorf("a revocation was not heard of within %v", missedAfter)
			continue
		}
		lag := r.at.Sub(r.acknowledged)
		first, trouble := r.by.after(r.acknowledged, r.at)
		if !first.to.IsZero() && r.at.After(first.to.Add(looksWithin)) {
			t.Errorf("a revocation was heard of %v after its acknowledgement, and %v after a reading that began behind that", lag, r.at.Sub(first.to))
		}
		if trouble {
			troubled++
			delayed = max(delayed, lag)
			continue
		}
		quiet = max(quiet, lag)
		if bound := feedInterval + feedSlack; lag > bound {
			t.Errorf("a revocation was heard of %v after its acknowledgement, with the feed readable: want %v at most", lag, bound)
		}
	}
	own, ours := bare.gap(begun), max(readers[0].gap(begun), readers[1].gap(begun))
	if bound := own + failover.StoreTimeout + feedInterval + feedSlack; ours > bound {
		t.Errorf("no reading of the feed succeeded for %v, want at most %v: bare reads did not for %v", ours, bound, own)
	}
	t.Logf("| %s | %s | %s | %d | %s | %d | %s |", name, seconds(own), seconds(ours), len(all)-troubled, seconds(quiet), troubled, seconds(delayed))
	if len(all) != len(readers)*revocations {
		t.Errorf("%d revocations were waited for, want %d", len(all), len(readers)*revocations)
	}
}

// gap is the longest time between two good readings, from a moment on.
func (r *reader) gap(from time.Time) (longest time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := from
	for _, s := range r.good {
		if s.to.After(from) {
			longest = max(longest, s.to.Sub(before))
			before = s.to
		}
	}
	return longest
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
