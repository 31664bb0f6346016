package session

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Info describes a session to its user or to an administrator. Times are by the store's clock.
type Info struct {
	Handle      Handle
	UserID      string
	Current     bool // it is the session that the context of the call carries: the caller's own
	CreatedAt   time.Time
	RefreshedAt time.Time // the last refresh that gave out a new token; CreatedAt before the first
	AuthAt      time.Time // when the user last proved who they are
	ExpiresAt   time.Time // if nobody refreshes it until then
	Device      Device    // as of the last refresh
	Label       string
}

func (r Row) refreshedAt() time.Time { return later(later(r.CurrentAt, r.RotatedAt), r.HandedAt) }

func (r Row) info(ctx context.Context, cfg Config) Info {
	own, ok := FromContext(ctx)
	return Info{
		Handle:      r.Handle,
		UserID:      r.UserID,
		Current:     ok && own.handle == r.Handle,
		CreatedAt:   r.CreatedAt,
		RefreshedAt: r.refreshedAt(),
		AuthAt:      r.AuthAt,
		ExpiresAt:   r.ExpiresAt,
		Device:      cfg.shown(r.Device),
		Label:       r.Label,
	}
}

// pageLimit is the limit of a page for one of the caller's.
func pageLimit(limit int) (int, error) {
	if limit < 0 {
		return 0, ErrInvalidPage
	}
	orDefault(&limit, DefaultPage)
	return min(limit, batch), nil
}

// Sessions lists a user's live sessions, newest first, up to 1000 on a page. In a request that an adapter has verified its own
// is marked. Config.Lists answers, if set. ErrInvalidUserID, ErrInvalidPage or ErrUnavailable.
func (m *Manager) Sessions(ctx context.Context, userID string, page Page) (_ []Info, err error) {
	ctx, done := m.begin(ctx, OpSessions)
	defer func() { done(err) }()
	if !validUserID(userID) {
		return nil, ErrInvalidUserID
	}
	if page.Limit, err = pageLimit(page.Limit); err != nil {
		return nil, err
	}
	rows, err := listed(ctx, m, func(ctx context.Context, from Lister) ([]Row, error) {
		return m.listLive(ctx, from, userID, page)
	})
	if err != nil {
		return nil, err
	}
	infos := make([]Info, len(rows))
	for i, row := range rows {
		infos[i] = row.info(ctx, m.cfg)
	}
	return infos, nil
}

// Lookup describes one live session. ErrUnauthorised: there is none.
func (m *Manager) Lookup(ctx context.Context, h Handle) (_ Info, err error) {
	ctx, done := m.begin(ctx, OpLookup)
	defer func() { done(err) }()
	bounded, cancel := m.storeContext(ctx)
	defer cancel()
	row, _, err := m.store.Get(bounded, h)
	if errors.Is(err, ErrNotFound) {
		return Info{}, ErrUnauthorised
	}
	if err != nil {
		return Info{}, fmt.Errorf("look up session: %w", err)
	}
	return row.info(ctx, m.cfg), nil
}
