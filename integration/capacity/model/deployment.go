// Package model says what a deployment asks of its database and of its processes: statements, bytes, memory. It is arithmetic. What it
// takes from the product, such as how many statements an operation sends, is in tables of its own, which tests hold against the product.
package model

import (
	"errors"
	"fmt"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// Day is what the rates of a Deployment that are no rates a second refer to.
const Day = 24 * time.Hour

// Deployment is what is known of a deployment. Begin with Default.
type Deployment struct {
	Users           float64
	SessionsPerUser float64 // that are alive

	// An active session is one that is used on a day: in so many visits of the same length, at random moments, with its requests at
	// random moments within them. A client without requests does not refresh.
	Active      float64 // the share of sessions that is
	Visits      float64 // of an active session a day
	VisitLength time.Duration
	Requests    float64 // of an active session a day, over all visits
	DataReads   float64 // of an active session a day, as are the next two
	DataWrites  float64
	Lists       float64

	AccessLifetime time.Duration
	AccessJitter   float64

	Logins   float64 // for each live session a day. As many end: the numbers are those of a steady state
	Logouts  float64 // the share of sessions that end by logout; the others expire, or are revoked
	MaxLimit bool    // logins are held to Config.MaxSessions

	Revocations     float64 // of single sessions, a second
	UserRevocations float64 // of all sessions of a user, a second

	Mode               session.RevocationMode
	FeedInterval       time.Duration
	KeyPollInterval    time.Duration
	Processes          int     // zero: as many as the requests need
	RequestsPerProcess float64 // a second, at the peak

	CleanupInterval time.Duration
	CleanupBatch    int
	EndingRetention time.Duration

	// Sizes in bytes of what the application chooses; Schema is the length of the schema's name, which the server repeats with each column.
	UserID, Device, Label, Payload, Data, Schema int

	Peak float64 // what users cause at the busiest hour, in terms of the day's mean

	ShardCount int // zero: as many as are needed, a power of two
	Limits     Limits

	busy bool // it is looked at at its busiest hour
}

// Limits are what may be asked of one primary, and of one process.
type Limits struct {
	Reads    float64 // statements a second that a primary bears if it does nothing else
	Writes   float64
	Bytes    float64 // of tables on one primary
	Headroom float64 // the share of Reads and Writes that is to be used at the peak
	Memory   float64 // for the feed in a process, in bytes
}

// Default is a web application of ten million users. The limits of a primary are low ones, of two cores; see docs/scaling.md.
func Default() Deployment {
	return Deployment{
		Users: 10e6, SessionsPerUser: 1,
		Active: 0.3, Visits: 3, VisitLength: 10 * time.Minute, Requests: 60, Lists: 0.02,
		AccessLifetime: session.DefaultAccessLifetime, AccessJitter: session.DefaultAccessJitter,
		Logins: 0.02, Logouts: 0.3,
		Mode: session.RevocationFeed, FeedInterval: session.DefaultFeedInterval, KeyPollInterval: session.DefaultKeyPollInterval,
		RequestsPerProcess: 2000,
		CleanupInterval:    session.DefaultCleanupInterval, CleanupBatch: 1000, EndingRetention: session.DefaultEndingRetention,
		UserID: 13, Device: 123, Payload: 60, Data: 0, Schema: 9,
		Peak:   3,
		Limits: Limits{Reads: 5000, Writes: 1700, Bytes: 250 << 30, Headroom: 0.5, Memory: 64 << 20},
	}
}

// Sessions is how many are alive.
func (d Deployment) Sessions() float64 { return d.Users * d.SessionsPerUser }

// Validate says what cannot be.
func (d Deployment) Validate() error {
	var errs []error
	refuse := func(bad bool, what string, value any, want string) {
		if bad {
			errs = append(errs, fmt.Errorf("%s is %v: it must be %s", what, value, want))
		}
	}
	for _, share := range []struct {
		name  string
		value float64
	}{{"active", d.Active}, {"logouts", d.Logouts}} {
		refuse(!(share.value >= 0 && share.value <= 1), share.name, share.value, "between 0 and 1")
	}
	for _, amount := range []struct {
		name  string
		value float64
	}{
		{"requests", d.Requests}, {"data-reads", d.DataReads}, {"data-writes", d.DataWrites}, {"lists", d.Lists},
		{"logins", d.Logins}, {"revocations", d.Revocations}, {"user-revocations", d.UserRevocations},
	} {
		refuse(!(amount.value >= 0), amount.name, amount.value, "0 or more") // nor is NaN
	}
	for _, amount := range []struct {
		name  string
		value float64
	}{
		{"users", d.Users}, {"sessions", d.SessionsPerUser}, {"visits", d.Visits},
		{"requests-per-process", d.RequestsPerProcess}, {"shard-reads", d.Limits.Reads}, {"shard-writes", d.Limits.Writes},
		{"shard-bytes", d.Limits.Bytes}, {"feed-memory", d.Limits.Memory},
		{"visit", d.VisitLength.Seconds()}, {"access-lifetime", d.AccessLifetime.Seconds()}, {"feed-interval", d.FeedInterval.Seconds()},
		{"key-poll-interval", d.KeyPollInterval.Seconds()}, {"cleanup-interval", d.CleanupInterval.Seconds()},
	} {
		refuse(!(amount.value > 0), amount.name, amount.value, "more than 0")
	}
	refuse(!(d.Peak >= 1), "peak", d.Peak, "1 or more")
	refuse(!(d.AccessJitter >= 0 && d.AccessJitter <= 0.5), "access-jitter", d.AccessJitter, "between 0 and 0.5")
	refuse(!(d.Limits.Headroom > 0 && d.Limits.Headroom <= 1), "headroom", d.Limits.Headroom, "more than 0, and at most 1")
	refuse(d.CleanupBatch < 1, "cleanup-batch", d.CleanupBatch, "1 or more")
	refuse(d.EndingRetention < 0, "ending-retention", d.EndingRetention, "0 or more")
	refuse(d.Processes < 0 || d.ShardCount < 0, "processes or shards", min(d.Processes, d.ShardCount), "0 or more")
	refuse(min(d.UserID, d.Device, d.Label, d.Payload, d.Data, d.Schema) < 0, "a size", "negative", "0 or more")
	switch d.Mode {
	case session.RevocationFeed, session.RevocationStrict, session.RevocationOff:
	default:
		refuse(true, "revocation", d.Mode, "feed, strict or off")
	}
	return errors.Join(errs...)
}
