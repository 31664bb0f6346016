package session

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"

	"github.com/watchword-dev/watchword/session/internal/accesstoken"
)

// VerifyOptions are the options of Verify.
type VerifyOptions struct {
	// CheckAntiCSRF asks for the anti-CSRF check, as every request needs that changes something and is authenticated by
	// a cookie. It is ignored unless Config.AntiCSRF is AntiCSRFToken.
	CheckAntiCSRF bool
	// AntiCSRF is what the request sent as anti-CSRF token.
	AntiCSRF string
}

// Verify checks an access token, without the store: signature, key, algorithm, type, times, issuer, audience. The one
// exception is the first use of a token after a refresh, which tells the store that the refresh arrived; see
// Session.Renewed. If the store does not answer then, the token is good all the same.
//
// Every refused token gets ErrTryRefresh, whatever is wrong with it. ErrUnauthorised means that the session has ended,
// and ErrAntiCSRF that the request did not prove its origin.
func (m *Manager) Verify(ctx context.Context, accessToken string, opts VerifyOptions) (*Session, error) {
	now := m.cfg.Clock()
	claims, err := accesstoken.Parse(accessToken, m.keys.accessKey(ctx), accesstoken.Expected{
		Issuer: m.cfg.Issuer, Audience: m.cfg.Audience, Now: now,
	})
	if err != nil {
		return nil, ErrTryRefresh
	}
	s, err := newSession(m, claims, m.cfg.AntiCSRF, opts)
	if err != nil || !claims.Unconfirmed {
		return s, err
	}

	switch m.confirmed.do(ctx, claims.RefreshMark, now, claims.ExpiresAt, func() outcome {
		return m.confirm(ctx, s.handle, claims.RefreshMark)
	}) {
	case outcomeGone:
		return nil, ErrUnauthorised
	case outcomeStale:
		return nil, ErrTryRefresh
	case outcomeConfirmed:
		claims.Unconfirmed = false
		renewed, err := m.keys.accessSigner().Sign(claims)
		if err != nil {
			return nil, err
		}
		s.renewed = &Tokens{IssuedAt: now, AccessToken: renewed, AccessExpires: claims.ExpiresAt}
	case outcomeUnknown, outcomeCrossed:
	}
	return s, nil
}

// newSession makes the session of good claims, if the request may use it.
func newSession(m *Manager, claims accesstoken.Claims, mode AntiCSRF, opts VerifyOptions) (*Session, error) {
	handle, err := ParseHandle(claims.Session)
	if err != nil {
		return nil, ErrTryRefresh
	}
	if mode == AntiCSRFToken && opts.CheckAntiCSRF {
		if claims.AntiCSRF == "" {
			return nil, ErrTryRefresh // minted before the mode was switched on: a refresh gives the client its token
		}
		if subtle.ConstantTimeCompare([]byte(claims.AntiCSRF), []byte(opts.AntiCSRF)) != 1 {
			return nil, ErrAntiCSRF
		}
	}
	s := &Session{manager: m, handle: handle, userID: claims.Subject, payload: claims.Payload, expires: claims.ExpiresAt}
	if s.payload == nil {
		s.payload = json.RawMessage("null")
	}
	return s, nil
}

// confirmShare is which part of StoreTimeout a first use may wait for its confirmation.
const confirmShare = 5

// confirm tells the store that the refresh token with this mark has arrived. One statement, unless a parallel request or
// another process was first. It does not end with the request, since others wait for it, but soon: a request that needs
// no more than this must not wait for a store that is away.
func (m *Manager) confirm(ctx context.Context, h Handle, mark Mark) outcome {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.cfg.StoreTimeout/confirmShare)
	defer cancel()
	changed, err := m.store.Confirm(ctx, h, mark, nil, m.cfg.lifetimes())
	switch {
	case err != nil:
		return m.unknown(ctx, err)
	case changed:
		return outcomeConfirmed
	}
	row, now, err := m.store.Get(ctx, h)
	switch {
	case errors.Is(err, ErrNotFound):
		return outcomeGone
	case err != nil:
		return m.unknown(ctx, err)
	case same(mark, row.Current):
		return outcomeConfirmed
	case m.policy.crossed(row, mark, now):
		return outcomeCrossed
	default:
		return outcomeStale
	}
}

// unknown is the outcome where the store did not answer. Other errors are no outage, and somebody has to see to them; the
// token is good all the same.
func (m *Manager) unknown(ctx context.Context, err error) outcome {
	if !errors.Is(err, ErrUnavailable) {
		m.cfg.Logger.ErrorContext(ctx, "first uses of access tokens cannot be confirmed", "error", err)
	}
	return outcomeUnknown
}
