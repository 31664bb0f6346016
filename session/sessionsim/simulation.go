package sessionsim

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// Report is what happened in a run.
type Report struct {
	Steps     int
	Calls     int // API requests that were sent
	Refreshes int // refresh requests that were sent
	StepUps   int // requests that were sent with a new proof of who the user is
	Minted    int
	HandOuts  int // of a successor that had been handed out before
	Rotations int
	Elapsed   time.Duration // virtual
	Expired   bool          // the session came to its idle or absolute end

	Theft      session.TheftKind // of the alarm, if there was one
	TheftAfter time.Duration     // since the token was stolen; without a thief, since the login

	// Untold: the session was ended because of a theft, but the store's answers were lost, and so nobody was told.
	Untold bool

	// Violations name the invariants that did not hold, and how. An alarm by the limit of hand-outs (TheftShadow) is not
	// among them: it strikes, on purpose, a client that asks for so many successors and uses none.
	Violations []Violation
	Trace      []string
}

// Violation is an invariant that did not hold.
type Violation struct {
	Invariant string // I1, I2, …
	Text      string
}

// simulation is one run.
type simulation struct {
	Scenario
	scheduler
	rng       *rand.Rand    // of clients, network and faults
	random    *rand.ChaCha8 // of the Managers
	store     *store        // what the Managers see
	processes []*process
	running   *task // that is not suspended
	lineage   lineage
	owner     *client
	thief     *client
	handle    session.Handle
	report    Report
	err       error

	stepsLeft  int
	over       bool
	burstEnd   time.Duration
	stolenAt   time.Duration
	revoking   bool // Revoke has begun
	deleted    bool // the row is gone
	revoked    bool // Revoke has returned
	createdAt  time.Duration
	lastChange time.Duration // of the row
}

// Run runs the scenario to its end. The same scenario gives the same report each time. An error means that the scenario
// itself is wrong; violations of the protocol are in the report.
func (sc Scenario) Run() (Report, error) {
	s, err := sc.begin()
	if err != nil {
		return Report{}, err
	}
	s.play()
	for _, p := range s.processes {
		p.stop()
	}
	s.report.Elapsed = s.now
	return s.report, s.err
}

// begin starts the processes and logs the client in.
func (sc Scenario) begin() (*simulation, error) {
	var key [32]byte
	binary.BigEndian.PutUint64(key[:], sc.Seed)
	s := &simulation{
		Scenario:  sc,
		rng:       rand.New(rand.NewPCG(sc.Seed, 3)),
		random:    rand.NewChaCha8(key),
		lineage:   newLineage(),
		stepsLeft: sc.Steps,
	}
	s.store = &store{Store: memstore.New(s.clock), sim: s}
	for i := range sc.Processes {
		p := &process{sim: s, name: i, skew: s.between(-sc.ClockSkew, sc.ClockSkew)}
		s.processes = append(s.processes, p)
		if err := p.start(); err != nil {
			return nil, err
		}
	}
	return s, s.login()
}

// login creates the session. Its response always arrives: a client without one has nothing that could be lost.
func (s *simulation) login() error {
	sess, tokens, err := s.processes[0].manager.Create(context.Background(), "user", session.CreateOptions{})
	if err != nil {
		return err
	}
	s.handle, s.createdAt, s.lastChange = sess.Handle(), s.now, s.now
	row, _, err := s.store.Store.Get(context.Background(), s.handle)
	if err != nil {
		return err
	}
	s.lineage.minted(session.Mark{}, row.Current)
	s.lineage.current = row.Current
	s.owner = &client{sim: s, name: "owner", link: link{requestLoss: s.RequestLoss, responseLoss: s.ResponseLoss, bursts: true}}
	s.owner.receive(response{access: tokens.AccessToken, expires: tokens.AccessExpires.Sub(epoch), refresh: tokens.RefreshToken})
	return nil
}

