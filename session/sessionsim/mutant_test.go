package sessionsim_test

import (
	"context"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
	"github.com/watchword-dev/watchword/session/sessionsim"
)

// These tests break something, and expect the simulation to find it within the ordinary number of runs of the test that
// watches it.

// mutant is a scenario with something broken.
type mutant struct {
	name     string
	of       string // the test whose scenarios are changed
	scenario func(seed uint64) sessionsim.Scenario
	breaks   func(*sessionsim.Scenario)
	want     []string // the invariants of which one has to be violated
}

// broken makes a Scenario.Store of something around a memstore.
func broken(wrap func(session.Store, func() time.Time) session.Store) func(*sessionsim.Scenario) {
	return func(sc *sessionsim.Scenario) {
		sc.Store = func(clock func() time.Time) session.Store { return wrap(memstore.New(clock), clock) }
	}
}

var mutants = []mutant{
	{
		"each process makes signing keys of its own when it starts", "TestI7CrashBetweenWriteAndResponse", sessionsim.Crashes,
		func(sc *sessionsim.Scenario) {
			sc.Configure = func(cfg *session.Config) { cfg.KeySource = &ownKeys{cfg: *cfg} }
		},
		[]string{"I1", "I5"},
	},
	{
		"a store that loses a login in ten", "TestI7CrashBetweenWriteAndResponse", sessionsim.Crashes,
		broken(func(s session.Store, _ func() time.Time) session.Store { return &losesInserts{Store: s} }),
		[]string{"I1"},
	},
	{
		"strict mode", "TestI7CrashBetweenWriteAndResponse", sessionsim.Crashes,
		func(sc *sessionsim.Scenario) { sc.Grace, sc.Latency = session.NoGrace, session.DefaultGrace/4 },
		[]string{"I1"},
	},
	{
		"a store that loses its last acknowledged write when it crashes", "TestI9StoreCrashesLogNobodyOut", sessionsim.StoreCrashes,
		func(sc *sessionsim.Scenario) {
			sc.Store = func(clock func() time.Time) session.Store { return newForgetful(clock) }
		},
		[]string{"I1", "I3"},
	},
	{
		"verification depends on the store", "TestI9StoreCrashesLogNobodyOut", sessionsim.StoreCrashes,
		func(sc *sessionsim.Scenario) {
			sc.Feed = false
			sc.Configure = func(cfg *session.Config) { cfg.Revocation = session.RevocationStrict }
		},
		[]string{"I9"},
	},
	{
		"a feed that loses an entry in ten", "TestI4RevokedTokensAreRefusedInTime", sessionsim.Revocations,
		broken(func(s session.Store, clock func() time.Time) session.Store {
			return filteredFeed{s, clock, func(r session.Revocation, _ time.Duration) bool { return r.At.Nanosecond()/1000%10 != 0 }}
		}),
		[]string{"I4"},
	},
	{
		"entries that become visible after 40 s", "TestI4RevokedTokensAreRefusedInTime", sessionsim.Revocations,
		broken(func(s session.Store, clock func() time.Time) session.Store {
			return filteredFeed{s, clock, func(_ session.Revocation, age time.Duration) bool { return age >= 40*time.Second }}
		}),
		[]string{"I4"},
	},
	{
		"a feed that names everybody", "TestI4RevokedTokensAreRefusedInTime", sessionsim.Revocations,
		broken(func(s session.Store, _ func() time.Time) session.Store { return everybodysFeed{s} }),
		[]string{"I5"},
	},
	{
		"processes that do not run their jobs", "TestI4RevokedTokensAreRefusedInTime", sessionsim.Revocations,
		func(sc *sessionsim.Scenario) { sc.Maintained = false },
		[]string{"I4"},
	},
	{
		// No bug of ours, but a limit: what began or was minted while the clock was ahead is not older than the call.
		"everybody is revoked after the store's clock was set back", "TestI4RevokedTokensAreRefusedInTime", sessionsim.Revocations,
		func(sc *sessionsim.Scenario) { sc.StoreClockEvery, sc.StoreClockStep = 5*time.Second, 2*time.Second },
		[]string{"I4"},
	},
	{
		"a store's clock that is set by a minute", "TestI1NoFalseAlarmWhenRefreshesCross", sessionsim.Crossings,
		func(sc *sessionsim.Scenario) { sc.StoreClockEvery, sc.StoreClockStep = 5*time.Second, time.Minute },
		[]string{"I1"},
	},
	{
		"processes whose clocks are five minutes apart", "TestI5RotationOfKeysUnderWrongClocks", sessionsim.Clocks,
		func(sc *sessionsim.Scenario) { sc.Processes, sc.ClockSkew = 3, 150*time.Second },
		[]string{"I5"},
	},
	{
		"keys that some processes see only after they sign", "TestI5RotationOfKeysUnderWrongClocks", sessionsim.Clocks,
		broken(func(s session.Store, clock func() time.Time) session.Store { return &lateKeys{Store: s, clock: clock} }),
		[]string{"I1", "I5"},
	},
}

func TestMutantsAreFound(t *testing.T) {
	t.Parallel()
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			for seed := uint64(1); seed <= uint64(ordinary[m.of]); seed++ {
				sc := m.scenario(seed)
				m.breaks(&sc)
				report, err := sc.Run()
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				for _, v := range report.Violations {
					for _, want := range m.want {
						if v.Invariant == want {
							t.Logf("found by seed %d: %s: %s", seed, v.Invariant, v.Text)
							return
						}
					}
				}
			}
			t.Errorf("not found in %d runs", ordinary[m.of])
		})
	}
}

// ownKeys are the keys of one process.
type ownKeys struct {
	cfg  session.Config
	keys []session.Key
}

func (k *ownKeys) Keys(context.Context) ([]session.Key, error) {
	for _, purpose := range []session.KeyPurpose{session.PurposeAccess, session.PurposeRefresh} {
		if len(k.keys) == 2 {
			break
		}
		key, err := session.GenerateKey(purpose, session.HS256, k.cfg.Random)
		if err != nil {
			return nil, err
		}
		key.Sequence, key.ActivatesAt = 1, k.cfg.Clock().Add(-time.Minute)
		k.keys = append(k.keys, key)
	}
	return k.keys, nil
}
