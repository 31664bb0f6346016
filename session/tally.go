package session

import (
	"sync/atomic"
	"unsafe"
)

// tally counts, by an index, what every processor does at once: millions of verifications a second. One counter for all would have the
// processors wait for each other's cache line, so that there are stripes of counters, of which each processor uses one for a while.
//
// Which one, the address of what it has just allocated tells: Go's allocator gives each processor pages of its own, and takes a new one when that
// is full. Two that use one stripe nevertheless are only slower. A sync.Pool of stripes does the same, but takes five times as long.
type tally struct {
	stripes [64]stripe
}

// tallied is how many indices there are at most: a stripe fills whole cache lines.
const tallied = 24

type stripe struct{ counts [tallied]atomic.Uint64 }

// pageBits is the size of the allocator's pages, as a power of two.
const pageBits = 13

// add counts one. near was allocated just now, or is nil.
func (t *tally) add(index verifyResult, near *Session) {
	address := uintptr(unsafe.Pointer(near)) //nolint:gosec // only to choose by
	t.stripes[(address>>pageBits)%uintptr(len(t.stripes))].counts[index].Add(1)
}

// of returns how many there were of an index. What is added meanwhile may be in it.
func (t *tally) of(index verifyResult) (sum uint64) {
	for i := range t.stripes {
		sum += t.stripes[i].counts[index].Load()
	}
	return sum
}
