// Package growth measures what the store's operations cost on tables of different sizes, and what a session takes on disk.
package growth

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/watchword-dev/watchword/integration/bench/env"
	"github.com/watchword-dev/watchword/integration/bench/measure"
	"github.com/watchword-dev/watchword/integration/bench/report"
	"github.com/watchword-dev/watchword/integration/mysqltest"
	"github.com/watchword-dev/watchword/store/mysql"
)

// Part is the part.
func Part() env.Part {
	return env.Part{Name: "growth", About: "latency of each operation at ten thousand, a million and ten million sessions", Run: run}
}

// The budgets.
const (
	mostRatio = 1.3
	mostBytes = 600
)

// flags make room for all the tables in memory, which take some 9 GB, so that warm is warm, and let them be filled fast.
var flags = []string{
	"--innodb-buffer-pool-size=10G", "--loose-innodb-redo-log-capacity=1G", "--innodb-max-dirty-pages-pct=95",
	"--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=OFF",
	"--loose-disable-log-bin", "--innodb-flush-method=O_DIRECT_NO_FSYNC",
}

// plan is how large the tables are, and how much is measured.
type plan struct {
	tables        []*table
	lean          int // how many sessions those tables have of which the size alone is of interest
	often, seldom int
	slice         int // how often an operation is done on a table before it is the next one's turn
}

func planFor(short bool) plan {
	if short {
		return plan{[]*table{{prefix: "few_", rows: 4000, big: 10}, {prefix: "more_", rows: 8000, big: 10}}, 4000, 40, 20, 10}
	}
	return plan{[]*table{
		{prefix: "ten_thousand_", rows: 10_000, big: 10},
		{prefix: "million_", rows: 1_000_000, big: 10},
		{prefix: "ten_million_", rows: 10_000_000, big: 100},
	}, 300_000, 1500, 300, 25}
}

func run(ctx context.Context, e *env.Env) (_ report.Section, err error) {
	section := report.Section{
		Title: "Growth",
		Text: "The latency of each operation on tables of different sizes, in one server whose buffer pool of 10 GiB holds them all. A tenth of " +
			"the sessions, at most 100,000, are one user's; the others have ten each. Half of the sessions have been refreshed. A session has a user agent of 110 bytes, " +
			"a payload of 60 and data of 200. One client works on the tables by turns, on sessions all over them. " +
			"Sessions are inserted in the order of their handles, as logins are.",
	}
	p := planFor(e.Short)
	dsn, stop, err := start(ctx, e)
	if err != nil {
		return section, err
	}
	defer func() {
		if stopped := stop(); err == nil {
			err = stopped
		}
	}()
	subjects := make([]*subject, len(p.tables))
	sizes := report.Table{Caption: "Sessions on disk, with their share of the indexes", Header: []string{"sessions", "of which there are", "bytes each", "filled in"}}
	for i, t := range p.tables {
		store, err := open(ctx, dsn, t)
		if err != nil {
			return section, err
		}
		defer func() { _ = store.Close() }()
		began := time.Now()
		if subjects[i], err = newSubject(ctx, store, t, p.often); err != nil {
			return section, err
		}
		took := time.Since(began)
		each, err := t.size(ctx, store.DB())
		if err != nil {
			return section, fmt.Errorf("size of the table: %w", err)
		}
		e.Progress("%d sessions in %v, %.0f bytes each", t.rows, took.Round(time.Second), each)
		sizes.Rows = append(sizes.Rows, []string{"as described", fmt.Sprint(t.rows), fmt.Sprintf("%.0f", each), took.Round(time.Second).String()})
	}
	if err := leanSizes(ctx, dsn, p.lean, &sizes, &section); err != nil {
		return section, err
	}
	if err := warm(ctx, subjects[0].store.DB(), p.tables); err != nil {
		return section, err
	}
	latencies, plot, err := compare(ctx, e, p, subjects, &section)
	if err != nil {
		return section, err
	}
	section.Tables = append(section.Tables, latencies, sizes)
	section.Plots = append(section.Plots, plot)
	return section, nil
}

func open(ctx context.Context, dsn string, t *table) (*mysql.Store, error) {
	store, err := mysql.Open(ctx, dsn, mysql.Options{TablePrefix: t.prefix})
	if err != nil {
		return nil, err
	}
	if err := store.Migrate(ctx); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return store, nil
}

