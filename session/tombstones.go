package session

import (
	"sync"
	"time"
)

// tombstoneAge is how long a process remembers that a session has ended, and maxTombstones how many of them, some 100 bytes each.
const (
	tombstoneAge  = time.Minute
	maxTombstones = 1 << 14
)

// tombstones remembers sessions that were looked for and had ended. Their refresh tokens are authentic for as long as their key is, so
// that whoever has had sessions can present them all the time, eight in a request, at three statements each; remembered, that is
// none. An ended session stays ended, so that it does not matter what happens meanwhile.
type tombstones struct {
	mu    sync.Mutex
	known map[Handle]tombstone
}

type tombstone struct {
	reason Reason
	until  time.Time
}

func newTombstones() *tombstones { return &tombstones{known: map[Handle]tombstone{}} }

// find returns the EndedError of a session that is known to have ended, or nil.
func (g *tombstones) find(h Handle, now time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	found, ok := g.known[h]
	if left := found.until.Sub(now); !ok || left <= 0 || left > tombstoneAge { // more: the clock was set back
		return nil
	}
	return &EndedError{Handle: h, Reason: found.reason}
}

// add notes that a session has ended, and returns its EndedError. Where there is no room those that are over go first, then any.
func (g *tombstones) add(h Handle, reason Reason, now time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.known) >= maxTombstones {
		for handle, old := range g.known {
			if !now.Before(old.until) {
				delete(g.known, handle)
			}
		}
		for handle := range g.known {
			if len(g.known) < maxTombstones*3/4 {
				break
			}
			delete(g.known, handle)
		}
	}
	g.known[h] = tombstone{reason, now.Add(tombstoneAge)}
	return &EndedError{Handle: h, Reason: reason}
}
