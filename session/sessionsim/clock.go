package sessionsim

import "time"

// clock is a clock that is wrong.
type clock struct {
	offset time.Duration // by which it is ahead of virtual time
	drift  float64       // by how much it gains in each unit of time since it was set
	set    time.Duration // when
}

// at is what it shows at a moment of virtual time.
func (c clock) at(now time.Duration) time.Time {
	return epoch.Add(now + c.offset + time.Duration(c.drift*float64(now-c.set)))
}

// maxDrift is that of a cheap quartz while nobody disciplines it, several times over.
const maxDrift = 0.0005

// newClock draws a process's clock.
func (s *simulation) newClock() clock {
	c := clock{offset: s.between(-s.ClockSkew, s.ClockSkew)}
	if s.Drift {
		c.drift = (2*s.rng.Float64() - 1) * maxDrift
	}
	return c
}

// now is the process's time.
func (p *process) now() time.Time { return p.clock.at(p.sim.now) }

// clock is the store's: that of the beginning of the statement, while one is carried out that began earlier.
func (s *simulation) clock() time.Time {
	if !s.statement.IsZero() {
		return s.statement
	}
	return s.storeClock.at(s.now)
}

// setClock has time synchronisation set the clock of a process, to anything within the bound.
func (s *simulation) setClock() {
	p := s.processes[s.rng.IntN(len(s.processes))]
	p.clock = s.newClock()
	p.clock.set = s.now
	s.report.ClockSteps++
	s.tracef("the clock of process %d is set to %v off", p.name, p.clock.offset)
	s.mishap(s.ClockSetEvery, s.setClock)
}

// setStoreClock sets the store's, a little forward or back.
func (s *simulation) setStoreClock() {
	s.storeClock.offset = s.between(-s.StoreClockStep/2, s.StoreClockStep/2)
	s.report.ClockSteps++
	s.tracef("the store's clock is set to %v off", s.storeClock.offset)
	s.mishap(s.StoreClockEvery, s.setStoreClock)
}
