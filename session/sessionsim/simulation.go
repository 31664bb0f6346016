package sessionsim

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// simulation is one run.
type simulation struct {
	Scenario
	scheduler
	rng        *rand.Rand    // of clients, network and faults
	random     *rand.ChaCha8 // of the Managers
	store      session.Store // without faults
	storeClock clock
	statement  time.Time // the store's clock for the statement that is carried out; zero: what it is now
	storeDown  bool
	processes  []*process
	running    *task // that is not suspended
	sessions   map[session.Handle]*tracked
	known      []*tracked // the same, in the order of their beginnings
	coarse     []published
	names      map[session.Mark]string
	clients    []*client
	owner      *client // the first one
	thief      *client
	report     Report
	err        error

	stepsLeft int
	over      bool
	calm      bool // nothing goes wrong any more
	cursed    int  // so many requests that arrive find a process which crashes
	burstEnd  time.Duration
	stolenAt  time.Duration
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
		sessions:  map[session.Handle]*tracked{},
		names:     map[session.Mark]string{},
		stepsLeft: sc.Steps,
	}
	s.store = memstore.New(s.clock)
	if sc.Store != nil {
		s.store = sc.Store(s.clock)
	}
	if !sc.Returns {
		s.Faults = 0 // within the one event in which everything begins
	}
	for range sc.Processes {
		s.newProcess(s.newClock()).boot(s.between(0, sc.StartSpread))
	}
	for i := range max(1, sc.Clients) {
		c := &client{sim: s, name: "owner", user: "user", link: link{requestLoss: s.RequestLoss, responseLoss: s.ResponseLoss, bursts: true}}
		if i > 0 {
			c.name = fmt.Sprintf("client %d", i)
		}
		if i >= 2 {
			c.user = "other user"
		}
		s.clients = append(s.clients, c)
	}
	s.owner = s.clients[0]
	if s.err == nil && !sc.Returns {
		s.login()
	}
	s.Faults = sc.Faults
	return s, s.err
}

// login creates the session of a client that never returns. Its response always arrives: a client without one has nothing
// that could be lost.
func (s *simulation) login() {
	sess, tokens, err := s.processes[0].manager.Create(context.Background(), s.owner.user, session.CreateOptions{})
	if err != nil {
		s.failed(err)
		return
	}
	s.owner.receive(granted(tokens, s.sessions[sess.Handle()], s.clock()))
}

func (s *simulation) play() {
	for _, c := range s.clients {
		c.live()
	}
	if s.BurstEvery > 0 {
		s.after(s.between(0, s.BurstEvery), s.burst)
	}
	if s.Thief != NoThief {
		s.after(s.TheftAt, s.steal)
	}
	s.mishap(s.CrashEvery, s.fall)
	s.mishap(s.StallEvery, s.stall)
	s.mishap(s.StoreCrashEvery, s.crashStore)
	s.mishap(s.ClockSetEvery, s.setClock)
	s.mishap(s.StoreClockEvery, s.setStoreClock)
	s.mishap(s.RevokeEvery, s.revokeNowAndThen)
	var doneAt time.Duration
	for !s.over && s.err == nil && s.advance() {
		if s.Revoke && s.stepsLeft <= s.Steps/2 && !s.owner.jar.session.revoking {
			s.revoke(&revocation{kind: endOne, handle: s.owner.jar.session.handle, reason: session.ReasonRevoked})
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

// maxEvents is far more than any run has.
const maxEvents = 1 << 21

// advance runs the next event and reports whether there was one.
func (s *simulation) advance() bool {
	if s.count > maxEvents {
		s.failed(errEndless)
	}
	return s.next()
}

var errEndless = errors.New("the run does not come to an end")

// recovery is how long it takes at most until all processes are up when nothing goes wrong any more.
const recovery = 30 * time.Second

// probe asks, when the clients have come to rest and nothing goes wrong any more, whether the jars still hold good tokens.
func (s *simulation) probe() {
	s.calm, s.storeDown, s.cursed = true, false, 0
	s.Faults, s.Crash, s.CrashAfterWrite = 0, 0, 0
	if s.StartSpread+s.Restart+s.StallLength > 0 {
		until := s.now + recovery + s.StallLength
		for going := true; going && s.now < until && !s.over && s.err == nil; {
			going = s.advance()
		}
	}
	for _, c := range s.clients {
		if c.jar.refresh != "" {
			s.probeClient(c)
		}
	}
	s.over = true
}

func (s *simulation) probeClient(c *client) {
	c.link = link{}
	s.tracef("%s: the last refresh", c.name)
	asked := false
	c.sendRefresh(func(r response) {
		asked = true
		c.receive(r)
		if r.answer == answerUnavailable {
			s.violated("I9", "there is no service when all is well again")
		}
	})
	for going := true; going && !asked && !s.over && s.err == nil; {
		going = s.advance()
	}
}

// sessionOf returns the session of a refresh token, which names its handle (docs/how-it-works.md).
func (s *simulation) sessionOf(refreshToken string) *tracked {
	const handleAt = 1 + 12 // after version and key id
	raw, _ := base64.RawURLEncoding.DecodeString(refreshToken)
	var h session.Handle
	if len(raw) >= handleAt+len(h) {
		copy(h[:], raw[handleAt:])
	}
	return s.sessions[h]
}

// label is the trace's name for a refresh token.
func (s *simulation) label(refreshToken string) string {
	if !s.Trace {
		return ""
	}
	return s.name(sha256.Sum256([]byte(refreshToken)))
}
