package denylist_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session/internal/denylist"
)

var (
	start = time.Unix(1_760_000_000, 0)
	never = start.AddDate(100, 0, 0)
)

// roundedUp is the first full second that is not before a moment.
func roundedUp(at time.Time) time.Time { return at.Add(time.Second - 1).Truncate(time.Second) }

// crowd moves keys into one shard, so that its table has to grow.
func crowd(keys []denylist.Key) []denylist.Key {
	for i := range keys {
		keys[i][9] = 0
	}
	return keys
}

func TestListAgreesWithAMap(t *testing.T) {
	t.Parallel()
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 0))
			keys := append(crowd(randomKeys(r, 400)), randomKeys(r, 400)...)
			l, model, now := denylist.New(), map[denylist.Key]entry{}, start
			for step := range 10_000 {
				switch key := keys[r.IntN(len(keys))]; {
				case r.IntN(100) > 0:
					value, until := r.Uint64N(1000), now.Add(time.Duration(r.Int64N(int64(2*time.Minute))))
					l.Add(key, value, until)
					model[key] = model[key].merged(value, until)
				default:
					now = now.Add(time.Duration(r.Int64N(int64(time.Minute))))
					l.Sweep(now)
					for key, e := range model {
						if !now.Before(roundedUp(e.until)) {
							delete(model, key)
						}
					}
				}
				if step%50 == 0 {
					agree(t, l, model, keys)
				}
			}
		})
	}
}

func agree(t *testing.T, l *denylist.List, model map[denylist.Key]entry, keys []denylist.Key) {
	t.Helper()
	if l.Len() != len(model) {
		t.Fatalf("Len() = %d, want %d", l.Len(), len(model))
	}
	for _, key := range keys {
		want, in := model[key]
		if value, ok := l.Lookup(key); value != want.value || ok != in {
			t.Fatalf("Lookup(%x) = %d, %t, want %d, %t", key, value, ok, want.value, in)
		}
	}
}

// Keys are compared in full. Most of these have the same place and the same tag.
func TestKeysThatDifferInOneBit(t *testing.T) {
	t.Parallel()
	l := denylist.New()
	flipped := func(bit int) (key denylist.Key) { key[bit/8] = 1 << (bit % 8); return key }
	for bit := range 128 {
		if _, ok := l.Lookup(flipped(bit)); ok {
			t.Errorf("bit %d: found before it was added", bit)
		}
		l.Add(flipped(bit), uint64(bit), never)
		if _, ok := l.Lookup(denylist.Key{}); ok {
			t.Errorf("the zero key was found after bit %d", bit)
		}
	}
	l.Add(denylist.Key{}, 1000, never)
	for bit := range 128 {
		if value, ok := l.Lookup(flipped(bit)); value != uint64(bit) || !ok {
			t.Errorf("bit %d: got %d, %t", bit, value, ok)
		}
	}
	if value, ok := l.Lookup(denylist.Key{}); value != 1000 || !ok || l.Len() != 129 {
		t.Errorf("the zero key: got %d, %t, and %d keys; want 1000, true, 129", value, ok, l.Len())
	}
}

// However many keys begin at the table's last bucket, the search goes on at its first.
func TestKeysWithOnePlace(t *testing.T) {
	t.Parallel()
	l := denylist.New()
	for i := range 500 {
		l.Add(denylist.Key{0: byte(i), 1: byte(i >> 8), 10: byte(i % 3), 15: 255, 14: 255, 13: 255}, uint64(i), never)
	}
	for i := range 500 {
		key := denylist.Key{0: byte(i), 1: byte(i >> 8), 10: byte(i % 3), 15: 255, 14: 255, 13: 255}
		if value, ok := l.Lookup(key); value != uint64(i) || !ok {
			t.Errorf("Lookup(%x) = %d, %t, want %d, true", key, value, ok, i)
		}
	}
}

