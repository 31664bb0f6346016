package lab

import (
	"context"
	"sync"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// trace follows one request through the Manager to the store, as a value of its context. A nil trace is that of no request.
type trace struct {
	thief   *thief // whose request it is; nil: none of the lab's
	agent   string // the User-Agent header
	access  []claims
	refresh []session.Mark // of the refresh tokens that it presents
	aside   bool           // it is one to the lab itself

	mu         sync.Mutex
	statements []string
	touched    []session.Handle
	created    session.Handle // the session that it begins
	watching   time.Duration  // what the recorder has taken for itself
}

type traceKey struct{}

func withTrace(ctx context.Context, t *trace) context.Context {
	return context.WithValue(ctx, traceKey{}, t)
}

func traceOf(ctx context.Context) *trace {
	t, _ := ctx.Value(traceKey{}).(*trace)
	return t
}

// call notes a call to the store, and the session that it is about, if it is about one.
func (t *trace) call(name string, h session.Handle) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.statements = append(t.statements, name)
	if !h.IsZero() {
		t.touched = append(t.touched, h)
	}
}

// touch notes a session that the request has had an effect on.
func (t *trace) touch(h session.Handle) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.touched = append(t.touched, h)
}

func (t *trace) begin(h session.Handle) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.created = h
}

func (t *trace) begun() session.Handle {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.created
}

func (t *trace) isAside() bool { return t != nil && t.aside }

func (t *trace) watched(d time.Duration) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.watching += d
}

// seen returns what the request has done so far.
func (t *trace) seen() (statements []string, touched []session.Handle, watching time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string{}, t.statements...), append([]session.Handle{}, t.touched...), t.watching
}
