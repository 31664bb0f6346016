package histories_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// memory is a memstore as the table.
type memory struct{ store session.Store }

func (m memory) rows(ctx context.Context, handles []session.Handle) (map[session.Handle]tableRow, error) {
	rows := map[session.Handle]tableRow{}
	for _, h := range handles {
		got, _, err := m.store.Get(ctx, h)
		switch {
		case errors.Is(err, session.ErrNotFound):
			rows[h] = tableRow{row: row{Dead: true}}
		case err != nil:
			return nil, err
		default:
			rows[h] = tableRow{row: row{Generation: got.Generation}, current: got.Current, pending: got.Pending, previous: got.Previous}
		}
	}
	return rows, nil
}

// lossy loses some of a store's questions, and some of its answers.
type lossy struct {
	session.LiveStore
	session.EndingStore
	session.FeedStore
	session.KeyStore
	c *chance
}

func newLossy(s session.Store, c *chance) *lossy { return &lossy{s, s, s, s, c} }

// through has a call made, or not; and its answer arrive, or not.
func through[T any](s *lossy, call func() (T, error)) (result T, err error) {
	if s.c.in(100) {
		return result, session.ErrUnavailable
	}
	if result, err = call(); s.c.in(100) {
		var none T
		return none, session.ErrUnavailable
	}
	return result, err
}

func (s *lossy) Confirm(ctx context.Context, h session.Handle, pending session.Mark, next *session.Successor, renewal session.Renewal) (bool, error) {
	return through(s, func() (bool, error) { return s.LiveStore.Confirm(ctx, h, pending, next, renewal) })
}

func (s *lossy) HandOut(ctx context.Context, h session.Handle, current, pending session.Mark, counts bool, renewal session.Renewal) (bool, error) {
	return through(s, func() (bool, error) { return s.LiveStore.HandOut(ctx, h, current, pending, counts, renewal) })
}

func (s *lossy) Mint(ctx context.Context, h session.Handle, current, pending session.Mark, handedAt time.Time, next session.Successor, renewal session.Renewal) (bool, error) {
	return through(s, func() (bool, error) { return s.LiveStore.Mint(ctx, h, current, pending, handedAt, next, renewal) })
}

func (s *lossy) SetData(ctx context.Context, h session.Handle, old, next session.Version, data []byte) (bool, error) {
	return through(s, func() (bool, error) { return s.LiveStore.SetData(ctx, h, old, next, data) })
}

func (s *lossy) End(ctx context.Context, h session.Handle, end session.End) (bool, error) {
	return through(s, func() (bool, error) { return s.EndingStore.End(ctx, h, end) })
}

// runInMemory has clients use four Managers over one store in memory for some seconds, and judges the history.
func runInMemory(t *testing.T, defect string, seed uint64, load time.Duration) (*world, []finding, tally) {
	t.Helper()
	truth := memstore.New(nil)
	// The grace is as short as a busy machine lets it be; I1 looks away where it was too short.
	s := settings{Grace: 600 * time.Millisecond, StoreTimeout: 2 * time.Second, FeedInterval: 250 * time.Millisecond}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute+load)
	defer cancel()
	loading, stopLoading := context.WithTimeout(ctx, load)
	defer stopLoading()
	w := &world{
		history: newHistory(s.Grace, s.FeedInterval), settings: s, table: memory{truth}, seed: seed, thinking: 50 * time.Millisecond,
		load: loading, all: ctx, watched: map[session.Handle]*record{},
	}
	running, stop := context.WithCancel(ctx)
	var background sync.WaitGroup
	for i := range 4 {
		v, err := newService(ctx, spoil(newLossy(truth, &chance{rng: w.client(i, 7).rng}), defect, seed+uint64(i)), s)
		if err != nil {
			t.Fatal(err)
		}
		w.targets = append(w.targets, &local{v, fmt.Sprintf("m%d", i)})
		background.Go(func() { v.manager.Run(running) })
	}
	background.Go(func() { w.observeUntil(running) })
	w.haveCrews(40)
	// What was lost is to be seen at the end.
	if err := w.observe(ctx, w.table, w.records()); err != nil {
		t.Fatal(err)
	}
	stop()
	background.Wait()
	findings, tallied := w.history.checkInvariants()
	return w, append(w.history.checkLinearizable(), findings...), tallied
}
