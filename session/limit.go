package session

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
)

// maxSessions is the largest limit of sessions per user: a list of them is one page.
const maxSessions = batch - 1

// insertWithinLimit adds the row of a new session, and holds the user to Config.MaxSessions.
//
// All are looked at when the new one is there, so that of any number of logins at once the last to look sees them all: when all
// have returned there are no more than allowed. LimitEndOldest always leaves the newest; under LimitRefuse two that cross may
// refuse each other.
func (m *Manager) insertWithinLimit(ctx context.Context, row NewRow) error {
	if m.cfg.MaxSessions > 0 && m.cfg.OnLimit == LimitRefuse {
		live, err := m.newestFirst(ctx, row.UserID)
		if err != nil {
			return err
		}
		if len(live) >= m.cfg.MaxSessions {
			return ErrSessionLimit // without a trace
		}
	}
	if err := m.insert(ctx, row); err != nil || m.cfg.MaxSessions == 0 {
		return err
	}
	live, err := m.newestFirst(ctx, row.UserID)
	if err != nil || len(live) <= m.cfg.MaxSessions {
		return err
	}
	surplus := live[m.cfg.MaxSessions:]
	if m.cfg.OnLimit == LimitRefuse {
		surplus = []Row{{Handle: row.Handle, UserID: row.UserID, Device: row.Device}}
	}
	for _, one := range surplus {
		end, err := m.end(RevokeOptions{Reason: ReasonLimit}, nil)
		if err != nil {
			return err
		}
		event := Event{Kind: EventEnded, Handle: one.Handle, UserID: one.UserID, Device: m.cfg.shown(one.Device)}
		if _, err := m.revoke(ctx, event, end); err != nil {
			return fmt.Errorf("end a session too many: %w", err)
		}
		if one.Handle == row.Handle {
			return ErrSessionLimit // newer ones have begun meanwhile
		}
	}
	return nil
}

// newestFirst lists the user's live sessions by the store's clock. Of more than a page the oldest are left for the next login.
func (m *Manager) newestFirst(ctx context.Context, userID string) ([]Row, error) {
	ctx, cancel := m.storeContext(ctx)
	defer cancel()
	rows, err := m.store.List(ctx, userID, Page{Limit: batch})
	if err != nil {
		return nil, fmt.Errorf("count the user's sessions: %w", err)
	}
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), bytes.Compare(b.Handle[:], a.Handle[:]))
	})
	return rows, nil
}
