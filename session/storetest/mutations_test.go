package storetest_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// The mutants' types. Each is memstore, but for the one thing that its name says.

// gap is where others come between two steps of what should be one.
func gap() { time.Sleep(200 * time.Microsecond) }

// twoStepEnd ends a session, and then enters that into the feed.
type twoStepEnd struct{ *memstore.Store }

func (m twoStepEnd) End(ctx context.Context, h session.Handle, end session.End) (bool, error) {
	ended := end
	ended.Fed = false
	ok, err := m.Store.End(ctx, h, ended)
	if err == nil && end.Fed {
		gap()
		_, err = m.Store.End(ctx, h, end)
	}
	return ok, err
}

type oneByOne struct{ *memstore.Store }

func (m oneByOne) EndUser(ctx context.Context, userID string, keep session.Handle, end session.End, limit int) (int, error) {
	rows, err := m.List(ctx, userID, session.Page{Limit: limit + 1})
	n := 0
	for _, row := range rows {
		if err != nil || n == limit {
			break
		}
		if row.Handle == keep {
			continue
		}
		var ok bool
		if ok, err = m.End(ctx, row.Handle, end); ok {
			n++
		}
		gap()
	}
	return n, err
}

type deaf struct{ *memstore.Store }

func (m deaf) SetLabel(ctx context.Context, h session.Handle, label string) (bool, error) {
	return m.Store.SetLabel(context.WithoutCancel(ctx), h, label)
}

type afterwards struct{ *memstore.Store }

func (m afterwards) SetLabel(ctx context.Context, h session.Handle, label string) (bool, error) {
	ok, err := m.Store.SetLabel(ctx, h, label)
	if ctx.Err() != nil {
		time.AfterFunc(time.Millisecond, func() { _, _ = m.Store.SetLabel(context.WithoutCancel(ctx), h, label) })
	}
	return ok, err
}

type stuck struct{ *memstore.Store }

func (m stuck) SetLabel(ctx context.Context, h session.Handle, label string) (bool, error) {
	if ctx.Err() != nil {
		time.Sleep(time.Hour)
	}
	return m.Store.SetLabel(ctx, h, label)
}

// folded compares user ids as many a collation does.
type folded struct{ *memstore.Store }

func (m folded) Insert(ctx context.Context, row session.NewRow) error {
	row.UserID = strings.ToLower(row.UserID)
	return m.Store.Insert(ctx, row)
}

func (m folded) List(ctx context.Context, userID string, page session.Page) ([]session.Row, error) {
	return m.Store.List(ctx, strings.ToLower(userID), page)
}

func inSeconds() session.Store {
	return memstore.New(func() time.Time { return time.Now().Truncate(time.Second) })
}

type keepsNone struct{ *memstore.Store }

func (m keepsNone) EndUser(ctx context.Context, userID string, _ session.Handle, end session.End, limit int) (int, error) {
	return m.Store.EndUser(ctx, userID, session.Handle{}, end, limit)
}

// lateFeed shows entries some time after they were made.
type lateFeed struct{ *memstore.Store }

func (m lateFeed) Revocations(ctx context.Context, since time.Time, limit int) ([]session.Revocation, time.Time, error) {
	entries, now, err := m.Store.Revocations(ctx, since, limit)
	for i, e := range entries {
		if now.Sub(e.At) < time.Second {
			return entries[:i], now, err
		}
	}
	return entries, now, err
}

// keysApart is a store whose feed has no keys.
type keysApart struct{ *memstore.Store }

func (m keysApart) Revocations(ctx context.Context, since time.Time, limit int) ([]session.Revocation, time.Time, error) {
	entries, now, err := m.Store.Revocations(ctx, since, limit)
	return slices.DeleteFunc(entries, func(e session.Revocation) bool { return e.KeyID != "" }), now, err
}

// keysByActivation is a store whose feed does not tell that a key was cut off.
type keysByActivation struct{ *memstore.Store }

func (m keysByActivation) Revocations(ctx context.Context, since time.Time, limit int) ([]session.Revocation, time.Time, error) {
	entries, now, err := m.Store.Revocations(ctx, since, limit)
	keys, _, _ := m.Keys(ctx)
	return slices.DeleteFunc(entries, func(e session.Revocation) bool {
		return slices.ContainsFunc(keys, func(k session.Key) bool { return k.ID == e.KeyID && !k.RetiresAt.IsZero() })
	}), now, err
}

