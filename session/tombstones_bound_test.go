package session

import (
	"encoding/binary"
	"testing"
	"time"
)

// TestTombstonesAreBounded: what is remembered of ended sessions does not grow without end, is over after a minute, and also where the
// process's clock is set back.
func TestTombstonesAreBounded(t *testing.T) {
	t.Parallel()
	g, now := newTombstones(), time.Unix(1_800_000_000, 0)
	handle := func(i int) (h Handle) {
		binary.BigEndian.PutUint64(h[8:], uint64(i)+1)
		return h
	}
	for i := range 3 * maxTombstones {
		if err := g.add(handle(i), ReasonLogout, now); err == nil {
			t.Fatal("add: got nil, want an error for the client")
		}
		if len(g.known) > maxTombstones {
			t.Fatalf("%d sessions are remembered, want %d at most", len(g.known), maxTombstones)
		}
	}
	last := handle(3*maxTombstones - 1)
	for _, at := range []struct {
		after time.Duration
		found bool
	}{{0, true}, {tombstoneAge - 1, true}, {tombstoneAge, false}, {-time.Second, false}} {
		if err := g.find(last, now.Add(at.after)); (err != nil) != at.found {
			t.Errorf("after %v: got %v, want found: %t", at.after, err, at.found)
		}
	}
	// What is over goes before what is not.
	later := now.Add(tombstoneAge)
	_ = g.add(handle(-1), ReasonLogout, later.Add(-time.Second))
	for i := range maxTombstones {
		_ = g.add(handle(4*maxTombstones+i), ReasonLogout, later)
		if g.find(handle(-1), later) == nil {
			if i < maxTombstones/2 {
				t.Errorf("a session was forgotten after %d others, while older ones were over", i)
			}
			break
		}
	}
}
