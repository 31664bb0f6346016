package lab

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// maxJournals is how many sessions are known at a time. Those that nothing has happened to for longest are forgotten, unless somebody watches.
const maxJournals = 256

// Recorder keeps a journal of each session. Make one with NewRecorder.
type Recorder struct {
	clock func() time.Time
	grace time.Duration
	ahead atomic.Int64 // by how much the store's clock is ahead of this process's, as it was last seen

	mu       sync.Mutex
	journals map[session.Handle]*journal
	turn     int // counts the looks at journals
}

// NewRecorder makes a Recorder for a process's clock and the grace of its sessions; zero in the strict mode.
func NewRecorder(clock func() time.Time, grace time.Duration) *Recorder {
	if clock == nil {
		clock = time.Now
	}
	return &Recorder{clock: clock, grace: grace, journals: map[session.Handle]*journal{}}
}

// storeTime is a moment of this process's clock by the store's.
func (r *Recorder) storeTime(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(time.Duration(r.ahead.Load()))
}

// now is the store's clock, as far as it is known.
func (r *Recorder) now() time.Time { return r.storeTime(r.clock()) }

// compare notes what the store's clock has said in answer to a call that began at a moment of this process's. A difference that the call's
// own time explains is none.
func (r *Recorder) compare(began, said time.Time) {
	began = began.Truncate(time.Microsecond) // as stores keep it
	var ahead time.Duration
	if ended := r.clock(); said.Before(began) {
		ahead = said.Sub(began)
	} else if said.After(ended) {
		ahead = said.Sub(ended)
	}
	r.ahead.Store(int64(ahead))
}

// journal returns that of a session, new if there is none.
func (r *Recorder) journal(h session.Handle) *journal {
	r.mu.Lock()
	defer r.mu.Unlock()
	j := r.journals[h]
	if j == nil {
		r.makeRoom()
		j = newJournal(h, r.grace)
		r.journals[h] = j
	}
	r.turn++
	j.turn = r.turn
	return j
}

// known returns the journal of a session, or nil.
func (r *Recorder) known(h session.Handle) *journal {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.journals[h]
}

// all returns every journal that a condition holds for.
func (r *Recorder) all(condition func(*journal) bool) []*journal {
	r.mu.Lock()
	found := slices.Collect(maps.Values(r.journals))
	r.mu.Unlock()
	return slices.DeleteFunc(found, func(j *journal) bool { return !condition(j) }) // which may lock the journal
}

// ofMark returns the journal of the session that a refresh token belongs to, if that was ever seen, or nil.
func (r *Recorder) ofMark(mark session.Mark) *journal {
	for _, j := range r.all(func(j *journal) bool { return j.knows(mark) }) {
		return j
	}
	return nil
}

func (r *Recorder) makeRoom() {
	for len(r.journals) >= maxJournals {
		var oldest *journal
		for _, j := range r.journals {
			if j.watched.Load() == 0 && (oldest == nil || j.turn < oldest.turn) {
				oldest = j
			}
		}
		if oldest == nil { // maxStreams is less than that
			return
		}
		delete(r.journals, oldest.handle)
	}
}

// Event is for session.Config.OnEvent. What concerns no single session is told to all.
func (r *Recorder) Event(e session.Event) {
	shown := showEvent(e, r.storeTime(e.At))
	for _, j := range r.all(func(j *journal) bool { return e.Handle.IsZero() || j.handle == e.Handle }) {
		j.change(func() { j.events.add(shown) })
	}
}
