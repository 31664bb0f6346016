package histories_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// defects are the ways in which a store can be spoilt, each of which a run has to bring to light.
var defects = map[string]func(session.Store, *chance) session.Store{
	"lost-update":      func(s session.Store, c *chance) session.Store { return &lostUpdates{s, c} },
	"revoke-undone":    func(s session.Store, c *chance) session.Store { return &undoneEnds{s, c, session.ReasonRevoked} },
	"theft-undone":     func(s session.Store, c *chance) session.Store { return &undoneEnds{s, c, session.ReasonTheft} },
	"confirm-anything": func(s session.Store, c *chance) session.Store { return &confirmsAnything{s} },
	"mint-over":        func(s session.Store, c *chance) session.Store { return &mintsOver{s} },
	"stale-row": func(s session.Store, c *chance) session.Store {
		return &staleRows{Store: s, c: c, rows: map[session.Handle]seen{}}
	},
	"stale-data": func(s session.Store, c *chance) session.Store {
		return &staleData{Store: s, c: c, data: map[session.Handle]document{}}
	},
	"create-undone":       func(s session.Store, c *chance) session.Store { return &undoneInserts{s, c} },
	"write-undone":        func(s session.Store, c *chance) session.Store { return &undoneWrites{s, c} },
	"deaf-feed":           func(s session.Store, c *chance) session.Store { return deafFeed{s} },
	"clock-ahead":         func(s session.Store, c *chance) session.Store { return clockAhead{s} },
	"confirmation-undone": func(s session.Store, c *chance) session.Store { return &undoneConfirms{s, c} },
}

// spoil gives a store a defect; an empty name leaves it as it is.
func spoil(s session.Store, defect string, seed uint64) session.Store {
	if defect == "" {
		return s
	}
	return defects[defect](s, &chance{rng: rand.New(rand.NewPCG(seed, 1))})
}

// chance is randomness that calls share.
type chance struct {
	mu  sync.Mutex
	rng *rand.Rand
}

func (c *chance) in(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rng.IntN(n) == 0
}

// hesitation is between looking and doing, so that others come in between.
const hesitation = 15 * time.Millisecond

// lostUpdates compares, and then sets.
type lostUpdates struct {
	session.Store
	c *chance
}

func (s *lostUpdates) SetData(ctx context.Context, h session.Handle, old, next session.Version, data []byte) (bool, error) {
	if old == 0 {
		return s.Store.SetData(ctx, h, 0, next, data)
	}
	switch _, version, err := s.Data(ctx, h); {
	case errors.Is(err, session.ErrNotFound), err == nil && version != old:
		return false, nil
	case err != nil:
		return false, err
	}
	time.Sleep(hesitation)
	return s.Store.SetData(ctx, h, 0, next, data)
}

// undoneEnds acknowledges some ends without bringing them about.
type undoneEnds struct {
	session.Store
	c      *chance
	reason session.Reason
}

func (s *undoneEnds) End(ctx context.Context, h session.Handle, end session.End) (bool, error) {
	if end.Reason == s.reason && s.c.in(2) {
		return true, nil
	}
	return s.Store.End(ctx, h, end)
}

// confirmsAnything confirms also a token that is not pending any more.
type confirmsAnything struct{ session.Store }

func (s *confirmsAnything) Confirm(ctx context.Context, h session.Handle, pending session.Mark, next *session.Successor, renewal session.Renewal) (bool, error) {
	if ok, err := s.Store.Confirm(ctx, h, pending, next, renewal); ok || err != nil {
		return ok, err
	}
	row, now, err := s.Get(ctx, h)
	switch {
	case errors.Is(err, session.ErrNotFound), err == nil && row.Current == pending:
		return false, nil
	case err != nil:
		return false, err
	}
	if _, err := s.Mint(ctx, h, row.Current, row.Pending, row.HandedAt, session.Successor{Mark: pending, MintedAt: now}, renewal); err != nil {
		return false, err
	}
	return s.Store.Confirm(ctx, h, pending, next, renewal)
}

// mintsOver replaces a successor whatever has become of the row since it was read.
type mintsOver struct{ session.Store }

func (s *mintsOver) Mint(ctx context.Context, h session.Handle, current, pending session.Mark, handedAt time.Time, next session.Successor, renewal session.Renewal) (bool, error) {
	time.Sleep(hesitation)
	ok, err := s.Store.Mint(ctx, h, current, pending, handedAt, next, renewal)
	if ok || err != nil {
		return ok, err
	}
	row, _, err := s.Get(ctx, h)
	if err != nil {
		return false, nil
	}
	return s.Store.Mint(ctx, h, row.Current, row.Pending, row.HandedAt, next, renewal)
}

// staleRows answers some reads of a row with what it has read before, as a replica that lags behind.
type staleRows struct {
	session.Store
	c    *chance
	mu   sync.Mutex
	rows map[session.Handle]seen
}

type seen struct {
	row session.Row
	at  time.Time
}

func (s *staleRows) Get(ctx context.Context, h session.Handle) (session.Row, time.Time, error) {
	row, now, err := s.Store.Get(ctx, h)
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.rows[h]
	if ok && s.c.in(3) {
		return old.row, old.at.Add(time.Millisecond), nil
	}
	if err == nil {
		s.rows[h] = seen{row, now}
	}
	return row, now, err
}

// staleData does the same with data.
type staleData struct {
	session.Store
	c    *chance
	mu   sync.Mutex
	data map[session.Handle]document
}

type document struct {
	data    []byte
	version session.Version
}

func (s *staleData) Data(ctx context.Context, h session.Handle) ([]byte, session.Version, error) {
	data, version, err := s.Store.Data(ctx, h)
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.data[h]
	if ok && err == nil && s.c.in(4) {
		return old.data, old.version, nil
	}
	if err == nil {
		s.data[h] = document{data, version}
	}
	return data, version, err
}

// undoneInserts acknowledges some sessions that it does not keep.
type undoneInserts struct {
	session.Store
	c *chance
}

func (s *undoneInserts) Insert(ctx context.Context, row session.NewRow) error {
	if s.c.in(4) {
		return nil
	}
	return s.Store.Insert(ctx, row)
}

// undoneWrites does the same with data.
type undoneWrites struct {
	session.Store
	c *chance
}

func (s *undoneWrites) SetData(ctx context.Context, h session.Handle, old, next session.Version, data []byte) (bool, error) {
	if s.c.in(10) {
		return true, nil
	}
	return s.Store.SetData(ctx, h, old, next, data)
}

// undoneConfirms does the same with confirmations.
type undoneConfirms struct {
	session.Store
	c *chance
}

func (s *undoneConfirms) Confirm(ctx context.Context, h session.Handle, pending session.Mark, next *session.Successor, renewal session.Renewal) (bool, error) {
	if s.c.in(3) {
		return true, nil
	}
	return s.Store.Confirm(ctx, h, pending, next, renewal)
}

// deafFeed never tells what was revoked.
type deafFeed struct{ session.Store }

func (s deafFeed) Revocations(ctx context.Context, since time.Time, limit int) ([]session.Revocation, time.Time, error) {
	_, now, err := s.Store.Revocations(ctx, since, limit)
	return nil, now, err
}

// clockAhead tells a time that it does not write.
type clockAhead struct{ session.Store }

func (s clockAhead) Get(ctx context.Context, h session.Handle) (session.Row, time.Time, error) {
	row, now, err := s.Store.Get(ctx, h)
	return row, now.Add(time.Minute), err
}
