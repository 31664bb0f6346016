package model

import (
	"math"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// keptFor is how many poll intervals a process goes without reading the keys while it reads the feed; see session/keyrotation.go.
const keptFor = 10

// Load is how often an operation is done, a second.
type Load struct {
	Operation  Operation
	Mean, Peak float64
}

func perDay(n float64) float64 { return n / Day.Seconds() }

func perInterval(processes int, interval time.Duration) float64 {
	return float64(processes) / interval.Seconds()
}

// RequestRate is how many requests a second there are, on the day's mean.
func (d Deployment) RequestRate() float64 { return perDay(d.Sessions() * d.Active * d.Requests) }

// ProcessCount is how many processes there are.
func (d Deployment) ProcessCount() int {
	if d.Processes > 0 {
		return d.Processes
	}
	return max(1, int(math.Ceil(d.RequestRate()*d.Peak/d.RequestsPerProcess)))
}

// ends is how many sessions end a second: all; those that become entries of the feed; those that expire.
func (d Deployment) ends() (all, fed, expired float64) {
	all = perDay(d.Sessions() * d.Logins)
	fed = all*d.Logouts + d.Revocations + d.UserRevocations*d.SessionsPerUser
	return max(all, fed), fed, max(0, all-fed)
}

// Loads are all operations of the deployment.
func (d Deployment) Loads() []Load {
	active := perDay(d.Sessions() * d.Active)
	refreshes := active * d.refreshesPerDay()
	processes := d.ProcessCount()
	all, _, expired := d.ends()

	var loads []Load
	byUsers := func(o Operation, mean float64) { loads = append(loads, Load{o, mean, mean * d.Peak}) }
	always := func(o Operation, mean float64) { loads = append(loads, Load{o, mean, mean}) }

	if d.MaxLimit {
		byUsers(CreateLimited, all)
	} else {
		byUsers(Create, all)
	}
	byUsers(Refresh, refreshes)
	byUsers(FirstUse, refreshes)
	byUsers(ReadData, active*d.DataReads)
	byUsers(WriteData, active*d.DataWrites)
	byUsers(List, active*d.Lists)
	byUsers(Revoke, perDay(d.Sessions()*d.Logins)*d.Logouts+d.Revocations)
	polls := d.KeyPollInterval
	switch d.Mode {
	case session.RevocationFeed:
		byUsers(RevokeUser, d.UserRevocations)
		readings := perInterval(processes, d.FeedInterval)
		loads = append(loads, Load{ReadFeed, readings * d.pages(), readings * d.atPeak().pages()})
		if d.FeedInterval < d.KeyPollInterval { // else what it says of the keys is too old each time
			polls *= keptFor
		}
	case session.RevocationStrict:
		byUsers(RevokeUserUnfed, d.UserRevocations)
		byUsers(VerifyStrict, d.RequestRate())
	default:
		byUsers(RevokeUserUnfed, d.UserRevocations)
	}
	always(ReadKeys, perInterval(processes, polls))
	always(CleanNothing, perInterval(processes, d.CleanupInterval))
	always(CleanExpired, expired/float64(d.CleanupBatch))
	always(CleanEnded, all/float64(d.CleanupBatch))
	return loads
}

// Rates are statements a second by verb.
type Rates map[Verb]float64

// Total is the sum.
func (r Rates) Total() float64 { return r[Select] + r[Insert] + r[Update] + r[Delete] }

// Statements are those that the processes send, by verb.
func (d Deployment) Statements() (mean, peak Rates) {
	mean, peak = Rates{}, Rates{}
	sharded := d.sharded()
	for _, l := range d.Loads() {
		for _, s := range l.Operation.Sends(sharded) {
			mean[s.Verb] += l.Mean
			peak[s.Verb] += l.Peak
		}
	}
	return mean, peak
}

// Sent are the statements that the processes send, by name, on the day's mean.
func (d Deployment) Sent() map[string]float64 {
	all := map[string]float64{}
	sharded := d.sharded()
	for _, l := range d.Loads() {
		for _, s := range l.Operation.Sends(sharded) {
			all[s.Name] += l.Mean
		}
	}
	return all
}
