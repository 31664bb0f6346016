package memstore

import (
	"context"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// Confirm implements session.Store.
func (s *Store) Confirm(ctx context.Context, h session.Handle, pending session.Mark, next *session.Successor, renewal session.Renewal) (bool, error) {
	return s.change(ctx, h, func(r *record, now time.Time) bool {
		if pending.IsZero() || r.Pending != pending {
			return false
		}
		r.Previous, r.Current, r.CurrentAt, r.RotatedAt = r.Current, r.Pending, r.PendingAt, now
		r.Generation++
		if !r.PendingAuthAt.IsZero() {
			r.AuthAt = r.PendingAuthAt
		}
		r.Pending, r.PendingAt, r.PendingAuthAt, r.HandedAt, r.Handed = session.Mark{}, time.Time{}, time.Time{}, time.Time{}, 0
		if next != nil {
			r.offer(*next, now)
		}
		r.renew(now, renewal)
		return true
	})
}

// HandOut implements session.Store.
func (s *Store) HandOut(ctx context.Context, h session.Handle, current, pending session.Mark, counts bool, renewal session.Renewal) (bool, error) {
	return s.change(ctx, h, func(r *record, now time.Time) bool {
		if pending.IsZero() || r.Current != current || r.Pending != pending {
			return false
		}
		if soonest := r.HandedAt.Add(time.Microsecond); now.Before(soonest) {
			r.HandedAt = soonest
		} else {
			r.HandedAt = now
		}
		if counts {
			r.Handed++
		}
		r.renew(now, renewal)
		return true
	})
}

// Mint implements session.Store.
func (s *Store) Mint(ctx context.Context, h session.Handle, current, pending session.Mark, handedAt time.Time, next session.Successor, renewal session.Renewal) (bool, error) {
	return s.change(ctx, h, func(r *record, now time.Time) bool {
		if r.Current != current || r.Pending != pending || !r.HandedAt.Equal(handedAt) {
			return false
		}
		r.offer(next, now)
		r.renew(now, renewal)
		return true
	})
}

// offer makes next pending.
func (r *record) offer(next session.Successor, now time.Time) {
	r.Pending, r.PendingAt, r.PendingAuthAt, r.HandedAt = next.Mark, micro(next.MintedAt), micro(next.AuthAt), now
	r.Handed++
}

func (r *record) renew(now time.Time, renewal session.Renewal) {
	r.extend(now, renewal.Lifetimes)
	if renewal.Device != (session.Device{}) {
		r.Device = renewal.Device
	}
}
