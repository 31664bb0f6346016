package model

import (
	"math"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// What docs/benchmarks.md has of one core, for HS256.
const (
	knownToken = 263 * time.Nanosecond   // "Verify of the same token again"
	firstSight = 11 * time.Microsecond   // "First sight of a token"
	refreshing = 33265 * time.Nanosecond // "Manager.Refresh and the first Verify after it, store in memory"
	creating   = 10283 * time.Nanosecond // "Manager.Create, store in memory"
	remembered = 976                     // bytes of a token that is remembered: 7.63 MiB for 8,192, with a payload of 15 bytes
	payloadOf  = 15
)

// Process is what one process does and holds at the busiest hour.
type Process struct {
	Requests    float64 `json:"requests_per_second"`
	FirstSights float64 `json:"first_sights_per_second"` // verifications with cryptography
	Cores       float64 `json:"cores"`                   // that this package's work keeps busy
	Remembered  float64 `json:"verified_tokens"`
	Memory      float64 `json:"verified_tokens_bytes"`
}

// Process assumes that a request may reach any process.
func (d Deployment) Process() Process {
	n := float64(d.ProcessCount())
	requests := d.RequestRate() * d.Peak
	refreshes := perDay(d.Sessions()*d.Active) * d.refreshesPerDay() * d.Peak
	p := Process{Requests: requests / n}
	if refreshes > 0 {
		// Each refresh brings two tokens: one that is used once, and one for all the other requests.
		each := max(0, requests/refreshes-1)
		p.FirstSights = min(requests, refreshes*(1+n*(1-math.Pow(1-1/n, each)))) / n
	}
	p.FirstSights, p.Remembered = d.withRoomFor(session.DefaultVerifiedTokens, p)
	p.Memory = p.Remembered * float64(remembered+(d.Payload-payloadOf)*7/3) // in the token, by base64, and as it is
	all, _, _ := d.ends()
	p.Cores = p.FirstSights*firstSight.Seconds() + (p.Requests-p.FirstSights)*knownToken.Seconds() +
		refreshes/n*refreshing.Seconds() + all*d.Peak/n*creating.Seconds()
	return p
}

// withRoomFor is how many tokens a process verifies a second because it does not remember them, and how many it does remember, if it has room for so
// many: of the others that which expires first gives way, so that a token stays for as long as it takes to fill the room anew. A request whose token
// was there longer ago than that finds it gone, and brings it back.
func (d Deployment) withRoomFor(room float64, p Process) (firstSights, remembered float64) {
	alive := p.FirstSights * d.AccessLifetime.Seconds()
	if alive <= room {
		return p.FirstSights, alive
	}
	again := p.Requests - p.FirstSights
	wait := d.VisitLength.Seconds() * d.Visits / d.Requests * float64(d.ProcessCount()) // until the token comes to this process again
	// The more are verified the sooner they give way: halved until both agree.
	low, high := p.FirstSights, p.Requests
	for range 50 {
		firstSights = (low + high) / 2
		if p.FirstSights+again*math.Exp(-room/firstSights/wait) > firstSights {
			low = firstSights
		} else {
			high = firstSights
		}
	}
	return firstSights, room
}

// Network is bytes a second between all processes and the database, in MySQL's protocol, without TCP's headers.
type Network struct {
	Up     float64 `json:"to_database"`
	Down   float64 `json:"from_database"`
	OfFeed float64 `json:"of_these_for_the_feed"`
}

// Wire is what one go of an operation takes, on one server.
func (d Deployment) Wire(o Operation) (up, down float64) { return d.wire(o, false) }

func (d Deployment) wire(o Operation, sharded bool) (up, down float64) {
	up, down = float64(o.Up(d)), float64(o.Down(d))
	for _, s := range o.Sends(sharded) {
		up += float64(s.Up)
		down += float64(s.Down + s.Names*d.Schema)
		if sharded && s.Verb == Select {
			up += float64(directive)
		}
	}
	return up, down
}

// Network returns the day's mean and what it is at the busiest hour.
func (d Deployment) Network() (mean, peak Network) {
	sharded := d.sharded()
	add := func(n *Network, d Deployment, o Operation, rate float64) {
		up, down := d.wire(o, sharded)
		n.Up += up * rate
		n.Down += down * rate
		if o.Name == ReadFeed.Name {
			n.OfFeed += (up + down) * rate
		}
	}
	for _, l := range d.Loads() {
		add(&mean, d, l.Operation, l.Mean)
		add(&peak, d.atPeak(), l.Operation, l.Peak)
	}
	return mean, peak
}
