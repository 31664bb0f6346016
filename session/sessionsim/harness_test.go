package sessionsim_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/watchword-dev/watchword/session/sessionsim"
)

var (
	oneSeed = flag.Uint64("seed", 0, "run only this seed, and print its trace if it fails")
	runs    = flag.Int("runs", 0, "number of runs of each test, instead of its own")
	total   = flag.Int("total", 0, "number of runs of all tests together, which share them as they share the ordinary number")
	from    = flag.Uint64("from", 1, "first seed")
)

// ordinary is how many runs each test has.
var ordinary = map[string]int{
	"TestI1NoFalseAlarm":                   2000,
	"TestI1NoFalseAlarmAfterOutages":       100,
	"TestI1NoFalseAlarmWhenRefreshesCross": 150,
	"TestI2NoMissedTheft/act_as_a_client":  250,
	"TestI2NoMissedTheft/refresh_rarely":   250,
	"TestI2NoMissedTheft/poll":             250,
	"TestI2NoMissedTheft/stay_one_ahead":   250,
	"TestI2NoMissedTheftByShadow/1m0s":     25,
	"TestI2NoMissedTheftByShadow/2m0s":     25,
	"TestI2NoMissedTheftByShadow/5m0s":     25,
	"TestI2NoMissedTheftByShadow/15m0s":    25,
	"TestI3OneLineage":                     60,
	"TestI4RevokedStaysRevoked":            60,
	"TestI4RevokedTokensAreRefusedInTime":  200,
	"TestI5RotationOfKeysUnderWrongClocks": 60,
	"TestI7AmbiguityIsSafe":                60,
	"TestI7CrashBetweenWriteAndResponse":   200,
	"TestI9StoreCrashesLogNobodyOut":       200,
	"TestStrictModeRaisesFalseAlarms":      60,
}

// simulated is how many runs there have been in all.
var simulated atomic.Int64

// TestMain collects garbage less often: the runs make much of it and keep nothing.
func TestMain(m *testing.M) {
	debug.SetGCPercent(800)
	code := m.Run()
	if testing.Verbose() {
		fmt.Printf("%d runs in all, from seed %d on\n", simulated.Load(), *from)
	}
	os.Exit(code)
}

// share is how many runs a test has.
func share(t *testing.T) int {
	t.Helper()
	n, all := ordinary[t.Name()], 0
	for _, each := range ordinary {
		all += each
	}
	switch {
	case n == 0:
		t.Fatalf("%s is not in the table of runs", t.Name())
	case *runs > 0:
		return *runs
	case *total > 0:
		return (n**total + all - 1) / all
	}
	return max(1, n/slowdown)
}

// traced is how many events before a failure are printed.
const traced = 80

// result is one run that a test looks at.
type result struct {
	seed     uint64
	scenario sessionsim.Scenario
	sessionsim.Report
}

// simulate runs the scenarios of a test's seeds, on all processors, and hands the reports to each in the order of the seeds.
func simulate(t *testing.T, scenario func(seed uint64) sessionsim.Scenario, each func(result)) {
	t.Helper()
	first, n := *from, share(t)
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
				sc.Trace = *oneSeed > 0
				report, err := sc.Run()
				simulated.Add(1)
				results[i], errs[i] = result{seed, sc, report}, err
			}
		})
	}
	wg.Wait()
	for i, r := range results {
		if errs[i] != nil {
			t.Fatalf("seed %d: %v\n%s", r.seed, errs[i], strings.Join(r.Trace[max(0, len(r.Trace)-traced):], "\n"))
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

// watch runs scenarios in which no invariant may be violated.
func watch(t *testing.T, scenario func(seed uint64) sessionsim.Scenario) {
	t.Helper()
	var all sum
	simulate(t, scenario, func(r result) {
		all.add(r)
		if len(r.Violations) > 0 {
			fail(t, r, violations(r))
		}
	})
	t.Log(&all)
}
