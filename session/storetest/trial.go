package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// operation is one of the Manager's, and what there is to know of it when its store fails it.
type operation struct {
	name   string
	config func(*session.Config) // of the process under test
	feed   bool                  // needs a store with a feed
	alone  bool                  // concerns sessions of whomever, or keys
	age    time.Duration         // how long ago prepare was called when ready is; all trials wait together

	prepare func(c *client)
	ready   func(c *client) // directly before the operation
	act     func(ctx context.Context, c *client) error
	again   func(ctx context.Context, c *client) error // how a client repeats it; default: act
	check   func(c *client)                            // when the operation is done, and everything late has arrived

	// good says which errors the operation may give; default: none but ErrUnavailable.
	good func(error) bool
	// sure operations do not show a fault of their store at all.
	sure bool
	// covered are the methods whose calls fail in another operation's trials already, in the same way.
	covered []string
	// method is whose calls fail, where the operation's are not always in the same order; default: all calls.
	method string
}

// a disturbance is what goes wrong in one trial.
type disturbance struct {
	name   string
	script func(n int) Script
	single bool // one call fails; more than that not even the Manager's own repetitions can hide
	catch  bool // what is late arrives before the repetition, and not after it
	// changes are the ones that matter only to calls that change something.
	changes bool
}

var disturbances = []disturbance{
	{name: "refused", script: at(Refused), single: true},
	{name: "unheard", script: at(Unheard), single: true, changes: true},
	{name: "late", script: at(Late), single: true, changes: true},
	{name: "late, before the repetition", script: at(Late), single: true, catch: true, changes: true},
	{name: "cancelled before", script: at(Cancelled)},
	{name: "cancelled after", script: at(HungUp)},
	{name: "an outage", script: from(Refused)},
	{name: "an outage of answers", script: from(Unheard), changes: true},
	{name: "an outage, late", script: from(Late), changes: true},
}

// reading are the methods that change nothing.
var reading = map[string]bool{
	"Get": true, "List": true, "Data": true, "Ending": true, "Endings": true, "Revocations": true, "Keys": true,
}

func at(fault Fault) func(int) Script   { return func(n int) Script { return At(n, fault) } }
func from(fault Fault) func(int) Script { return func(n int) Script { return From(n, fault) } }

func (s suite) manager(t *testing.T, store session.Store, change func(*session.Config)) *session.Manager {
	t.Helper()
	// Nothing may depend on how fast a machine is; what hangs ends with the suite's own patience.
	cfg := session.Config{StoreTimeout: patience, MaxHandOuts: 1000}
	if change != nil {
		change(&cfg)
	}
	m, err := session.New(s.ctx, store, cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return m
}

// run runs an operation once without a fault, to see which calls it makes, and then fails each of them in every way.
func (op operation) run(t *testing.T, s suite) {
	if op.feed {
		s.revocations(t, s.now(t), 1)
	}
	eager := s.manager(t, s.Store, eagerly)
	begin := func(t *testing.T) *client {
		c := &client{suite: s, t: t, faulty: Faulty(s.Store), eager: eager, user: fmt.Sprint("user ", serial.Add(1))}
		c.process = s.manager(t, c.faulty, op.config)
		if op.prepare != nil {
			op.prepare(c)
		}
		return c
	}
	undisturbed := begin(t)
	s.wait(t, op.age)
	calls := op.try(undisturbed, nil, disturbance{name: "nothing"})
	if t.Failed() {
		return
	}
	if len(calls) == 0 {
		t.Fatal("the operation does not ask the store") // then nothing would be tried below
	}
	type trial struct {
		n int
		d disturbance
		c *client
	}
	var trials []trial
	for n := 1; n <= len(calls); n++ {
		if slices.Contains(op.covered, calls[n-1]) {
			continue
		}
		for _, d := range disturbances {
			if reading[calls[n-1]] && d.changes {
				continue
			}
			one := trial{n: n, d: d}
			if op.age > 0 {
				one.c = begin(t)
			}
			trials = append(trials, one)
		}
	}
	s.wait(t, op.age)
	for _, trial := range trials {
		name := fmt.Sprintf("call %d, %s, %s", trial.n, calls[trial.n-1], trial.d.name)
		t.Run(name, func(t *testing.T) {
			c := trial.c
			if c == nil {
				c = begin(t)
			}
			c.t = t
			script := trial.d.script(trial.n)
			if op.method != "" {
				script = Only(op.method, script)
			}
			op.try(c, script, trial.d)
		})
	}
}

// wait lets a while pass, by the store's clock.
func (s suite) wait(t *testing.T, d time.Duration) {
	t.Helper()
	if d > 0 {
		begin := s.now(t)
		time.Sleep(d)
		s.pass(t, begin.Add(d))
	}
}

// try plays a script during the first attempt, repeats the operation while it is told to, and checks the outcome. It returns the
// calls of the first attempt.
func (op operation) try(c *client, script Script, d disturbance) (calls []string) {
	c.t.Helper()
	if op.ready != nil {
		op.ready(c)
	}
	c.begun = c.now(c.t)
	c.faulty.Play(script)
	err := c.attempt(op.act)
	calls = c.faulty.Calls()
	c.faulty.Play(nil)
	switch {
	case err == nil || op.good != nil && op.good(err):
	case !errors.Is(err, session.ErrUnavailable):
		c.t.Fatalf("a fault gave the caller %v, want the outcome or ErrUnavailable", err)
	case op.sure || script == nil:
		c.t.Fatalf("got %v, want the outcome", err)
	}
	c.exact = err == nil && (d.single || script == nil)
	if c.late = d.name != "nothing"; d.catch {
		c.faulty.CatchUp()
	}
	again := op.act
	if op.again != nil {
		again = op.again
	}
	if errors.Is(err, session.ErrUnavailable) {
		err = c.attempt(again)
	}
	if err != nil && (op.good == nil || !op.good(err)) {
		c.t.Fatalf("the repetition, which nothing hindered, gave %v, want the outcome", err)
	}
	c.late = c.faulty.CatchUp() > 0
	op.check(c)
	return calls
}
