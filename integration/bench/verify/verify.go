// Package verify measures the verification of access tokens, beside golang-jwt's of the very same tokens.
package verify

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"time"

	"github.com/watchword-dev/watchword/integration/bench/env"
	"github.com/watchword-dev/watchword/integration/bench/measure"
	"github.com/watchword-dev/watchword/integration/bench/report"
	"github.com/watchword-dev/watchword/session"
)

// Part is "verify".
func Part() env.Part {
	return env.Part{Name: "verify", About: "access tokens: seen before and at first sight, one core and two, many revocations", Run: run, Modules: []string{"github.com/golang-jwt/jwt/v5"}}
}

// algorithms are those that are measured, with the number of tokens that are made for it: signing takes much longer with some.
var algorithms = []struct {
	name   session.Algorithm
	tokens int
}{
	{session.HS256, 20_000},
	{session.EdDSA, 6_000},
	{session.ES256, 6_000},
	{session.RS256, 1_500},
}

// size is how much is measured.
type size struct {
	rounds  int
	each    time.Duration
	share   int // of the tokens: one in so many
	revoked int
}

func run(ctx context.Context, e *env.Env) (report.Section, error) {
	n := size{rounds: 9, each: 400 * time.Millisecond, share: 1, revoked: 100_000}
	if e.Short {
		n = size{rounds: 1, each: 20 * time.Millisecond, share: 20, revoked: 1_000}
	}
	s := report.Section{Title: "Verification of access tokens", Text: text}
	for _, measured := range []func(context.Context, *env.Env, size, *report.Section) error{again, firstSight, cores, revocations} {
		if err := measured(ctx, e, n, &s); err != nil {
			return s, err
		}
	}
	return s, nil
}

const text = "`Manager.Verify` beside golang-jwt's `ParseWithClaims` of the very same token, into a struct of the same claims, by one parser that was made " +
	"beforehand, with the key given and with the checks it has of those that we make: algorithm, kid, typ, exp, iat and nbf, strict base64url. A token is \"the same again\" when " +
	"this Manager has verified it before; it is then still held against the clock, the list of revoked sessions and the request's anti-CSRF token. At first sight " +
	"every token is new to the Manager: each pass over them is another Manager's. " +
	"golang-jwt keeps nothing, so both are compared with the same figure of it. How long goroutines waited for locks, the runtime's own included, is given as a " +
	"part of their time."

// again measures a token that has been verified before.
func again(ctx context.Context, e *env.Env, n size, s *report.Section) error {
	e.Progress("the same token again")
	t := report.Table{
		Caption: "The same token again",
		Header:  []string{"Algorithm", "golang-jwt's time against watchword's", "watchword", "golang-jwt", "allocations", "of golang-jwt"},
	}
	most := 0.0
	var budgets []report.Budget
	for _, a := range algorithms {
		i, err := newIssuer(a.name, session.Config{})
		if err != nil {
			return err
		}
		tokens, err := i.tokens(ctx, 1)
		if err != nil {
			return err
		}
		manager, err := i.manager(ctx)
		if err != nil {
			return err
		}
		ours, theirs := with(ctx, manager), i.golangJWT()
		results, err := measure.ByTurns(ctx, n.rounds, n.each,
			measure.Contender{Name: "watchword", Run: repeat(ours, tokens[0])},
			measure.Contender{Name: "golang-jwt", Run: repeat(theirs, tokens[0])},
		)
		if err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
		allocs := e.AllocsPerRun(1000, func() { _ = ours(tokens[0]) })
		most = max(most, allocs)
		took := results[0].PerOp()
		budgets = append(budgets, report.Budget{
			What: fmt.Sprintf("Verify of the same token again, %s", a.name), Want: "≤ 300 ns", Got: report.Duration(took), Met: took.Median <= 300,
		})
		t.Rows = append(t.Rows, []string{
			string(a.name), report.Times(measure.Ratio(results[0], results[1])), report.Duration(took), report.Duration(results[1].PerOp()),
			fmt.Sprint(allocs), fmt.Sprint(e.AllocsPerRun(200, func() { _ = theirs(tokens[0]) })),
		})
	}
	s.Budgets = append(s.Budgets, budgets...)
	s.Budgets = append(s.Budgets, report.Budget{
		What: "Allocations of Verify of the same token again, any algorithm", Want: "≤ 1", Got: fmt.Sprint(most), Met: most <= 1, Counted: true,
	})
	s.Tables = append(s.Tables, t)
	return nil
}

