// Package statements measures what the store's operations cost beside a bare loop that sends the same statements, and what was tried to
// make them cost less.
package statements

import (
	"context"
	"fmt"
	"time"

	"github.com/watchword-dev/watchword/integration/bench/env"
	"github.com/watchword-dev/watchword/integration/bench/measure"
	"github.com/watchword-dev/watchword/integration/bench/report"
)

// Part is the part.
func Part() env.Part {
	return env.Part{Name: "statements", About: "the store's operations beside a bare loop with the same statements", Run: run}
}

// least is the part of the bare loop's throughput that is promised.
const least = 0.90

func run(ctx context.Context, e *env.Env) (report.Section, error) {
	section := report.Section{
		Title: "Store operations",
		Text: "Each operation through `session.Manager` on `store/mysql`, beside a loop over `database/sql` that sends the same statements and " +
			"does nothing else: no tokens, no policy, no rows looked at. The loop's statements are recorded from the product when the program " +
			"starts. Both have pools of 32 connections, and live whole lives of sessions by turns: create, refresh, first verify, list, revoke. " +
			"Client, server and Docker's proxy share the machine's cores. The server does not wait for its disk " +
			"(`innodb_flush_log_at_trx_commit=0`, `sync_binlog=0`): that is the harder comparison, since what the Manager adds is hidden behind each wait.",
	}
	rounds, about, crowd := 61, 80*time.Millisecond, []int{1, 8, 64}
	if e.Short {
		rounds, about, crowd = 1, 20*time.Millisecond, []int{1, 8}
	}
	dsn, err := e.Schema(ctx)
	if err != nil {
		return section, err
	}
	store, err := openStore(ctx, dsn)
	if err != nil {
		return section, err
	}
	defer func() { _ = store.Close() }()
	life, err := record(ctx, dsn)
	if err != nil {
		return section, err
	}
	bareDSN, err := e.Schema(ctx)
	if err != nil {
		return section, err
	}
	other, err := openStore(ctx, bareDSN) // the loop has tables of its own, of the same size
	if err != nil {
		return section, err
	}
	if err := other.Close(); err != nil {
		return section, err
	}
	db, err := openPool(bareDSN)
	if err != nil {
		return section, err
	}
	defer func() { _ = db.Close() }()

	table := report.Table{
		Caption: "The Manager's throughput in terms of the bare loop's (median and extremes of the rounds)",
		Header: []string{"operation", "statements", "clients", "ratio", "operations a second", "bare loop",
			"this process's CPU an operation", "bare loop", "allocations", "bare loop"},
	}
	plot := report.Plot{File: "statements.svg", Title: "Throughput in terms of a bare loop's with the same statements", YLabel: "ratio"}
	for _, clients := range crowd {
		e.Progress("%d clients", clients)
		p, err := newProduct(ctx, store)
		if err != nil {
			return section, err
		}
		a, b := &contender{name: "watchword", side: p}, &contender{name: "bare loop", side: &bare{db: db, life: life}}
		if err := compare(ctx, rounds, clients, about, all, a, b); err != nil {
			return section, err
		}
		for step := range steps {
			ra, rb := a.result(step), b.result(step)
			ratio := measure.Ratio(ra, rb)
			cpuA, allocsA := a.mean(step)
			cpuB, allocsB := b.mean(step)
			table.Rows = append(table.Rows, []string{
				names[step], fmt.Sprint(promised[step]), fmt.Sprint(clients), spread(ratio, "%.2f"),
				fmt.Sprintf("%.0f", ra.Throughput().Median), fmt.Sprintf("%.0f", rb.Throughput().Median),
				micros(cpuA), micros(cpuB), fmt.Sprintf("%.0f", allocsA), fmt.Sprintf("%.0f", allocsB),
			})
			section.Budgets = append(section.Budgets, report.Budget{
				What: fmt.Sprintf("%s, %s, in terms of a bare loop's throughput", names[step], plural(clients, "client")),
				Want: fmt.Sprintf("≥ %.2f", least), Got: spread(ratio, "%.2f"), Met: ratio.Median >= least,
			})
			plot.Bars = append(plot.Bars, report.Bar{Name: fmt.Sprintf("%s, %d", names[step], clients), Value: ratio.Median})
		}
	}
	section.Tables = append(section.Tables, table)
	section.Plots = append(section.Plots, plot)
	for _, x := range experiments {
		e.Progress("%s", x.about)
		tried, err := x.run(ctx, e, life)
		if err != nil {
			return section, fmt.Errorf("%s: %w", x.about, err)
		}
		section.Tables = append(section.Tables, tried)
	}
	e.Progress("order of keys")
	tried, err := keyOrder(ctx, e, life)
	if err != nil {
		return section, fmt.Errorf("order of keys: %w", err)
	}
	section.Tables = append(section.Tables, tried)
	return section, nil
}

func spread(s measure.Spread, format string) string {
	return fmt.Sprintf(format+" ("+format+" to "+format+")", s.Median, s.Low, s.High)
}

func micros(d time.Duration) string {
	return fmt.Sprintf("%.1f µs", float64(d)/float64(time.Microsecond))
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
