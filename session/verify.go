package session

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/watchword-dev/watchword/session/internal/accesstoken"
)

// VerifyOptions are the options of Verify.
type VerifyOptions struct {
	// CheckAntiCSRF asks for the session's anti-CSRF token; see CreateOptions.AntiCSRF. An access token that was issued without
	// one gets ErrTryRefresh: a refresh that asks for one will bring it.
	CheckAntiCSRF bool
	// AntiCSRF is what the request sent as anti-CSRF token.
	AntiCSRF string
	// MaxAuthAge is how long ago the user may have proved who they are, for requests that need a fresh proof (step-up
	// authentication); zero: any time. See Manager.Reauthenticated.
	MaxAuthAge time.Duration
	// MaxAccessToken is as in CreateOptions, for Session.SetPayload; zero: 3600, which fits into a cookie.
	MaxAccessToken int
}

// Verify checks an access token, without the store: signature, key, algorithm, type, times, issuer, audience. The one
// exception is the first use of a token after a refresh, which tells the store that the refresh arrived; see
// Session.Renewed. If the store does not answer then, the token is good all the same.
//
// Every refused token gets ErrTryRefresh, whatever is wrong with it. ErrUnauthorised means that the session has ended, with the
// reason in an EndedError where it is known, ErrAntiCSRF that the request did not prove its origin, ErrReauthenticate that
// VerifyOptions.MaxAuthAge is exceeded. ErrUnavailable comes only where the configuration has Verify depend on the store: with
// RevocationStrict, and with StaleFeedRefuse.
func (m *Manager) Verify(ctx context.Context, accessToken string, opts VerifyOptions) (*Session, error) {
	s, result, err := m.verify(ctx, accessToken, opts)
	m.counts.verified.add(result, s)
	if err != nil {
		m.tellRefused(ctx, accessToken, result, err)
	}
	return s, err
}

// verify is Verify, and says what became of it.
func (m *Manager) verify(ctx context.Context, accessToken string, opts VerifyOptions) (*Session, verifyResult, error) {
	now := m.cfg.Clock()
	verified, known, flaw := m.verified.parse(accessToken, m.keys.accessKey(ctx, now), accesstoken.Expected{
		Issuer: m.cfg.Issuer, Audience: m.cfg.Audience, Now: now,
	})
	if flaw != accesstoken.Flawless {
		return nil, verifyMalformed + verifyResult(flaw-accesstoken.Malformed), ErrTryRefresh
	}
	s, err := newSession(m, verified, opts)
	if err != nil {
		return nil, verifyAntiCSRF, err
	}
	if err := m.revoked(ctx, s, verified.claims.StoreTime, now); err != nil {
		return nil, refusal(err), err
	}
	if err := s.authenticatedWithin(opts.MaxAuthAge, now); err != nil {
		return nil, verifyReauthenticate, err
	}
	switch {
	case verified.claims.Unconfirmed:
		return m.firstUse(ctx, s, verified.claims, now)
	case known:
		return s, verifyHit, nil
	default:
		return s, verifyMiss, nil
	}
}

// firstUse is the part of Verify that is about a token which came with a refresh that is not known to have arrived.
func (m *Manager) firstUse(ctx context.Context, s *Session, claims accesstoken.Claims, now time.Time) (*Session, verifyResult, error) {
	switch m.confirmed.do(ctx, claims.RefreshMark, now, claims.ExpiresAt, func() outcome {
		return m.confirm(ctx, s, claims.RefreshMark)
	}) {
	case outcomeGone:
		return nil, verifyEnded, m.whyGone(ctx, s.handle)
	case outcomeStale:
		return nil, verifySuperseded, ErrTryRefresh
	case outcomeConfirmed:
		claims.Unconfirmed = false
		renewed, err := m.keys.accessSigner().Sign(claims)
		if err != nil {
			return nil, verifyFailed, err
		}
		s.renewed = &Tokens{IssuedAt: now, AccessToken: renewed, AccessExpires: claims.ExpiresAt}
		return s, verifyConfirmed, nil
	case outcomeUnknown, outcomeCrossed:
	}
	return s, verifyUnconfirmed, nil
}

// revoked refuses the token of a session that has ended, as far as the mode lets it be known.
func (m *Manager) revoked(ctx context.Context, s *Session, minted, now time.Time) error {
	switch {
	case m.feed != nil:
		if !m.feed.fresh(now) && m.cfg.StaleFeed == StaleFeedRefuse {
			return fmt.Errorf("verify access token: %w: revocations have not been read", ErrUnavailable)
		}
		return m.feed.check(s.handle, s.userID, minted, now)
	case m.cfg.Revocation == RevocationStrict:
		if err := m.tombstones.find(s.handle, now); err != nil {
			return err
		}
		return m.askStrict(ctx, s.handle)
	}
	return nil
}

// askStrict asks the store whether a session is alive.
func (m *Manager) askStrict(ctx context.Context, h Handle) (err error) {
	ctx, done := m.begin(ctx, OpVerify)
	defer func() { done(err) }()
	ctx, cancel := m.storeContext(ctx)
	defer cancel()
	_, _, err = m.store.Get(ctx, h)
	if errors.Is(err, ErrNotFound) {
		return m.gone(ctx, h)
	}
	if err != nil {
		return fmt.Errorf("verify access token: %w", err)
	}
	return nil
}

// authenticatedWithin refuses a session whose user proved who they are longer ago; zero: any time will do.
func (s *Session) authenticatedWithin(age time.Duration, now time.Time) error {
	if age != 0 && now.Sub(s.authAt) > age {
		return ErrReauthenticate
	}
	return nil
}

// whyGone is gone for callers without a context of the store's.
func (m *Manager) whyGone(ctx context.Context, h Handle) error {
	ctx, cancel := m.storeContext(ctx)
	defer cancel()
	return m.gone(ctx, h)
}

// newSession makes the session of good claims, if the request may use it.
func newSession(m *Manager, verified *verifiedToken, opts VerifyOptions) (*Session, error) {
	claims := &verified.claims
	if opts.CheckAntiCSRF {
		if claims.AntiCSRF == "" {
			return nil, ErrTryRefresh // issued before the application asked for it, or to a client of another kind
		}
		if subtle.ConstantTimeCompare([]byte(claims.AntiCSRF), []byte(opts.AntiCSRF)) != 1 {
			return nil, ErrAntiCSRF
		}
	}
	return &Session{manager: m, facts: &verified.facts, maxAccess: opts.MaxAccessToken}, nil
}

// confirmShare is which part of StoreTimeout a first use may wait for its confirmation.
const confirmShare = 5

// confirm tells the store that the refresh token with this mark has arrived. One statement, unless a parallel request or
// another process was first. It does not end with the request, since others wait for it, but soon: a request that needs
// no more than this must not wait for a store that is away.
func (m *Manager) confirm(ctx context.Context, s *Session, mark Mark) outcome {
	var err error
	ctx, done := m.begin(ctx, OpVerify)
	defer func() { done(err) }()
	h := s.handle
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.cfg.StoreTimeout/confirmShare)
	defer cancel()
	changed, err := m.store.Confirm(ctx, h, mark, nil, Renewal{Lifetimes: m.cfg.lifetimes()})
	switch {
	case err != nil:
		return m.unknown(ctx, err)
	case changed:
		m.events.emit(Event{Kind: EventConfirmed, Handle: h, UserID: s.userID})
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
