// Package storetest holds a session.Store to its contract, and to what a session.Manager makes of it when calls fail. Only tests
// import it. All that the author of another store, on PostgreSQL say, has to write is how to open an empty one:
//
//	func open(t *testing.T) session.Store {
//		pool := emptyDatabase(t) // a schema of the test's own, which t.Cleanup drops
//		store := postgres.New(pool)
//		if err := store.Migrate(t.Context()); err != nil {
//			t.Fatal(err)
//		}
//		return store
//	}
//
//	func TestContract(t *testing.T) { storetest.Run(t, open) }
//	func TestFaults(t *testing.T)   { storetest.RunFaults(t, open) }
//
// Run goes through the contract, method by method, and with many callers at once. RunFaults has callers hang up at every moment, and
// drives a Manager over the store, of whose calls each fails once in every way that [Fault] names. The name of the test that
// fails says what is wrong; I1 to I9 in names and messages are the invariants of the protocol.
//
// Call both once more with a pool of one connection (a call that holds two hangs), and in each mode that the driver has for sending
// statements. Run with -race. What neither can show, the store's own tests have to: two servers with different clocks, replicas,
// failovers, errors by which the server rolls back.
//
// [Faulty] is there for tests of one's own.
package storetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// Open returns a store for one test: empty, and seen by nobody else. It closes what it opened by t.Cleanup.
type Open func(t *testing.T) session.Store

// Run runs the whole suite, in parallel. It takes a few seconds at most. Those of its tests that are about elections run where the store
// is a session.Elector, which it need not be.
func Run(t *testing.T, open Open) {
	tests := []test{
		{"InsertThenGet", insertThenGet},
		{"InsertDuplicate", insertDuplicate},
		{"MissingIsNotFound", missing},
		{"DeadIsMissing", dead},
		{"Lifetimes", lifetimes},
		{"Confirm", confirm},
		{"ConfirmWithNext", confirmWithNext},
		{"ConfirmNeedsPending", confirmNeedsPending},
		{"HandOut", handOut},
		{"MintComparesMarks", mint},
		{"I3_ConfirmOnceOf64", confirmOnce},
		{"I3_MintOnceOf64", mintOnce},
		{"HandOutCountsAll", handOutCounts},
		{"GenerationAndAuthAt", generationAndAuthAt},
		{"UserIDsAreBytes", userIDs},
		{"List", list},
		{"ListIsOfRows", listIsOfRows},
		{"BytesAreKept", bytesAreKept},
		{"SetData", setData},
		{"SetDataOnceOf64", setDataOnce},
		{"SetPayload", setPayload},
		{"SetLabel", setLabel},
		{"DevicesAndLabelsAreKept", devicesAndLabels},
		{"RenewalMovesTheDevice", renewalMovesDevice},
		{"End", endOne},
		{"EndOnceOf64", endOnce},
		{"I4_EndedStaysEnded", endedStaysEnded},
		{"I4_EndedStaysEndedInFlight", endedInFlight},
		{"EndUser", endUser},
		{"EndUserKeeps", endUserKeeps},
		{"EndUserLimit", endUserLimit},
		{"EndUserCountsEachOnce", endUserOnce},
		{"EndAll", endAll},
		{"EndAllLimit", endAllLimit},
		{"EndAllReturnsEachOnce", endAllOnce},
		{"EndExpired", endExpired},
		{"EndExpiredReasons", endExpiredReasons},
		{"EndExpiredLimit", endExpiredLimit},
		{"EndExpiredReturnsEachOnce", endExpiredOnce},
		{"EndingIsOfTheEnded", endingOfEnded},
		{"Endings", endings},
		{"PurgeByAge", purgeByAge},
		{"PurgeLimit", purgeLimit},
		{"FeedOfEnd", feedOfEnd},
		{"FeedOfEndAgain", feedOfEndAgain},
		{"FeedOfEndOnly", feedOfEachWay},
		{"FeedOfPublish", feedOfPublish},
		{"FeedOfKeys", feedOfKeys},
		{"FeedOrderAndLimit", feedOrderAndLimit},
		{"FeedIsSeenAtOnce", feedSeenAtOnce},
		{"FeedClock", feedClock},
		{"FeedPurge", feedPurge},
		{"FeedNowIsFromBefore", feedNow},
		{"Keys", keys},
		{"KeysOnceOf16", keysOnce},
		{"RetireKey", retireKey},
		{"KeyMaterial", keyMaterial},
		{"CancelledContext", cancelled},
		{"ClockMovesForward", clock},
		{"RefusedChangesNothing", refusedChangesNothing},
		{"MarksAndHandlesAreBytes", marksAreBytes},
		{"VersionsAreExact", versionsAreExact},
		{"OnceOf16", onceOf16},
		{"ErrorsHoldNoValues", errorsHoldNoValues},
		{"ReadersSeeWholeRotations", wholeRotations},
		{"ReadersSeeWholeEndings", wholeEndings},
		{"ReadersSeeEndAndEntry", endAndEntry},
		{"EndedByOne", endedByOne},
		{"GetSeesWhatWasAcknowledged", acknowledged},
		{"OneConnectionPerCall", oneConnection},
	}
	if _, elects := open(t).(session.Elector); elects {
		tests = append(tests, test{"ElectOne", electOne}, test{"ElectionEnds", electOver}, test{"ElectOneOf16", electOnceAtATime})
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			run(t, open, test.run)
		})
	}
}

