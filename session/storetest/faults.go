package storetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// RunFaults holds a store to what a Manager relies on when things go wrong: calls that are refused, whose answers are lost, that
// arrive late, whose callers hang up, and outages. It takes a few seconds, and most of them waiting.
//
// The tests named after a method, or Cancelled, look at the store alone. The others drive a Manager over it, where a Faulty
// decorator fails each of an operation's calls in turn: the caller gets the outcome or ErrUnavailable and nothing else, a
// repetition has the outcome of one execution (I7), nobody is logged out (I9), ended stays ended (I4), and there is one
// lineage (I3).
func RunFaults(t *testing.T, open Open) {
	for _, test := range faultTests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			run(t, open, test.run)
		})
	}
	// A store may take its time to open. Operations on sessions of different users do not meet.
	shared := open(t)
	for _, op := range slices.Concat(refreshing, ending, keeping, upkeep) {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			if op.alone {
				run(t, open, op.run)
			} else {
				run(t, func(*testing.T) session.Store { return shared }, op.run)
			}
		})
	}
}

type test struct {
	name string
	run  func(*testing.T, suite)
}

// patience is how long a test waits for a call. What takes longer hangs.
var patience = time.Minute

// run runs a test on a store of its own. All its calls have to end in time.
func run(t *testing.T, open Open, test func(*testing.T, suite)) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*patience)
	defer cancel()
	test(t, suite{Store: open(t), ctx: ctx})
}
