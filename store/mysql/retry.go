package mysql

import (
	"context"
	"math/rand/v2"
	"time"
)

// access says whether a statement only reads.
type access bool

const (
	read  access = true
	write access = false
)

// maxTries is how often a statement is tried that the server keeps rolling back.
const maxTries = 5

// repeat runs one statement. It runs it again while the server rolls it back, a bounded number of times: nothing has
// happened then, whatever the statement. After a lost connection a read is run once more, but never a write: its
// outcome is unknown, and what to do about that is the caller's to know.
func repeat(ctx context.Context, kind access, statement func() error) error {
	mayAsk := kind == read
	for try := 1; ; try++ {
		err := statement()
		if err == nil || ctx.Err() != nil {
			return err
		}
		switch c := classify(err); {
		case c == rolledBack && try < maxTries:
		case c == lost && mayAsk:
			mayAsk = false
		default:
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause(try)):
		}
	}
}

// pause doubles with each try, from 1 to 2 ms on, so that statements that ran into each other come apart.
func pause(try int) time.Duration {
	return time.Millisecond<<(try-1) + rand.N(time.Millisecond<<(try-1)) //nolint:gosec // spread, not a secret
}
