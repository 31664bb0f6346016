package sessionsim_test

import (
	"cmp"
	"fmt"
	"reflect"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/sessionsim"
)

// sum adds reports up.
type sum struct {
	runs, reuse, shadow, untold, expired int
	all                                  sessionsim.Report // its numbers
}

func (s *sum) add(r result) {
	s.runs++
	to, from := reflect.ValueOf(&s.all).Elem(), reflect.ValueOf(r.Report)
	for i := range to.NumField() {
		if to.Field(i).CanInt() {
			to.Field(i).SetInt(to.Field(i).Int() + from.Field(i).Int())
		}
	}
	if r.Expired {
		s.expired++
	}
	if r.Untold {
		s.untold++
	}
	switch r.Theft {
	case session.TheftReuse:
		s.reuse++
	case session.TheftShadow:
		s.shadow++
	}
}

func (s *sum) String() string {
	r := &s.all
	text := fmt.Sprintf("%d runs, %d steps, %d refreshes, %d hand-outs of a successor anew, %d rotations, %d expired, %v of virtual time; alarms: %d by reuse, %d by the limit of hand-outs, %d of which nobody was told",
		s.runs, r.Steps, r.Refreshes, r.HandOuts, r.Rotations, s.expired, r.Elapsed.Round(time.Hour), s.reuse, s.shadow, s.untold)
	for _, more := range []struct {
		n    int
		what string
	}{
		{r.Logins, "logins"},
		{r.Crashes, "crashes of processes"},
		{r.CutOff, "of them between a write and its response"},
		{r.StoreCrashes, "crashes of the store"},
		{r.KeyRotations, "new keys"},
		{r.ClockSteps, "clocks set"},
		{r.Revocations, "calls that ended sessions"},
		{r.Polls, "readings of the feed"},
		{r.Refused, "access tokens refused for good"},
		{r.Doubted, "in doubt"},
	} {
		if more.n > 0 {
			text += fmt.Sprintf(", %d %s", more.n, more.what)
		}
	}
	return text
}

// quantile returns the value below which a share of the sorted values lies.
func quantile[T cmp.Ordered](sorted []T, share float64) T {
	return sorted[min(len(sorted)-1, int(float64(len(sorted))*share))]
}
