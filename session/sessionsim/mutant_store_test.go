package sessionsim_test

import (
	"context"
	"slices"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// losesInserts is a store that loses each tenth session.
type losesInserts struct {
	session.Store
	n int
}

func (s *losesInserts) Insert(ctx context.Context, row session.NewRow) error {
	if s.n++; s.n%10 == 0 {
		return nil
	}
	return s.Store.Insert(ctx, row)
}

// forgetful is a store that loses its last write when it crashes: it is made anew of all the others.
type forgetful struct {
	session.Store
	clock func() time.Time
	now   time.Time // zero: the clock's
	log   []written
}

type written struct {
	at time.Time
	do func(session.Store)
}

func newForgetful(clock func() time.Time) *forgetful {
	s := &forgetful{clock: clock}
	s.Store = memstore.New(s.time)
	return s
}

func (s *forgetful) time() time.Time {
	if s.now.IsZero() {
		return s.clock()
	}
	return s.now
}

// Recover is called when the store crashes.
func (s *forgetful) Recover() {
	if len(s.log) > 0 {
		s.log = s.log[:len(s.log)-1]
	}
	s.Store = memstore.New(s.time)
	for _, w := range s.log {
		s.now = w.at
		w.do(s.Store)
	}
	s.now = time.Time{}
}

func (s *forgetful) write(do func(session.Store)) {
	s.log = append(s.log, written{s.clock(), do})
	do(s.Store)
}

func (s *forgetful) InsertKey(ctx context.Context, key session.Key) (err error) {
	do := func(to session.Store) { err = to.InsertKey(ctx, key) }
	if do(s.Store); err == nil {
		s.log = append([]written{{s.clock(), do}}, s.log...) // keys are not what it loses
	}
	return err
}

func (s *forgetful) Insert(ctx context.Context, row session.NewRow) (err error) {
	s.write(func(to session.Store) { err = to.Insert(ctx, row) })
	return err
}

func (s *forgetful) Confirm(ctx context.Context, h session.Handle, pending session.Mark, next *session.Successor, renewal session.Renewal) (ok bool, err error) {
	s.write(func(to session.Store) { ok, err = to.Confirm(ctx, h, pending, next, renewal) })
	return ok, err
}

func (s *forgetful) HandOut(ctx context.Context, h session.Handle, current, pending session.Mark, counts bool, renewal session.Renewal) (ok bool, err error) {
	s.write(func(to session.Store) { ok, err = to.HandOut(ctx, h, current, pending, counts, renewal) })
	return ok, err
}

func (s *forgetful) Mint(ctx context.Context, h session.Handle, current, pending session.Mark, handedAt time.Time, next session.Successor, renewal session.Renewal) (ok bool, err error) {
	s.write(func(to session.Store) { ok, err = to.Mint(ctx, h, current, pending, handedAt, next, renewal) })
	return ok, err
}

// filteredFeed is a store whose feed shows only some entries.
type filteredFeed struct {
	session.Store
	clock   func() time.Time
	visible func(r session.Revocation, age time.Duration) bool
}

func (s filteredFeed) Revocations(ctx context.Context, since time.Time, limit int) ([]session.Revocation, time.Time, error) {
	entries, now, err := s.Store.Revocations(ctx, since, limit)
	var visible []session.Revocation
	for _, r := range entries {
		if s.visible(r, s.clock().Sub(r.At)) {
			visible = append(visible, r)
		}
	}
	return visible, now, err
}

// everybodysFeed is a store whose feed names everybody wherever somebody was revoked.
type everybodysFeed struct{ session.Store }

func (s everybodysFeed) Revocations(ctx context.Context, since time.Time, limit int) ([]session.Revocation, time.Time, error) {
	entries, now, err := s.Store.Revocations(ctx, since, limit)
	for i := range entries {
		entries[i].Handle, entries[i].UserID, entries[i].KeyID = session.Handle{}, "", ""
	}
	return entries, now, err
}

// lateKeys is a store that shows seven of eight readers a new key only when it has signed for ten seconds, and has no news of keys.
type lateKeys struct {
	session.Store
	clock func() time.Time
	n     int
}

func (s *lateKeys) Keys(ctx context.Context) ([]session.Key, time.Time, error) {
	keys, now, err := s.Store.Keys(ctx)
	if s.n++; s.n%8 == 0 {
		return keys, now, err
	}
	var visible []session.Key
	for _, k := range keys {
		if k.Sequence == 1 || !s.clock().Before(k.ActivatesAt.Add(10*time.Second)) {
			visible = append(visible, k)
		}
	}
	return visible, now, err
}

func (s *lateKeys) Revocations(ctx context.Context, since time.Time, limit int) ([]session.Revocation, time.Time, error) {
	entries, now, err := s.Store.Revocations(ctx, since, limit)
	return slices.DeleteFunc(entries, func(r session.Revocation) bool { return r.KeyID != "" }), now, err
}
