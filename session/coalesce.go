package session

import (
	"context"
	"fmt"
	"sync"
)

// coalescer lets parallel refreshes with one token share the work, in this process: while one is under way, those that
// come in gather, and the next one is for all of them. A page that fires forty requests, each of which refreshes, costs
// two rounds, and does not come near the limit of hand-outs.
//
// Nobody shares a round that began before they came: after Revoke has returned, no refresh that begins may succeed.
type coalescer struct {
	mu    sync.Mutex
	lines map[Mark]*line
}

// line exists while a refresh with one token is under way.
type line struct{ next *round }

// round is a refresh that several callers wait for.
type round struct {
	begin chan struct{} // closed when the refresh before it has ended
	done  chan struct{} // closed when answer is set
	answer
}

// answer is what Refresh returns.
type answer struct {
	session *Session
	tokens  Tokens
	err     error
}

func newCoalescer() *coalescer { return &coalescer{lines: map[Mark]*line{}} }

func (c *coalescer) do(ctx context.Context, mark Mark, refresh func(context.Context) answer) answer {
	c.mu.Lock()
	running := c.lines[mark]
	if running == nil {
		c.lines[mark] = &line{}
		c.mu.Unlock()
		defer c.finish(mark)
		return refresh(ctx)
	}
	r, leads := running.next, false
	if r == nil {
		leads = true
		r = &round{begin: make(chan struct{}), done: make(chan struct{})}
		r.err = ErrUnavailable // for those who wait, should refresh panic
		running.next = r
	}
	c.mu.Unlock()
	if !leads {
		select {
		case <-r.done:
			return r.answer
		case <-ctx.Done():
			return answer{err: fmt.Errorf("refresh session: %w: %w", ErrUnavailable, ctx.Err())}
		}
	}
	<-r.begin
	defer c.finish(mark)
	defer close(r.done)
	r.answer = refresh(context.WithoutCancel(ctx)) // others wait for it; StoreTimeout bounds it
	return r.answer
}

// finish lets the next round begin, if callers wait for one.
func (c *coalescer) finish(mark Mark) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.lines[mark].next; r != nil {
		c.lines[mark].next = nil
		close(r.begin)
		return
	}
	delete(c.lines, mark)
}
