package session

import (
	"context"
	"sync"
	"time"
)

// maxConfirmations bounds the memory of confirmations: some 250 bytes each. Fewer than minConfirmations are not looked through.
const (
	maxConfirmations = 1 << 16
	minConfirmations = 1 << 10
)

// confirmations remembers which refresh tokens this process has seen confirmed, so that many requests with one fresh
// access token, parallel or not, ask the store once. It holds marks until the access tokens that carry them expire.
type confirmations struct {
	mu    sync.Mutex
	marks map[Mark]*confirmation
	sweep int // how many there are when those that have expired are looked for again
}

// confirmation is the outcome of asking the store about one mark.
type confirmation struct {
	until   time.Time     // when the access token that asked expires
	done    chan struct{} // closed once outcome is set
	outcome outcome
}

// outcome says what the store made of an unconfirmed access token.
type outcome uint8

const (
	outcomeUnknown   outcome = iota // the store did not answer: the token stands, unconfirmed
	outcomeConfirmed                // its refresh token is current
	outcomeCrossed                  // it crossed with a later rotation: good, but not to be renewed
	outcomeStale                    // a refresh will tell what it is
	outcomeGone                     // there is no such session
)

func newConfirmations() *confirmations {
	return &confirmations{marks: map[Mark]*confirmation{}, sweep: minConfirmations}
}

// do returns the outcome for a mark: the remembered one, that of a call under way, or that of ask. Only confirmed is
// remembered.
func (c *confirmations) do(ctx context.Context, mark Mark, now, until time.Time, ask func() outcome) outcome {
	c.mu.Lock()
	if known := c.marks[mark]; known != nil {
		c.mu.Unlock()
		select {
		case <-known.done:
			return known.outcome
		case <-ctx.Done():
			return outcomeUnknown
		}
	}
	mine := &confirmation{until: until, done: make(chan struct{})}
	c.makeRoom(now)
	c.marks[mark] = mine
	c.mu.Unlock()

	defer func() {
		if mine.outcome != outcomeConfirmed {
			c.mu.Lock()
			if c.marks[mark] == mine {
				delete(c.marks, mark)
			}
			c.mu.Unlock()
		}
		close(mine.done)
	}()
	mine.outcome = ask()
	return mine.outcome
}

// makeRoom forgets what has expired whenever there are twice as many as were left the last time, so that the memory follows the number of
// live tokens. Where too many are left any go: a forgotten one costs one more update.
func (c *confirmations) makeRoom(now time.Time) {
	if len(c.marks) < c.sweep {
		return
	}
	for mark, known := range c.marks {
		if !now.Before(known.until) {
			delete(c.marks, mark)
		}
	}
	for mark := range c.marks {
		if len(c.marks) < maxConfirmations*3/4 {
			break
		}
		delete(c.marks, mark)
	}
	c.sweep = min(maxConfirmations, max(minConfirmations, 2*len(c.marks)))
}
