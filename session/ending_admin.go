package session

import (
	"context"
	"errors"
	"fmt"
)

// Ending tells how one session ended, for people who look into it. ErrNotFound: it has not ended, or only expired without anybody having
// noticed; it never was; or the record is no longer kept.
func (m *Manager) Ending(ctx context.Context, h Handle) (Ending, error) {
	ctx, cancel := m.storeContext(ctx)
	defer cancel()
	ended, err := m.store.Ending(ctx, h)
	switch {
	case errors.Is(err, ErrNotFound):
		return Ending{}, ErrNotFound
	case err != nil:
		return Ending{}, fmt.Errorf("look up ending: %w", err)
	}
	return ended.ending(m.cfg), nil
}
