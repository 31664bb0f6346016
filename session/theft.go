package session

import (
	"context"
	"fmt"
	"time"
)

// theft ends the session, as configured, and tells the hooks once: of several requests that find the same theft, the one
// that has ended it.
//
// None of it ends with the request: whoever presents a stolen token could hang up to keep it quiet.
func (m *Manager) theft(ctx context.Context, p presented, kind TheftKind) error {
	ctx = context.WithoutCancel(ctx)
	theft := &TheftError{Handle: p.row.Handle, UserID: p.row.UserID, Theft: Theft{
		Kind:          kind,
		Generations:   max(p.row.Generation-p.token.Generation(), 0),
		SinceRotation: since(p.row.RotatedAt, p.now),
		Device:        p.row.Device,
		Presenter:     p.device,
	}}
	event := Event{Kind: EventTheft, Handle: p.row.Handle, UserID: p.row.UserID, Device: p.device, Theft: &theft.Theft}
	if m.cfg.Theft == TheftRevokeUser {
		// The stolen one last: until it has ended, whoever presents its token brings all of this about again.
		if _, err := m.RevokeOthers(ctx, p.row.UserID, p.row.Handle, RevokeOptions{Reason: ReasonTheft}); err != nil {
			return fmt.Errorf("end the sessions of a user one of whose was stolen: %w", err)
		}
	}
	if m.cfg.Theft != TheftReport {
		event.Reason = ReasonTheft
		end, err := m.end(RevokeOptions{Reason: ReasonTheft}, &theft.Theft)
		if err != nil {
			return fmt.Errorf("end stolen session: %w", err)
		}
		mine, err := m.endSession(ctx, p.row.Handle, end)
		if err != nil {
			return fmt.Errorf("end stolen session: %w", err)
		}
		if !mine && !m.collateral(ctx, p.row.Handle) {
			return theft // whoever ended it tells
		}
	}
	m.events.emit(event)
	if m.cfg.OnTheft != nil {
		m.cfg.OnTheft(ctx, theft)
	}
	return theft
}

// collateral reports whether a session was ended because of another one's theft, whose finder knows nothing of this one's.
func (m *Manager) collateral(ctx context.Context, h Handle) bool {
	ctx, cancel := m.storeContext(ctx)
	defer cancel()
	ended, err := m.store.Ending(ctx, h)
	return err == nil && ended.Reason == ReasonTheft && len(ended.Detail) == 0
}

// since is how long before now a moment was; zero for none.
func since(moment, now time.Time) time.Duration {
	if moment.IsZero() {
		return 0
	}
	return max(now.Sub(moment), 0)
}

// outlived ends a session that is older than the absolute lifetime, which was shortened after its row was written.
func (m *Manager) outlived(ctx context.Context, row Row) error {
	end, err := m.end(RevokeOptions{Reason: ReasonAbsolute}, nil)
	if err != nil {
		return &EndedError{Handle: row.Handle, Reason: ReasonAbsolute}
	}
	// If it cannot be ended, the next refresh finds the same.
	mine, err := m.endSession(ctx, row.Handle, end)
	switch {
	case mine:
		m.events.emit(Event{Kind: EventEnded, Handle: row.Handle, UserID: row.UserID, Device: m.cfg.shown(row.Device), Reason: ReasonAbsolute})
	case err == nil:
		return m.gone(ctx, row.Handle) // for another reason
	}
	return &EndedError{Handle: row.Handle, Reason: ReasonAbsolute}
}