// variants are the configurations of which tokens are seen first, the default first of all.
var variants = []struct {
	name string
	cfg  session.Config
}{
	{"", session.Config{}},
	{", with iss and aud", session.Config{Issuer: "https://issuer.example", Audience: "https://api.example"}},
	{", none remembered", session.Config{VerifiedTokens: session.NoVerifiedTokens}},
}

// firstSight measures tokens that the Manager has not seen.
func firstSight(ctx context.Context, e *env.Env, n size, s *report.Section) error {
	t := report.Table{
		Caption: "First sight of a token",
		Header:  []string{"Algorithm", "watchword's time against golang-jwt's", "watchword", "golang-jwt", "allocations", "of golang-jwt"},
	}
	bars := report.Plot{File: "verify.svg", Title: "Verification, golang-jwt's ParseWithClaims = 1", YLabel: "throughput at first sight / golang-jwt's"}
	most := math.Inf(-1)
	for _, a := range algorithms {
		for _, v := range variants {
			if v.name != "" && a.name != session.HS256 {
				continue // the difference is the same
			}
			cfg, what := v.cfg, string(a.name)+v.name
			e.Progress("first sight, %s", what)
			i, err := newIssuer(a.name, cfg)
			if err != nil {
				return err
			}
			tokens, err := i.tokens(ctx, a.tokens/n.share)
			if err != nil {
				return err
			}
			theirs := i.golangJWT()
			results, err := measure.ByTurns(ctx, n.rounds, n.each,
				measure.Contender{Name: "watchword", Run: passes{tokens: tokens, fresh: i.fresh}.run},
				measure.Contender{Name: "golang-jwt", Run: passes{tokens: tokens, fresh: func(context.Context) (func(string) error, error) { return theirs, nil }}.run},
			)
			if err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			ours, err := i.fresh(ctx)
			if err != nil {
				return err
			}
			next := 0
			allocs := func(verify func(string) error) float64 {
				return e.AllocsPerRun(len(tokens)/3, func() { _ = verify(tokens[next%len(tokens)]); next++ })
			}
			mine, others := allocs(ours), allocs(theirs)
			most = max(most, mine-others)
			slower := measure.Ratio(results[1], results[0])
			t.Rows = append(t.Rows, []string{what, report.Times(slower), report.Duration(results[0].PerOp()), report.Duration(results[1].PerOp()), fmt.Sprint(mine), fmt.Sprint(others)})
			bars.Bars = append(bars.Bars, report.Bar{Name: what, Value: measure.Ratio(results[0], results[1]).Median})
			if cfg.VerifiedTokens != 0 {
				continue // not what one gets
			}
			s.Budgets = append(s.Budgets, report.Budget{
				What: "First sight of a token, against golang-jwt's time, " + what, Want: "≤ 1.10 ×", Got: report.Times(slower), Met: slower.Median <= 1.10,
			})
		}
	}
	s.Budgets = append(s.Budgets, report.Budget{
		What: "Allocations at first sight, beyond golang-jwt's of the same token, any algorithm", Want: "≤ 0", Got: fmt.Sprint(most), Met: most <= 0, Counted: true,
	})
	s.Tables, s.Plots = append(s.Tables, t), append(s.Plots, bars)
	return nil
}

// fresh makes a Manager that has seen no token.
func (i *issuer) fresh(ctx context.Context) (func(string) error, error) {
	manager, err := i.manager(ctx)
	if err != nil {
		return nil, err
	}
	return with(ctx, manager), nil
}

func with(ctx context.Context, manager *session.Manager) func(string) error {
	return func(token string) error {
		_, err := manager.Verify(ctx, token, session.VerifyOptions{})
		return err
	}
}

func repeat(verify func(string) error, token string) func(context.Context, time.Duration) (measure.Work, error) {
	return measure.Repeat(func(n int) error {
		for range n {
			if err := verify(token); err != nil {
				return err
			}
		}
		return nil
	})
}

// onCores has a contender run with so many of the machine's.
func onCores(n int, run func(context.Context, time.Duration) (measure.Work, error)) func(context.Context, time.Duration) (measure.Work, error) {
	return func(ctx context.Context, d time.Duration) (measure.Work, error) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
		return run(ctx, d)
	}
}
