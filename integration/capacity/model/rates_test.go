package model

import (
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// round is a deployment whose figures are easy to work out: 86,400 sessions, which are one event a second if each has one a day.
func round() Deployment {
	d := Default()
	d.Users, d.SessionsPerUser = 43_200, 2
	d.Active, d.Visits, d.VisitLength, d.Requests = 0.5, 2, time.Minute, 40
	d.AccessLifetime, d.AccessJitter = time.Second, 0.2 // so that practically each visit begins with a refresh
	d.DataReads, d.DataWrites, d.Lists = 4, 2, 1
	d.Logins, d.Logouts = 3, 0.5
	d.Revocations, d.UserRevocations = 0.25, 0.125
	d.Processes, d.Peak = 10, 2
	d.FeedInterval = 2 * time.Second
	return d
}

func rateOf(loads []Load, name string) Load {
	for _, l := range loads {
		if l.Operation.Name == name {
			return l
		}
	}
	return Load{}
}

func TestLoadsByHand(t *testing.T) {
	t.Parallel()
	d := round()
	d.Visits, d.Requests = 40, 40 // each request is a visit, and finds its token expired
	loads := d.Loads()
	for _, want := range []struct {
		operation  string
		mean, peak float64
	}{
		{"login", 3, 6},
		{"refresh", 20, 40}, // 43,200 active sessions × 40 a day
		{"first use after a refresh", 20, 40},
		{"read of data", 2, 4},
		{"write of data", 1, 2},
		{"list of a user's sessions", 0.5, 1},
		{"end of a session", 1.75, 3.5}, // half of three a second, and a quarter
		{"end of a user's sessions", 0.125, 0.25},
		{"reading of the feed, or of a page of it", 5, 5}, // ten processes, every two seconds
		{"reading of the keys", 10.0 / 900, 10.0 / 900},   // four an hour each
		{"cleanup with nothing to do", 10.0 / 900, 10.0 / 900},
		{"batch of expired sessions", 0.001, 0.001}, // 3 - 1.5 - 0.25 - 2 × 0.125 = 1 a second, of 1000
		{"batch of endings that are removed", 0.003, 0.003},
	} {
		got := rateOf(loads, want.operation)
		if !near(got.Mean, want.mean, 1e-9) || !near(got.Peak, want.peak, 1e-9) {
			t.Errorf("%s: got %g and %g a second, want %g and %g", want.operation, got.Mean, got.Peak, want.mean, want.peak)
		}
	}
	mean, _ := d.Statements()
	// Selects: a refresh, data, list, the endings of a user, feed, keys, four of an idle cleanup, two and one of its batches.
	selects := 20 + 2 + 0.5 + 0.125 + 5 + 10.0/900 + 4*10.0/900 + 2*0.001 + 0.003
	// Updates: a refresh, its first use, data, the ends, those of users, a batch.
	updates := 20 + 20 + 1 + 1.75 + 0.125 + 0.001
	for v, want := range map[Verb]float64{Select: selects, Update: updates, Insert: 3, Delete: 10.0/900 + 2*0.003} {
		if !near(mean[v], want, 1e-9) {
			t.Errorf("statements, %s: got %g a second, want %g", v, mean[v], want)
		}
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	for mode, want := range map[session.RevocationMode]struct{ feed, strict, keys float64 }{
		session.RevocationFeed:   {5, 0, 10.0 / 900},
		session.RevocationStrict: {0, 20, 10.0 / 90},
		session.RevocationOff:    {0, 0, 10.0 / 90},
	} {
		d := round()
		d.Mode = mode
		loads := d.Loads()
		for operation, rate := range map[string]float64{ReadFeed.Name: want.feed, VerifyStrict.Name: want.strict, ReadKeys.Name: want.keys} {
			if got := rateOf(loads, operation).Mean; !near(got, rate, 1e-9) {
				t.Errorf("%s, %s: got %g a second, want %g", mode, operation, got, rate)
			}
		}
	}
}

func TestProcessesFollowRequests(t *testing.T) {
	t.Parallel()
	d := round()
	d.Processes, d.RequestsPerProcess = 0, 15
	// 43,200 sessions × 40 a day = 20 a second, 40 at the peak.
	if got := d.ProcessCount(); got != 3 {
		t.Errorf("got %d processes, want 3", got)
	}
}