func (s *simulation) play() {
	s.owner.live()
	if s.BurstEvery > 0 {
		s.after(s.between(0, s.BurstEvery), s.burst)
	}
	if s.Thief != NoThief {
		s.after(s.TheftAt, s.steal)
	}
	var doneAt time.Duration
	for !s.over && s.err == nil && s.next() {
		if s.Revoke && s.stepsLeft <= s.Steps/2 {
			s.Revoke = false
			s.revoke()
		}
		switch {
		case s.thief != nil && s.now-s.stolenAt > s.Horizon:
			s.violated("I2", "no theft was found within %v, although thief and owner went on", s.Horizon)
		case s.stepsLeft > 0:
			doneAt = s.now
		case s.now-doneAt > 12*max(s.Latency, s.RetryMax):
			s.probe()
			return
		}
	}
}

// probe asks, when the client has come to rest, whether its jar still holds a good token.
func (s *simulation) probe() {
	s.owner.link = link{}
	s.Faults, s.Crash = 0, 0
	s.tracef("the last refresh")
	asked := false
	s.owner.sendRefresh(func(r response) {
		asked = true
		s.owner.receive(r)
	})
	for going := true; going && !asked && !s.over && s.err == nil; {
		going = s.next()
	}
	s.over = true
}

// revoke ends the session while requests are in flight.
func (s *simulation) revoke() {
	p := s.processes[s.rng.IntN(len(s.processes))]
	var err error
	s.tracef("the session is revoked")
	s.revoking = true
	s.run(p, s.now+s.Latency, func() {
		_, err = p.manager.Revoke(context.Background(), s.handle, session.RevokeOptions{})
	}, func() {
		if err == nil {
			s.tracef("revoke has returned")
			s.revoked = true
			s.stepsLeft = min(s.stepsLeft, 50)
		}
	})
}

// observe looks at the row after a change.
func (s *simulation) observe(what string, good func(session.Row) bool) {
	row, _, err := s.store.Store.Get(context.Background(), s.handle)
	if err != nil {
		return // it was deleted
	}
	s.lastChange = s.now
	if !good(row) {
		s.violated("I3", "%s was acknowledged, but the row is not what it leaves", what)
	}
	rotated, wrong := s.lineage.follow(row)
	if rotated {
		s.report.Rotations++
	}
	if wrong != "" {
		s.violated("I3", "%s", wrong)
	}
}

// theft is told of an alarm by the Manager.
func (s *simulation) theft(kind session.TheftKind) {
	s.tracef("theft alarm (%s)", kind)
	s.report.Theft, s.report.TheftAfter = kind, s.now-s.stolenAt
	if s.thief == nil && kind != session.TheftShadow {
		s.violated("I1", "the owner was taken for a thief")
	}
	s.over = true
}

// loggedOut judges a response that tells a client to log in again.
func (s *simulation) loggedOut(c *client) {
	switch {
	case s.over || s.revoking:
		return
	case s.deleted:
		s.report.Untold, s.report.TheftAfter = true, s.now-s.stolenAt
		s.over = true
		return
	}
	end := min(s.lastChange+s.IdleLifetime, s.createdAt+s.AbsoluteLifetime)
	if s.now >= end {
		s.report.Expired = true
		s.over = true
		return
	}
	s.violated("I1", "the %s was logged out %v before the session's end", c.name, end-s.now)
}

// refreshed looks at the outcome of a refresh, before it is sent.
func (s *simulation) refreshed(err error) {
	switch {
	case err == nil && s.revoked:
		s.violated("I4", "a refresh succeeded after the session had been revoked")
	case errors.Is(err, session.ErrTryRefresh) && s.StepUp == 0: // else it may have crossed with a proof, whose token is independent
		s.violated("I5", "a refresh was answered with %v, although no key was changed", err)
	}
}

func (s *simulation) violated(invariant, format string, args ...any) {
	s.report.Violations = append(s.report.Violations, Violation{invariant, fmt.Sprintf(format, args...)})
	s.tracef("VIOLATION of %s: %s", invariant, fmt.Sprintf(format, args...))
	s.over = true
}

// failed ends the run because of an error that is none of the protocol's.
func (s *simulation) failed(err error) {
	if err != nil {
		s.err = errors.Join(s.err, err)
	}
}

func (s *simulation) tracef(format string, args ...any) {
	if s.Trace {
		s.report.Trace = append(s.report.Trace, fmt.Sprintf("%12.6f  ", s.now.Seconds())+fmt.Sprintf(format, args...))
	}
}
