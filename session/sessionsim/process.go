package sessionsim

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// process is one server process: a Manager that comes up anew, with an empty memory, after a crash.
type process struct {
	sim     *simulation
	name    int
	skew    time.Duration // of its clock against the store's
	manager *session.Manager
	tasks   map[*task]struct{}
	busy    map[string]bool // refresh tokens with which a refresh is under way
}

// start makes the process's Manager. Its store calls are not suspended: it runs within one event.
func (p *process) start() error {
	s := p.sim
	m, err := session.New(context.Background(), s.store, session.Config{
		AccessLifetime:   s.AccessLifetime,
		IdleLifetime:     s.IdleLifetime,
		AbsoluteLifetime: s.AbsoluteLifetime,
		Grace:            s.Grace,
		StoreTimeout:     24 * time.Hour,        // the one wall clock in a Manager; a run is over long before
		Revocation:       session.RevocationOff, // what the simulator is about needs no feed
		OnTheft:          func(_ context.Context, e *session.TheftError) { s.theft(e.Kind) },
		Clock:            func() time.Time { return s.clock().Add(p.skew) },
		Random:           s.random,
		Sleep:            s.sleep,
	})
	if err == nil {
		p.manager, p.tasks, p.busy = m, map[*task]struct{}{}, map[string]bool{}
	}
	return err
}

// crash ends the process: what it was doing gets no further and is never answered.
func (p *process) crash() {
	p.sim.tracef("process %d crashes", p.name)
	p.stop()
	p.sim.failed(p.start())
}

// stop ends the process's tasks: in no order, but a dying task does nothing that could be seen.
func (p *process) stop() {
	for t := range p.tasks {
		t.dead = true
		p.sim.running = t
		t.stop()
		p.sim.running = nil
	}
}

// forRefresh returns p, or another process if a refresh with the token is under way in p: there the Manager would have this
// one wait for that one, and so would have the simulation. That two run in one process at once is the milder case.
func (p *process) forRefresh(token string) (*process, error) {
	s := p.sim
	if !p.busy[token] {
		return p, nil
	}
	for _, other := range s.processes {
		if !other.busy[token] {
			return other, nil
		}
	}
	p = &process{sim: s, name: len(s.processes), skew: p.skew}
	s.processes = append(s.processes, p)
	return p, p.start()
}

// errCrashed is what a dying task's store calls return. It matches none of the session package's errors, so that the
// Manager gives up at once.
var errCrashed = errors.New("the process has crashed")

// task is an operation of a Manager that is suspended before each of its store calls.
type task struct {
	process *process
	due     time.Duration // by when it has to have been answered
	dead    bool
	asleep  time.Duration // how long it sleeps before it goes on
	yield   func(struct{}) bool
	resume  func() (struct{}, bool)
	stop    func()
}

// run starts op in process p as a task. done is called when it has finished, unless the process crashed before.
func (s *simulation) run(p *process, due time.Duration, op, done func()) {
	s.proceed(p.begin(due, op), done)
}

// begin makes a task, which does not run yet.
func (p *process) begin(due time.Duration, op func()) *task {
	t := &task{process: p, due: due}
	p.tasks[t] = struct{}{}
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
	if t.dead {
		return
	}
	more := s.step(t)
	switch {
	case s.chance(s.Crash):
		// Before a store call, or after the last one and before the answer.
		t.process.crash()
	case more:
		asleep := t.asleep
		t.asleep = 0
		t.due += asleep
		s.after(asleep+s.share(t.due, 0.4), func() { s.proceed(t, done) })
	default:
		delete(t.process.tasks, t)
		done()
	}
}

// sleep suspends the running task for a while.
func (s *simulation) sleep(_ context.Context, d time.Duration) error {
	s.running.asleep = d
	if !s.pause() {
		return errCrashed
	}
	return nil
}

// pause suspends the running task, if there is one, and reports false when its process has crashed meanwhile.
func (s *simulation) pause() bool {
	t := s.running
	if t == nil {
		return true
	}
	return t.yield(struct{}{}) && !t.dead
}
