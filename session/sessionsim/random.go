package sessionsim

import (
	"math/rand/v2"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// pick returns one of several values.
func pick[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

// Random draws a scenario that I1 covers: no thief, and one request with its response within a quarter of the grace.
func Random(seed uint64) Scenario {
	r := rand.New(rand.NewPCG(seed, 1))
	between := func(from, to time.Duration) time.Duration { return from + time.Duration(r.Float64()*float64(to-from)) }
	sc := Scenario{
		Seed:      seed,
		Steps:     400,
		Processes: 1 + r.IntN(3),
		ClockSkew: pick(r, 0, 0, time.Second, 30*time.Second),
		Grace:     session.DefaultGrace,
		AccessLifetime: pick(r, 10*time.Second, 20*time.Second, time.Minute, time.Minute, 2*time.Minute, 5*time.Minute,
			15*time.Minute),
		NoConfirmOnUse: r.IntN(8) == 0,

		Tabs:        1 + r.IntN(6),
		Surge:       r.Float64() * 0.3,
		Pause:       pick(r, 0, 0, 0.002, 0.01),
		KnowsExpiry: r.IntN(2) == 0,
		Proactive:   pick(r, 0, 0.02, 0.1),
		DropLate:    r.IntN(2) == 0,
		BackOff:     r.IntN(3) == 0,

		RequestLoss:  pick(r, 0, 0.02, 0.2),
		ResponseLoss: r.Float64() * 0.6,
		Crash:        pick(r, 0, 0.001, 0.01),
		Faults:       pick(r, 0, 0.005, 0.05),
	}
	sc.IdleLifetime = sc.AccessLifetime * time.Duration(20+r.IntN(200))
	sc.AbsoluteLifetime = sc.IdleLifetime * time.Duration(2+r.IntN(5))
	sc.ActionGap = sc.AccessLifetime / time.Duration(2+r.IntN(20))
	sc.Latency = time.Duration(float64(sc.Grace/4) * pick(r, 0.1, 0.5, 0.999, 0.999))
	sc.Timeout = between(sc.Latency/4, sc.Latency*5/4)
	sc.Retries = 2 + r.IntN(10)
	// Retries that come about a grace after the last hand-out meet the moment at which a successor may be replaced.
	span := pick(r, [2]float64{0.01, 0.1}, [2]float64{0.1, 0.4}, [2]float64{0.1, 0.4}, [2]float64{0.7, 1.1})
	sc.RetryMin = time.Duration(span[0] * float64(sc.Grace))
	sc.RetryMax = time.Duration(span[1] * float64(sc.Grace))
	if r.IntN(2) == 0 {
		sc.bursts(r)
	}
	sc.StepUp = pick(rand.New(rand.NewPCG(seed, 6)), 0, 0.01, 0.1)
	return sc
}

// bursts adds long periods without any response, in which patient clients retry all the time: so slowly, though, that
// no more than 24 refreshes are to be expected in one, well below the limit of hand-outs.
func (sc *Scenario) bursts(r *rand.Rand) {
	sc.BurstEvery = sc.AccessLifetime * time.Duration(1+r.IntN(5))
	sc.Retries = 40
	sc.KnowsExpiry, sc.BackOff, sc.OneRefresh = true, false, true
	sc.Tabs = 1 + r.IntN(3)
	sc.RetryMin, sc.RetryMax = time.Second, 4*time.Second
	each := sc.Timeout + 2500*time.Millisecond
	sc.BurstLength = min(2*time.Minute, max(each*24/time.Duration(sc.Tabs), 30*time.Second))
}

// quiet turns off what Outages and Crossings do not need.
func (sc *Scenario) quiet() {
	sc.IdleLifetime, sc.AbsoluteLifetime = 200*sc.AccessLifetime, 400*sc.AccessLifetime
	sc.NoConfirmOnUse, sc.ClockSkew = false, 0
	sc.Pause, sc.Proactive, sc.StepUp = 0, 0, 0
	sc.Crash, sc.Faults, sc.RequestLoss = 0, 0, 0
	sc.BurstEvery = 0
	sc.KnowsExpiry, sc.OneRefresh, sc.BackOff = true, true, false
	sc.Latency = sc.Grace/4 - time.Millisecond
}

// Outages draws a scenario of tabs that are not answered for about as long as one successor may be handed out, five
// graces, and go on asking: their last requests cross with the moment at which it is replaced.
func Outages(seed uint64) Scenario {
	sc := Random(seed)
	r := rand.New(rand.NewPCG(seed, 4))
	sc.AccessLifetime = time.Minute
	sc.quiet()
	sc.Tabs = 1 + r.IntN(2)
	sc.Surge = 0.2
	sc.ActionGap = sc.AccessLifetime / 10
	sc.ResponseLoss = r.Float64() * 0.5
	sc.Outage, sc.OutageLength = 0.5, 5*sc.Grace
	sc.Timeout = sc.Latency / time.Duration(1+r.IntN(4))
	sc.Retries = 40
	sc.RetryMin = time.Duration(sc.Tabs) * 2 * time.Second // some 15 hand-outs in an outage
	sc.RetryMax = sc.RetryMin + 2*time.Second
	return sc
}

// Crossings draws a scenario of tabs whose retries come about a grace after the last hand-out: of two refreshes that
// cross, one may still hand the successor out when the other one has to replace it.
func Crossings(seed uint64) Scenario {
	sc := Random(seed)
	r := rand.New(rand.NewPCG(seed, 5))
	sc.AccessLifetime = time.Minute
	sc.quiet()
	sc.Tabs = 2 + r.IntN(5)
	sc.Surge = 0.5
	sc.ActionGap = sc.AccessLifetime / 6
	sc.ResponseLoss = 0.3 + 0.3*r.Float64()
	sc.Outage, sc.OutageLength = 0.7, sc.Grace
	sc.Timeout = sc.Latency
	sc.Retries = 4
	sc.RetryMin, sc.RetryMax = sc.Grace-sc.Latency*3/2, sc.Grace-sc.Latency/2
	return sc
}

// RandomTheft draws a scenario with a thief. The owner is active, since an owner who never comes back cannot be told from
// a thief; and whoever has a token goes on using it until Horizon.
func RandomTheft(seed uint64, strategy Strategy) Scenario {
	sc := Random(seed)
	r := rand.New(rand.NewPCG(seed, 2))
	sc.Steps = 1 << 30
	sc.Pause = 0
	sc.AccessLifetime = pick(r, time.Minute, time.Minute, 2*time.Minute, 5*time.Minute, 15*time.Minute)
	sc.ActionGap = sc.AccessLifetime / time.Duration(2+r.IntN(10))
	sc.IdleLifetime = 1000 * sc.AccessLifetime
	sc.AbsoluteLifetime = 2000 * sc.AccessLifetime
	if sc.BurstEvery > 0 {
		sc.BurstEvery = sc.AccessLifetime * time.Duration(2+r.IntN(5))
	}
	sc.Thief = strategy
	sc.TheftAt = time.Duration(r.Float64() * 8 * float64(sc.AccessLifetime))
	sc.ThiefAccess = r.IntN(2) == 0
	sc.ThiefLoss = pick(r, 0, 0, 0.3)
	// The slowest is a thief who refreshes every four access lifetimes and is not heard now and then; the owner
	// refreshes once per access lifetime, later when responses are lost. Four times that is generous.
	sc.Horizon = 20 * sc.AccessLifetime
	return sc
}
