package storetest_test

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// Mutants of the rotation and of what is kept.

type blindMint struct{ *memstore.Store }

func (m blindMint) Mint(ctx context.Context, h session.Handle, _, _ session.Mark, _ time.Time, next session.Successor, renewal session.Renewal) (bool, error) {
	row, _, err := m.Get(ctx, h)
	if err != nil {
		return false, unlessMissing(err)
	}
	return m.Store.Mint(ctx, h, row.Current, row.Pending, row.HandedAt, next, renewal)
}

// unlessMissing is the error of a change that has read first.
func unlessMissing(err error) error {
	if strings.Contains(err.Error(), session.ErrNotFound.Error()) {
		return nil
	}
	return err
}

type blindConfirm struct{ *memstore.Store }

func (m blindConfirm) Confirm(ctx context.Context, h session.Handle, _ session.Mark, next *session.Successor, renewal session.Renewal) (bool, error) {
	row, _, err := m.Get(ctx, h)
	if err != nil {
		return false, unlessMissing(err)
	}
	return m.Store.Confirm(ctx, h, row.Pending, next, renewal)
}

type blindHandOut struct{ *memstore.Store }

func (m blindHandOut) HandOut(ctx context.Context, h session.Handle, _, pending session.Mark, counts bool, renewal session.Renewal) (bool, error) {
	row, _, err := m.Get(ctx, h)
	if err != nil {
		return false, unlessMissing(err)
	}
	return m.Store.HandOut(ctx, h, row.Current, pending, counts, renewal)
}

// halfMint compares the marks, and not when the pending one was handed out.
type halfMint struct{ *memstore.Store }

func (m halfMint) Mint(ctx context.Context, h session.Handle, current, pending session.Mark, handedAt time.Time, next session.Successor, renewal session.Renewal) (bool, error) {
	row, _, err := m.Get(ctx, h)
	if err != nil {
		return false, unlessMissing(err)
	}
	if !pending.IsZero() {
		handedAt = row.HandedAt
	}
	return m.Store.Mint(ctx, h, current, pending, handedAt, next, renewal)
}

type lostUpdate struct{ *memstore.Store }

func (m lostUpdate) SetData(ctx context.Context, h session.Handle, old, next session.Version, data []byte) (bool, error) {
	_, version, err := m.Data(ctx, h)
	if err != nil || old != 0 && version != old {
		return false, err
	}
	gap()
	return m.Store.SetData(ctx, h, 0, next, data)
}

type floatVersions struct{ *memstore.Store }

func (m floatVersions) SetData(ctx context.Context, h session.Handle, old, next session.Version, data []byte) (bool, error) {
	_, version, err := m.Data(ctx, h)
	if err != nil || old != 0 && float64(version) != float64(old) {
		return false, err
	}
	return m.Store.SetData(ctx, h, version, next, data)
}

type twoStepConfirm struct{ *memstore.Store }

func (m twoStepConfirm) Confirm(ctx context.Context, h session.Handle, pending session.Mark, next *session.Successor, renewal session.Renewal) (bool, error) {
	ok, err := m.Store.Confirm(ctx, h, pending, nil, renewal)
	if ok && next != nil {
		gap()
		_, err = m.Mint(ctx, h, pending, session.Mark{}, time.Time{}, *next, renewal)
	}
	return ok, err
}

// fork keeps every successor good that it was ever given.
type fork struct {
	*memstore.Store
	*sync.Mutex
	minted map[session.Handle]map[session.Mark]bool
}

func newFork(s *memstore.Store) fork {
	return fork{s, &sync.Mutex{}, map[session.Handle]map[session.Mark]bool{}}
}

func (m fork) Mint(ctx context.Context, h session.Handle, current, pending session.Mark, handedAt time.Time, next session.Successor, renewal session.Renewal) (bool, error) {
	ok, err := m.Store.Mint(ctx, h, current, pending, handedAt, next, renewal)
	m.Lock()
	defer m.Unlock()
	if ok {
		if m.minted[h] == nil {
			m.minted[h] = map[session.Mark]bool{}
		}
		m.minted[h][next.Mark] = true
	}
	return ok, err
}

func (m fork) Confirm(ctx context.Context, h session.Handle, pending session.Mark, next *session.Successor, renewal session.Renewal) (bool, error) {
	ok, err := m.Store.Confirm(ctx, h, pending, next, renewal)
	m.Lock()
	defer m.Unlock()
	return ok || m.minted[h][pending], err
}

// resurrection confirms whatever is pending, alive or not.
type resurrection struct {
	*memstore.Store
	*sync.Mutex
	pending map[session.Handle]session.Mark
}

func newResurrection(s *memstore.Store) resurrection {
	return resurrection{s, &sync.Mutex{}, map[session.Handle]session.Mark{}}
}

func (m resurrection) Confirm(ctx context.Context, h session.Handle, pending session.Mark, next *session.Successor, renewal session.Renewal) (bool, error) {
	ok, err := m.Store.Confirm(ctx, h, pending, next, renewal)
	m.Lock()
	defer m.Unlock()
	if ok && next != nil {
		m.pending[h] = next.Mark
	}
	return ok || !pending.IsZero() && m.pending[h] == pending, err
}

type renewsAnyway struct{ *memstore.Store }

func (m renewsAnyway) Confirm(ctx context.Context, h session.Handle, pending session.Mark, next *session.Successor, renewal session.Renewal) (bool, error) {
	ok, err := m.Store.Confirm(ctx, h, pending, next, renewal)
	if row, _, e := m.Get(ctx, h); err == nil && !ok && e == nil {
		_, err = m.HandOut(ctx, h, row.Current, row.Pending, false, renewal)
	}
	return ok, err
}
