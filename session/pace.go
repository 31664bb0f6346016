package session

import (
	"math/rand/v2"
	"time"
)

const (
	// batchTime is what a batch of a cleanup should take: long enough that its statements' own cost does not count, and short enough for a
	// request that waits for it.
	batchTime = 50 * time.Millisecond

	firstBatch = 100
	minBatch   = 10

	batchCost = 20 // what a batch costs beside its rows, in rows
	slowFrom  = 2  // a row that takes so many times what it did is a sign that the database is busy
	maxStrain = 4  // and then the rests are longer by as much, but not by more than this: it has to get done some day
	longRest  = time.Minute
)

// pace decides how a cleanup goes about one kind of work: how many rows make a batch, so that each takes about as long as it should, and
// how long to rest after it, in proportion to what it took. What it goes by is the time that the batches take. Where the database
// becomes busy, or slows writers down for the sake of its replicas, that is what a writer sees of it.
type pace struct {
	share  float64 // of its time, that it works
	target time.Duration
	size   int     // of the next batch
	usual  float64 // what a row took so far, in nanoseconds; zero: not known
}

func newPace(share float64, target time.Duration) pace {
	return pace{share: share, target: target, size: firstBatch}
}

// did notes that a batch changed n rows, and what it took, and says how long to rest for it.
func (p *pace) did(n int, took time.Duration) (rest time.Duration) {
	cost := float64(took) / float64(n+batchCost)
	strain := 1.0
	if cost > 0 && n > 0 {
		if p.usual == 0 {
			p.usual = cost
		}
		if slower := cost / p.usual; slower > slowFrom {
			strain = min(slower, maxStrain)
		}
		// It soon learns that a row takes less, and slowly that it takes more.
		if cost < p.usual {
			p.usual += (cost - p.usual) / 4
		} else {
			p.usual += (min(cost, maxStrain*p.usual) - p.usual) / 256
		}
		fits := float64(p.target)/cost - batchCost
		p.size = int(min(max(fits, float64(p.size)/2, minBatch), 2*float64(p.size), batch))
	}
	idle := float64(took) * (1/p.share - 1) * strain
	return time.Duration(min(idle*(0.9+0.2*rand.Float64()), float64(longRest))) //nolint:gosec // spread, not a secret
}
