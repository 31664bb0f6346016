package lab

import (
	"context"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// lookTimeout bounds what the recorder waits for a row.
const lookTimeout = time.Second

// recorded is a store whose calls are seen. It changes nothing about them, but for those that the lab itself makes, and while an outage is
// played.
type recorded struct {
	session.Store // the real one
	recorder      *Recorder
	away          func() bool // the store is not to answer
}

// Store decorates a store. While away says so it does not answer: for a store that has no connection that could be cut; nil: it always does.
func (r *Recorder) Store(store session.Store, away func() bool) session.Store {
	if away == nil {
		away = func() bool { return false }
	}
	return &recorded{Store: store, recorder: r, away: away}
}

// call notes a call before it is made. The error is that of a store that is away.
func (s *recorded) call(ctx context.Context, name string, h session.Handle) error {
	traceOf(ctx).call(name, h)
	if s.away() {
		return session.ErrUnavailable
	}
	return nil
}

// Insert implements session.LiveStore.
func (s *recorded) Insert(ctx context.Context, row session.NewRow) error {
	if err := s.call(ctx, "Insert", row.Handle); err != nil {
		return err
	}
	err := s.Store.Insert(ctx, row)
	if err == nil {
		traceOf(ctx).begin(row.Handle)
		s.changed(ctx, row.Handle, nil)
	}
	return err
}

// Get implements session.LiveStore.
func (s *recorded) Get(ctx context.Context, h session.Handle) (session.Row, time.Time, error) {
	if err := s.call(ctx, "Get", h); err != nil {
		return session.Row{}, time.Time{}, err
	}
	row, now, err := s.look(ctx, h)
	if err == nil {
		s.recorder.journal(h).learn(row)
	}
	return row, now, err
}

// Confirm implements session.LiveStore. A request to the lab confirms nothing, or each look at the session would change it: for the Manager
// the store did not answer, and the token that was presented is good all the same.
func (s *recorded) Confirm(ctx context.Context, h session.Handle, mark session.Mark, next *session.Successor, renewal session.Renewal) (bool, error) {
	if traceOf(ctx).isAside() {
		return false, session.ErrUnavailable
	}
	if err := s.call(ctx, "Confirm", h); err != nil {
		return false, err
	}
	done, err := s.Store.Confirm(ctx, h, mark, next, renewal)
	if done {
		s.changed(ctx, h, func(l *lineage, now time.Time, by string) {
			if l.row.Current == mark {
				now = l.row.RotatedAt
			}
			l.confirm(mark, now, by)
			if next != nil {
				l.mint(mark, *next, by)
			}
		})
	}
	return done, err
}

// HandOut implements session.LiveStore.
func (s *recorded) HandOut(ctx context.Context, h session.Handle, from, to session.Mark, counts bool, renewal session.Renewal) (bool, error) {
	if err := s.call(ctx, "HandOut", h); err != nil {
		return false, err
	}
	done, err := s.Store.HandOut(ctx, h, from, to, counts, renewal)
	if done {
		s.changed(ctx, h, func(l *lineage, now time.Time, by string) {
			if l.row.Pending == to {
				now = l.row.HandedAt
			}
			l.handOut(from, to, now, by)
		})
	}
	return done, err
}

// Mint implements session.LiveStore.
func (s *recorded) Mint(ctx context.Context, h session.Handle, from, replaced session.Mark, handedAt time.Time, next session.Successor, renewal session.Renewal) (bool, error) {
	if err := s.call(ctx, "Mint", h); err != nil {
		return false, err
	}
	done, err := s.Store.Mint(ctx, h, from, replaced, handedAt, next, renewal)
	if done {
		s.changed(ctx, h, func(l *lineage, _ time.Time, by string) { l.mint(from, next, by) })
	}
	return done, err
}

// look reads a row, and the store's clock.
func (s *recorded) look(ctx context.Context, h session.Handle) (session.Row, time.Time, error) {
	began := s.recorder.clock()
	row, now, err := s.Store.Get(ctx, h)
	if err == nil {
		s.recorder.compare(began, now)
	}
	return row, now, err
}

// changed looks at the row that a call has left behind, and notes what the call did.
func (s *recorded) changed(ctx context.Context, h session.Handle, note func(l *lineage, now time.Time, by string)) {
	began := time.Now()
	t := traceOf(ctx)
	defer func() { t.watched(time.Since(began)) }()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTimeout)
	defer cancel()
	row, now, err := s.look(ctx, h)
	if err != nil { // it has ended meanwhile, or the store is away: what the call did is known all the same
		now = s.recorder.now()
	}
	j := s.recorder.journal(h)
	j.change(func() {
		if err == nil {
			j.userID = row.UserID
			j.lineage.learn(row)
		}
		if note != nil {
			note(&j.lineage, now, j.client(t))
		}
	})
}

// learn takes in a row that the Manager has read.
func (j *journal) learn(row session.Row) {
	j.change(func() {
		j.userID = row.UserID
		j.lineage.learn(row)
	})
}
