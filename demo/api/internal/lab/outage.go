package lab

import (
	"context"
	"sync"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// MaxOutage is how long an outage lasts at most.
const MaxOutage = 2 * time.Minute

// Outage plays that the store is away. For MySQL the connections are cut and no new ones made, by its Line; for a store in memory Recorder.Store
// asks Down.
type Outage struct {
	clock func() time.Time

	mu      sync.Mutex
	until   time.Time // zero: there is none
	end     *time.Timer
	line    *Line // nil: there are no connections
	changed func()
}

// NewOutage makes an Outage; line, if there is one, carries the connections to the store.
func NewOutage(clock func() time.Time, line *Line) *Outage {
	if clock == nil {
		clock = time.Now
	}
	return &Outage{clock: clock, line: line, changed: func() {}}
}

func (o *Outage) onChange(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.changed = f
}

// Begin begins an outage, or sets another end to the one there is, and returns its end. It ends by itself.
func (o *Outage) Begin(d time.Duration) time.Time {
	o.mu.Lock()
	if o.end != nil {
		o.end.Stop()
	}
	until := o.clock().Add(d)
	o.until = until
	o.end = time.AfterFunc(d, func() { o.endAt(until) })
	o.line.cut()
	changed := o.changed
	o.mu.Unlock()
	changed()
	return until
}

// End ends the outage, if there is one.
func (o *Outage) End() { o.endAt(time.Time{}) }

// endAt ends the outage that was to last until a moment; zero: whichever there is.
func (o *Outage) endAt(until time.Time) {
	o.mu.Lock()
	if o.until.IsZero() || !until.IsZero() && !o.until.Equal(until) {
		o.mu.Unlock()
		return
	}
	o.end.Stop()
	o.until, o.end = time.Time{}, nil
	o.line.mend()
	changed := o.changed
	o.mu.Unlock()
	changed()
}

// Until returns when the outage ends, by the process's clock; zero: there is none.
func (o *Outage) Until() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.until
}

// Down reports whether there is an outage.
func (o *Outage) Down() bool { return !o.Until().IsZero() }

// Ping is a health check for a store without connections.
func (o *Outage) Ping(context.Context) error {
	if o.Down() {
		return session.ErrUnavailable
	}
	return nil
}
