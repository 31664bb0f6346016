package soak_test

import (
	"sync/atomic"
	"time"
)

const bucket = 100 * time.Millisecond

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
