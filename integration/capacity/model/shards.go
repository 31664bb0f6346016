package model

import (
	"cmp"
	"math"
	"slices"
)

// mostShards is where the search for a number of shards ends.
const mostShards = 1 << 16

// demand is what is asked of the database at the busiest hour, in statements a second by where they go.
type demand struct {
	alone     Rates // on one server that has all tables
	byHandle  Rates // on the shards together
	scattered Rates // on each shard
	unsharded Rates // on the server of the tables that are not sharded
}

func (d Deployment) demand() demand {
	all := demand{Rates{}, Rates{}, Rates{}, Rates{}}
	for _, l := range d.Loads() {
		for _, s := range l.Operation.Statements {
			all.alone[s.Verb] += l.Peak
			switch s.Route {
			case OneShard:
				all.byHandle[s.Verb] += l.Peak
			case AllShards:
				all.scattered[s.Verb] += l.Peak
			case Unsharded:
				all.unsharded[s.Verb] += l.Peak
			case Everywhere:
				all.scattered[s.Verb] += l.Peak
				all.unsharded[s.Verb] += l.Peak * feedTables
			}
		}
	}
	return all
}

// busy is the share of a primary's time that statements take.
func (l Limits) busy(r Rates) float64 {
	return r[Select]/l.Reads + (r[Insert]+r[Update]+r[Delete])/l.Writes
}

// Shards is what the shards are asked for at the busiest hour.
type Shards struct {
	Count     int     `json:"count"`     // as given, or the least power of two that will do; 0: none will
	Each      Rates   `json:"each"`      // statements a second at each shard, by verb
	Scattered Rates   `json:"scattered"` // of these, those that more shards do not make fewer
	InAll     float64 `json:"in_all"`    // statements a second at all servers: what scatters counts once for each shard
	Unsharded Rates   `json:"unsharded"` // at the server of the other tables; empty if there is one server
	Busy      float64 `json:"busy"`      // of a shard, as a share
	BusyOther float64 `json:"busy_unsharded"`
	Bytes     float64 `json:"bytes"`   // on each shard
	Hottest   float64 `json:"hottest"` // by how much the largest shard is larger than the mean, by chance
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

// on is what the shards are asked for if there are so many.
func (d Deployment) on(count int) Shards {
	want, n := d.demand(), float64(count)
	s := Shards{Count: count, Each: Rates{}, Scattered: want.scattered, Unsharded: want.unsharded, Bytes: d.Disk() / n}
	if count == 1 {
		s.Each, s.Unsharded = want.alone, Rates{}
	} else {
		for _, v := range []Verb{Select, Insert, Update, Delete} {
			s.Each[v] = want.byHandle[v]/n + want.scattered[v]
		}
	}
	s.InAll = s.Each.Total()*n + s.Unsharded.Total()
	s.Busy, s.BusyOther = d.Limits.busy(s.Each), d.Limits.busy(s.Unsharded)
	if sessions := d.Sessions() / n; sessions > 0 && count > 1 {
		s.Hottest = math.Sqrt(2 * math.Log(n) / sessions)
	}
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

// unspreadable is how busy a shard, or the server of the other tables, is with what more shards do not make less.
func (d Deployment) unspreadable() float64 {
	want := d.demand()
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
	if d.ShardCount > 0 {
		return d.on(d.ShardCount)
	}
	for n := 1; n <= mostShards; n *= 2 {
		if s := d.on(n); s.enough(d.Limits) {
			return s
		}
	}
	s := d.on(mostShards)
	s.Count = 0
	return s
}
