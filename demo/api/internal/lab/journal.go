package lab

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// maxKept is how many requests and events of a session are kept.
const maxKept = 50

// journal is what was seen of one session. Whoever watches it keeps a cursor and reads what has changed since, so that a slow reader makes
// nobody wait and nothing pile up.
type journal struct {
	handle  session.Handle
	turn    int          // guarded by the Recorder
	watched atomic.Int64 // by how many streams

	mu       sync.Mutex
	lineage  lineage
	requests kept[Request]
	events   kept[Event]
	userID   string
	agent    string // the user agent of the session's own client
	agentSet bool
	control  string // the value of the control cookie; empty: there is none yet
	loseNext bool   // the answer to that client's next refresh
	thieves  int    // how many there have ever been
	version  int    // of everything but requests and events, which are counted
	changed  chan struct{}
	over     chan struct{} // closed when the session has ended
}

func newJournal(h session.Handle, grace time.Duration) *journal {
	return &journal{
		handle: h, lineage: newLineage(grace), changed: make(chan struct{}), over: make(chan struct{}),
	}
}

// change does something to the journal and wakes those who watch it.
func (j *journal) change(f func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	f()
	j.version++
	close(j.changed)
	j.changed = make(chan struct{})
}

func (j *journal) knows(mark session.Mark) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.lineage.nodes[mark] != nil
}

// ended reports whether the session is known to have ended.
func (j *journal) ended() bool {
	select {
	case <-j.over:
		return true
	default:
		return false
	}
}

// end notes how the session ended.
func (j *journal) end(reason session.Reason, at time.Time) {
	j.change(func() {
		if !j.ended() {
			j.lineage.ended = &ended{string(reason), ms(at)}
			close(j.over)
		}
	})
}

// The names of clients, beside those of thieves.
const (
	you   = "you"   // the session's own client
	other = "other" // another one, or nobody's request
)

// client says who a request comes from. Whoever presents the session's tokens is its own client if it looks as that one did at the beginning.
// The journal is locked.
func (j *journal) client(t *trace) string {
	switch {
	case t == nil:
		return other
	case t.thief != nil:
		if t.thief.handle == j.handle {
			return t.thief.name
		}
		return other
	case !j.owns(t):
		return other
	case !j.agentSet:
		j.agent, j.agentSet = t.agent, true
	}
	if t.agent != j.agent {
		return other
	}
	return you
}

// owns reports whether a request has presented tokens of this session, or has begun it. An access token is not verified here; but it names
// the mark of the refresh token that it came with, which nobody knows who has none of the session's tokens.
func (j *journal) owns(t *trace) bool {
	if t.begun() == j.handle {
		return true
	}
	for _, token := range t.access {
		if token.handle == j.handle && j.lineage.nodes[token.mark] != nil {
			return true
		}
	}
	for _, mark := range t.refresh {
		if j.lineage.nodes[mark] != nil {
			return true
		}
	}
	return false
}

// kept is the last entries of a list, and how many there have been.
type kept[T any] struct {
	last  []T
	count int
}

func (k *kept[T]) add(v T) {
	k.last = append(k.last, v)
	k.last = k.last[max(len(k.last)-maxKept, 0):]
	k.count++
}

// since returns what was added after there were so many.
func (k *kept[T]) since(count int) []T {
	return append([]T{}, k.last[max(len(k.last)-(k.count-count), 0):]...)
}