// suite is a store under test with what every test needs.
type suite struct {
	session.Store
	ctx context.Context
}

var (
	life    = session.Lifetimes{Idle: time.Hour, Absolute: 24 * time.Hour}
	renewal = session.Renewal{Lifetimes: life}
)

var serial atomic.Uint64

// handle returns a handle that no other test of the process uses, each greater than the one before.
func handle() session.Handle {
	var h session.Handle
	binary.BigEndian.PutUint64(h[:], serial.Add(1))
	h[15] = 0xff
	return h
}

var numbers atomic.Int64

// number returns the next of 1, 2, 3 …
func number() int { return int(numbers.Add(1)) }

// mark returns a mark made of a name; no two names have the same.
func mark(name string) session.Mark {
	var m session.Mark
	copy(m[:], name+"\xff\x00'\"\\%_") // bytes that careless quoting would change
	return m
}

// insert adds a session with current = mark("R0") and returns its handle.
func (s suite) insert(t *testing.T, change ...func(*session.NewRow)) session.Handle {
	t.Helper()
	row := session.NewRow{
		Handle: handle(), UserID: "user", Current: mark("R0"),
		Payload: []byte(`{"p":1}`), Data: []byte(`{"d":1}`), DataVersion: 7, Lifetimes: life,
	}
	for _, f := range change {
		f(&row)
	}
	if err := s.Insert(s.ctx, row); err != nil {
		t.Fatalf("Insert: %v", err)
	}
	return row.Handle
}

func user(id string) func(*session.NewRow) { return func(r *session.NewRow) { r.UserID = id } }

// expired makes a row that is dead from the start, without any waiting.
func expired(r *session.NewRow) {
	r.Lifetimes = session.Lifetimes{Idle: -time.Hour, Absolute: time.Hour}
}

func (s suite) get(t *testing.T, h session.Handle) (session.Row, time.Time) {
	t.Helper()
	row, now, err := s.Get(s.ctx, h)
	if err != nil {
		t.Fatalf("Get(%v): %v", h, err)
	}
	return row, now
}

// now returns the store's clock.
func (s suite) now(t *testing.T) time.Time {
	t.Helper()
	_, now, err := s.Keys(s.ctx)
	if err != nil {
		t.Fatalf("Keys: %v", err)
	}
	return now
}

// pass waits until the store's clock is after a moment, and returns it.
func (s suite) pass(t *testing.T, moment time.Time) time.Time {
	t.Helper()
	for range 10_000 {
		now := s.now(t)
		if now.After(moment) {
			return now
		}
		time.Sleep(min(max(moment.Sub(now), 100*time.Microsecond), time.Second))
	}
	t.Fatalf("the store's clock does not go on to %v", moment)
	return time.Time{}
}

// later waits until the store's clock has moved, and returns it: what was done before lies before it.
func (s suite) later(t *testing.T) time.Time {
	t.Helper()
	return s.pass(t, s.now(t))
}

// yes and no assert the verdict of a changing call.
func yes(t *testing.T, what string) func(bool, error) {
	return verdict(t, what, true)
}

func no(t *testing.T, what string) func(bool, error) {
	return verdict(t, what, false)
}

func verdict(t *testing.T, what string, want bool) func(bool, error) {
	t.Helper()
	return func(got bool, err error) {
		t.Helper()
		if err != nil || got != want {
			t.Fatalf("%s: got %v, %v, want %v, <nil>", what, got, err, want)
		}
	}
}

// mint gives the session a pending token named name, minted at the store's now, over no pending.
func (s suite) mint(t *testing.T, h session.Handle, current, name string) time.Time {
	t.Helper()
	_, now := s.get(t, h)
	next := session.Successor{Mark: mark(name), MintedAt: now}
	yes(t, "Mint")(s.Mint(s.ctx, h, mark(current), session.Mark{}, time.Time{}, next, renewal))
	return now
}

// race runs f from n goroutines at once and returns how many of them got true.
func race(t *testing.T, n int, f func(i int) (bool, error)) int {
	t.Helper()
	var (
		wins  atomic.Int64
		start = make(chan struct{})
		wg    sync.WaitGroup
	)
	for i := range n {
		wg.Go(func() {
			<-start
			won, err := f(i)
			if err != nil {
				t.Errorf("goroutine %d: %v", i, err)
			}
			if won {
				wins.Add(1)
			}
		})
	}
	close(start)
	wg.Wait()
	return int(wins.Load())
}

// within asserts that a time of the store lies between two readings of its clock.
func within(t *testing.T, what string, at, low, high time.Time) {
	t.Helper()
	if at.Before(low) || at.After(high) {
		t.Errorf("%s: got %v, want within [%v, %v]", what, at, low, high)
	}
}

func notFound(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, session.ErrNotFound) {
		t.Errorf("%s: got error %v, want ErrNotFound", what, err)
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func equalBytes(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got %s, want %s", what, short(got), short(want))
	}
}

func short(b []byte) string {
	if len(b) > 80 {
		return fmt.Sprintf("%q… (%d bytes)", b[:80], len(b))
	}
	return fmt.Sprintf("%q", b)
}