func TestTheLargerValueAndTheLaterMomentStay(t *testing.T) {
	t.Parallel()
	for _, first := range []entry{{7, start}, {9, start}, {7, start.Add(time.Hour)}, {9, start.Add(time.Hour)}, {math.MaxUint64, start}} {
		second := entry{8, start.Add(time.Minute)}
		want := first.merged(second.value, second.until)
		l := denylist.New()
		l.Add(denylist.Key{1}, first.value, first.until)
		l.Add(denylist.Key{1}, second.value, second.until)
		l.Sweep(want.until.Add(-1))
		if value, ok := l.Lookup(denylist.Key{1}); value != want.value || !ok || l.Len() != 1 {
			t.Errorf("%+v, then %+v: got %d, %t, and %d keys", first, second, value, ok, l.Len())
		}
		l.Sweep(want.until)
		if _, ok := l.Lookup(denylist.Key{1}); ok || l.Len() != 0 {
			t.Errorf("%+v, then %+v: still there when both are over", first, second)
		}
	}
}

func TestSweepIsExactToTheSecond(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		until time.Time
		over  time.Time
	}{
		{"full second", start, start},
		{"just after a second", start.Add(1), start.Add(time.Second)},
		{"just before a second", start.Add(-1), start},
		{"far future", time.Date(9999, 12, 31, 23, 59, 59, 1, time.UTC), time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
		{"another time zone", start.In(time.FixedZone("", 3600)), start},
		{"before 1970", time.Time{}, time.Unix(1, 0)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := denylist.New()
			l.Add(denylist.Key{1}, 5, c.until)
			l.Add(denylist.Key{2}, 6, never.AddDate(9000, 0, 0)) // the same shard's
			for _, early := range []time.Time{{}, time.Unix(0, 0), c.until.Add(-1), c.over.Add(-1)} {
				l.Sweep(early)
				if value, ok := l.Lookup(denylist.Key{1}); value != 5 || !ok {
					t.Errorf("swept at %v: got %d, %t, want 5, true", early, value, ok)
				}
			}
			l.Sweep(c.over)
			if _, ok := l.Lookup(denylist.Key{1}); ok {
				t.Errorf("still there at %v", c.over)
			}
			if value, ok := l.Lookup(denylist.Key{2}); value != 6 || !ok || l.Len() != 1 {
				t.Errorf("the other: got %d, %t, and %d keys; want 6, true, 1", value, ok, l.Len())
			}
		})
	}
}

// valueOf is what the concurrent tests note with a key: never 0.
func valueOf(key denylist.Key) uint64 { return binary.BigEndian.Uint64(key[8:]) }

// What has been added is found, from the moment when Add returns, with its own value, while the tables grow and are swept;
// what is being added is found whole or not at all.
func TestReadersMissNothing(t *testing.T) {
	t.Parallel()
	for name, spread := range map[string]func([]denylist.Key) []denylist.Key{
		"all shards": func(keys []denylist.Key) []denylist.Key { return keys }, "one shard": crowd,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(3, 4))
			staying, passing := spread(randomKeys(r, 10_000)), spread(randomKeys(r, 10_000))
			l := denylist.New()
			var (
				added atomic.Int64
				done  atomic.Bool
				wg    sync.WaitGroup
			)
			for reader := range uint64(3) {
				r := rand.New(rand.NewPCG(reader, 5))
				wg.Go(func() {
					for !done.Load() {
						n := int(added.Load())
						if n == 0 {
							continue
						}
						for _, i := range []int{r.IntN(n), n - 1} {
							if value, ok := l.Lookup(staying[i]); !ok || value != valueOf(staying[i]) {
								t.Errorf("key %d of %d: got %x, %t, want %x", i, n, value, ok, valueOf(staying[i]))
								return
							}
						}
						for i := n; i < min(n+3, len(staying)); i++ {
							if value, ok := l.Lookup(staying[i]); ok && value != valueOf(staying[i]) {
								t.Errorf("key %d, being added: got %x, want %x", i, value, valueOf(staying[i]))
								return
							}
						}
					}
				})
			}
			wg.Go(func() {
				for !done.Load() {
					l.Sweep(start.Add(time.Second))
					runtime.Gosched()
				}
			})
			for i := range staying {
				l.Add(passing[i], valueOf(passing[i]), start)
				l.Add(staying[i], valueOf(staying[i]), never)
				added.Store(int64(i + 1))
			}
			done.Store(true)
			wg.Wait()
			l.Sweep(start.Add(time.Second))
			if l.Len() != len(staying) {
				t.Errorf("Len() = %d, want %d", l.Len(), len(staying))
			}
		})
	}
}

