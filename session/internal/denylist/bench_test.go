package denylist_test

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session/internal/denylist"
)

// list is what the benchmarks compare.
type list interface {
	Add(key denylist.Key, value uint64, until time.Time)
	Lookup(key denylist.Key) (uint64, bool)
}

// plain is the plain alternative: maps behind locks.
type plain [256]struct {
	mu      sync.RWMutex
	entries map[denylist.Key]entry
}

// entry is what plain and the model of the tests know about a key.
type entry struct {
	value uint64
	until time.Time
}

func (p *plain) Add(key denylist.Key, value uint64, until time.Time) {
	s := &p[key[9]]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries == nil {
		s.entries = map[denylist.Key]entry{}
	}
	s.entries[key] = s.entries[key].merged(value, until)
}

func (p *plain) Lookup(key denylist.Key) (uint64, bool) {
	s := &p[key[9]]
	s.mu.RLock()
	defer s.mu.RUnlock()
	e, ok := s.entries[key]
	return e.value, ok
}

// merged is the entry after another Add.
func (e entry) merged(value uint64, until time.Time) entry {
	if until.Before(e.until) {
		until = e.until
	}
	return entry{max(e.value, value), until}
}

var lists = []struct {
	name string
	make func() list
}{
	{"list", func() list { return denylist.New() }},
	{"plain", func() list { return &plain{} }},
}

const million = 1_000_000

// randomKeys returns keys like handles: UUIDs, version 7.
func randomKeys(r *rand.Rand, n int) []denylist.Key {
	keys := make([]denylist.Key, n)
	for i := range keys {
		k := &keys[i]
		binary.BigEndian.PutUint64(k[:8], 1_760_000_000_000<<16|0x7000|r.Uint64()&0xfff)
		binary.BigEndian.PutUint64(k[8:], 1<<63|r.Uint64()>>2)
	}
	return keys
}

// filled calls bench with a million keys that are in the list, in another order than they were added, and a million that
// are not.
func filled(b *testing.B, bench func(b *testing.B, l list, in, out []denylist.Key)) {
	r := rand.New(rand.NewPCG(1, 2))
	in, out := randomKeys(r, million), randomKeys(r, million)
	for _, kind := range lists {
		b.Run(kind.name, func(b *testing.B) {
			l := kind.make()
			for i, k := range in {
				l.Add(k, uint64(i), time.Unix(1<<32, 0))
			}
			shuffled := append([]denylist.Key(nil), in...)
			r.Shuffle(len(in), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			bench(b, l, shuffled, out)
		})
	}
}

func lookups(b *testing.B, l list, keys []denylist.Key, want bool) {
	i := 0
	for b.Loop() {
		if _, ok := l.Lookup(keys[i]); ok != want {
			b.Fatalf("Lookup(%x) = %t, want %t", keys[i], ok, want)
		}
		if i++; i == len(keys) {
			i = 0
		}
	}
}

func BenchmarkLookupHit(b *testing.B) {
	filled(b, func(b *testing.B, l list, in, _ []denylist.Key) { lookups(b, l, in, true) })
}

func BenchmarkLookupMiss(b *testing.B) {
	filled(b, func(b *testing.B, l list, _, out []denylist.Key) { lookups(b, l, out, false) })
}

// The next key depends on the last value, so that the processor cannot look several up at a time: what one hit takes whose
// entry is in no cache.
func BenchmarkLookupHitLatency(b *testing.B) {
	filled(b, func(b *testing.B, l list, in, _ []denylist.Key) {
		i := uint64(0)
		for b.Loop() {
			value, _ := l.Lookup(in[i])
			if i += 1 + value>>63; i >= million { // the values' highest bit is 0
				i = 0
			}
		}
	})
}

func BenchmarkLookupParallel(b *testing.B) {
	filled(b, func(b *testing.B, l list, in, out []denylist.Key) {
		b.RunParallel(func(pb *testing.PB) {
			for i := rand.IntN(million); pb.Next(); i++ {
				key, want := in[i/2%million], i%2 == 0
				if !want {
					key = out[i/2%million]
				}
				if _, ok := l.Lookup(key); ok != want {
					b.Errorf("Lookup(%x) = %t, want %t", key, ok, want)
				}
			}
		})
	})
}

func BenchmarkLookupEmpty(b *testing.B) {
	keys := randomKeys(rand.New(rand.NewPCG(1, 2)), 1024)
	for _, kind := range lists {
		b.Run(kind.name, func(b *testing.B) { lookups(b, kind.make(), keys, false) })
	}
}

// From an empty list to one with a million entries, again and again.
func BenchmarkAdd(b *testing.B) {
	keys := randomKeys(rand.New(rand.NewPCG(1, 2)), million)
	for _, kind := range lists {
		b.Run(kind.name, func(b *testing.B) {
			b.ReportAllocs()
			l, i := kind.make(), 0
			for b.Loop() {
				l.Add(keys[i], uint64(i), time.Unix(1<<32, 0))
				if i++; i == million {
					l, i = kind.make(), 0
				}
			}
		})
	}
}
