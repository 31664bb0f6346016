package session_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// clock is virtual time.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.UnixMilli(1_760_000_000_000).UTC()} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// watchedStore counts calls and lets a test fail them.
type watchedStore struct {
	session.Store

	mu    sync.Mutex
	calls map[string]int
	// fault, if set, is asked before and after each call; an error stands for the call's result.
	fault func(call string, after bool) error
}

func (s *watchedStore) enter(call string) error {
	s.mu.Lock()
	s.calls[call]++
	fault := s.fault
	s.mu.Unlock()
	if fault == nil {
		return nil
	}
	return fault(call, false)
}

func (s *watchedStore) leave(call string, err error) error {
	s.mu.Lock()
	fault := s.fault
	s.mu.Unlock()
	if err != nil || fault == nil {
		return err
	}
	return fault(call, true)
}

func (s *watchedStore) setFault(f func(call string, after bool) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// total returns the number of calls since the last reset, and forgets them.
func (s *watchedStore) total() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = map[string]int{}
	return calls
}

func (s *watchedStore) Insert(ctx context.Context, row session.NewRow) error {
	if err := s.enter("Insert"); err != nil {
		return err
	}
	return s.leave("Insert", s.Store.Insert(ctx, row))
}

func (s *watchedStore) Get(ctx context.Context, h session.Handle) (session.Row, time.Time, error) {
	if err := s.enter("Get"); err != nil {
		return session.Row{}, time.Time{}, err
	}
	row, now, err := s.Store.Get(ctx, h)
	return row, now, s.leave("Get", err)
}

func (s *watchedStore) Data(ctx context.Context, h session.Handle) ([]byte, session.Version, error) {
	if err := s.enter("Data"); err != nil {
		return nil, 0, err
	}
	data, version, err := s.Store.Data(ctx, h)
	return data, version, s.leave("Data", err)
}

// change runs a call that answers yes or no.
func (s *watchedStore) change(call string, f func() (bool, error)) (bool, error) {
	if err := s.enter(call); err != nil {
		return false, err
	}
	ok, err := f()
	if err = s.leave(call, err); err != nil {
		return false, err
	}
	return ok, nil
}

func (s *watchedStore) Confirm(ctx context.Context, h session.Handle, pending session.Mark, next *session.Successor, renewal session.Renewal) (bool, error) {
	return s.change("Confirm", func() (bool, error) { return s.Store.Confirm(ctx, h, pending, next, renewal) })
}

func (s *watchedStore) HandOut(ctx context.Context, h session.Handle, current, pending session.Mark, counts bool, renewal session.Renewal) (bool, error) {
	return s.change("HandOut", func() (bool, error) { return s.Store.HandOut(ctx, h, current, pending, counts, renewal) })
}

func (s *watchedStore) Mint(ctx context.Context, h session.Handle, current, pending session.Mark, handedAt time.Time, next session.Successor, renewal session.Renewal) (bool, error) {
	return s.change("Mint", func() (bool, error) { return s.Store.Mint(ctx, h, current, pending, handedAt, next, renewal) })
}

func (s *watchedStore) End(ctx context.Context, h session.Handle, end session.End) (bool, error) {
	return s.change("End", func() (bool, error) { return s.Store.End(ctx, h, end) })
}

func (s *watchedStore) SetData(ctx context.Context, h session.Handle, old, next session.Version, data []byte) (bool, error) {
	return s.change("SetData", func() (bool, error) { return s.Store.SetData(ctx, h, old, next, data) })
}

func (s *watchedStore) Revocations(ctx context.Context, since time.Time, limit int) ([]session.Revocation, time.Time, error) {
	if err := s.enter("Revocations"); err != nil {
		return nil, time.Time{}, err
	}
	entries, now, err := s.Store.Revocations(ctx, since, limit)
	return entries, now, s.leave("Revocations", err)
}

// world is one deployment under virtual time.
type world struct {
	*session.Manager
	t      *testing.T
	ctx    context.Context
	clock  *clock
	store  *watchedStore
	cfg    session.Config
	thefts []session.TheftError
	csrf   bool // clients get an anti-CSRF token
}

func newWorld(t *testing.T, change ...func(*session.Config)) *world {
	t.Helper()
	c := newClock()
	w := &world{t: t, ctx: t.Context(), clock: c, store: &watchedStore{Store: memstore.New(c.Now), calls: map[string]int{}}}
	// Without jitter, so that tests can turn the clock to the very end of a token.
	w.cfg = session.Config{AccessJitter: session.NoJitter, Clock: c.Now, OnTheft: func(_ context.Context, theft *session.TheftError) {
		w.thefts = append(w.thefts, *theft)
	}}
	for _, f := range change {
		f(&w.cfg)
	}
	w.Manager = w.process()
	w.store.total()
	return w
}

// process starts another Manager over the same store.
func (w *world) process() *session.Manager {
	w.t.Helper()
	m, err := session.New(w.ctx, w.store, w.cfg)
	if err != nil {
		w.t.Fatalf("New: %v", err)
	}
	return m
}

func (w *world) login() session.Tokens {
	w.t.Helper()
	_, tokens, err := w.Create(w.ctx, "user", session.CreateOptions{Payload: map[string]string{"role": "user"}, AntiCSRF: w.csrf})
	if err != nil {
		w.t.Fatalf("Create: %v", err)
	}
	return tokens
}

func (w *world) refresh(token string) session.Tokens {
	w.t.Helper()
	_, tokens, err := w.Refresh(w.ctx, token, session.RefreshOptions{AntiCSRF: w.csrf})
	if err != nil {
		w.t.Fatalf("Refresh: %v", err)
	}
	return tokens
}

func (w *world) use(access string) *session.Session {
	w.t.Helper()
	s, err := w.Verify(w.ctx, access, session.VerifyOptions{})
	if err != nil {
		w.t.Fatalf("Verify: %v", err)
	}
	return s
}

func (w *world) handle(access string) session.Handle { w.t.Helper(); return w.use(access).Handle() }

// refused asserts an error of Refresh or Verify.
func (w *world) refused(err, want error) {
	w.t.Helper()
	if !errors.Is(err, want) {
		w.t.Errorf("got error %v, want %v", err, want)
	}
}

func isTheft(err error) bool {
	var theft *session.TheftError
	return errors.As(err, &theft)
}

func strict(cfg *session.Config) { cfg.Grace = session.NoGrace }

func noCalls(t *testing.T, calls map[string]int) {
	t.Helper()
	if len(calls) > 0 {
		t.Errorf("the store was asked: %v", calls)
	}
}
