package soak_test

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

const (
	gaugeInterval = 2 * time.Second
	heapSlack     = 8 << 20
	routineSlack  = 60 // a statement under way has one, and there are as many of these as clients; leaks add up to thousands
)

// gauge follows the heap and the number of goroutines, while the server is up: without it there are no connections.
type gauge struct {
	w *world

	mu       sync.Mutex
	heaps    []uint64
	routines []int
}

func (g *gauge) run(ctx context.Context) {
	for pause(ctx, gaugeInterval) {
		if g.w.down.Load() {
			continue
		}
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		g.mu.Lock()
		g.heaps = append(g.heaps, stats.HeapAlloc)
		g.routines = append(g.routines, runtime.NumGoroutine())
		g.mu.Unlock()
	}
}

func (g *gauge) latest() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.heaps) == 0 {
		return "?"
	}
	return mebibytes(g.heaps[len(g.heaps)-1])
}

func (g *gauge) goroutines() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.routines) == 0 {
		return 0
	}
	return g.routines[len(g.routines)-1]
}

func mebibytes(n uint64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// judge compares the first third of the run with the last.
func (g *gauge) judge(t *testing.T) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	n := len(g.heaps) / 3
	if n < 2 {
		t.Errorf("only %d samples of the heap, want at least 6: make -duration longer", len(g.heaps))
		return
	}
	early, late := middle(g.heaps[:n]), middle(g.heaps[len(g.heaps)-n:])
	t.Logf("heap after a collection, %d samples: first third %s, last third %s, smallest %s, largest %s", len(g.heaps),
		mebibytes(early), mebibytes(late), mebibytes(slices.Min(g.heaps)), mebibytes(slices.Max(g.heaps)))
	if late > early+early/4+heapSlack {
		t.Errorf("the heap has grown from %s to %s", mebibytes(early), mebibytes(late))
	}
	before, after := middle(g.routines[:n]), middle(g.routines[len(g.routines)-n:])
	t.Logf("goroutines: first third %d, last third %d, smallest %d, largest %d", before, after, slices.Min(g.routines), slices.Max(g.routines))
	if after > before+routineSlack {
		t.Errorf("the number of goroutines has grown from %d to %d", before, after)
	}
}

// middle is the median.
func middle[T cmp.Ordered](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
