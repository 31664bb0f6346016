package session

import (
	"sync"
	"sync/atomic"
	"time"
)

// reloader runs a load now and then: one at a time, and not more often than it is told, however many callers ask.
type reloader struct {
	mu    sync.Mutex
	tried time.Time
	loads atomic.Uint64 // that succeeded
}

// again runs load, unless that was tried less than pause ago or somebody else has done so while the caller waited.
func (r *reloader) again(now func() time.Time, pause time.Duration, load func() error) {
	seen := r.loads.Load()
	r.mu.Lock()
	defer r.mu.Unlock()
	at := now()
	if since := at.Sub(r.tried); r.loads.Load() != seen || since >= 0 && since < pause {
		return
	}
	r.tried = at
	if load() == nil {
		r.loads.Add(1)
	}
}
