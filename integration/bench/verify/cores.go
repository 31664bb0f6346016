package verify

import (
	"context"
	"crypto/sha256"
	"runtime"
	"runtime/metrics"
	"time"

	"github.com/watchword-dev/watchword/integration/bench/env"
	"github.com/watchword-dev/watchword/integration/bench/measure"
	"github.com/watchword-dev/watchword/integration/bench/report"
	"github.com/watchword-dev/watchword/session"
)

// workers verify at the same time, on one core and on two.
const workers = 8

// cores measures what a second core brings. What it brings to work that shares nothing is what the machine has to give.
func cores(ctx context.Context, e *env.Env, n size, s *report.Section) error {
	if runtime.NumCPU() < 2 {
		e.Progress("one core only: what a second brings is not measured")
		return nil
	}
	e.Progress("from one core to two")
	i, err := newIssuer(session.HS256, session.Config{})
	if err != nil {
		return err
	}
	tokens, err := i.tokens(ctx, 4_000/n.share)
	if err != nil {
		return err
	}
	warm, err := i.fresh(ctx)
	if err != nil {
		return err
	}
	few := tokens[:len(tokens)/4]
	one := tokens[:1]
	same := make([]string, workers)
	for at := range same {
		same[at] = one[0]
	}
	theirs := i.golangJWT()
	keep := func(verify func(string) error) func(context.Context) (func(string) error, error) {
		return func(context.Context) (func(string) error, error) { return verify, nil }
	}
	t := report.Table{Caption: "From one core to two, eight goroutines", Header: []string{"What", "throughput of two cores against one", "one core", "two", "waiting for locks"}}
	for _, load := range []struct {
		name   string
		passes passes
		budget bool
	}{
		{"the same token again, a thousand of them", passes{tokens: few, fresh: keep(warm), workers: workers, times: 40}, true},
		{"the same token again, the same one for all", passes{tokens: same, fresh: keep(warm), workers: workers, times: 10_000}, false},
		{"first sight", passes{tokens: tokens, fresh: i.fresh, workers: workers}, true},
		{"golang-jwt", passes{tokens: few, fresh: keep(theirs), workers: workers, times: 4}, false},
		{"work that shares nothing: SHA-256", passes{tokens: few, fresh: keep(hash), workers: workers, times: 20}, false},
	} {
		before, began := waited(), time.Now()
		results, err := measure.ByTurns(ctx, n.rounds, n.each,
			measure.Contender{Name: "one core, " + load.name, Run: onCores(1, load.passes.run)},
			measure.Contender{Name: "two cores, " + load.name, Run: onCores(2, load.passes.run)},
		)
		locked := (waited() - before) / workers / time.Since(began).Seconds()
		if err != nil {
			return err
		}
		growth := measure.Ratio(results[1], results[0])
		t.Rows = append(t.Rows, []string{load.name, report.Times(growth), report.Count(results[0].Throughput()) + " /s", report.Count(results[1].Throughput()) + " /s", report.Number(100*locked) + " %"})
		if load.budget {
			s.Budgets = append(s.Budgets, report.Budget{
				What: "Throughput of Verify on two cores against one, " + load.name, Want: "≥ 1.8 ×", Got: report.Times(growth), Met: growth.Median >= 1.8,
			})
		}
	}
	s.Tables = append(s.Tables, t)
	return nil
}

// waited is how long goroutines of this process have waited for locks, in seconds.
func waited() float64 {
	sample := []metrics.Sample{{Name: "/sync/mutex/wait/total:seconds"}}
	metrics.Read(sample)
	return sample[0].Value.Float64()
}

func hash(token string) error {
	_ = sha256.Sum256([]byte(token))
	return nil
}