// A key's value only ever grows, while its table is rebuilt by its neighbours' coming and going, and it is never absent: not
// even when it is the only one, and others are swept as soon as they are added.
func TestReadersSeeValuesGrow(t *testing.T) {
	t.Parallel()
	const rounds = 10_000
	r := rand.New(rand.NewPCG(6, 7))
	keys := crowd(randomKeys(r, rounds))
	l := denylist.New()
	l.Add(keys[0], 0, never)
	var (
		noted atomic.Uint64
		done  atomic.Bool
		wg    sync.WaitGroup
	)
	for range 2 {
		wg.Go(func() {
			for last := uint64(0); !done.Load(); {
				atLeast := max(last, noted.Load())
				value, ok := l.Lookup(keys[0])
				if !ok || value < atLeast {
					t.Errorf("got %d, %t, after %d", value, ok, atLeast)
					return
				}
				last = value
			}
		})
	}
	wg.Go(func() {
		for !done.Load() {
			l.Sweep(start)
			runtime.Gosched()
		}
	})
	for i := range uint64(rounds) {
		l.Add(keys[0], i, never)
		noted.Store(i)
		l.Add(keys[i], 1, start)
	}
	done.Store(true)
	wg.Wait()
	l.Sweep(start)
	if l.Len() != 1 {
		t.Errorf("Len() = %d, want 1", l.Len())
	}
}

func TestWritersOfTheSameKeys(t *testing.T) {
	t.Parallel()
	const writers = 8
	keys := randomKeys(rand.New(rand.NewPCG(8, 9)), 5_000)
	l := denylist.New()
	var wg sync.WaitGroup
	for w := range uint64(writers) {
		wg.Go(func() {
			for _, i := range rand.New(rand.NewPCG(w, 10)).Perm(len(keys)) {
				l.Add(keys[i], w, never)
			}
		})
	}
	wg.Wait()
	if l.Len() != len(keys) {
		t.Errorf("Len() = %d, want %d", l.Len(), len(keys))
	}
	for _, key := range keys {
		if value, ok := l.Lookup(key); value != writers-1 || !ok {
			t.Errorf("Lookup(%x) = %d, %t, want %d, true", key, value, ok, writers-1)
		}
	}
}

func TestLookupDoesNotAllocate(t *testing.T) {
	keys := randomKeys(rand.New(rand.NewPCG(11, 12)), 2_000)
	l := denylist.New()
	for _, key := range keys[:1_000] {
		l.Add(key, 1, never)
	}
	i := 0
	if allocs := testing.AllocsPerRun(len(keys), func() { l.Lookup(keys[i%len(keys)]); i++ }); allocs != 0 {
		t.Errorf("got %v allocations, want none", allocs)
	}
}

// A million entries fit into 64 MiB, and fewer into accordingly less, wherever the tables are between two rebuilds. When
// they are over, the memory is free again. (Not parallel: it measures the whole process.)
func TestMemory(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("needs its memory to itself, and a second")
	}
	const limit = 64 << 20
	keys := randomKeys(rand.New(rand.NewPCG(13, 14)), million)
	before, most := heap(), 0.0
	l := denylist.New()
	for i, key := range keys {
		l.Add(key, 1, start.Add(time.Duration(i%2)*time.Hour))
		// About 60 measurements, two hundredths apart: growth is by more.
		if n := i + 1; n == million || n >= million*3/10 && n%(million/80) == 0 {
			got, want := heap()-before, limit*float64(n)/million
			if most = max(most, got/float64(n)); got > want {
				t.Errorf("%d entries take %.1f MiB, want at most %.1f", n, got/(1<<20), want/(1<<20))
			}
		}
	}
	full := heap() - before
	t.Logf("at most %.1f bytes an entry; %.1f MiB for a million", most, full/(1<<20))
	for _, c := range []struct {
		at   time.Time
		want float64
		left int
	}{{start, limit / 2, million / 2}, {start.Add(time.Hour), 256 << 10, 0}} {
		l.Sweep(c.at)
		if got := heap() - before; got > c.want || l.Len() != c.left {
			t.Errorf("after Sweep, %d entries take %.2f MiB, want %d and at most %.2f", l.Len(), got/(1<<20), c.left, c.want/(1<<20))
		}
	}
	runtime.KeepAlive(keys)
}

// heap returns how many bytes are in use.
func heap() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
