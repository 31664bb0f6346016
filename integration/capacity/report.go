package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/watchword-dev/watchword/integration/capacity/model"
)

// line is one line of the report.
type line struct {
	what  string
	value func(model.Prediction) string
}

// section is a part of the report.
type section struct {
	name, title string
	lines       func([]column) []line
}

func fixed(lines ...line) func([]column) []line { return func([]column) []line { return lines } }

var sections = []section{
	{"deployment", "Deployment", fixed(
		line{"live sessions", func(p model.Prediction) string { return count(p.Sessions) }},
		line{"processes", func(p model.Prediction) string { return count(float64(p.Processes)) }},
		line{"requests a second, mean and peak", func(p model.Prediction) string { return both(p.Requests) }},
		line{"refreshes a second, mean and peak", func(p model.Prediction) string { return both(p.Refreshes) }},
	)},
	{"operations", "Operations a second, mean and peak", operationLines},
	{"statements", "Statements a second that the processes send, mean and peak", fixed(
		statementLine("reads", model.Select),
		statementLine("inserts", model.Insert),
		statementLine("updates", model.Update),
		statementLine("deletes", model.Delete),
		line{"in all", func(p model.Prediction) string {
			return both(model.Mean{Mean: p.Statements.Mean.Total(), Peak: p.Statements.Peak.Total()})
		}},
	)},
	{"shards", "Shards, at the peak", fixed(
		line{"shards", shardCount},
		line{"statements a second at each", func(p model.Prediction) string { return count(p.Shards.Each.Total()) }},
		line{"of these, that more shards do not make fewer", func(p model.Prediction) string { return count(p.Shards.Scattered.Total()) }},
		line{"changes at each that Vitess puts between BEGIN and COMMIT", func(p model.Prediction) string { return count(p.Shards.Transactions) }},
		line{"statements a second at all servers", func(p model.Prediction) string { return count(p.Shards.InAll) }},
		line{"at the server of the unsharded tables", func(p model.Prediction) string { return count(p.Shards.Unsharded.Total()) }},
		line{"busy, each shard", func(p model.Prediction) string { return percent(p.Shards.Busy) }},
		line{"busy, server of the unsharded tables", func(p model.Prediction) string { return percent(p.Shards.BusyOther) }},
		line{"the largest shard, by chance", func(p model.Prediction) string { return "+" + percent(p.Shards.Hottest) }},
		line{"the first limit, and how much of it is used", func(p model.Prediction) string {
			return p.Shards.Limits[0].Limit + ", " + percent(p.Shards.Limits[0].Used)
		}},
		line{"sessions with which no number of shards is enough", func(p model.Prediction) string { return count(p.Shards.Ceiling) }},
	)},
	{"disk", "Tables on disk", fixed(
		line{"a live session, with its share of the indexes", func(p model.Prediction) string { return count(p.Disk.Session) + " B" }},
		line{"of this, its row", func(p model.Prediction) string { return count(p.Disk.Row) + " B" }},
		line{"and the indexes", func(p model.Prediction) string { return count(p.Disk.Indexes) + " B" }},
		line{"the record of one that has ended", func(p model.Prediction) string { return count(p.Disk.Ending) + " B" }},
		line{"records", func(p model.Prediction) string { return count(p.Disk.Records) }},
		line{"in all", func(p model.Prediction) string { return bytes(p.Disk.All) }},
		line{"on each shard", func(p model.Prediction) string { return bytes(p.Shards.Bytes) }},
	)},
	{"network", "Network between processes and database, a second", fixed(
		line{"to the database, mean and peak", func(p model.Prediction) string { return bytes(p.Network.Mean.Up) + " / " + bytes(p.Network.Peak.Up) }},
		line{"from it, mean and peak", func(p model.Prediction) string {
			return bytes(p.Network.Mean.Down) + " / " + bytes(p.Network.Peak.Down)
		}},
		line{"of these, for the feed", func(p model.Prediction) string {
			return bytes(p.Network.Mean.OfFeed) + " / " + bytes(p.Network.Peak.OfFeed)
		}},
	)},
	{"feed", "The feed of revocations, at the peak", fixed(
		line{"readings a second, at each shard", func(p model.Prediction) string { return count(p.Feed.Readings) }},
		line{"entries of one reading", func(p model.Prediction) string { return count(p.Feed.Entries) }},
		line{"entries a second, in all readings", func(p model.Prediction) string { return count(p.Feed.Rows) }},
		line{"entries in a process's memory", func(p model.Prediction) string { return count(p.Feed.Held) }},
		line{"which take at most", func(p model.Prediction) string { return bytes(p.Feed.Memory) }},
	)},
	{"process", "Each process, at the peak", fixed(
		line{"requests a second", func(p model.Prediction) string { return count(p.Process.Requests) }},
		line{"of these, with a token that is not remembered", func(p model.Prediction) string { return count(p.Process.FirstSights) }},
		line{"cores that verification, refreshes and logins take", func(p model.Prediction) string { return count(p.Process.Cores) }},
		line{"tokens that are remembered", func(p model.Prediction) string { return count(p.Process.Remembered) }},
		line{"which take", func(p model.Prediction) string { return bytes(p.Process.Memory) }},
	)},
}

func statementLine(what string, v model.Verb) line {
	return line{what, func(p model.Prediction) string {
		return both(model.Mean{Mean: p.Statements.Mean[v], Peak: p.Statements.Peak[v]})
	}}
}

// operationLines has a line for each operation that any of the columns has.
func operationLines(columns []column) []line {
	var lines []line
	seen := map[string]bool{}
	for _, c := range columns {
		for _, o := range c.Operations {
			if seen[o.Operation] {
				continue
			}
			seen[o.Operation] = true
			lines = append(lines, line{o.Operation, func(p model.Prediction) string {
				i := slices.IndexFunc(p.Operations, func(other model.Rate) bool { return other.Operation == o.Operation })
				if i < 0 {
					return "0"
				}
				return both(model.Mean{Mean: p.Operations[i].Mean, Peak: p.Operations[i].Peak})
			}})
		}
	}
	return lines
}

func shardCount(p model.Prediction) string {
	if p.Shards.Count == 0 {
		return "no number is enough"
	}
	return count(float64(p.Shards.Count))
}

func sectionNames() string {
	names := make([]string, len(sections))
	for i, s := range sections {
		names[i] = s.name
	}
	return strings.Join(names, ", ")
}

// chosen are the sections with these names; all of them if there are none.
func chosen(names string) ([]section, error) {
	if names == "" {
		return sections, nil
	}
	var some []section
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(sections, func(s section) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no section %q; there are %s", name, sectionNames())
		}
		some = append(some, sections[i])
	}
	return some, nil
}
