// Package cleanup measures what requests feel of a cleanup that has millions of expired sessions to remove, while several
// processes run it.
package cleanup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/watchword-dev/watchword/integration/bench/env"
	"github.com/watchword-dev/watchword/integration/bench/report"
	"github.com/watchword-dev/watchword/session"
)

// Part is the part.
func Part() env.Part {
	return env.Part{
		Name: "cleanup", About: "refreshes while millions of expired sessions are removed", Run: run,
		Modules: []string{"github.com/go-sql-driver/mysql"},
	}
}

const (
	processes = 5
	jars      = 2000 // sessions that are refreshed by turns
)

// plan is how much of everything there is.
type plan struct {
	rate    int           // refreshes a second, of all processes together
	apart   time.Duration // how long they are measured without a cleanup, before and after
	live    int           // sessions that stay
	expired int           // that are to go
	tried   int           // the same for each of the ways that are compared first
	slice   time.Duration // of the plots
}

var (
	full  = plan{rate: 150, apart: 60 * time.Second, live: 200_000, expired: 2_000_000, tried: 200_000, slice: 5 * time.Second}
	short = plan{rate: 100, apart: 2 * time.Second, live: 2_000, expired: 5_000, tried: 1_000, slice: time.Second}
)

// way is a way of cleaning up.
type way struct {
	name    string
	share   float64
	elected bool
}

var (
	product = way{"one elected process, which rests three quarters of its time (the default)", session.DefaultCleanupShare, true}
	others  = []way{
		product,
		{"one elected process, without rests", 1, true},
		{"all processes, each with the default rests", session.DefaultCleanupShare, false},
		{"all processes, without rests", 1, false},
	}
)

func run(ctx context.Context, e *env.Env) (report.Section, error) {
	p := full
	if e.Short {
		p = short
	}
	dsn, err := e.Schema(ctx)
	if err != nil {
		return report.Section{}, err
	}
	s, err := openSite(ctx, dsn, p)
	if err != nil {
		return report.Section{}, err
	}
	defer s.close()
	e.Progress("adding %d live sessions", p.live)
	if err := s.fill(ctx, p.live, live); err != nil {
		return report.Section{}, err
	}
	var tried []outcome
	for _, w := range others {
		o, err := s.measure(ctx, e, p.tried, p.apart/4, w)
		if err != nil {
			return report.Section{}, fmt.Errorf("%s: %w", w.name, err)
		}
		tried = append(tried, o)
	}
	o, err := s.measure(ctx, e, p.expired, p.apart, product)
	if err != nil {
		return report.Section{}, err
	}
	return page(p, o, tried), nil
}

// outcome is what one way of cleaning up came to.
type outcome struct {
	way                   way
	before, during, after []refresh
	took                  time.Duration
	cleaning              summary
	deadlocks             int // that the server saw; -1: it does not say
	begun                 time.Time
}

// measure adds expired sessions, and has all processes clean up until they are gone.
func (s *site) measure(ctx context.Context, e *env.Env, expired int, apart time.Duration, w way) (o outcome, err error) {
	o.way = w
	e.Progress("adding %d expired sessions", expired)
	if err := s.fill(ctx, expired, dead); err != nil {
		return o, err
	}
	if err := s.settle(ctx); err != nil {
		return o, err
	}
	e.Progress("refreshing without a cleanup")
	o.begun = time.Now()
	if o.before, err = s.refreshFor(ctx, apart); err != nil {
		return o, err
	}
	deadlocks := s.deadlocks(ctx)
	e.Progress("refreshing with a cleanup: %s", w.name)
	begun := time.Now()
	cleaners, err := s.startCleaners(ctx, w)
	if err != nil {
		return o, err
	}
	during, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel()
		cleaners.wait(during, expired, e.Progress)
	}()
	o.during, err = s.refreshUntil(ctx, during)
	o.took = time.Since(begun)
	cleaning, cleaningErr := cleaners.stop()
	o.cleaning = cleaning
	if err = errors.Join(err, cleaningErr, ctx.Err()); err != nil {
		return o, err
	}
	if o.deadlocks = s.deadlocks(ctx); o.deadlocks >= 0 {
		o.deadlocks -= deadlocks
	}
	if err := s.settle(ctx); err != nil {
		return o, err
	}
	e.Progress("refreshing after the cleanup, which took %v", o.took.Round(time.Second))
	o.after, err = s.refreshFor(ctx, apart)
	if err != nil {
		return o, err
	}
	return o, s.check(ctx)
}
