package session

import (
	"context"
	"errors"
	"fmt"
)

// deleteBatch is how many sessions one statement ends at most.
const deleteBatch = 1000

// Revoke ends a session and reports whether there was one. Once it has returned no refresh of that session succeeds;
// an access token that is out already is good until it expires. Ending a session twice is no error.
func (m *Manager) Revoke(ctx context.Context, h Handle) (bool, error) {
	ctx, cancel := m.storeContext(ctx)
	defer cancel()
	deleted, err := m.store.Delete(ctx, h)
	if err != nil {
		return false, fmt.Errorf("revoke session: %w", err)
	}
	return deleted, nil
}

// RevokeUser ends all sessions of a user and returns how many there were, expired ones that cleanup has not yet removed
// included.
func (m *Manager) RevokeUser(ctx context.Context, userID string) (int, error) {
	return m.RevokeOthers(ctx, userID, Handle{})
}

// RevokeOthers is RevokeUser for all sessions but one. StoreTimeout bounds each batch of it.
func (m *Manager) RevokeOthers(ctx context.Context, userID string, keep Handle) (int, error) {
	if !validUserID(userID) {
		return 0, ErrInvalidUserID
	}
	total, err := m.inBatches(ctx, func(ctx context.Context) (int, error) {
		return m.store.DeleteUser(ctx, userID, keep, deleteBatch)
	})
	if err != nil {
		return total, fmt.Errorf("revoke sessions: %w", err)
	}
	return total, nil
}

// DeleteExpired removes the rows of sessions that have ended by themselves, in batches, and returns how many there were.
// Expired sessions are dead whether or not their rows are removed: this only frees space, and is for a job that runs
// every few minutes or hours in any number of processes.
func (m *Manager) DeleteExpired(ctx context.Context) (int, error) {
	total, err := m.inBatches(ctx, func(ctx context.Context) (int, error) {
		return m.store.DeleteExpired(ctx, deleteBatch)
	})
	if err != nil {
		return total, fmt.Errorf("delete expired sessions: %w", err)
	}
	return total, nil
}

func (m *Manager) inBatches(ctx context.Context, batch func(context.Context) (int, error)) (total int, err error) {
	for n := deleteBatch; n == deleteBatch; {
		bounded, cancel := m.storeContext(ctx)
		n, err = batch(bounded)
		cancel()
		if err != nil {
			return total, err
		}
		total += n
	}
	return total, nil
}

// Sessions lists a user's live sessions, newest first.
func (m *Manager) Sessions(ctx context.Context, userID string, page Page) ([]Info, error) {
	if !validUserID(userID) {
		return nil, ErrInvalidUserID
	}
	orDefault(&page.Limit, DefaultPage)
	page.Limit = min(max(page.Limit, 1), deleteBatch)
	ctx, cancel := m.storeContext(ctx)
	defer cancel()
	rows, err := m.store.List(ctx, userID, page)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	infos := make([]Info, len(rows))
	for i, row := range rows {
		infos[i] = row.info()
	}
	return infos, nil
}

// Lookup describes one live session. ErrUnauthorised: there is none.
func (m *Manager) Lookup(ctx context.Context, h Handle) (Info, error) {
	ctx, cancel := m.storeContext(ctx)
	defer cancel()
	row, _, err := m.store.Get(ctx, h)
	if errors.Is(err, ErrNotFound) {
		return Info{}, ErrUnauthorised
	}
	if err != nil {
		return Info{}, fmt.Errorf("look up session: %w", err)
	}
	return row.info(), nil
}
