package model

import (
	"cmp"
	"math"
	"slices"
)

// mostShards is where the search for a number of shards ends.
const mostShards = 1 << 16

// demand is what is asked of the database, in statements a second by where they go.
type demand struct {
	each      Rates // on each shard, on average
	scattered Rates // of these, those that go to every shard, however many there are
	first     Rates // on the first shard, beside that
	unsharded Rates // on the server of the tables that are not sharded

	// transactions are how many changes a second, of those on each shard and on the other server, a tablet puts between a BEGIN and a COMMIT.
	transactions, unshardedTransactions float64
}

// share is which part of the statements that take a route a shard gets, if there are so many shards.
func (s Statement) share(d Deployment, r Route, shards float64) float64 {
	switch r {
	case OneShard, AnyShard:
		return 1 / shards
	case OfHandles: // the probability that one of them is there
		return 1 - math.Pow(1-1/shards, s.Handles(d))
	case AllShards:
		return 1
	default:
		return 0
	}
}

// demand is that of the busiest hour or of the day's mean, on so many shards. One shard is one server, that has all tables.
func (d Deployment) demand(shards int, rate func(Load) float64) demand {
	all := demand{each: Rates{}, scattered: Rates{}, first: Rates{}, unsharded: Rates{}}
	if shards == 1 {
		for _, l := range d.Loads() {
			for _, s := range l.Operation.Statements {
				all.each[s.Verb] += rate(l)
				if slices.Contains(s.Goes, AllShards) {
					all.scattered[s.Verb] += rate(l)
				}
			}
		}
		return all
	}
	for _, l := range d.Loads() {
		for _, s := range l.Operation.Sends(true) {
			for _, r := range s.Goes {
				n := rate(l)
				wrapped := 0.0
				if (s.Verb == Update || s.Verb == Delete) && !s.Limited {
					wrapped = n
				}
				switch r {
				case Unsharded:
					all.unsharded[s.Verb] += n
					all.unshardedTransactions += wrapped
					continue
				case FirstShard:
					all.first[s.Verb] += n
					continue
				default:
				}
				share := s.share(d, r, float64(shards))
				all.each[s.Verb] += n * share
				all.transactions += wrapped * share
				if r == AllShards {
					all.scattered[s.Verb] += n
				}
			}
		}
	}
	return all
}

func atMean(l Load) float64 { return l.Mean }
func atPeak(l Load) float64 { return l.Peak }

// Seen is what the servers see on the day's mean, by the names of statements: each shard on average, the first one beside that, and the server of the
// tables that are not sharded. Transactions are the changes there that a tablet of Vitess puts between a BEGIN and a COMMIT.
type Seen struct {
	Shard, First, Unsharded                  map[string]float64
	ShardTransactions, UnshardedTransactions float64
}

// Seen is for a deployment with so many shards, of which there are more than one.
func (d Deployment) Seen() Seen {
	seen := Seen{Shard: map[string]float64{}, First: map[string]float64{}, Unsharded: map[string]float64{}}
	shards := d.shardCount()
	for _, l := range d.Loads() {
		for _, s := range l.Operation.Sends(true) {
			for _, r := range s.Goes {
				switch r {
				case Unsharded:
					seen.Unsharded[s.Name] += l.Mean
				case FirstShard:
					seen.First[s.Name] += l.Mean
				default:
					seen.Shard[s.Name] += l.Mean * s.share(d, r, float64(shards))
				}
			}
		}
	}
	want := d.demand(shards, atMean)
	seen.ShardTransactions, seen.UnshardedTransactions = want.transactions, want.unshardedTransactions
	return seen
}

// busy is the share of a primary's time that statements take.
func (l Limits) busy(r Rates) float64 {
	return r[Select]/l.Reads + (r[Insert]+r[Update]+r[Delete])/l.Writes
}

// Shards is what the shards are asked for at the busiest hour.
type Shards struct {
	Count     int   `json:"count"`     // as given, or the least power of two that will do; 0: none will
	Each      Rates `json:"each"`      // statements a second at each shard, by verb
	Scattered Rates `json:"scattered"` // of these, those that more shards do not make fewer
	// Transactions are the changes a second at each shard that a tablet of Vitess puts between a BEGIN and a COMMIT, which Each does not count.
	Transactions float64 `json:"transactions"`
	First        float64 `json:"first"`     // at the first shard, beside Each
	InAll        float64 `json:"in_all"`    // statements a second at all servers: what scatters counts once for each shard
	Unsharded    Rates   `json:"unsharded"` // at the server of the other tables; empty if there is one server
	Busy         float64 `json:"busy"`      // of a shard, as a share
	BusyOther    float64 `json:"busy_unsharded"`
	Bytes        float64 `json:"bytes"`   // on each shard
	Hottest      float64 `json:"hottest"` // by how much the largest shard is larger than the mean, by chance
	// Ceiling is with how many sessions no number of shards is enough, if everything grows alike: a shard, or the server of the other tables, is as
	// busy as it may be with what more shards do not make less.
	Ceiling float64 `json:"ceiling_sessions"`
	Limits  []Use   `json:"limits"` // by how much of each is used, most first
}

