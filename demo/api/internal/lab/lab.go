package lab

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// Config is what a Lab is made of.
type Config struct {
	Recorder *Recorder
	Outage   *Outage
	Manager  *session.Manager
	Wire     wire.Config // as the server's

	Grace time.Duration // zero in the strict mode

	// Pace is how long a thief who shadows waits between two refreshes, Heartbeat how often a stream says that it is still there, and Linger
	// how long it stays open when its session has ended, so that what this brings about is still told. Defaults 2 s, 15 s and 2 s.
	Pace, Heartbeat, Linger time.Duration
}

// Lab plays the thief, the network and the outage, and shows what comes of it. Make one with New, and Close it before its server shuts down.
type Lab struct {
	cfg      Config
	contract *wire.Contract

	streams atomic.Int64
	closing context.Context // done when the lab is closed
	shut    context.CancelFunc
	jobs    sync.WaitGroup

	mu      sync.Mutex // guards what follows, and the thieves
	thieves []*thief   // the oldest first
}

// New makes a Lab. The error matches session.ErrInvalidConfig.
func New(cfg Config) (*Lab, error) {
	contract, err := wire.New(cfg.Wire)
	if err != nil {
		return nil, err
	}
	orDefault(&cfg.Pace, 2*time.Second)
	orDefault(&cfg.Heartbeat, 15*time.Second)
	orDefault(&cfg.Linger, 2*time.Second)
	l := &Lab{cfg: cfg, contract: contract}
	l.closing, l.shut = context.WithCancel(context.Background())
	cfg.Outage.onChange(l.wakeAll)
	return l, nil
}

func orDefault(d *time.Duration, def time.Duration) {
	if *d == 0 {
		*d = def
	}
}

// Close ends streams, thieves and the outage, and waits for the thieves.
func (l *Lab) Close() {
	l.mu.Lock() // no thief sets out from now on
	l.shut()
	l.mu.Unlock()
	l.jobs.Wait()
	l.cfg.Outage.End()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.thieves {
		t.client.CloseIdleConnections()
	}
}

// Aside keeps requests to the lab itself from changing what it shows. It goes outside of whatever asks the Manager.
func Aside(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(withTrace(r.Context(), &trace{aside: true})))
	})
}

// Lose has the answer to the session's next refresh, by its own client, thrown away when it has been made.
func (l *Lab) Lose(h session.Handle) {
	j := l.cfg.Recorder.journal(h)
	j.change(func() { j.loseNext = true })
}

// Revoke ends a session as an administrator does.
func (l *Lab) Revoke(ctx context.Context, h session.Handle) error {
	_, err := l.cfg.Manager.Revoke(ctx, h, session.RevokeOptions{})
	return err
}

// Rotate makes new signing keys ahead of schedule, and cuts the old ones off if they are compromised.
func (l *Lab) Rotate(ctx context.Context, purpose session.KeyPurpose, compromised bool) error {
	return l.cfg.Manager.RotateNow(ctx, purpose, "asked for in the lab", compromised)
}

// BeginOutage has the store go away for a while, MaxOutage at most, and returns when it comes back, by the store's clock, in milliseconds since
// 1970.
func (l *Lab) BeginOutage(d time.Duration) int64 {
	return l.cfg.Recorder.storeTime(l.cfg.Outage.Begin(min(d, MaxOutage))).UnixMilli()
}

// EndOutage has it come back now.
func (l *Lab) EndOutage() { l.cfg.Outage.End() }

// State is what is switched on.
type State struct {
	OutageUntil *int64      `json:"outageUntil"`
	LoseNext    bool        `json:"loseNext"`
	Thieves     []ThiefInfo `json:"thieves"`
}

// state is called with the journal locked.
func (l *Lab) state(j *journal) State {
	return State{
		OutageUntil: ms(l.cfg.Recorder.storeTime(l.cfg.Outage.Until())), LoseNext: j.loseNext, Thieves: l.thievesOf(j.handle),
	}
}

// wakeAll tells every stream that something has changed.
func (l *Lab) wakeAll() {
	for _, j := range l.cfg.Recorder.all(func(*journal) bool { return true }) {
		j.change(func() {})
	}
}

// The errors of the lab's calls.
var (
	ErrNoToken      = errors.New("the request carries no refresh token of its session")
	ErrUnknownThief = errors.New("there is no such thief in this session")
	ErrBusyThief    = errors.New("the thief is still at it")
	ErrUnreachable  = errors.New("the thief cannot reach the server")
)
