package session

import (
	"context"
	"errors"
	"fmt"

	"github.com/watchword-dev/watchword/session/internal/denylist"
)

// Lister is the part of a Store that answers Manager.Sessions and Manager.Endings, which people look at and nothing is decided by. Unlike
// a Store it may be behind: a store over a replica will do. See Config.Lists.
type Lister interface {
	// List and Endings are as in Store.
	List(ctx context.Context, userID string, page Page) ([]Row, error)
	Endings(ctx context.Context, userID string, page EndingsPage) ([]Ended, error)
}

// listed asks whoever is to answer lists. What Config.Lists could not answer within half of the time that there is, the store is asked.
func listed[T any](ctx context.Context, m *Manager, ask func(context.Context, Lister) ([]T, error)) ([]T, error) {
	ctx, cancel := m.storeContext(ctx)
	defer cancel()
	if m.cfg.Lists == nil {
		return ask(ctx, m.store)
	}
	half, cancel := context.WithTimeout(ctx, m.cfg.StoreTimeout/2)
	defer cancel()
	list, err := ask(half, m.cfg.Lists)
	if errors.Is(err, ErrUnavailable) && ctx.Err() == nil {
		m.cfg.Logger.WarnContext(ctx, "Config.Lists could not answer, and the store is asked", "error", err)
		return ask(ctx, m.store)
	}
	return list, err
}

// listLive lists a page of live sessions. Those that this process knows to have ended are left out: a replica may not have heard of that
// yet, or be cut off from what it follows. The page is filled with others for them, so that a short one is the last as ever.
func (m *Manager) listLive(ctx context.Context, from Lister, userID string, page Page) ([]Row, error) {
	var live []Row
	for want := page.Limit; ; {
		page.Limit = want - len(live)
		rows, err := from.List(ctx, userID, page)
		if err != nil {
			return nil, fmt.Errorf("list sessions: %w", err)
		}
		for _, row := range rows {
			if !m.knownEnded(row.Handle) {
				live = append(live, row)
			}
		}
		if len(live) == want || len(rows) < page.Limit {
			return live, nil
		}
		page.Before = rows[len(rows)-1].Handle
	}
}

// knownEnded reports whether this process has heard that a session was ended.
func (m *Manager) knownEnded(h Handle) bool {
	if m.feed == nil {
		return false
	}
	_, ended := m.feed.sessions.Lookup(denylist.Key(h))
	return ended
}
