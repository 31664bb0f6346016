package session

import (
	"context"
	"fmt"
	"sync"
)

// coalescer lets parallel refreshes with one token share the work, in this process: while one is under way, those that
// come in gather, and the next round is for all of them. A page that fires forty requests, each of which refreshes, costs
// two rounds, and does not come near the limit of hand-outs.
//
// Nobody shares a round that began before they came: after Revoke has returned, no refresh that begins may succeed.
type coalescer struct {
	mu    sync.Mutex
	lines map[Mark]*line
}

// line exists while a refresh with one token is under way.
type line struct{ next *round }

// round is a refresh that several callers wait for. One of those who are still there when it begins carries it out.
type round struct {
	members int  // who wait for it to begin
	begun   bool // the refresh before it has ended
	taken   bool // somebody carries it out
	begin   chan struct{}
	done    chan struct{} // closed when answer is set
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
	r := c.join(mark)
	if r == nil {
		defer c.finish(mark)
		return refresh(ctx)
	}
	select {
	case <-r.begin:
	case <-ctx.Done():
		c.leave(mark, r)
		return answer{err: fmt.Errorf("refresh session: %w: %w", ErrUnavailable, ctx.Err())}
	}
	if !c.take(r) {
		select {
		case <-r.done:
			return r.answer
		case <-ctx.Done():
			return answer{err: fmt.Errorf("refresh session: %w: %w", ErrUnavailable, ctx.Err())}
		}
	}
	defer c.finish(mark)
	defer close(r.done)
	r.answer = refresh(context.WithoutCancel(ctx)) // others wait for it; StoreTimeout bounds it
	return r.answer
}

// join returns the round to wait for, or nil if the caller may begin at once.
func (c *coalescer) join(mark Mark) *round {
	c.mu.Lock()
	defer c.mu.Unlock()
	running := c.lines[mark]
	if running == nil {
		c.lines[mark] = &line{}
		return nil
	}
	if running.next == nil {
		running.next = &round{begin: make(chan struct{}), done: make(chan struct{})}
		running.next.err = ErrUnavailable // for those who wait, should refresh panic
	}
	running.next.members++
	return running.next
}

// take reports whether the caller is the one to carry the round out.
func (c *coalescer) take(r *round) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := !r.taken
	r.taken = true
	return first
}

// leave withdraws a caller whose context has ended. A round that nobody is left to carry out does not take place.
func (c *coalescer) leave(mark Mark, r *round) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r.members--
	switch {
	case r.members > 0 || r.taken:
	case r.begun:
		c.proceed(mark)
	default:
		c.lines[mark].next = nil
	}
}

// finish ends a refresh.
func (c *coalescer) finish(mark Mark) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.proceed(mark)
}

// proceed lets the next round begin, if there is one. The lock is held.
func (c *coalescer) proceed(mark Mark) {
	r := c.lines[mark].next
	if r == nil {
		delete(c.lines, mark)
		return
	}
	c.lines[mark].next = nil
	r.begun = true
	close(r.begin)
}
