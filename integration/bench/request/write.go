package request

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/watchword-dev/watchword/integration/bench/measure"
	"github.com/watchword-dev/watchword/integration/bench/peers"
	"github.com/watchword-dev/watchword/integration/bench/report"
)

const text = `The same handler, which answers with the user's id in thirty bytes, behind each library. A server and %d clients share this process and its
%d cores: real HTTP/1.1 over loopback, connections kept open, each client sending its next request when the answer is there. The clients send
prepared bytes and hardly look at the answer, but what they and the kernel cost is part of the first table and makes differences smaller than
they are; the second table has the handler with its middleware alone, without any connection, one request after another. Before anything is
measured, each peer has to pass a good session's user id to the handler, and to answer 401 to a request without cookies and to one with forged
ones.

"%s" is the floor: the handler alone, and a request that carries our cookies all the same, as long as ours is. The sessions of scs lie in the same MySQL
server as ours, which does not write to disk at each commit.`

func write(set *peers.Set, whole, alone []measure.Result, sizes map[string]int, allocs map[string]float64) report.Section {
	http, bare := byName(whole), byName(alone)
	ours := http[peers.Watchword]
	s := report.Section{Title: "Whole requests", Text: fmt.Sprintf(text, clients, cores(), peers.Bare)}

	floor := measure.Ratio(ours, http[peers.Bare])
	scs, readme := measure.Ratio(ours, http[peers.SCS]), measure.Ratio(ours, http[peers.SCSReadme])
	added := allocs[peers.Watchword] - allocs[peers.Bare]
	s.Budgets = []report.Budget{
		{What: "Whole warm request behind `nethttp`, throughput against the same handler without a session", Want: "≥ 0.90 ×", Got: times(floor), Met: floor.Median >= 0.90},
		{What: "Whole warm request, throughput against scs + mysqlstore as in its README", Want: "≥ 10 ×", Got: times(readme), Met: readme.Median >= 10},
		{What: "Whole warm request, throughput against scs + mysqlstore tuned as our store is", Want: "≥ 10 ×", Got: times(scs), Met: scs.Median >= 10},
		{What: "Allocations that `Require` adds to a warm request", Want: fmt.Sprintf("≤ %d", onTop), Got: fmt.Sprintf("%.0f", added), Met: added <= onTop, Counted: true},
	}

	overHTTP := report.Table{
		Caption: "Over HTTP: our throughput against each peer's, and their own",
		Header:  []string{"Behind", "watchword against it", "requests/s", "median latency", "99 %", "bytes of a request"},
	}
	handlers := report.Table{
		Caption: "Handler and middleware alone, without HTTP",
		Header:  []string{"Behind", "its time against watchword's", "time", "allocations"},
	}
	setup := report.Table{Caption: "How each is set up", Header: []string{"Peer", "Setup"}}
	bars := report.Plot{File: "peers.svg", Title: "Throughput of a whole request, no session = 1", YLabel: "throughput / that of the handler alone"}
	for _, p := range set.Peers {
		r, h := http[p.Name], bare[p.Name]
		overHTTP.Rows = append(overHTTP.Rows, []string{
			p.Name, times(measure.Ratio(ours, r)), report.Count(r.Throughput()), report.Duration(r.Latency(0.5)), report.Duration(r.Latency(0.99)), fmt.Sprint(sizes[p.Name]),
		})
		handlers.Rows = append(handlers.Rows, []string{
			p.Name, times(measure.Ratio(bare[peers.Watchword], h)), report.Duration(h.PerOp()), fmt.Sprintf("%.0f", allocs[p.Name]),
		})
		setup.Rows = append(setup.Rows, []string{p.Name, p.About})
		bars.Bars = append(bars.Bars, report.Bar{Name: p.Name, Value: measure.Ratio(r, http[peers.Bare]).Median})
	}
	slices.SortStableFunc(bars.Bars, func(a, b report.Bar) int { return cmp.Compare(b.Value, a.Value) })
	s.Tables = []report.Table{overHTTP, handlers, setup}
	s.Plots = []report.Plot{bars}
	return s
}

func byName(results []measure.Result) map[string]measure.Result {
	m := map[string]measure.Result{}
	for _, r := range results {
		m[r.Name] = r
	}
	return m
}

func times(s measure.Spread) string { return report.Times(s) }
