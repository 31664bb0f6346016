package model

import (
	"math"
	"testing"
	"time"
)

func near(got, want, within float64) bool { return math.Abs(got-want) <= within*math.Abs(want) }

func TestErlang(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		k    int
		x    float64
		want float64
	}{
		{1, 1, 0.632121}, // 1 - e^-1
		{2, 1, 0.264241}, // 1 - 2 e^-1
		{3, 2, 0.323324}, // 1 - 5 e^-2
		{1, 700, 1},
		{200, 1, 0},
	} {
		if got := erlang(c.k, c.x); math.Abs(got-c.want) > 1e-6 {
			t.Errorf("erlang(%d, %g): got %g, want %g", c.k, c.x, got, c.want)
		}
	}
}

func TestRenewals(t *testing.T) {
	t.Parallel()
	// With requests all the time a token is renewed as soon as it expires.
	if got := renewals(61*time.Minute, 15*time.Minute, time.Millisecond); !near(got, 4, 1e-6) {
		t.Errorf("61 minutes of requests without a pause: got %g refreshes, want 4", got)
	}
	// One lifetime of 15 min and one wait of 1 min fit into 20 min: 1 - e^-5.
	if got, want := renewals(20*time.Minute, 15*time.Minute, time.Minute), 1-math.Exp(-5); !near(got, want, 1e-9) {
		t.Errorf("20 minutes: got %g refreshes, want %g", got, want)
	}
	if got := renewals(10*time.Minute, 15*time.Minute, time.Second); got != 0 {
		t.Errorf("10 minutes: got %g refreshes, want none", got)
	}
}

// The formula against clients that are played.
func TestRefreshesPerDay(t *testing.T) {
	t.Parallel()
	base := Default()
	for name, change := range map[string]func(*Deployment){
		"short visits":             func(*Deployment) {},
		"an hour at a time":        func(d *Deployment) { d.VisitLength, d.Requests = time.Hour, 200 },
		"access tokens of 5 min":   func(d *Deployment) { d.AccessLifetime, d.VisitLength = 5*time.Minute, 30*time.Minute },
		"access tokens of an hour": func(d *Deployment) { d.AccessLifetime = time.Hour },
		"never a pause":            func(d *Deployment) { d.Visits, d.VisitLength, d.Requests = 1, Day, 2880 },
		"seldom":                   func(d *Deployment) { d.Requests = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := base
			change(&d)
			got, want := d.refreshesPerDay(), played(d)
			if !near(got, want, 0.05) {
				t.Errorf("the formula says %.3f refreshes a day, clients that are played make %.3f", got, want)
			}
		})
	}
}
