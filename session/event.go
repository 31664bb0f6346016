package session

import (
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// EventKind says what has happened.
type EventKind string

// The kinds of events.
const (
	EventCreated         EventKind = "created"
	EventRefreshed       EventKind = "refreshed"       // a refresh token was handed out, or confirmed by presenting it
	EventConfirmed       EventKind = "confirmed"       // the client was found to hold its newest refresh token
	EventReauthenticated EventKind = "reauthenticated" // the user proved again who they are
	EventEnded           EventKind = "ended"           // for every reason but a theft of this session's token
	EventTheft           EventKind = "theft"           // with Reason if it ended the session
	EventKeyRotated      EventKind = "key_rotated"     // a signing key was published
	EventFeedStale       EventKind = "feed_stale"      // revocations have not been read for Config.MaxFeedAge
	EventFeedFresh       EventKind = "feed_fresh"      // they are read again
)

// Event is an entry of an audit trail. What does not belong to its kind is zero. It never holds a token. There is one for each
// session that ends, but where RevokeAll or Cleanup lose the store's answer to a batch: then only Manager.Endings tells.
type Event struct {
	Kind    EventKind
	At      time.Time // by this process's clock
	Handle  Handle
	UserID  string
	Device  Device // of the request, if it is known
	Reason  Reason // why the session ended, with EventEnded and EventTheft
	Theft   *Theft // with EventTheft
	KeyID   string // with EventKeyRotated
	Purpose KeyPurpose
	FeedAge time.Duration // with EventFeedStale and EventFeedFresh: how old the last reading was
	// Dropped is how many events before this one were lost, because more than 4096 were waiting.
	Dropped int
}

const maxEvents = 4096

// events brings events to the hook, one at a time and in order. A goroutine does so while there are any.
type events struct {
	hook   func(Event)
	clock  func() time.Time
	logger *slog.Logger
	counts *counters

	mu      sync.Mutex
	waiting []Event
	dropped int           // since the last event that waits
	lost    int           // in all
	idle    chan struct{} // closed when the goroutine ends; nil: there is none
}

// emit never blocks.
func (e *events) emit(event Event) {
	e.counts.event(&event)
	if e.hook == nil {
		return
	}
	event.At = e.clock()
	e.mu.Lock()
	defer e.mu.Unlock()
	limit := maxEvents
	switch event.Kind {
	case EventCreated, EventRefreshed, EventConfirmed: // that clients can bring about as often as they like
		limit = maxEvents * 3 / 4
	}
	if len(e.waiting) >= limit {
		e.dropped++
		e.lost++
		return
	}
	event.Dropped, e.dropped = e.dropped, 0
	e.waiting = append(e.waiting, event)
	if e.idle == nil {
		e.idle = make(chan struct{})
		go e.deliver(e.idle)
	}
}

func (e *events) deliver(idle chan struct{}) {
	defer close(idle)
	for {
		e.mu.Lock()
		batch := e.waiting
		if e.waiting = nil; len(batch) == 0 {
			e.idle = nil
			e.mu.Unlock()
			return
		}
		e.mu.Unlock()
		for _, event := range batch {
			e.tell(event)
		}
	}
}

// tell calls the hook. Its panic must not end the process: no request has anything to do with it.
func (e *events) tell(event Event) {
	defer func() {
		if cause := recover(); cause != nil {
			e.logger.Error("Config.OnEvent panicked", "event", event.Kind, "panic", fmt.Sprint(cause))
		}
	}()
	e.hook(event)
}

// drain waits until no event is left, or for as long as given.
func (e *events) drain(limit time.Duration) {
	e.mu.Lock()
	idle := e.idle
	e.mu.Unlock()
	if idle == nil {
		return
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
	}
}

// losses returns how many events were never told.
func (e *events) losses() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.lost
}
