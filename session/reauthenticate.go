package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/watchword-dev/watchword/session/internal/refreshtoken"
)

// Reauthenticated is to be called when the user of a verified session has just proved again who they are, or has gained
// privileges (so that nobody shares these who has held the session's tokens before: session fixation). It gives the client new tokens, whose auth_time claim is now; see VerifyOptions.MaxAuthAge.
//
// The new refresh token cannot be made from the old one, so that whoever has a copy of that gains nothing: once the client has
// used the new tokens the old one is over, and whoever presents it gives themselves away. Until then it works as before,
// since this answer, too, may be lost; the user then has to prove who they are once more.
//
// The errors match ErrUnauthorised; ErrTryRefresh: the answer to another refresh of the client may be under way, refresh and
// repeat; ErrUnavailable. Within a quarter of Config.Grace after a refresh the call waits for the rest of it, since that refresh's answer
// to another tab may still be under way, and must not replace this one's.
func (m *Manager) Reauthenticated(ctx context.Context, s *Session, opts RefreshOptions) (_ *Session, _ Tokens, err error) {
	ctx, done := m.begin(ctx, OpReauthenticate)
	defer func() { done(err) }()
	device := m.cfg.device(opts.Device)
	var sent *grant // whose minting had no answer
	for range maxAttempts {
		g, wait, err := m.reauthenticate(ctx, s, device, sent)
		if errors.Is(err, ErrUnavailable) && g != nil && sent == nil && ctx.Err() == nil {
			sent = g // the row tells whether it happened
			continue
		}
		switch {
		case err != nil:
			return nil, Tokens{}, err
		case wait > 0:
			if err := m.cfg.Sleep(ctx, wait); err != nil {
				return nil, Tokens{}, fmt.Errorf("reauthenticate: %w: %w", ErrUnavailable, err)
			}
		case g != nil:
			m.events.emit(Event{Kind: EventReauthenticated, Handle: s.handle, UserID: g.userID, Device: device})
			g.antiCSRF = opts.AntiCSRF
			return m.issue(*g)
		}
	}
	return nil, Tokens{}, fmt.Errorf("reauthenticate: %w: too many requests change the session at once", ErrUnavailable)
}

// reauthenticate makes an independent successor pending. It returns a grant, how long to wait before another attempt, or neither
// when another request has changed the row.
func (m *Manager) reauthenticate(ctx context.Context, s *Session, device Device, sent *grant) (*grant, time.Duration, error) {
	ctx, cancel := m.storeContext(ctx)
	defer cancel()
	at := m.cfg.Clock()
	h, renewal := s.handle, Renewal{Lifetimes: m.cfg.lifetimes(), Device: device}
	row, now, err := m.store.Get(ctx, h)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, 0, m.gone(ctx, h)
	case err != nil:
		return nil, 0, fmt.Errorf("reauthenticate: %w", err)
	case !now.Before(row.CreatedAt.Add(m.cfg.AbsoluteLifetime)):
		return nil, 0, m.outlived(ctx, row)
	case intact(row) != nil:
		return nil, 0, fmt.Errorf("reauthenticate: %w", intact(row))
	case sent != nil && row.Pending == sent.refresh.Mark():
		return sent, 0, nil
	case !row.Pending.IsZero() && same(s.mark, row.Pending):
		// The client holds it: it is not to be replaced, but confirmed.
		confirmed, err := m.store.Confirm(ctx, h, row.Pending, nil, renewal)
		if err != nil && !errors.Is(err, ErrUnavailable) {
			return nil, 0, fmt.Errorf("reauthenticate: %w", err)
		}
		if confirmed {
			m.events.emit(Event{Kind: EventConfirmed, Handle: h, UserID: row.UserID, Device: device})
		}
		return nil, 0, nil
	case !same(s.mark, row.Current):
		return nil, 0, fmt.Errorf("reauthenticate: %w: the client has newer tokens", ErrTryRefresh)
	case !row.Pending.IsZero():
		// It may be in the client's jar, whatever access token is: a late answer to another request may have put that there. Only
		// the refresh token tells.
		return nil, 0, fmt.Errorf("reauthenticate: %w: another successor may be under way", ErrTryRefresh)
	}
	if wait := row.RotatedAt.Add(m.cfg.Grace / 4).Sub(now); !row.RotatedAt.IsZero() && !m.policy.strict() && wait > 0 {
		return nil, wait, nil
	}
	key, _ := m.keys.refreshSigner(now)
	token, err := refreshtoken.Independent(key, h, row.Generation+1, now, m.cfg.Random)
	if err != nil {
		return nil, 0, fmt.Errorf("reauthenticate: %w", err)
	}
	next := Successor{Mark: token.Mark(), MintedAt: now, AuthAt: now}
	g := &grant{
		handle: h, userID: row.UserID, payload: row.Payload, refresh: token, key: key, unconfirmed: true,
		at: at, storeTime: now, authAt: at, remaining: renewal.Lifetimes.Idle,
		left: row.CreatedAt.Add(renewal.Lifetimes.Absolute).Sub(now),
	}
	won, err := m.store.Mint(ctx, h, row.Current, row.Pending, row.HandedAt, next, renewal)
	switch {
	case err != nil:
		return g, 0, fmt.Errorf("reauthenticate: %w", err)
	case !won:
		return nil, 0, nil
	}
	return g, 0, nil
}