// leanSizes says what smaller sessions take.
func leanSizes(ctx context.Context, dsn string, rows int, sizes *report.Table, section *report.Section) error {
	for _, lean := range []struct {
		what string
		table
	}{
		{"without payload and data", table{prefix: "without_data_", rows: rows, big: 10, noData: true}},
		{"without user agent and address, too", table{prefix: "least_", rows: rows, big: 10, noData: true, noDevice: true}},
	} {
		store, err := open(ctx, dsn, &lean.table)
		if err != nil {
			return err
		}
		defer func() { _ = store.Close() }()
		began := time.Now()
		if err := lean.fill(ctx, store.DB()); err != nil {
			return err
		}
		each, err := lean.size(ctx, store.DB())
		if err != nil {
			return fmt.Errorf("size of the table: %w", err)
		}
		sizes.Rows = append(sizes.Rows, []string{lean.what, fmt.Sprint(rows), fmt.Sprintf("%.0f", each), time.Since(began).Round(time.Second).String()})
		if !lean.noDevice {
			section.Budgets = append(section.Budgets, bytesBudget("a session, without the payload and data that the application gives it", each))
		}
	}
	return nil
}

func bytesBudget(what string, each float64) report.Budget {
	return report.Budget{What: what + ", on disk", Want: fmt.Sprintf("≤ %d bytes", mostBytes), Got: fmt.Sprintf("%.0f bytes", each), Met: each <= mostBytes}
}

// start gives a server of its own, or, for the short form, a schema of the shared one.
func start(ctx context.Context, e *env.Env) (dsn string, stop func() error, err error) {
	if e.Short {
		dsn, err = e.Schema(ctx)
		return dsn, func() error { return nil }, err
	}
	server, err := mysqltest.Start(ctx, flags...)
	if err != nil {
		return "", nil, err
	}
	if dsn, _, err = server.Schema(ctx); err != nil {
		_ = server.Close()
		return "", nil, err
	}
	return dsn, server.Close, nil
}

// warm reads all indexes of the tables once.
func warm(ctx context.Context, db *sql.DB, tables []*table) error {
	for _, t := range tables {
		for _, index := range []string{"PRIMARY", "by_user", "by_end", "by_feed"} {
			var n int
			// The sum has the primary key's rows read, and not only counted along a shorter index.
			if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM `"+t.prefix+"sessions` FORCE INDEX (`"+index+"`) WHERE handle >= '' AND handed >= 0 OR handle IS NULL").Scan(&n); err != nil {
				return fmt.Errorf("warm up: %w", err)
			}
		}
	}
	return nil
}

// compare measures each operation on each table by turns.
func compare(ctx context.Context, e *env.Env, p plan, subjects []*subject, section *report.Section) (report.Table, report.Plot, error) {
	table := report.Table{Caption: "Latency (median) by sessions in the table, and the largest's in terms of the smallest's", Header: []string{"operation"}}
	plot := report.Plot{File: "growth.svg", Title: "Latency against table size", XLabel: "sessions", YLabel: "median latency, ms", LogX: true, LogY: true}
	for _, s := range subjects {
		table.Header = append(table.Header, fmt.Sprint(s.rows))
	}
	table.Header = append(table.Header, "ratio")
	for _, op := range operations(p.often, p.seldom) {
		e.Progress("%s", op.name)
		results := make([]measure.Result, len(subjects))
		order := make([]int, len(subjects))
		for i := range order {
			order[i] = i
		}
		slice := max(1, min(p.slice, op.n/6))
		for from := 0; from < op.n; from += slice {
			for _, which := range order {
				w := measure.Work{Ops: min(slice, op.n-from)}
				for i := from; i < from+w.Ops; i++ {
					began := time.Now()
					if err := op.do(ctx, subjects[which], i); err != nil {
						return table, plot, fmt.Errorf("%s at %d sessions: %w", op.name, subjects[which].rows, err)
					}
					w.Latencies = append(w.Latencies, time.Since(began))
				}
				results[which].Rounds = append(results[which].Rounds, w)
			}
			slices.Reverse(order)
		}
		line, row := report.Line{Name: op.name}, []string{op.name}
		for i := range subjects {
			median := medianOf(results[i])
			line.X, line.Y = append(line.X, float64(subjects[i].rows)), append(line.Y, float64(median)/1e6)
			row = append(row, fmt.Sprintf("%.0f µs", float64(median)/1e3))
		}
		ratio := float64(medianOf(results[len(results)-1])) / float64(medianOf(results[0]))
		table.Rows = append(table.Rows, append(row, fmt.Sprintf("%.2f", ratio)))
		plot.Lines = append(plot.Lines, line)
		section.Budgets = append(section.Budgets, report.Budget{
			What: fmt.Sprintf("%s at %d sessions, in terms of %d", op.name, subjects[len(subjects)-1].rows, subjects[0].rows),
			Want: fmt.Sprintf("≤ %.1f", mostRatio), Got: fmt.Sprintf("%.2f", ratio), Met: ratio <= mostRatio,
		})
	}
	return table, plot, nil
}

// medianOf all operations, of all rounds.
func medianOf(r measure.Result) time.Duration {
	var all []time.Duration
	for _, w := range r.Rounds {
		all = append(all, w.Latencies...)
	}
	slices.Sort(all)
	return measure.Quantile(all, 0.5)
}
