package sessionsim

import (
	"container/heap"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// Herd is many clients of a few processes in virtual time, over a network and a store that never fail: it shows when they come all at
// once. Zero fields mean Manager's defaults.
type Herd struct {
	Seed      uint64
	Clients   int
	Processes int
	Config    session.Config // AccessLifetime, AccessJitter and so on; clock and randomness are the herd's
	Logins    time.Duration  // in which all clients log in, evenly spread
	Gap       time.Duration  // between two requests of a client, on average
	OnExpiry  bool           // clients come back only when their access token has expired, a Gap later
	Horizon   time.Duration
	Window    time.Duration // in which store calls are counted
	Happens   []Happening   // in the order of time
}

// Happening is something that happens to all processes at a moment.
type Happening struct {
	At   time.Duration
	What func(ctx context.Context, processes []*session.Manager, restart func(i int) error) error
}

// HerdReport is what a herd did.
type HerdReport struct {
	Refreshes []int // in each window
	Calls     []int // of the store, in each window
	Requests  int   // that the clients made
}

// herd is a run of one.
type herd struct {
	Herd
	now       time.Duration
	random    *rand.ChaCha8
	rng       *rand.Rand
	store     *countingStore
	processes []*session.Manager
	flock     flock
	report    HerdReport
}

// sheep is a client.
type sheep struct {
	wakes  time.Duration
	tokens session.Tokens
}

// Run runs the herd to its horizon. An error means that a client was refused, or that the herd itself is wrong.
func (h Herd) Run() (HerdReport, error) {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], h.Seed)
	windows := int(h.Horizon/h.Window) + 1
	r := &herd{
		Herd: h, random: rand.NewChaCha8(seed), rng: rand.New(rand.NewPCG(h.Seed, 20)),
		report: HerdReport{Refreshes: make([]int, windows), Calls: make([]int, windows)},
	}
	r.store = &countingStore{Store: memstore.New(r.time)}
	r.processes = make([]*session.Manager, h.Processes)
	for i := range r.processes {
		if err := r.restart(i); err != nil {
			return HerdReport{}, err
		}
	}
	for i := range h.Clients {
		r.flock = append(r.flock, &sheep{wakes: h.Logins * time.Duration(i) / time.Duration(h.Clients)})
	}
	heap.Init(&r.flock)
	for r.flock[0].wakes < h.Horizon {
		if err := r.step(); err != nil {
			return HerdReport{}, fmt.Errorf("at %v: %w", r.now, err)
		}
	}
	return r.report, nil
}

func (r *herd) time() time.Time { return epoch.Add(r.now) }

// restart has a process come up anew, with an empty memory.
func (r *herd) restart(i int) (err error) {
	cfg := r.Config
	cfg.Clock, cfg.Random = r.time, r.random
	r.processes[i], err = session.New(context.Background(), r.store, cfg)
	return err
}

// step lets happen what is next.
func (r *herd) step() error {
	s := r.flock[0]
	if len(r.Happens) > 0 && r.Happens[0].At <= s.wakes {
		next := r.Happens[0]
		r.now, r.Happens = next.At, r.Happens[1:]
		err := next.What(context.Background(), r.processes, r.restart)
		r.count()
		return err
	}
	r.now = s.wakes
	err := r.act(s)
	r.count()
	if r.OnExpiry {
		s.wakes = s.tokens.AccessExpires.Sub(epoch)
	}
	s.wakes += time.Duration(r.rng.ExpFloat64() * float64(r.Gap))
	heap.Fix(&r.flock, 0)
	return err
}

// count notes the store calls since the last time.
func (r *herd) count() { r.report.Calls[r.now/r.Window] += int(r.store.calls.Swap(0)) }

// act is a request of a client, in any process. It refreshes when its access token has expired, as far as it knows, or when it is told to.
func (r *herd) act(s *sheep) error {
	ctx := context.Background()
	p := r.processes[r.rng.IntN(len(r.processes))]
	if s.tokens.AccessToken == "" {
		_, tokens, err := p.Create(ctx, fmt.Sprint("user", r.rng.Uint64()), session.CreateOptions{})
		s.tokens = tokens
		return err
	}
	r.report.Requests++
	for range 2 {
		if r.time().Before(s.tokens.AccessExpires) {
			verified, err := p.Verify(ctx, s.tokens.AccessToken, session.VerifyOptions{})
			if err == nil {
				if renewed, ok := verified.Renewed(); ok {
					s.tokens.AccessToken = renewed.AccessToken
				}
				return nil
			}
			if !errors.Is(err, session.ErrTryRefresh) {
				return err
			}
		}
		_, tokens, err := p.Refresh(ctx, s.tokens.RefreshToken, session.RefreshOptions{})
		if err != nil {
			return err
		}
		if tokens.RefreshToken == "" {
			tokens.RefreshToken = s.tokens.RefreshToken
		}
		s.tokens = tokens
		r.report.Refreshes[r.now/r.Window]++
	}
	return errors.New("a token that a refresh has brought is refused")
}

// flock is a heap of clients, of which the next to act is the first.
type flock []*sheep

func (f flock) Len() int           { return len(f) }
func (f flock) Less(i, j int) bool { return f[i].wakes < f[j].wakes }
func (f flock) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }
func (f *flock) Push(x any)        { *f = append(*f, x.(*sheep)) } //nolint:forcetypeassert // heap.Push is not used
func (f *flock) Pop() any          { panic("sessionsim: a herd loses no client") }

// countingStore counts the calls that requests make.
type countingStore struct {
	session.Store
	calls atomic.Int64
}

// Insert implements session.Store.
func (s *countingStore) Insert(ctx context.Context, row session.NewRow) error {
	s.calls.Add(1)
	return s.Store.Insert(ctx, row)
}

// Get implements session.Store.
func (s *countingStore) Get(ctx context.Context, h session.Handle) (session.Row, time.Time, error) {
	s.calls.Add(1)
	return s.Store.Get(ctx, h)
}

// Confirm implements session.Store.
func (s *countingStore) Confirm(ctx context.Context, h session.Handle, pending session.Mark, next *session.Successor, renewal session.Renewal) (bool, error) {
	s.calls.Add(1)
	return s.Store.Confirm(ctx, h, pending, next, renewal)
}

// HandOut implements session.Store.
func (s *countingStore) HandOut(ctx context.Context, h session.Handle, current, pending session.Mark, counts bool, renewal session.Renewal) (bool, error) {
	s.calls.Add(1)
	return s.Store.HandOut(ctx, h, current, pending, counts, renewal)
}

// Mint implements session.Store.
func (s *countingStore) Mint(ctx context.Context, h session.Handle, current, pending session.Mark, handedAt time.Time, next session.Successor, renewal session.Renewal) (bool, error) {
	s.calls.Add(1)
	return s.Store.Mint(ctx, h, current, pending, handedAt, next, renewal)
}

// Keys implements session.Store.
func (s *countingStore) Keys(ctx context.Context) ([]session.Key, time.Time, error) {
	s.calls.Add(1)
	return s.Store.Keys(ctx)
}

// Revocations implements session.Store.
func (s *countingStore) Revocations(ctx context.Context, since time.Time, limit int) ([]session.Revocation, time.Time, error) {
	s.calls.Add(1)
	return s.Store.Revocations(ctx, since, limit)
}
