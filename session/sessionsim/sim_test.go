package sessionsim_test

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/sessionsim"
)

var (
	oneSeed = flag.Uint64("seed", 0, "run only this seed, and print its trace if it fails")
	runs    = flag.Int("runs", 0, "number of runs of each test, instead of its own")
	from    = flag.Uint64("from", 1, "first seed")
)

// TestMain collects garbage less often: the runs make much of it and keep nothing.
func TestMain(m *testing.M) {
	debug.SetGCPercent(800)
	os.Exit(m.Run())
}

// traced is how many events before a failure are printed.
const traced = 80

// result is one run that a test looks at.
type result struct {
	seed     uint64
	scenario sessionsim.Scenario
	sessionsim.Report
}

// simulate runs the scenarios of n seeds, on all processors, and hands the reports to each in the order of the seeds.
func simulate(t *testing.T, n int, scenario func(seed uint64) sessionsim.Scenario, each func(result)) {
	t.Helper()
	first := *from
	n = max(1, n/slowdown)
	if *runs > 0 {
		n = *runs
	}
	if *oneSeed > 0 {
		first, n = *oneSeed, 1
	}
	var (
		next atomic.Int64
		wg   sync.WaitGroup
	)
	results := make([]result, n)
	errs := make([]error, n)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				seed := first + uint64(i)
				sc := scenario(seed)
				report, err := sc.Run()
				results[i], errs[i] = result{seed, sc, report}, err
			}
		})
	}
	wg.Wait()
	for i, r := range results {
		if errs[i] != nil {
			t.Fatalf("seed %d: %v", r.seed, errs[i])
		}
		each(r)
	}
}

// fail reports a run: what was violated, how to run it again, and then the events before.
func fail(t *testing.T, r result, why string) {
	t.Helper()
	t.Errorf("seed %d: %s\nreplay: go test ./sessionsim -run '^%s$' -seed=%d", r.seed, why, t.Name(), r.seed)
	if *oneSeed == 0 {
		return
	}
	r.scenario.Trace = true
	again, _ := r.scenario.Run()
	trace := again.Trace
	if len(trace) > traced {
		trace = trace[len(trace)-traced:]
	}
	t.Logf("%+v\n%s", r.scenario, strings.Join(trace, "\n"))
}

// violations joins those of a report.
func violations(r result) string {
	var all []string
	for _, v := range r.Violations {
		all = append(all, v.Invariant+": "+v.Text)
	}
	return strings.Join(all, "; ")
}

// sum adds reports up.
type sum struct {
	runs, steps, refreshes, handOuts, rotations, reuse, shadow, untold, expired int
	elapsed                                                                     time.Duration
}

func (s *sum) add(r result) {
	s.runs++
	s.steps += r.Steps
	s.refreshes += r.Refreshes
	s.handOuts += r.HandOuts
	s.rotations += r.Rotations
	s.elapsed += r.Elapsed
	if r.Expired {
		s.expired++
	}
	if r.Untold {
		s.untold++
	}
	switch r.Theft {
	case session.TheftReuse:
		s.reuse++
	case session.TheftShadow:
		s.shadow++
	}
}

func (s *sum) String() string {
	return fmt.Sprintf("%d runs, %d steps, %d refreshes, %d hand-outs of a successor anew, %d rotations, %d expired, %v of virtual time; alarms: %d by reuse, %d by the limit of hand-outs, %d of which nobody was told",
		s.runs, s.steps, s.refreshes, s.handOuts, s.rotations, s.expired, s.elapsed.Round(time.Hour), s.reuse, s.shadow, s.untold)
}

// quantile returns the value below which a share of the sorted values lies.
func quantile[T cmp.Ordered](sorted []T, share float64) T {
	return sorted[min(len(sorted)-1, int(float64(len(sorted))*share))]
}

// watch runs scenarios in which no invariant may be violated.
func watch(t *testing.T, n int, scenario func(seed uint64) sessionsim.Scenario) {
	t.Helper()
	var all sum
	simulate(t, n, scenario, func(r result) {
		all.add(r)
		if len(r.Violations) > 0 {
			fail(t, r, violations(r))
		}
	})
	t.Log(&all)
}

func TestI1NoFalseAlarm(t *testing.T) {
	t.Parallel()
	watch(t, 2000, sessionsim.Random)
}

// A successor must not be replaced while an answer that hands it out may be under way, also not when it has been handed
// out for so long that it is to be replaced.
func TestI1NoFalseAlarmAfterOutages(t *testing.T) {
	t.Parallel()
	watch(t, 100, sessionsim.Outages)
}

// Nor must one request replace a successor that another one, which read the row a moment earlier, is handing out.
func TestI1NoFalseAlarmWhenRefreshesCross(t *testing.T) {
	t.Parallel()
	watch(t, 150, sessionsim.Crossings)
}

func TestI2NoMissedTheft(t *testing.T) {
	t.Parallel()
	for _, strategy := range []sessionsim.Strategy{
		sessionsim.ActAsClient, sessionsim.RefreshRarely, sessionsim.Poll, sessionsim.StayAhead,
	} {
		t.Run(strings.ReplaceAll(string(strategy), " ", "_"), func(t *testing.T) {
			t.Parallel()
			thieves(t, 250, func(seed uint64) sessionsim.Scenario { return sessionsim.RandomTheft(seed, strategy) }, false)
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
			thieves(t, 25, func(seed uint64) sessionsim.Scenario {
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
func thieves(t *testing.T, n int, scenario func(seed uint64) sessionsim.Scenario, mayMiss bool) {
	t.Helper()
	var (
		all   sum
		after []float64
	)
	simulate(t, n, scenario, func(r result) {
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
	watch(t, 60, func(seed uint64) sessionsim.Scenario {
		sc := sessionsim.Crossings(seed)
		sc.ResponseLoss, sc.Outage = 0.3, 0.2
		sc.Crash, sc.Faults = 0.02, 0.1
		return sc
	})
}

func TestI4RevokedStaysRevoked(t *testing.T) {
	t.Parallel()
	watch(t, 60, func(seed uint64) sessionsim.Scenario {
		sc := sessionsim.Random(seed)
		sc.Revoke, sc.Proactive, sc.Surge, sc.Steps = true, 0.5, 0.5, 100
		return sc
	})
}

func TestI7AmbiguityIsSafe(t *testing.T) {
	t.Parallel()
	watch(t, 60, func(seed uint64) sessionsim.Scenario {
		sc := sessionsim.Random(seed)
		sc.Faults = 0.25
		return sc
	})
}

// In the strict mode honest clients are logged out: proof that the simulation finds false alarms where there are some.
func TestStrictModeRaisesFalseAlarms(t *testing.T) {
	t.Parallel()
	var all sum
	simulate(t, 60, func(seed uint64) sessionsim.Scenario {
		sc := sessionsim.Random(seed)
		sc.Grace = session.NoGrace
		return sc
	}, all.add)
	t.Logf("%v: %d %% of the runs ended with a false alarm", &all, 100*all.reuse/all.runs)
	if all.reuse == 0 && *oneSeed == 0 {
		t.Error("got no false alarm in the strict mode, want some")
	}
}

func TestSameSeedSameRun(t *testing.T) {
	t.Parallel()
	sc := sessionsim.Random(7)
	sc.Trace = true
	first, err := sc.Run()
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := sc.Run(); !reflect.DeepEqual(first, again) {
		t.Error("two runs of one seed differ")
	}
}
