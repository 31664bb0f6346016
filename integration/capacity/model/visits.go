package model

import (
	"math"
	"time"
)

// renewals is how many refreshes are to be expected within a time at whose beginning an access token is new, where requests come at random, one in
// every mean time: a client refreshes with the first request after its token has expired. The k-th refresh is then
// as late as k lifetimes and k waits for a request.
func renewals(within, lifetime, wait time.Duration) float64 {
	expected := 0.0
	for k := 1; time.Duration(k)*lifetime < within; k++ {
		expected += erlang(k, float64(within-time.Duration(k)*lifetime)/float64(wait))
	}
	return expected
}

// erlang is the probability that k waits are over after x mean ones.
func erlang(k int, x float64) float64 {
	fewer := 0.0 // the probability of fewer than k requests until then
	for i := range k {
		lg, _ := math.Lgamma(float64(i + 1))
		fewer += math.Exp(float64(i)*math.Log(x) - x - lg)
	}
	return max(0, 1-fewer)
}

// refreshesPerDay is how many refreshes an active session's client makes on a day.
func (d Deployment) refreshesPerDay() float64 {
	if d.Requests == 0 {
		return 0
	}
	if d.Requests <= d.Visits { // less than one a visit: each is a visit of its own
		return d.Requests
	}
	visit := min(d.VisitLength, time.Duration(float64(Day)/d.Visits))
	wait := time.Duration(float64(visit) * d.Visits / d.Requests)
	gap := time.Duration(float64(Day)/d.Visits) - visit
	steady := float64(visit) / float64(d.AccessLifetime+wait) // of a client that never pauses
	if gap <= 0 {
		return d.Visits * steady
	}
	// The first request of a visit refreshes, unless the token of the last one is still good.
	fresh := expiredAfter(gap, visit, d.AccessLifetime)
	return d.Visits * (fresh*(1+renewals(visit, d.AccessLifetime, wait)) + (1-fresh)*steady)
}

// expiredAfter is the probability that a token has expired when the next visit begins, after a pause of a random length with this mean. It is as
// old as the visit was long, or, after a longer one, of any age.
func expiredAfter(gap, visit, lifetime time.Duration) float64 {
	if visit < lifetime {
		return math.Exp(-float64(lifetime-visit) / float64(gap))
	}
	share := float64(lifetime) / float64(gap)
	return (1 - math.Exp(-share)) / share
}
