package sessionsim

import (
	"cmp"
	"context"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// turnWait is how long a job waits until it asks again whether it may go on.
const turnWait = 50 * time.Millisecond

// job is one of the goroutines of a Manager's Run. It is a task whose turns are taken by channels: while it runs, the
// simulation waits, and the other way round.
type job struct {
	task
	name  string // the store call with which it begins
	first time.Duration
	wake  chan bool // true: go on; false: the process has crashed
	rests chan bool // it is suspended; false: it has ended
}

// jobs is a running Run.
type jobs struct {
	process *process
	begun   chan *job // those that sleep for the first time
	all     []*job
	cancel  context.CancelFunc
	ended   chan struct{}
}

// startJobs starts the Manager's Run, whose jobs come round in virtual time.
func (p *process) startJobs() {
	s := p.sim
	if !s.Maintained {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &jobs{process: p, begun: make(chan *job), cancel: cancel, ended: make(chan struct{})}
	p.jobs = r
	go func() {
		defer close(r.ended)
		p.manager.Run(ctx)
	}()
	names := []string{"keys", "purge"}
	if s.Feed {
		names = append(names, "revocations")
	}
	byName := map[string]*job{}
	for range names {
		r.all = append(r.all, <-r.begun) // all of them, before one of them goes on
	}
	for _, j := range r.all {
		if j.call = "purge"; j.first == 0 {
			s.step(&j.task) // to its first store call, which tells what it is
		}
		j.name = cmp.Or(j.call, "keys") // which asks no store if they are a KeySource's
		p.reading = p.reading || j.name == "revocations"
		byName[j.name] = j
	}
	for _, name := range names {
		j := byName[name]
		p.tasks = append(p.tasks, &j.task)
		s.after(j.first+s.between(0, s.StoreLatency), func() { s.proceed(&j.task, func() {}) })
	}
}

// sleep is the Manager's Config.Sleep and RunSleep.
func (p *process) sleep(ctx context.Context, d time.Duration) error {
	s := p.sim
	switch t := s.running; {
	case t == nil:
		return p.jobs.begin(d)
	case t.job == nil:
		return s.sleep(ctx, d)
	case t.dead:
		t.job.rests <- false
		return errCrashed
	default:
		// Manager.Run spreads the interval; here chance has to come from the seed.
		interval := p.interval(t.job.name)
		if d > interval {
			s.violated("I4", "%s come round after %v, later than their interval %v", t.job.name, d, interval)
		}
		t.job.rest()
		if err := s.sleep(ctx, s.between(interval*8/10, interval)); err != nil {
			t.job.rests <- false
			return err
		}
		return nil
	}
}

// interval is how often a job comes round at least.
func (p *process) interval(name string) time.Duration {
	cfg := p.config()
	switch name {
	case "keys":
		return cmp.Or(cfg.KeyPollInterval, session.DefaultKeyPollInterval)
	case "revocations":
		return p.sim.feedInterval()
	default:
		return session.DefaultCleanupInterval
	}
}

// begin makes a job of a goroutine that has just begun, and waits until it is woken.
func (r *jobs) begin(first time.Duration) error {
	j := &job{first: first, wake: make(chan bool), rests: make(chan bool, 1)}
	j.task = task{process: r.process, job: j}
	j.yield = func(struct{}) bool {
		j.rests <- true
		return <-j.wake
	}
	j.resume = func() (struct{}, bool) {
		j.wake <- true
		return struct{}{}, <-j.rests
	}
	j.stop = func() {
		j.wake <- false
		<-j.rests
	}
	r.begun <- j
	if !<-j.wake {
		j.rests <- false
		return errCrashed
	}
	return nil
}

// rest notes that a job has done its work for this time.
func (j *job) rest() {
	if j.name == "revocations" {
		j.process.reading = false
	}
}

// mayGoOn reports whether a job need not wait for an operation: a process reads the feed once at a time.
func (j *job) mayGoOn() bool {
	p := j.process
	if j.name != "revocations" {
		return true
	}
	if p.revoking && !p.reading {
		p.troubled(p.sim.now + 2*turnWait)
		return false
	}
	p.reading = true
	return true
}

// end ends Run after its jobs have died.
func (r *jobs) end() {
	if r != nil {
		r.cancel()
		<-r.ended
	}
}
