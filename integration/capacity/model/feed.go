package model

import (
	"math"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// What session/feed.go and session/keyring.go say.
const (
	feedOverlap = 30 * time.Second // how far each reading goes back behind the one before
	clockLeeway = 2 * time.Minute  // for how much longer than a token lives its revocation is remembered
	sweptEvery  = 8                // memory is swept each time when a part of that time has passed
)

// entryBytes is what an entry of the feed takes in memory, at most: a million takes 64 MiB (TestMemory of session/internal/denylist).
const entryBytes = float64(64<<20) / 1e6

// relevant is for how long a revocation is remembered: as long as there can be tokens that it concerns.
func (d Deployment) relevant() time.Duration {
	return time.Duration(float64(d.AccessLifetime)*(1+d.AccessJitter)) + clockLeeway
}

// fedRate is how many entries a second the feed gets, at the busiest hour or on the day's mean.
func (d Deployment) fedRate() float64 {
	_, fed, _ := d.ends()
	if d.busy {
		fed *= d.Peak
	}
	return fed
}

// feedEntries is how many entries a reading brings, those included that are known.
func (d Deployment) feedEntries() float64 {
	if d.Mode != session.RevocationFeed {
		return 0
	}
	return d.fedRate() * (feedOverlap + d.FeedInterval).Seconds()
}

// feedPage is how many entries a statement brings at most, and pages how many statements a reading is therefore.
const feedPage = 5000

func (d Deployment) pages() float64 { return 1 + math.Floor(d.feedEntries()/feedPage) }

// atPeak is the deployment at its busiest hour.
func (d Deployment) atPeak() Deployment {
	d.busy = true
	return d
}

// Feed is what the feed takes at the busiest hour.
type Feed struct {
	Readings float64 `json:"readings_per_second"`
	Entries  float64 `json:"entries_per_reading"`
	Rows     float64 `json:"rows_per_second"` // in all readings
	Held     float64 `json:"entries_in_memory"`
	Memory   float64 `json:"memory_bytes_per_process"`
}

// Feed is all zero without one.
func (d Deployment) Feed() Feed {
	if d.Mode != session.RevocationFeed {
		return Feed{}
	}
	d = d.atPeak()
	f := Feed{Readings: perInterval(d.ProcessCount(), d.FeedInterval), Entries: d.feedEntries()}
	f.Rows = f.Readings * f.Entries
	f.Held = d.fedRate() * d.relevant().Seconds() * (1 + 1.0/sweptEvery)
	f.Memory = f.Held * entryBytes
	return f
}
