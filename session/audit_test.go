package session_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// audit is a world of two processes, with every store call watched and every event kept.
type audit struct {
	*world
	other  *session.Manager
	behind time.Duration // how far the processes' clocks are behind the store's

	mu     sync.Mutex
	events []session.Event
}

// inAudit runs a test in a bubble, where all that goes on beside it comes to an end when the test waits.
func inAudit(t *testing.T, f func(t *testing.T, a *audit), change ...func(*session.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newAudit(t, change...)) })
}

func newAudit(t *testing.T, change ...func(*session.Config)) *audit {
	t.Helper()
	a := &audit{}
	a.world = newWorld(t, append([]func(*session.Config){func(cfg *session.Config) {
		now := cfg.Clock
		cfg.Clock = func() time.Time { return now().Add(-a.behind) }
		cfg.Sleep = func(_ context.Context, d time.Duration) error { a.clock.advance(d); return nil }
		cfg.OnEvent = func(e session.Event) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.events = append(a.events, e)
		}
	}}, change...)...)
	a.store.Store = watchedRest{a.store.Store, a.store}
	a.other = a.process()
	a.told()
	a.store.total()
	return a
}

// told returns the events since the last call.
func (a *audit) told() []session.Event {
	synctest.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	events := a.events
	a.events = nil
	return events
}

func ofKind(events []session.Event, kinds ...session.EventKind) []session.Event {
	return slices.DeleteFunc(slices.Clone(events), func(e session.Event) bool { return !slices.Contains(kinds, e.Kind) })
}

// watchedRest has a watchedStore watch those calls, too, that it passes on.
type watchedRest struct {
	session.Store
	watch *watchedStore
}

// watched runs a call that gives one thing and an error.
func watched[T any](s watchedRest, call string, f func() (T, error)) (T, error) {
	var none T
	if err := s.watch.enter(call); err != nil {
		return none, err
	}
	v, err := f()
	if err = s.watch.leave(call, err); err != nil {
		return none, err
	}
	return v, nil
}

func (s watchedRest) List(ctx context.Context, userID string, page session.Page) ([]session.Row, error) {
	return watched(s, "List", func() ([]session.Row, error) { return s.Store.List(ctx, userID, page) })
}

func (s watchedRest) SetPayload(ctx context.Context, h session.Handle, payload []byte) (bool, error) {
	return watched(s, "SetPayload", func() (bool, error) { return s.Store.SetPayload(ctx, h, payload) })
}

func (s watchedRest) SetLabel(ctx context.Context, h session.Handle, label string) (bool, error) {
	return watched(s, "SetLabel", func() (bool, error) { return s.Store.SetLabel(ctx, h, label) })
}

func (s watchedRest) EndUser(ctx context.Context, userID string, keep session.Handle, end session.End, limit int) (int, error) {
	return watched(s, "EndUser", func() (int, error) { return s.Store.EndUser(ctx, userID, keep, end, limit) })
}

func (s watchedRest) EndAll(ctx context.Context, before time.Time, end session.End, limit int) ([]session.Ended, error) {
	return watched(s, "EndAll", func() ([]session.Ended, error) { return s.Store.EndAll(ctx, before, end, limit) })
}

func (s watchedRest) EndExpired(ctx context.Context, h session.Handle, absolute time.Duration, id session.Version, limit int) ([]session.Ended, error) {
	return watched(s, "EndExpired", func() ([]session.Ended, error) { return s.Store.EndExpired(ctx, h, absolute, id, limit) })
}

func (s watchedRest) Ending(ctx context.Context, h session.Handle) (session.Ended, error) {
	return watched(s, "Ending", func() (session.Ended, error) { return s.Store.Ending(ctx, h) })
}

func (s watchedRest) Endings(ctx context.Context, userID string, page session.EndingsPage) ([]session.Ended, error) {
	return watched(s, "Endings", func() ([]session.Ended, error) { return s.Store.Endings(ctx, userID, page) })
}

func (s watchedRest) Purge(ctx context.Context, endings, revocations time.Duration, limit int) (int, error) {
	return watched(s, "Purge", func() (int, error) { return s.Store.Purge(ctx, endings, revocations, limit) })
}

func (s watchedRest) Publish(ctx context.Context, r session.Revocation) error {
	_, err := watched(s, "Publish", func() (struct{}, error) { return struct{}{}, s.Store.Publish(ctx, r) })
	return err
}

func (s watchedRest) Keys(ctx context.Context) ([]session.Key, time.Time, error) {
	var now time.Time
	keys, err := watched(s, "Keys", func() (keys []session.Key, err error) {
		keys, now, err = s.Store.Keys(ctx)
		return keys, err
	})
	return keys, now, err
}

func (s watchedRest) InsertKey(ctx context.Context, key session.Key) error {
	_, err := watched(s, "InsertKey", func() (struct{}, error) { return struct{}{}, s.Store.InsertKey(ctx, key) })
	return err
}

func (s watchedRest) RetireKey(ctx context.Context, id string) (bool, error) {
	return watched(s, "RetireKey", func() (bool, error) { return s.Store.RetireKey(ctx, id) })
}

var (
	ownersDevice = session.Device{UserAgent: "Owner/1.0", Address: "192.0.2.7"}
	thiefsDevice = session.Device{UserAgent: "Thief/6.6", Address: "2001:db8::66"}
)

// gatedRest has the gates asked before further calls.
type gatedRest struct{ gatedStore }

func (s gatedRest) Insert(ctx context.Context, row session.NewRow) error {
	s.gates.before(ctx)
	return s.Store.Insert(ctx, row)
}

func (s gatedRest) List(ctx context.Context, userID string, page session.Page) ([]session.Row, error) {
	s.gates.before(ctx)
	return s.Store.List(ctx, userID, page)
}

func (s gatedRest) EndExpired(ctx context.Context, h session.Handle, absolute time.Duration, id session.Version, limit int) ([]session.Ended, error) {
	s.gates.before(ctx)
	return s.Store.EndExpired(ctx, h, absolute, id, limit)
}

func (s gatedRest) Ending(ctx context.Context, h session.Handle) (session.Ended, error) {
	s.gates.before(ctx)
	return s.Store.Ending(ctx, h)
}

// readFeeds has both processes run for a moment.
func (a *audit) readFeeds() {
	for _, m := range []*session.Manager{a.Manager, a.other} {
		ctx, cancel := context.WithCancel(a.ctx)
		go m.Run(ctx)
		synctest.Wait()
		cancel()
		synctest.Wait()
	}
}
