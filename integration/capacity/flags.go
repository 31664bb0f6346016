package main

import (
	"flag"
	"fmt"
	"io"

	"github.com/watchword-dev/watchword/integration/capacity/model"
)

// parse reads the command line over the defaults. Of a flag that is given twice the last counts.
func parse(complaints io.Writer, args []string) (d model.Deployment, o options, err error) {
	d = model.Default()
	flags := flag.NewFlagSet("capacity", flag.ContinueOnError)
	flags.SetOutput(complaints)
	bindUse(flags, &d)
	bindSettings(flags, &d)
	bindSizes(flags, &d)
	bindLimits(flags, &d)
	flags.BoolVar(&o.json, "json", false, "write JSON, for programs")
	flags.BoolVar(&o.markdown, "markdown", false, "write a table of Markdown")
	flags.StringVar(&o.only, "only", "", "the `SECTIONS` to write, with commas between: "+sectionNames())
	flags.StringVar(&o.vary, "vary", "", "one column for each value of a flag: `NAME=VALUE,VALUE`, such as access-lifetime=5m,15m,60m")
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), "usage: go run ./capacity [flags], in integration/\n\n"+
			"What a deployment asks of its database and its processes, by a model: docs/scaling.md says what it rests on.\n\n")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return d, o, err
	}
	if flags.NArg() > 0 {
		return d, o, fmt.Errorf("%q is no flag; --help lists them", flags.Arg(0))
	}
	return d, o, d.Validate()
}

// bindUse is what users do.
func bindUse(f *flag.FlagSet, d *model.Deployment) {
	f.Float64Var(&d.Users, "users", d.Users, "users")
	f.Float64Var(&d.SessionsPerUser, "sessions", d.SessionsPerUser, "live sessions of a user")
	f.Float64Var(&d.Active, "active", d.Active, "the share of sessions that is used on a day")
	f.Float64Var(&d.Visits, "visits", d.Visits, "visits of an active session on a day, at random moments")
	f.DurationVar(&d.VisitLength, "visit", d.VisitLength, "how long a visit is")
	f.Float64Var(&d.Requests, "requests", d.Requests, "requests of an active session on a day, spread over its visits")
	f.Float64Var(&d.DataReads, "data-reads", d.DataReads, "reads of the session's data, of an active session on a day")
	f.Float64Var(&d.DataWrites, "data-writes", d.DataWrites, "writes of the session's data, likewise")
	f.Float64Var(&d.Lists, "lists", d.Lists, "looks at the list of the user's sessions, likewise")
	f.Float64Var(&d.Logins, "logins", d.Logins, "logins a day for each live session; as many sessions end")
	f.Float64Var(&d.Logouts, "logouts", d.Logouts, "the share of sessions that end by logout; what is not revoked expires")
	f.Float64Var(&d.Revocations, "revocations", d.Revocations, "single sessions that are revoked, a second")
	f.Float64Var(&d.UserRevocations, "user-revocations", d.UserRevocations, "users all of whose sessions are revoked, a second")
	f.Float64Var(&d.Peak, "peak", d.Peak, "what users cause at the busiest hour, in terms of the day's mean")
}

// bindSettings is what session.Config says, and how the product is deployed.
func bindSettings(f *flag.FlagSet, d *model.Deployment) {
	f.DurationVar(&d.AccessLifetime, "access-lifetime", d.AccessLifetime, "Config.AccessLifetime")
	f.Float64Var(&d.AccessJitter, "access-jitter", d.AccessJitter, "Config.AccessJitter")
	f.StringVar((*string)(&d.Mode), "revocation", string(d.Mode), "Config.Revocation: feed, strict or off")
	f.DurationVar(&d.FeedInterval, "feed-interval", d.FeedInterval, "Config.FeedInterval")
	f.DurationVar(&d.KeyPollInterval, "key-poll-interval", d.KeyPollInterval, "Config.KeyPollInterval")
	f.DurationVar(&d.CleanupInterval, "cleanup-interval", d.CleanupInterval, "Config.CleanupInterval")
	f.IntVar(&d.CleanupBatch, "cleanup-batch", d.CleanupBatch, "sessions in a batch of a cleanup, up to 1000: as many as take 50 ms")
	f.DurationVar(&d.EndingRetention, "ending-retention", d.EndingRetention, "Config.EndingRetention")
	f.BoolVar(&d.MaxLimit, "max-sessions", d.MaxLimit, "Config.MaxSessions is set: each login looks at the user's sessions")
	f.IntVar(&d.Processes, "processes", d.Processes, "processes; 0: as many as the requests need")
	f.Float64Var(&d.RequestsPerProcess, "requests-per-process", d.RequestsPerProcess, "requests a second that one process serves, where -processes is 0")
	f.IntVar(&d.ShardCount, "shards", d.ShardCount, "shards; 0: as many as are needed, a power of two")
}

// bindSizes is how long things are.
func bindSizes(f *flag.FlagSet, d *model.Deployment) {
	f.IntVar(&d.UserID, "user-bytes", d.UserID, "length of a user id")
	f.IntVar(&d.Device, "device-bytes", d.Device, "length of user agent and address together")
	f.IntVar(&d.Label, "label-bytes", d.Label, "length of a session's label")
	f.IntVar(&d.Payload, "payload-bytes", d.Payload, "length of a session's payload")
	f.IntVar(&d.Data, "data-bytes", d.Data, "length of a session's data")
	f.IntVar(&d.Schema, "schema-bytes", d.Schema, "length of the schema's name, which answers repeat")
}

// bindLimits is what may be asked of a machine.
func bindLimits(f *flag.FlagSet, d *model.Deployment) {
	f.Float64Var(&d.Limits.Reads, "shard-reads", d.Limits.Reads, "statements a second that read, which a primary bears if it does nothing else")
	f.Float64Var(&d.Limits.Writes, "shard-writes", d.Limits.Writes, "statements a second that write, likewise")
	f.Float64Var(&d.Limits.Bytes, "shard-bytes", d.Limits.Bytes, "bytes of tables on one primary")
	f.Float64Var(&d.Limits.Headroom, "headroom", d.Limits.Headroom, "the share of these statements that is to be used at the busiest hour")
	f.Float64Var(&d.Limits.Memory, "feed-memory", d.Limits.Memory, "bytes that the feed may take in a process")
}
