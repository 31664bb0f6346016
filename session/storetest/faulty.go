package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// Fault is what becomes of one call of a store.
type Fault string

// The faults. But for the last two the caller gets ErrUnavailable, as from a store whose connection broke.
const (
	NoFault   Fault = ""
	Refused   Fault = "refused"   // the call is not carried out
	Unheard   Fault = "unheard"   // it is, but the answer is lost
	Late      Fault = "late"      // the answer is lost, and the call is carried out by FaultyStore.CatchUp
	Cancelled Fault = "cancelled" // the caller's context is cancelled just before the store gets the call; see Cancellable
	HungUp    Fault = "hung up"   // the caller's context is cancelled just after the store has answered
	Slow      Fault = "slow"      // the store gets the call some milliseconds later
)

// Call is one call of a store.
type Call struct {
	Method string // such as "Mint"
	N      int    // 1, 2, 3 … since the last FaultyStore.Play
}

// Script says what becomes of each call. It is called by one goroutine at a time.
type Script func(Call) Fault

// At has one call fail.
func At(n int, fault Fault) Script {
	return func(c Call) Fault { return fault.when(c.N == n) }
}

// From is an outage: it has every call fail from one on.
func From(n int, fault Fault) Script {
	return func(c Call) Fault { return fault.when(c.N >= n) }
}

// Random has that share of all calls fail, each with one of the faults. The same seed fails the same calls.
func Random(seed uint64, share float64, faults ...Fault) Script {
	rng := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // is replayed by its seed
	return func(Call) Fault {
		return faults[rng.IntN(len(faults))].when(rng.Float64() < share)
	}
}

// Only is a script for the calls of one method, which it counts alone.
func Only(method string, script Script) Script {
	n := 0
	return func(c Call) Fault {
		if c.Method != method {
			return NoFault
		}
		n++
		return script(Call{Method: method, N: n})
	}
}

func (f Fault) when(it bool) Fault {
	if it {
		return f
	}
	return NoFault
}

// FaultyStore is a store between which and its caller things go wrong, by a script. It is for the tests of stores, and of what
// is built on a Manager. Make one with Faulty.
type FaultyStore struct {
	store session.Store

	mu     sync.Mutex
	script Script
	calls  []string
	late   []func()
}

var _ session.Store = (*FaultyStore)(nil)

// Faulty makes a FaultyStore over a store. Nothing goes wrong until Play.
func Faulty(store session.Store) *FaultyStore { return &FaultyStore{store: store} }

// Play has the calls from now on go by a script, counted from 1; nil: nothing goes wrong.
func (f *FaultyStore) Play(script Script) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.script, f.calls = script, nil
}

// Calls returns the names of the methods that were called since the last Play, in order.
func (f *FaultyStore) Calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// CatchUp carries the calls out that are Late, in their order, whatever has become of their callers. It says how many there were.
func (f *FaultyStore) CatchUp() int {
	f.mu.Lock()
	late := f.late
	f.late = nil
	f.mu.Unlock()
	for _, call := range late {
		call()
	}
	return len(late)
}

// enter counts a call, and says what is to become of it.
func (f *FaultyStore) enter(method string) (Fault, Call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, method)
	c := Call{Method: method, N: len(f.calls)}
	if f.script == nil {
		return NoFault, c
	}
	return f.script(c), c
}

type cancelKey struct{}

// Cancellable is context.WithCancel for a caller whom the faults Cancelled and HungUp are to reach. To others they do nothing.
func Cancellable(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	return context.WithValue(ctx, cancelKey{}, cancel), cancel
}

// hangUp cancels the caller's context, from which that of a call may be derived, or not.
func hangUp(ctx context.Context) {
	if cancel, ok := ctx.Value(cancelKey{}).(context.CancelFunc); ok {
		cancel()
	}
}

// slow is how much later a store gets a Slow call.
const slow = 3 * time.Millisecond

// through brings a call to the store, or does with it what the script says.
func through[T any](ctx context.Context, f *FaultyStore, method string, call func(context.Context) (T, error)) (T, error) {
	var nothing T
	fault, c := f.enter(method)
	lost := func() error {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%w: call %d, %s, is %s: %w", session.ErrUnavailable, c.N, method, fault, err)
		}
		return fmt.Errorf("%w: call %d, %s, is %s", session.ErrUnavailable, c.N, method, fault)
	}
	switch fault {
	case Refused:
		return nothing, lost()
	case Unheard:
		_, _ = call(ctx)
		return nothing, lost()
	case Late:
		f.mu.Lock()
		defer f.mu.Unlock()
		f.late = append(f.late, func() { _, _ = call(context.WithoutCancel(ctx)) })
		return nothing, lost()
	case Cancelled:
		hangUp(ctx)
	case HungUp:
		defer hangUp(ctx)
	case Slow:
		select {
		case <-time.After(slow):
		case <-ctx.Done():
		}
	case NoFault:
	}
	return call(ctx)
}
