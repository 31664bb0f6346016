package session

import (
	"context"
	"errors"
	"fmt"
)

// Readiness says what a process can do for its clients at a moment.
type Readiness string

// The kinds of readiness. In none of them does it help to restart the process: that is a question of liveness, to which any answer will do.
const (
	// Ready: everything. What Health says of a feed that is stale is to be looked at all the same.
	Ready Readiness = "ready"
	// ReadyToVerify: the store does not answer, so that nobody can log in, refresh, or be logged out; whoever has a good access token notices
	// nothing. A process in this state should keep getting requests, since the others are no better off.
	ReadyToVerify Readiness = "verifying"
	// NotReady: requests with good access tokens get ErrUnavailable, since the configuration has Verify depend on the store.
	NotReady Readiness = "not_ready"
)

var errFeedUnread = errors.New("revocations have not been read for longer than MaxFeedAge, and StaleFeed refuses then: has Manager.Run ended, or is the store away?")

// Ready asks the store, with one statement, what this process can do now. The error is why that is not all; nil: it is.
func (m *Manager) Ready(ctx context.Context) (Readiness, error) {
	err := m.askStore(ctx)
	stale := m.feed != nil && m.cfg.StaleFeed == StaleFeedRefuse && !m.feed.fresh(m.cfg.Clock())
	switch {
	case stale:
		return NotReady, errors.Join(errFeedUnread, err)
	case err == nil:
		return Ready, nil
	case m.cfg.Revocation == RevocationStrict:
		return NotReady, err
	default:
		return ReadyToVerify, err
	}
}

// askStore asks for a session that there cannot be.
func (m *Manager) askStore(ctx context.Context) error {
	ctx, cancel := m.storeContext(ctx)
	defer cancel()
	if _, _, err := m.store.Get(ctx, Handle{}); err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("ask the store: %w", err)
	}
	return nil
}
