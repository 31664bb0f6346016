package sessionsim

import (
	"context"
	"errors"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// process is one server process: a Manager that comes up anew, with an empty memory, after a crash.
type process struct {
	sim     *simulation
	name    int
	clock   clock
	store   *store
	manager *session.Manager
	up      bool
	life    int // how often it has come up
	tasks   []*task
	jobs    *jobs
	busy    map[string]bool // refresh tokens with which a refresh is under way

	stoppedUntil time.Duration // all of it stands still until then
	doomed       bool          // it crashes before it answers the request that it has just served
	revoking     bool          // a call that ends sessions is under way
	knowledge
}

// config is the process's configuration.
func (p *process) config() session.Config {
	s := p.sim
	cfg := session.Config{
		AccessLifetime:   s.AccessLifetime,
		IdleLifetime:     s.IdleLifetime,
		AbsoluteLifetime: s.AbsoluteLifetime,
		Grace:            s.Grace,
		StoreTimeout:     24 * time.Hour, // the one wall clock in a Manager; a run is over long before
		CleanupShare:     1,              // a job that sleeps has done its work
		Revocation:       session.RevocationOff,
		OnTheft:          func(_ context.Context, e *session.TheftError) { s.theft(e.Kind) },
		Clock:            p.now,
		Random:           s.random,
		Sleep:            p.sleep,
		RunSleep:         p.sleep,
	}
	if s.Feed {
		cfg.Revocation, cfg.OnFeedPoll, cfg.StaleFeed = session.RevocationFeed, p.polled, s.StaleFeed
	}
	if s.KeyRotation > 0 {
		cfg.KeyPollInterval, cfg.KeyPropagation = s.KeyRotation/4, s.KeyRotation/2
		cfg.AccessKeyRotation, cfg.RefreshKeyRotation = s.KeyRotation, s.KeyRotation
	}
	if s.Configure != nil {
		s.Configure(&cfg)
	}
	return cfg
}

// make makes the process's Manager.
func (p *process) make() error {
	m, err := session.New(context.Background(), p.store, p.config())
	if err == nil {
		p.manager = m
	}
	return err
}

// boot brings the process up after a while: at once, and within one event, if there is none.
func (p *process) boot(after time.Duration) {
	s := p.sim
	p.tasks, p.busy, p.jobs = nil, map[string]bool{}, nil
	p.doomed, p.revoking, p.knowledge = false, false, knowledge{}
	if after == 0 {
		p.booted(p.make())
		return
	}
	life := p.life
	s.after(after, func() {
		if p.life != life || p.up {
			return
		}
		var err error
		s.run(p, s.now+s.Latency, func() { err = p.make() }, func() { p.booted(err) })
	})
}

// booted begins the process's life, or has it try again.
func (p *process) booted(err error) {
	s := p.sim
	if errors.Is(err, session.ErrUnavailable) {
		p.boot(s.between(time.Second/10, time.Second))
		return
	}
	s.failed(err)
	p.up = err == nil
	p.life++
	if p.up {
		p.troubled(s.now)
		p.startJobs()
	}
}

// crash ends a process, and perhaps all of them: what they were doing gets no further and is never answered.
func (s *simulation) crash(p *process) {
	all := s.chance(s.CrashAll)
	if s.chance(s.CrashNext) {
		s.cursed++ // and the one that the client tries next
	}
	for _, other := range s.processes {
		if other == p || all {
			other.crash()
		}
	}
}

func (p *process) crash() {
	s := p.sim
	s.tracef("process %d crashes", p.name)
	s.report.Crashes++
	p.stop()
	p.up = false
	p.life++
	p.boot(s.between(0, s.Restart))
}

// stop ends the process's tasks. A dying task does nothing that could be seen.
func (p *process) stop() {
	for _, t := range p.tasks {
		t.dead = true
	}
	for _, t := range p.tasks {
		p.sim.running = t
		t.stop()
		p.sim.running = nil
	}
	p.jobs.end()
	p.tasks, p.jobs = nil, nil
}

// forRefresh returns p, or another process if a refresh with the token is under way in p: there the Manager would have this
// one wait for that one, and so would have the simulation. That two run in one process at once is the milder case.
func (p *process) forRefresh(token string) *process {
	s := p.sim
	if !p.busy[token] {
		return p
	}
	for _, other := range s.processes {
		if other.up && !other.busy[token] {
			return other
		}
	}
	p = s.newProcess(p.clock)
	p.boot(0)
	return p
}

func (s *simulation) newProcess(c clock) *process {
	p := &process{sim: s, name: len(s.processes), clock: c}
	p.store = &store{Store: s.store, sim: s, process: p}
	s.processes = append(s.processes, p)
	return p
}

// stall has a process stand still now and then, as for a collection of garbage or under a virtual machine that is paused.
func (s *simulation) stall() {
	p := s.processes[s.rng.IntN(len(s.processes))]
	until := s.now + s.between(s.StallLength/10, s.StallLength)
	s.tracef("process %d stands still until %v", p.name, until)
	p.stoppedUntil = until
	p.troubled(until + s.Latency)
	s.mishap(s.StallEvery, s.stall)
}

// fall crashes a process at any time.
func (s *simulation) fall() {
	s.crash(s.processes[s.rng.IntN(len(s.processes))])
	s.mishap(s.CrashEvery, s.fall)
}

// mishap schedules what goes wrong now and then; zero: never.
func (s *simulation) mishap(every time.Duration, do func()) {
	if every > 0 {
		s.after(s.between(every/2, every*3/2), func() {
			if !s.calm {
				do()
			}
		})
	}
}
