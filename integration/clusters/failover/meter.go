package failover

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// meter notes when calls of each kind were acknowledged, and what the others were told.
type meter struct {
	mu      sync.Mutex
	good    map[string][]time.Time
	errs    map[string]int
	slowest map[string]time.Duration
}

func newMeter() *meter {
	return &meter{good: map[string][]time.Time{}, errs: map[string]int{}, slowest: map[string]time.Duration{}}
}

// varying is what differs from one error of a kind to the next.
var varying = regexp.MustCompile(`\d+\.\d+\.\d+\.\d+:\d+(->\d+\.\d+\.\d+\.\d+:\d+)?`)

func (m *meter) note(what string, begun time.Time, took time.Duration, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.slowest[what] = max(m.slowest[what], took)
	if err == nil {
		m.good[what] = append(m.good[what], begun.Add(took))
		return
	}
	m.errs[what+": "+varying.ReplaceAllString(err.Error(), "ADDRESS")]++
}

// since reports whether a call of that kind was acknowledged after a moment.
func (m *meter) since(what string, moment time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(m.good[what], moment.Before)
}

// gap is the longest time without an acknowledged call of that kind that ends after a moment, or has not ended.
func (m *meter) gap(what string, moment, end time.Time) (longest time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := slices.SortedFunc(slices.Values(m.good[what]), time.Time.Compare)
	before := moment
	for _, at := range append(all, end) {
		if at.After(moment) {
			longest = max(longest, at.Sub(before))
		}
		before = at
	}
	return longest
}

// told lists the errors, the most frequent first.
func (m *meter) told() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	kinds := slices.SortedFunc(maps.Keys(m.errs), func(a, b string) int { return m.errs[b] - m.errs[a] })
	var text strings.Builder
	for _, kind := range kinds {
		_, _ = fmt.Fprintf(&text, "\n%6d × %s", m.errs[kind], kind)
	}
	return text.String()
}

// failed is how many calls of clients failed, and how long the slowest of all took.
func (m *meter) failed() (n int, slowest time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for kind, times := range m.errs {
		if !strings.HasPrefix(kind, engine) {
			n += times
		}
	}
	for what, took := range m.slowest {
		if what != engine {
			slowest = max(slowest, took)
		}
	}
	return n, slowest
}

// slow lists the slowest call of each kind.
func (m *meter) slow() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var text []string
	for _, what := range slices.Sorted(maps.Keys(m.slowest)) {
		text = append(text, fmt.Sprintf("%s %v", what, m.slowest[what].Round(time.Millisecond)))
	}
	return strings.Join(text, ", ")
}
