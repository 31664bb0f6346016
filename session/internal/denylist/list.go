// Package denylist holds what has been revoked and would otherwise still be good, in memory, until it is over anyway.
//
// It is asked in every request, mostly about what is not in it, and seldom written to: readers take no lock, and a writer
// one of 256.
package denylist

import (
	"encoding/binary"
	"iter"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// Key names a revoked thing. Its last 8 bytes have to be uniformly random, since they serve as its hash: those of a
// UUIDv7 are, but for the two constant bits of byte 8, and those of a cryptographic hash.
type Key [16]byte

// List is a set of keys, each with a value and a moment until which it is kept. New makes one. Its methods may be called
// concurrently.
type List struct {
	entries atomic.Int64
	shards  [256]shard
}

// New returns an empty list.
func New() *List { return &List{} }

// Add notes a key with a value until a moment. Of two values for one key the larger stays, and of two moments the later.
// Every Lookup that begins after Add has returned finds the key.
func (l *List) Add(key Key, value uint64, until time.Time) {
	s := l.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.add(key.words(), value, max(1, until.Add(time.Second-1).Unix())) { // 0 marks an empty slot
		// Under the lock: a Sweep that removed it before it was counted would leave the count too low, at 0 perhaps, and
		// Lookup blind to what else there is.
		l.entries.Add(1)
	}
}

// Lookup returns the value of a key, and whether there is one. It takes no lock and does not allocate.
func (l *List) Lookup(key Key) (value uint64, ok bool) {
	if l.entries.Load() == 0 {
		return 0, false
	}
	t := l.shard(key).table.Load()
	if t == nil {
		return 0, false
	}
	s := t.find(key.words())
	if s == nil {
		return 0, false
	}
	return s.value.Load(), true
}

// Sweep removes what is over at a moment, and gives its memory back. Moments count in seconds, rounded up: an entry stays
// until its moment at least, and for less than a second more.
func (l *List) Sweep(now time.Time) {
	for i := range l.shards {
		l.entries.Add(-l.shards[i].sweep(now.Unix()))
	}
}

// Len returns the number of keys.
func (l *List) Len() int { return int(l.entries.Load()) }

// shard chooses by bits that neither the place in the table nor the tag depends on.
func (l *List) shard(key Key) *shard { return &l.shards[key[9]] }

// shard is a part of the list with a lock of its own.
type shard struct {
	mu      sync.Mutex            // held by writers
	table   atomic.Pointer[table] // nil if there are no entries
	entries int64
}

// add reports whether the key is new. The lock is held.
func (s *shard) add(key words, value uint64, until int64) bool {
	t := s.table.Load()
	if t != nil {
		if e := t.find(key); e != nil {
			e.value.Store(max(e.value.Load(), value))
			e.until = max(e.until, until)
			return false
		}
	}
	s.entries++
	if t == nil || t.tooSmallFor(s.entries) {
		t = s.rebuild(0)
	}
	t.insert(key, value, until)
	return true
}

// sweep removes what ends at a moment or before, and returns how many entries that were.
func (s *shard) sweep(now int64) (removed int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.table.Load()
	if t == nil {
		return 0
	}
	for e := range t.all() {
		if e.until <= now {
			removed++
		}
	}
	s.entries -= removed
	switch {
	case s.entries == 0:
		s.table.Store(nil)
	case removed > 0:
		s.rebuild(now)
	}
	return removed
}

// rebuild moves the entries that end after a moment to a new table with room for s.entries and some more. A reader that
// is still in the old table finds there what it would have found a little earlier.
func (s *shard) rebuild(after int64) *table {
	fresh := newTable(s.entries)
	if old := s.table.Load(); old != nil {
		for e := range old.all() {
			if e.until > after {
				fresh.insert(e.key, e.value.Load(), e.until)
			}
		}
	}
	s.table.Store(fresh)
	return fresh
}

// words are the two halves of a key, which are faster to handle than its bytes.
type words struct{ first, last uint64 }

func (k Key) words() words {
	return words{binary.LittleEndian.Uint64(k[:8]), binary.LittleEndian.Uint64(k[8:])}
}

// tag is never 0.
func (w words) tag() uint64 { return max(1, w.last>>16&0xff) }

// table is a hash table with linear probing, by buckets, from which nothing is ever removed. Memory is what it waits for,
// so a byte of each key stands apart, as its tag: those of a million entries fit in a processor's cache, where their
// keys do not, and tell a reader that a key is absent.
type table struct {
	tags    []atomic.Uint64 // one a bucket: its eight tags, or 0 where a slot is empty; the lowest byte is filled first
	buckets [][8]slot
}

// slot is written before its tag, and then only the value changes. So a reader that has seen the tag sees the entry.
type slot struct {
	key   words
	value atomic.Uint64
	until int64 // Unix seconds; for writers only
}

// How many slots of a bucket are in use on average, times two: at most, lest too many keys spill over into the next bucket;
// and after a rebuild, when an entry takes 8*33/4.5 = 59 bytes.
const (
	fullest  = 11
	emptiest = 9
)

func newTable(entries int64) *table {
	n := entries*2/emptiest + 1
	return &table{make([]atomic.Uint64, n), make([][8]slot, n)}
}

func (t *table) tooSmallFor(entries int64) bool { return entries*2 > int64(len(t.tags))*fullest }

// home is the bucket where to look for a key first: the key's last bytes, as a fraction of 2^64, of the way. Any number of
// buckets will do.
func (t *table) home(key words) uint64 {
	b, _ := bits.Mul64(key.last, uint64(len(t.tags)))
	return b
}

// find returns nil if the key is not in the table.
func (t *table) find(key words) *slot {
	for b := t.home(key); ; b++ {
		if b == uint64(len(t.tags)) {
			b = 0
		}
		tags := t.tags[b].Load()
		for m := equalBytes(tags, key.tag()); m != 0; m &= m - 1 {
			if s := &t.buckets[b][bits.TrailingZeros64(m)/8]; s.key == key {
				return s
			}
		}
		if tags>>56 == 0 { // an empty slot: the key would be there
			return nil
		}
	}
}

// equalBytes has the highest bit of each byte set that equals b, and no other. (The shorter formula, with a subtraction,
// would now and then point to an empty slot.)
func equalBytes(x, b uint64) uint64 {
	const low7 = 0x7f7f7f7f7f7f7f7f
	x ^= b * 0x0101010101010101
	return ^((x&low7 + low7) | x | low7)
}

// insert adds a key that is not in the table.
func (t *table) insert(key words, value uint64, until int64) {
	b := t.home(key)
	for t.tags[b].Load()>>56 != 0 {
		b = (b + 1) % uint64(len(t.tags))
	}
	tags := t.tags[b].Load()
	i := (bits.Len64(tags) + 7) / 8
	s := &t.buckets[b][i]
	s.key, s.until = key, until
	s.value.Store(value)
	t.tags[b].Store(tags | key.tag()<<(8*i))
}

// all are the table's entries.
func (t *table) all() iter.Seq[*slot] {
	return func(yield func(*slot) bool) {
		for b := range t.buckets {
			for i := range t.buckets[b] {
				if s := &t.buckets[b][i]; s.until != 0 && !yield(s) {
					return
				}
			}
		}
	}
}
