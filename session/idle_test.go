package session_test

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// A process that starts where there are keys already reads them, and the feed, and that is all.
func TestStartAsksTheStoreTwice(t *testing.T) {
	t.Parallel()
	for mode, most := range map[session.RevocationMode]int{session.RevocationFeed: 2, session.RevocationOff: 1, session.RevocationStrict: 1} {
		inBubble(t, func(b *bubble) {
			b.store.Store = watchedRest{b.store.Store, b.store}
			b.manager()
			b.store.total()
			b.manager()
			calls := b.store.total()
			if n := callsOf(calls); n != most || calls["Keys"] != 1 {
				t.Errorf("%s: the store was asked %v, want Keys once, and %d calls in all", mode, calls, most)
			}
		}, func(cfg *session.Config) { cfg.Revocation = mode })
	}
}

func callsOf(calls map[string]int) (n int) {
	for _, of := range calls {
		n += of
	}
	return n
}

// What an idle process asks of its store in an hour: the feed, where there is one, once a second, and the keys as often as it takes that news
// of them are no more than a help; the keys at each of their intervals, where there is none; and what there is to clean up every quarter of an hour.
func TestIdleHour(t *testing.T) {
	t.Parallel()
	for mode, want := range map[session.RevocationMode]map[string]int{
		session.RevocationFeed: {"Keys": 4, "Revocations": 3600, "EndExpired": 4, "Purge": 4},
		session.RevocationOff:  {"Keys": 40, "EndExpired": 4, "Purge": 4},
	} {
		inBubble(t, func(b *bubble) {
			b.store.Store = watchedRest{b.store.Store, b.store}
			b.process()
			time.Sleep(10 * time.Minute) // what is spread at first, so that processes do not ask together, is so no longer
			synctest.Wait()
			b.store.total()
			time.Sleep(time.Hour)
			synctest.Wait()
			calls := b.store.total()
			for call := range calls {
				if calls[call] > want[call]+1 || calls[call] < want[call]-1 { // whatever falls on the hour's ends
					t.Errorf("%s: %d calls of %s within an hour, want %d", mode, calls[call], call, want[call])
				}
			}
			if len(calls) != len(want) {
				t.Errorf("%s: got %v, want %v", mode, calls, want)
			}
		}, func(cfg *session.Config) { cfg.Revocation = mode })
	}
}

// Processes that start together, or wait for the same outage to end, do not go on asking together.
func TestProcessesDoNotAskTogether(t *testing.T) {
	t.Parallel()
	const processes = 20
	inBubble(t, func(b *bubble) {
		var at []time.Time
		watch := func(call string, _ bool) error {
			if call == "Revocations" {
				b.mu.Lock()
				defer b.mu.Unlock()
				at = append(at, time.Now())
			}
			return nil
		}
		for range processes {
			b.process()
		}
		time.Sleep(10 * time.Second)
		together := func(when string) {
			t.Helper()
			synctest.Wait()
			b.mu.Lock()
			defer b.mu.Unlock()
			var most int
			count := map[time.Time]int{}
			for _, moment := range at {
				count[moment.Truncate(10*time.Millisecond)]++
			}
			for _, n := range count {
				most = max(most, n)
			}
			if len(at) < processes || most > processes/2 {
				t.Errorf("%s: of %d readings of the feed %d fell into the same hundredth of a second", when, len(at), most)
			}
			at = nil
		}
		b.store.setFault(watch)
		time.Sleep(10 * time.Second)
		together("after a start")
		over := time.Now().Add(20 * time.Second)
		b.store.setFault(func(string, bool) error { // they all hang, and go on at one moment
			time.Sleep(time.Until(over))
			return nil
		})
		time.Sleep(21 * time.Second)
		b.store.setFault(watch)
		time.Sleep(10 * time.Second)
		together("after an outage")
	})
}

// An idle Manager is small. It is not parallel, since it measures what the whole process holds.
func TestIdleManagerIsSmall(t *testing.T) {
	const (
		managers = 50
		most     = 2 << 20
	)
	held := func() uint64 {
		var s runtime.MemStats
		for range 3 { // pools take two collections to let go
			runtime.GC()
		}
		runtime.ReadMemStats(&s)
		return s.HeapAlloc + s.StackInuse
	}
	store := memstore.New(nil)
	var all [managers]*session.Manager
	all[0] = newManager(t, store) // what is made once stays out of it
	before := held()
	for i := range all {
		all[i] = newManager(t, store)
	}
	each := int(max(held(), before)-before) / managers
	runtime.KeepAlive(all)
	t.Logf("an idle Manager takes %d bytes", each)
	if each > most {
		t.Errorf("an idle Manager takes %d bytes, want at most %d", each, most)
	}
}

func newManager(t *testing.T, store session.Store) *session.Manager {
	t.Helper()
	m, err := session.New(t.Context(), store, session.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}