// Use is how much of a limit is used: 1 is all.
type Use struct {
	Limit string  `json:"limit"`
	Used  float64 `json:"used"`
}

// asked is what the shards are asked for if there are so many.
func (d Deployment) asked(count int) Shards {
	want, n := d.demand(count, atPeak), float64(count)
	s := Shards{
		Count: count, Each: want.each, Scattered: want.scattered, Unsharded: want.unsharded, Transactions: want.transactions,
		Bytes: d.Disk() / n,
	}
	s.First = want.first.Total()
	s.InAll = s.Each.Total()*n + s.First + s.Unsharded.Total()
	s.Busy, s.BusyOther = d.Limits.busy(s.Each)+d.Limits.busy(want.first), d.Limits.busy(s.Unsharded)
	return s
}

// on is the same, with what follows from it.
func (d Deployment) on(count int) Shards {
	s := d.asked(count)
	s.Hottest = d.hottest(count)
	s.Ceiling = d.ceiling()
	s.Limits = []Use{
		{"statements at a shard", s.Busy / d.Limits.Headroom},
		{"bytes on a shard", s.Bytes / d.Limits.Bytes},
		{"statements at the server of the unsharded tables", s.BusyOther / d.Limits.Headroom},
		{"memory of the feed in a process", d.Feed().Memory / d.Limits.Memory},
	}
	slices.SortStableFunc(s.Limits, func(a, b Use) int { return cmp.Compare(b.Used, a.Used) })
	return s
}

// hottest is by how much the largest of so many shards is larger than the mean, by chance: sessions are spread by a hash.
func (d Deployment) hottest(count int) float64 {
	n := float64(count)
	if each := d.Sessions() / n; each > 0 && count > 1 {
		return math.Sqrt(2 * math.Log(n) / each)
	}
	return 0
}

// unspreadable is how busy a shard, or the server of the other tables, is with what more shards do not make less.
func (d Deployment) unspreadable() float64 {
	want := d.demand(mostShards, atPeak)
	return max(d.Limits.busy(want.scattered), d.Limits.busy(want.unsharded))
}

// times is the deployment, so many times as large.
func (d Deployment) times(n float64) Deployment {
	d.Users *= n
	d.Revocations *= n
	d.UserRevocations *= n
	if d.Processes > 0 {
		d.Processes = max(1, int(math.Round(float64(d.Processes)*n)))
	}
	return d
}

// ceiling is searched for: the readings of the feed do not grow in proportion, since each takes more pages, too.
func (d Deployment) ceiling() float64 {
	low, high := 1.0/1024, 1.0
	for d.times(high).unspreadable() <= d.Limits.Headroom && high < 1<<20 {
		high *= 2
	}
	for range 40 {
		if middle := (low + high) / 2; d.times(middle).unspreadable() <= d.Limits.Headroom {
			low = middle
		} else {
			high = middle
		}
	}
	return low * d.Sessions()
}

func (s Shards) enough(l Limits) bool {
	return max(s.Busy, s.BusyOther) <= l.Headroom && s.Bytes <= l.Bytes
}

// Shards has as many as the deployment says, or as it needs. Where no number is enough it has a count of 0, and says what each would have to bear if
// there were very many.
func (d Deployment) Shards() Shards {
	if n := d.shardCount(); n > 0 {
		return d.on(n)
	}
	s := d.on(mostShards)
	s.Count = 0
	return s
}

// shardCount is the number of shards; 0: none is enough.
func (d Deployment) shardCount() int {
	if d.ShardCount > 0 {
		return d.ShardCount
	}
	for n := 1; n <= mostShards; n *= 2 {
		if d.asked(n).enough(d.Limits) {
			return n
		}
	}
	return 0
}

// sharded reports whether one server is not enough.
func (d Deployment) sharded() bool { return d.shardCount() != 1 }
