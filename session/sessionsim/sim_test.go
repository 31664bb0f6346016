package sessionsim_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/sessionsim"
)

func TestI1NoFalseAlarm(t *testing.T) {
	t.Parallel()
	watch(t, sessionsim.Random)
}

// A successor must not be replaced while an answer that hands it out may be under way, also not when it has been handed
// out for so long that it is to be replaced.
func TestI1NoFalseAlarmAfterOutages(t *testing.T) {
	t.Parallel()
	watch(t, sessionsim.Outages)
}

// Nor must one request replace a successor that another one, which read the row a moment earlier, is handing out.
func TestI1NoFalseAlarmWhenRefreshesCross(t *testing.T) {
	t.Parallel()
	watch(t, sessionsim.Crossings)
}

func TestI2NoMissedTheft(t *testing.T) {
	t.Parallel()
	for _, strategy := range []sessionsim.Strategy{
		sessionsim.ActAsClient, sessionsim.RefreshRarely, sessionsim.Poll, sessionsim.StayAhead,
	} {
		t.Run(strings.ReplaceAll(string(strategy), " ", "_"), func(t *testing.T) {
			t.Parallel()
			thieves(t, func(seed uint64) sessionsim.Scenario { return sessionsim.RandomTheft(seed, strategy) }, false)
		})
	}
}

// A shadow never uses what it was given before the owner has. Nothing but the number of its hand-outs gives it away, so
// that it is found for certain only where an access token lives longer than so many polls take.
func TestI2NoMissedTheftByShadow(t *testing.T) {
	t.Parallel()
	for _, lifetime := range []time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute} {
		t.Run(lifetime.String(), func(t *testing.T) {
			t.Parallel()
			thieves(t, func(seed uint64) sessionsim.Scenario {
				sc := sessionsim.RandomTheft(seed, sessionsim.Shadow)
				sc.AccessLifetime, sc.Horizon = lifetime, 20*lifetime
				sc.ActionGap, sc.Proactive = lifetime/10, 0
				sc.IdleLifetime, sc.AbsoluteLifetime = 1000*lifetime, 2000*lifetime
				return sc
			}, lifetime < 10*time.Minute)
		})
	}
}

// thieves runs thefts and says how soon they were found. With mayMiss one that was not found is no failure.
func thieves(t *testing.T, scenario func(seed uint64) sessionsim.Scenario, mayMiss bool) {
	t.Helper()
	var (
		all   sum
		after []float64
	)
	simulate(t, scenario, func(r result) {
		all.add(r)
		switch {
		case r.Theft != "" || r.Untold:
			after = append(after, float64(r.TheftAfter)/float64(r.scenario.AccessLifetime))
		case !mayMiss || !strings.HasPrefix(violations(r), "I2"):
			fail(t, r, violations(r))
		}
	})
	t.Log(&all)
	if slices.Sort(after); len(after) > 0 {
		t.Logf("%d of %d thieves caught; after %.2f access lifetimes (median), %.2f (95 %%), %.2f (last)",
			len(after), all.runs, quantile(after, 0.5), quantile(after, 0.95), quantile(after, 1))
	}
}

// Under crashes, lost answers of the store and changes that are made late, current never forks. The runs of the other
// tests are watched for that, too.
func TestI3OneLineage(t *testing.T) {
	t.Parallel()
	watch(t, func(seed uint64) sessionsim.Scenario {
		sc := sessionsim.Crossings(seed)
		sc.ResponseLoss, sc.Outage = 0.3, 0.2
		sc.Crash, sc.Faults = 0.02, 0.1
		return sc
	})
}

func TestI4RevokedStaysRevoked(t *testing.T) {
	t.Parallel()
	watch(t, func(seed uint64) sessionsim.Scenario {
		sc := sessionsim.Random(seed)
		sc.Revoke, sc.Proactive, sc.Surge, sc.Steps = true, 0.5, 0.5, 100
		return sc
	})
}

// Of several users, with processes that read the feed at their own pace, stand still, crash, and have clocks that differ.
func TestI4RevokedTokensAreRefusedInTime(t *testing.T) {
	t.Parallel()
	watch(t, sessionsim.Revocations)
}

func TestI5RotationOfKeysUnderWrongClocks(t *testing.T) {
	t.Parallel()
	watch(t, sessionsim.Clocks)
}

func TestI7CrashBetweenWriteAndResponse(t *testing.T) {
	t.Parallel()
	watch(t, sessionsim.Crashes)
}

func TestI9StoreCrashesLogNobodyOut(t *testing.T) {
	t.Parallel()
	watch(t, sessionsim.StoreCrashes)
}

func TestI7AmbiguityIsSafe(t *testing.T) {
	t.Parallel()
	watch(t, func(seed uint64) sessionsim.Scenario {
		sc := sessionsim.Random(seed)
		sc.Faults = 0.25
		return sc
	})
}

// In the strict mode honest clients are logged out: proof that the simulation finds false alarms where there are some.
func TestStrictModeRaisesFalseAlarms(t *testing.T) {
	t.Parallel()
	var all sum
	loggedOut := 0
	simulate(t, func(seed uint64) sessionsim.Scenario {
		sc := sessionsim.Random(seed)
		sc.Grace = session.NoGrace
		return sc
	}, func(r result) {
		all.add(r)
		if strings.Contains(violations(r), "I1") {
			loggedOut++
		}
	})
	t.Logf("%v: %d %% of the runs ended with a false alarm", &all, 100*loggedOut/all.runs)
	if loggedOut == 0 && *oneSeed == 0 {
		t.Error("got no false alarm in the strict mode, want some")
	}
}

func TestSameSeedSameRun(t *testing.T) {
	t.Parallel()
	for name, scenario := range map[string]func(uint64) sessionsim.Scenario{
		"Random": sessionsim.Random, "Crashes": sessionsim.Crashes, "StoreCrashes": sessionsim.StoreCrashes,
		"Revocations": sessionsim.Revocations, "Clocks": sessionsim.Clocks,
	} {
		for seed := uint64(1); seed <= 5; seed++ {
			sc := scenario(seed)
			sc.Trace = true
			first, err := sc.Run()
			if err != nil {
				t.Fatalf("%s, seed %d: %v", name, seed, err)
			}
			again, _ := sc.Run()
			if reflect.DeepEqual(first, again) {
				continue
			}
			for i, line := range first.Trace {
				if i >= len(again.Trace) || line != again.Trace[i] {
					t.Errorf("%s: two runs of seed %d differ from line %d on:\n%s", name, seed, i+1, line)
					break
				}
			}
		}
	}
}
