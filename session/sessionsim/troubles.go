package sessionsim

import (
	"math/rand/v2"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// troubles begins a scenario of clients that log in over the network to processes which run their jobs.
func troubles(seed, stream uint64) (Scenario, *rand.Rand) {
	sc := Random(seed)
	r := rand.New(rand.NewPCG(seed, stream))
	sc.Steps = 150
	sc.Processes = 1 + r.IntN(3)
	sc.Returns, sc.Maintained = true, true
	sc.StartSpread = pick(r, time.Millisecond, time.Second, 5*time.Second)
	sc.Restart = pick(r, time.Millisecond, time.Second, 5*time.Second)
	sc.StoreLatency = pick(r, time.Millisecond, 100*time.Millisecond, 500*time.Millisecond)
	sc.Pause, sc.BurstEvery = 0, 0
	sc.RequestLoss, sc.ResponseLoss = pick(r, 0, 0.02), pick(r, 0, 0.1, 0.4)
	sc.Crash, sc.Faults = 0, 0
	sc.Retries = 3 + r.IntN(10)
	sc.AccessLifetime = pick(r, 10*time.Second, 20*time.Second, time.Minute)
	sc.IdleLifetime = sc.AccessLifetime * time.Duration(20+r.IntN(100))
	sc.AbsoluteLifetime = sc.IdleLifetime * time.Duration(1+r.IntN(4))
	sc.ActionGap = sc.AccessLifetime / time.Duration(2+r.IntN(20))
	return sc, r
}

// Crashes draws a scenario of processes that crash right after they have written to the store, and before anybody hears of
// that; with them, perhaps, the process that the client asks next, or all of them.
func Crashes(seed uint64) Scenario {
	sc, r := troubles(seed, 10)
	sc.CrashAfterWrite = pick(r, 0.1, 0.3, 0.6)
	sc.CrashNext, sc.CrashAll = pick(r, 0, 0.5), pick(r, 0, 0.2)
	sc.SignIn = pick(r, 0, 0.05)
	sc.Crash, sc.Faults = pick(r, 0, 0.01), pick(r, 0, 0.02)
	sc.Feed = r.IntN(2) == 0
	return sc
}

// StoreCrashes draws a scenario of a store that crashes and is away for a while.
func StoreCrashes(seed uint64) Scenario {
	sc, r := troubles(seed, 11)
	sc.StoreCrashEvery = sc.AccessLifetime * time.Duration(1+r.IntN(4))
	sc.StoreDown = pick(r, time.Second, 10*time.Second, time.Minute)
	sc.CrashEvery = pick(r, 0, 0, time.Minute)
	sc.SlowStatements = pick(r, 0, 0.3)
	sc.Faults = pick(r, 0, 0.02)
	sc.SignIn = pick(r, 0, 0.05)
	sc.Feed = r.IntN(2) == 0
	return sc
}

// Revocations draws a scenario of several users whose sessions are ended in all ways, while they refresh and log in, on
// processes that read the feed: late, with failures, or not for a while because they stand still or crash.
func Revocations(seed uint64) Scenario {
	sc, r := troubles(seed, 12)
	sc.Clients = 2 + r.IntN(3)
	sc.Feed = true
	sc.StaleFeed = pick(r, session.StaleFeedAccept, session.StaleFeedRefuse)
	sc.ActionGap = pick(r, time.Second, 3*time.Second)
	sc.RevokeEvery = pick(r, 5*time.Second, 20*time.Second)
	sc.SignIn = pick(r, 0, 0.05)
	sc.SlowStatements = pick(r, 0, 0.5)
	sc.Faults = pick(r, 0, 0.02, 0.1)
	sc.CrashAfterWrite = pick(r, 0, 0, 0.05)
	sc.CrashEvery = pick(r, 0, 0, time.Minute)
	sc.StallEvery, sc.StallLength = pick(r, 0, 30*time.Second), pick(r, 3*time.Second, time.Minute)
	sc.StoreCrashEvery, sc.StoreDown = pick(r, 0, 0, time.Minute), pick(r, 5*time.Second, time.Minute)
	sc.ClockSkew = pick(r, 0, time.Second, 30*time.Second)
	sc.Drift = r.IntN(2) == 0
	return sc
}

// Clocks draws a scenario of processes whose clocks differ by up to a minute, run fast or slow, and are set again and again; of
// a store whose own is set by up to a second; and of keys that are replaced all the time.
func Clocks(seed uint64) Scenario {
	sc, r := troubles(seed, 13)
	sc.Steps = 100
	sc.AccessLifetime = pick(r, time.Minute, 2*time.Minute)
	sc.ActionGap = sc.AccessLifetime / time.Duration(4+r.IntN(10))
	sc.StartSpread = pick(r, time.Second, time.Minute)
	sc.ClockSkew, sc.Drift = pick(r, time.Second, 29*time.Second), true
	sc.ClockSetEvery = pick(r, 0, time.Minute, 10*time.Minute)
	sc.StoreClockEvery, sc.StoreClockStep = pick(r, 0, time.Minute), time.Second
	sc.KeyRotation = pick(r, 20*time.Second, time.Minute, 10*time.Minute)
	sc.CrashEvery = pick(r, 0, time.Minute)
	sc.SlowStatements = pick(r, 0, 0.3)
	sc.Feed = r.IntN(2) == 0
	if sc.Feed {
		// Whether a token is older than a revocation of many, only clocks can tell (docs/revocation.md).
		sc.RevokeEvery, sc.OneByOne = time.Minute, sc.StoreClockEvery > 0 || sc.ClockSetEvery > 0
	}
	return sc
}
