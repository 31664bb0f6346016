package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/watchword-dev/watchword/session/internal/accesstoken"
	"github.com/watchword-dev/watchword/session/internal/refreshtoken"
)

// PayloadOptions are the options of SetPayload.
type PayloadOptions struct {
	// MaxAccessToken is as in CreateOptions; zero: 3600, which fits into a cookie.
	MaxAccessToken int
}

const cookieAccessToken = 3600

// SetPayload replaces the payload of a session's access tokens, from the next refresh on; those that are out keep theirs. v is
// as in CreateOptions.Payload.
//
// The errors match ErrUnauthorised, ErrInvalidJSON, ErrTooLarge or ErrUnavailable.
func (m *Manager) SetPayload(ctx context.Context, h Handle, v any, opts PayloadOptions) (err error) {
	ctx, done := m.begin(ctx, OpSetPayload)
	defer func() { done(err) }()
	payload, err := encodePayload(v)
	if err != nil {
		return err
	}
	ctx, cancel := m.storeContext(ctx)
	defer cancel()
	row, _, err := m.store.Get(ctx, h)
	if err == nil {
		orDefault(&opts.MaxAccessToken, cookieAccessToken)
		err = m.payloadFits(row, payload, opts.MaxAccessToken)
	}
	changed := false
	if err == nil {
		changed, err = m.store.SetPayload(ctx, h, payload)
	}
	switch {
	case errors.Is(err, ErrNotFound) || err == nil && !changed:
		return m.gone(ctx, h)
	case err != nil:
		return fmt.Errorf("set payload: %w", err)
	}
	return nil
}

// payloadFits makes an access token with the payload, to see how long it is.
func (m *Manager) payloadFits(row Row, payload json.RawMessage, limit int) error {
	key, _ := m.keys.refreshSigner(m.keys.now())
	now := m.cfg.Clock()
	refresh, err := refreshtoken.Independent(key, row.Handle, 0, now, m.cfg.Random)
	if err != nil {
		return err
	}
	_, tokens, err := m.issue(grant{
		handle: row.Handle, userID: row.UserID, payload: payload, refresh: refresh, key: key,
		at: now, storeTime: now, authAt: now, left: m.cfg.AbsoluteLifetime, remaining: m.cfg.IdleLifetime, antiCSRF: true,
	})
	if err != nil {
		return err
	}
	return fits(tokens.AccessToken, min(limit, accesstoken.MaxLen))
}

// SetLabel replaces a session's label; see CreateOptions.Label. Of a handle that comes from a user Lookup tells whose it is. The
// errors match ErrUnauthorised, ErrInvalidLabel or ErrUnavailable.
func (m *Manager) SetLabel(ctx context.Context, h Handle, label string) (err error) {
	ctx, done := m.begin(ctx, OpSetLabel)
	defer func() { done(err) }()
	if !validLabel(label) {
		return ErrInvalidLabel
	}
	ctx, cancel := m.storeContext(ctx)
	defer cancel()
	changed, err := m.store.SetLabel(ctx, h, label)
	switch {
	case err != nil:
		return fmt.Errorf("set label: %w", err)
	case !changed:
		return m.gone(ctx, h)
	}
	return nil
}
