package session

import (
	"context"
	"fmt"
)

// maxSessions is the largest limit of sessions per user: a list of them is one page.
const maxSessions = batch - 1

// insertWithinLimit adds the row of a new session, and holds the user to Config.MaxSessions.
//
// The others are counted when the new one is there, so that of any number of logins at once the last one sees them all: when
// all have returned, there are no more than allowed.
func (m *Manager) insertWithinLimit(ctx context.Context, row NewRow) error {
	if m.cfg.MaxSessions > 0 && m.cfg.OnLimit == LimitRefuse {
		others, err := m.others(ctx, row)
		if err != nil {
			return err
		}
		if len(others) >= m.cfg.MaxSessions {
			return ErrSessionLimit // without a trace
		}
	}
	if err := m.insert(ctx, row); err != nil || m.cfg.MaxSessions == 0 {
		return err
	}
	others, err := m.others(ctx, row)
	if err != nil {
		return err
	}
	if len(others) < m.cfg.MaxSessions {
		return nil
	}
	surplus := others[m.cfg.MaxSessions-1:] // newest first
	if m.cfg.OnLimit == LimitRefuse {
		surplus = []Row{{Handle: row.Handle, UserID: row.UserID, Device: row.Device}}
	}
	for _, old := range surplus {
		end, err := m.end(RevokeOptions{Reason: ReasonLimit}, nil)
		if err != nil {
			return err
		}
		mine, err := m.endSession(ctx, old.Handle, end)
		if err != nil {
			return fmt.Errorf("end a session too many: %w", err)
		}
		if mine {
			m.events.emit(Event{Kind: EventEnded, Handle: old.Handle, UserID: old.UserID, Device: old.Device, Reason: ReasonLimit})
		}
	}
	if m.cfg.OnLimit == LimitRefuse {
		return ErrSessionLimit
	}
	return nil
}

// others lists the user's live sessions but this one, newest first. Of more than a page the oldest are left for the next login.
func (m *Manager) others(ctx context.Context, row NewRow) ([]Row, error) {
	ctx, cancel := m.storeContext(ctx)
	defer cancel()
	rows, err := m.store.List(ctx, row.UserID, Page{Limit: batch})
	if err != nil {
		return nil, fmt.Errorf("count the user's sessions: %w", err)
	}
	others := rows[:0]
	for _, r := range rows {
		if r.Handle != row.Handle {
			others = append(others, r)
		}
	}
	return others, nil
}
