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

// again runs load, unless that was tried less than pause ago. Callers that come while it runs wait for it. It reports
// whether a load has succeeded since the caller came.
func (r *reloader) again(now func() time.Time, pause time.Duration, load func() error) bool {
	seen := r.loads.Load()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.loads.Load() != seen {
		return true
	}
	at := now()
	if since := at.Sub(r.tried); since >= 0 && since < pause {
		return false
	}
	r.tried = at
	if load() != nil {
		return false
	}
	r.loads.Add(1)
	return true
}
