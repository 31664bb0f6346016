package cluster

import (
	"context"
	"fmt"
	"time"
)

// pollEvery is short against everything that is waited for here.
const pollEvery = 100 * time.Millisecond

// Await calls f until it returns nil, for as long as within says. Each call gets a context that ends with that time, so that one that hangs
// ends, too. The error says what was waited for, and the last thing that f had to say.
func Await(ctx context.Context, what string, within time.Duration, f func(ctx context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var last error
	for {
		err := f(bounded)
		if err == nil {
			return nil
		}
		if bounded.Err() == nil || last == nil { // the end of the time itself says less than what came before
			last = err
		}
		select {
		case <-bounded.Done():
			if ctx.Err() != nil { // which ends bounded as well
				return fmt.Errorf("wait for %s: %w; the last try: %w", what, ctx.Err(), last)
			}
			return fmt.Errorf("wait for %s: not within %v; the last try: %w", what, within, last)
		case <-time.After(pollEvery):
		}
	}
}
