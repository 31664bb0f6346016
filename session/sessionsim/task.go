package sessionsim

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// errCrashed is what a dying task's store calls return. It matches none of the session package's errors, so that the
// Manager gives up at once.
var errCrashed = errors.New("the process has crashed")

// task is what a Manager does on one thread: an operation, or a job of its Run. It is suspended before each of its store
// calls, and while it sleeps.
type task struct {
	process *process
	due     time.Duration // by when it has to have been answered
	bound   time.Duration // when its context ends; zero: each of its store calls has one of its own
	asleep  time.Duration // how long it sleeps before it goes on
	job     *job          // nil: it is an operation

	dead   bool // its process has crashed
	doomed bool // its process crashes when it is next suspended

	call   string      // the store call that it is about to make
	flight func() bool // what that call does, if it changes anything
	cut    bool        // the store has crashed during the call

	yield  func(struct{}) bool
	resume func() (struct{}, bool)
	stop   func()
}

// runBounded is run for an operation all of whose store calls share one context.
func (s *simulation) runBounded(p *process, due time.Duration, op, done func()) {
	t := p.begin(due, op)
	t.bound = s.now + session.DefaultStoreTimeout
	s.proceed(t, done)
}

// run starts op in process p. done is called when it has finished, unless the process crashed before.
func (s *simulation) run(p *process, due time.Duration, op, done func()) {
	s.proceed(p.begin(due, op), done)
}

// begin makes a task, which does not run yet.
func (p *process) begin(due time.Duration, op func()) *task {
	t := &task{process: p, due: due}
	p.tasks = append(p.tasks, t)
	t.resume, t.stop = iter.Pull(func(yield func(struct{}) bool) {
		t.yield = yield
		op()
	})
	return t
}

// step lets a task run until it is about to call the store, and reports false when it has finished instead.
func (s *simulation) step(t *task) bool {
	s.running = t
	_, more := t.resume()
	s.running = nil
	return more
}

// proceed lets a task run to its next store call.
func (s *simulation) proceed(t *task, done func()) {
	p := t.process
	switch {
	case t.dead:
		return
	case s.now < p.stoppedUntil:
		s.after(p.stoppedUntil-s.now, func() { s.proceed(t, done) })
		return
	case t.job != nil && !t.job.mayGoOn():
		s.after(turnWait, func() { s.proceed(t, done) })
		return
	}
	more := s.step(t)
	switch {
	case t.doomed || t.job == nil && s.chance(s.Crash):
		// Before a store call, or after the last one and before the answer.
		s.crash(p)
	case more:
		asleep := t.asleep
		t.asleep = 0
		t.due += asleep
		s.after(asleep+s.delay(t), func() { s.proceed(t, done) })
	default:
		p.tasks = slices.DeleteFunc(p.tasks, func(other *task) bool { return other == t })
		done()
	}
}

// delay is how long a store call takes to arrive.
func (s *simulation) delay(t *task) time.Duration {
	if t.job != nil {
		return s.between(0, s.StoreLatency)
	}
	return s.share(t.due, 0.4)
}

// sleep suspends the running task for a while.
func (s *simulation) sleep(_ context.Context, d time.Duration) error {
	s.running.asleep = d
	if !s.pause("") {
		return errCrashed
	}
	return nil
}

// pause suspends the running task, if there is one, before a store call. It reports false when its process has crashed.
func (s *simulation) pause(call string) bool {
	t := s.running
	if t == nil {
		return true
	}
	if t.dead {
		return false
	}
	t.call = call
	return t.yield(struct{}{}) && !t.dead
}
