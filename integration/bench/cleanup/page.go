package cleanup

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/watchword-dev/watchword/integration/bench/measure"
	"github.com/watchword-dev/watchword/integration/bench/report"
)

// atMost is the budget for the p99 of refreshes during a cleanup, in terms of that without one.
const atMost = 2.0

func page(p plan, o outcome, tried []outcome) report.Section {
	before, during := quantile(o.before, 0.99), quantile(o.during, 0.99)
	ratio := float64(during) / float64(before)
	rows, took := o.cleaning.sizes()
	each, passed := o.cleaning.elections()
	s := report.Section{
		Title: "Cleanup",
		Text: fmt.Sprintf("%d processes over one database, each with a pool of its own, refresh %d sessions a second in all, at a steady rate, whether or not "+
			"the refreshes before have been answered; what a refresh takes is counted from when it was due. Then %s sessions expire beside %s "+
			"that live on, and all processes run the cleanup: each expired session is ended, with its record, and then removed (`EndingRetention` is "+
			"`NoEndings`). No refresh and no batch failed.\n\n"+
			"It took %v: %s sessions a second were ended and removed. The batches, which the cleanup fits to the time that they take, were of %d rows and took %v (medians). "+
			"Batches by process: %s; the work passed from one to another %d times.",
			processes, p.rate, report.Number(float64(p.expired)), report.Number(float64(p.live+jars)), o.took.Round(time.Second),
			report.Number(float64(o.cleaning.purged)/o.took.Seconds()), rows, took.Round(time.Millisecond),
			strings.Trim(fmt.Sprint(each), "[]"), passed),
		Budgets: []report.Budget{
			{
				What: "Refresh during a cleanup, p99 in terms of that before", Want: fmt.Sprintf("≤ %v ×", atMost),
				Got: fmt.Sprintf("%s × (%s; %s)", report.Number(ratio), milliseconds(during), milliseconds(before)), Met: ratio <= atMost,
			},
			{What: "Processes that clean up at one time", Want: "1", Got: fmt.Sprint(o.cleaning.most), Met: o.cleaning.most == 1, Counted: true},
			{What: "Deadlocks and other failures that reached a caller", Want: "0", Got: "0", Met: true, Counted: true}, // else there is no page
		},
		Tables: []report.Table{refreshTable(o), waysTable(tried)},
	}
	s.Plots = plots(p, o)
	return s
}

func refreshTable(o outcome) report.Table {
	t := report.Table{Caption: "Refreshes", Header: []string{"", "refreshes", "p50", "p99", "slowest"}}
	for _, phase := range []struct {
		name string
		all  []refresh
	}{{"before", o.before}, {"during the cleanup", o.during}, {"after", o.after}} {
		t.Rows = append(t.Rows, []string{
			phase.name, report.Number(float64(len(phase.all))),
			milliseconds(quantile(phase.all, 0.5)), milliseconds(quantile(phase.all, 0.99)), milliseconds(quantile(phase.all, 1)),
		})
	}
	return t
}

func waysTable(tried []outcome) report.Table {
	t := report.Table{
		Caption: fmt.Sprintf("Other ways, each with %s expired sessions", report.Number(float64(tried[0].cleaning.purged))),
		Header:  []string{"", "removed a second", "p50 during / before", "p99 during / before", "at one time", "deadlocks in the server"},
	}
	for _, o := range tried {
		deadlocks := "not known"
		if o.deadlocks >= 0 {
			deadlocks = fmt.Sprint(o.deadlocks)
		}
		times := func(q float64) string {
			return report.Number(float64(quantile(o.during, q))/float64(quantile(o.before, q))) + " ×"
		}
		t.Rows = append(t.Rows, []string{
			o.way.name, report.Number(float64(o.cleaning.purged) / o.took.Seconds()), times(0.5), times(0.99), fmt.Sprint(o.cleaning.most), deadlocks,
		})
	}
	return t
}

// plots are those of the whole time.
func plots(p plan, o outcome) []report.Plot {
	all := slices.Concat(o.before, o.during, o.after)
	seconds := func(at time.Time) float64 { return at.Sub(o.begun).Seconds() }
	var p50, p99, ended report.Line
	p50.Name, p99.Name, ended.Name = "p50", "p99", "sessions ended or removed"
	for from := 0; from < len(all); {
		to := from
		for to < len(all) && all[to].at.Sub(all[from].at) < p.slice {
			to++
		}
		x := seconds(all[from].at)
		p50.X, p50.Y = append(p50.X, x), append(p50.Y, quantile(all[from:to], 0.5).Seconds()*1000)
		p99.X, p99.Y = append(p99.X, x), append(p99.Y, quantile(all[from:to], 0.99).Seconds()*1000)
		rows := 0
		for _, b := range o.cleaning.batches {
			if !b.at.Before(all[from].at) && b.at.Before(all[from].at.Add(p.slice)) {
				rows += b.rows
			}
		}
		ended.X, ended.Y = append(ended.X, x), append(ended.Y, float64(rows)/p.slice.Seconds())
		from = to
	}
	return []report.Plot{
		{
			File: "cleanup-latency.svg", Title: "Refreshes before, during and after a cleanup",
			XLabel: "seconds", YLabel: "milliseconds", LogY: true, Lines: []report.Line{p50, p99},
		},
		{
			File: "cleanup-throughput.svg", Title: "What the cleanup removes",
			XLabel: "seconds", YLabel: "rows a second", Lines: []report.Line{ended},
		},
	}
}

func quantile(all []refresh, q float64) time.Duration {
	times := make([]time.Duration, len(all))
	for i, r := range all {
		times[i] = r.took
	}
	slices.Sort(times)
	return measure.Quantile(times, q)
}

func milliseconds(d time.Duration) string { return report.Number(d.Seconds()*1000) + " ms" }