type lateClock struct{ *memstore.Store }

func (m lateClock) Revocations(ctx context.Context, since time.Time, limit int) ([]session.Revocation, time.Time, error) {
	entries, _, err := m.Store.Revocations(ctx, since, limit)
	if err != nil {
		return nil, time.Time{}, err
	}
	gap()
	_, now, err := m.Keys(ctx)
	return entries, now, err
}

// otherReason enters the reason of the last call that ended a session, and not that of the one that did.
type otherReason struct {
	*memstore.Store
	*sync.Mutex
	last map[session.Handle]session.Reason
}

func newOtherReason(s *memstore.Store) otherReason {
	return otherReason{s, &sync.Mutex{}, map[session.Handle]session.Reason{}}
}

func (m otherReason) End(ctx context.Context, h session.Handle, end session.End) (bool, error) {
	m.Lock()
	m.last[h] = end.Reason
	m.Unlock()
	return m.Store.End(ctx, h, end)
}

func (m otherReason) Revocations(ctx context.Context, since time.Time, limit int) ([]session.Revocation, time.Time, error) {
	entries, now, err := m.Store.Revocations(ctx, since, limit)
	m.Lock()
	defer m.Unlock()
	for i, e := range entries {
		if reason, known := m.last[e.Handle]; known {
			entries[i].Reason = reason
		}
	}
	return entries, now, err
}

// replica is read instead of the primary, which it follows a second later, or never hears of an end from.
type replica struct {
	*memstore.Store
	*sync.Mutex
	rows    map[session.Handle]seen
	forever bool
}

type seen struct {
	row session.Row
	now time.Time
}

func newReplica(s *memstore.Store, forever bool) replica {
	return replica{s, &sync.Mutex{}, map[session.Handle]seen{}, forever}
}

func (m replica) Get(ctx context.Context, h session.Handle) (session.Row, time.Time, error) {
	row, now, err := m.Store.Get(ctx, h)
	m.Lock()
	defer m.Unlock()
	last, known := m.rows[h]
	if known && (m.forever && err != nil || !m.forever && now.Sub(last.now) < time.Second) {
		return last.row, last.now, nil
	}
	if err == nil {
		m.rows[h] = seen{row, now}
	}
	return row, now, err
}

type talkative struct{ *memstore.Store }

func (m talkative) Insert(ctx context.Context, row session.NewRow) error {
	err := m.Store.Insert(ctx, row)
	if err != nil {
		err = fmt.Errorf("%w: Error 1062 (23000): Duplicate entry '%s' for key 'sessions.PRIMARY'", err, row.UserID)
	}
	return err
}

type untranslated struct{ *memstore.Store }

func (m untranslated) List(ctx context.Context, userID string, page session.Page) ([]session.Row, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return m.Store.List(ctx, userID, page)
}

type nobodyThere struct{ *memstore.Store }

func (m nobodyThere) Get(ctx context.Context, h session.Handle) (session.Row, time.Time, error) {
	row, now, err := m.Store.Get(ctx, h)
	if err != nil {
		err = session.ErrNotFound
	}
	return row, now, err
}

type wrongAge struct{ *memstore.Store }

func (m wrongAge) Purge(ctx context.Context, endings, revocations time.Duration, limit int) (int, error) {
	return m.Store.Purge(ctx, revocations, endings, limit)
}

// pool has four connections, of which every call takes one, and SetPayload another one.
type pool struct {
	*memstore.Store
	connections chan struct{}
}

func newPool(s *memstore.Store) pool { return pool{s, make(chan struct{}, 4)} }

func (m pool) SetPayload(ctx context.Context, h session.Handle, payload []byte) (bool, error) {
	for range 2 {
		m.connections <- struct{}{}
		defer func() { <-m.connections }()
		gap()
	}
	return m.Store.SetPayload(ctx, h, payload)
}

type upsert struct{ *memstore.Store }

func (m upsert) Insert(ctx context.Context, row session.NewRow) error {
	err := m.Store.Insert(ctx, row)
	if err != nil && ctx.Err() == nil {
		return nil
	}
	return err
}

// forgetsID does not keep which call has ended a session.
type forgetsID struct{ *memstore.Store }

func (m forgetsID) Ending(ctx context.Context, h session.Handle) (session.Ended, error) {
	ended, err := m.Store.Ending(ctx, h)
	ended.ID = 0
	return ended, err
}
