package session

import (
	"context"
	"sync/atomic"
	"time"
)

// reloader runs a load now and then: one at a time, and not more often than it is told, however many callers ask.
type reloader struct {
	turn  chan struct{} // holds one token while a load is under way
	ended time.Time     // the last load, whatever came of it
	loads atomic.Uint64 // that have ended
}

func newReloader() *reloader { return &reloader{turn: make(chan struct{}, 1)} }

// again runs load, unless one has ended less than pause ago, or since the caller came. With wait it waits for one that is
// under way, as long as ctx lasts; without, it leaves it at that.
func (r *reloader) again(ctx context.Context, now func() time.Time, pause time.Duration, wait bool, load func()) {
	seen := r.loads.Load()
	if wait {
		select {
		case r.turn <- struct{}{}:
		case <-ctx.Done():
			return
		}
	} else {
		select {
		case r.turn <- struct{}{}:
		default:
			return
		}
	}
	defer func() { <-r.turn }()
	if since := now().Sub(r.ended); r.loads.Load() != seen || since >= 0 && since < pause {
		return
	}
	load()
	r.ended = now()
	r.loads.Add(1)
}
