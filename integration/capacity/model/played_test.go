package model

import (
	"math/rand/v2"
	"time"
)

// played is how many refreshes clients make on a day that visit and ask at random: each sends a request, and refreshes if its token has expired.
func played(d Deployment) float64 {
	r := rand.New(rand.NewPCG(1, 2))
	const days = 20_000
	visits := d.Visits
	if d.Requests <= visits { // a request a visit
		visits, d.VisitLength = d.Requests, time.Nanosecond
	}
	wait := float64(d.VisitLength) * visits / d.Requests
	gap := float64(Day)/visits - float64(d.VisitLength)
	refreshes, now, expires, end := 0, 0.0, 0.0, days*float64(Day)
	request := func() {
		if now >= expires {
			refreshes++
			jitter := (2*r.Float64() - 1) * d.AccessJitter
			expires = now + float64(d.AccessLifetime)*(1+jitter)
		}
	}
	for now < end {
		over := now + float64(d.VisitLength)
		for request(); ; request() {
			if now += r.ExpFloat64() * wait; now >= over {
				break
			}
		}
		now = over
		if gap > 0 {
			now += r.ExpFloat64() * gap
		}
	}
	return float64(refreshes) / days
}
