package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/watchword-dev/watchword/session/internal/refreshtoken"
)

// maxLost is how many lost answers a refresh takes. A store that takes no writes is not asked again and again.
const maxLost = 2

// maxAttempts bounds how often one refresh reads the row anew because another one changed it. Every lost race moves the row towards a state that is answered without a race.
const maxAttempts = 8

// RefreshOptions are the options of Refresh.
type RefreshOptions struct {
	// Device is what the request shows of the client. Adapters fill it in.
	Device Device
	// AntiCSRF is as in CreateOptions.
	AntiCSRF bool
	// Resend asks for the refresh token also where the client is to keep the one that it presented, since it holds others beside
	// it. It is sent where that is safe: not within the grace after it was rotated in, when a newer one may arrive before it.
	Resend bool
}

// Refresh exchanges a refresh token for a new pair. If the RefreshToken that it returns is empty, the client keeps the
// one that it presented; a transport must not send it again, since a late response would put an old token back.
//
// The errors match ErrUnauthorised: the token is no good, or the session has ended (a *TheftError, too, matches this);
// ErrUnavailable: the store did not answer, nothing is lost, repeat the call; ErrTryRefresh: the token crossed with
// another refresh in a way that only the client's newest token can sort out.
func (m *Manager) Refresh(ctx context.Context, refreshToken string, opts RefreshOptions) (_ *Session, _ Tokens, err error) {
	ctx, done := m.begin(ctx, OpRefresh)
	var result refreshResult
	mine := false // the answer is that of another call
	defer func() {
		m.refreshed(ctx, result, mine, err)
		done(err)
	}()
	token, key, err := m.keys.openRefresh(ctx, refreshToken)
	switch {
	case errors.Is(err, ErrUnavailable):
		return nil, Tokens{}, fmt.Errorf("refresh session: %w", err)
	case err != nil:
		return nil, Tokens{}, err
	}
	if err := m.tombstones.find(token.Handle(), m.cfg.Clock()); err != nil {
		return nil, Tokens{}, err
	}
	waiting, cancel := m.storeContext(ctx)
	defer cancel()
	opts.Device = m.cfg.device(opts.Device)
	hungUp := func() bool { return ctx.Err() != nil }
	a := m.refreshes.do(waiting, token.Mark(), func(ctx context.Context) answer {
		mine = true
		s, tokens, err := m.refresh(ctx, hungUp, token, key, opts, &result)
		return answer{s, tokens, err}
	})
	return a.session, a.tokens, a.err
}

// refresh is Refresh for an authentic token that was signed by key. hungUp reports whether the request has ended. result is what becomes
// of it if it does not fail.
func (m *Manager) refresh(ctx context.Context, hungUp func() bool, token refreshtoken.Token, key *refreshtoken.Key, opts RefreshOptions, result *refreshResult) (*Session, Tokens, error) {
	m.keys.keepUp(ctx)
	ctx, cancel := m.storeContext(ctx)
	defer cancel()
	lost := 0
	for range maxAttempts {
		at := m.cfg.Clock() // before the store's, so that tokens do not outlive the session by the time between
		row, now, getErr := m.store.Get(ctx, token.Handle())
		switch {
		case errors.Is(getErr, ErrNotFound):
			return nil, Tokens{}, m.gone(ctx, token.Handle())
		case getErr != nil:
			return nil, Tokens{}, fmt.Errorf("refresh session: %w", getErr)
		case !now.Before(row.CreatedAt.Add(m.cfg.AbsoluteLifetime)):
			return nil, Tokens{}, m.outlived(ctx, row)
		}
		if err := intact(row); err != nil {
			return nil, Tokens{}, fmt.Errorf("refresh session: %w", err)
		}
		row.Device = m.cfg.shown(row.Device)
		p := presented{token: token, key: key, row: row, now: now, at: at, device: opts.Device, resend: opts.Resend}
		judged := row
		judged.Handed -= m.lost.of(token.Mark(), m.policy.handOuts)
		decided := m.policy.decide(judged, token.Mark(), now)
		if decided.action == actTheft {
			return nil, Tokens{}, m.theft(ctx, p, decided.kind)
		}
		g, won, stepErr := m.step(ctx, p, decided)
		switch {
		case errors.Is(stepErr, ErrUnavailable):
			if !hungUp() { // else whoever does could have their hand-outs forgotten
				m.lost.note(decided, token.Mark(), row.Current)
			}
			if lost++; lost == maxLost {
				return nil, Tokens{}, fmt.Errorf("refresh session: %w", stepErr)
			}
			// Perhaps it happened: the row tells.
		case stepErr != nil:
			return nil, Tokens{}, stepErr
		case won:
			if decided.confirm {
				m.events.emit(Event{Kind: EventConfirmed, Handle: row.Handle, UserID: row.UserID, Device: opts.Device})
			}
			if !g.kept || decided.confirm {
				m.events.emit(Event{Kind: EventRefreshed, Handle: row.Handle, UserID: row.UserID, Device: opts.Device})
			}
			g.antiCSRF = opts.AntiCSRF
			*result = g.result
			return m.issue(g)
		}
	}
	return nil, Tokens{}, fmt.Errorf("refresh session: %w: too many requests change it at once", ErrUnavailable)
}

// keptShare: a token that is confirmed by a refresh is sent again if it was handed out more than this part of the idle
// lifetime ago. Cookies may end before their session by as much.
const keptShare = 10

// presented is an authentic refresh token together with its session's row.
type presented struct {
	token  refreshtoken.Token
	key    *refreshtoken.Key // that signed token
	row    Row
	now    time.Time // the store's
	at     time.Time // this process's, a little earlier
	device Device
	resend bool
}

// step carries out a decision. It reports false when another request changed the row in between.
func (m *Manager) step(ctx context.Context, p presented, d decision) (grant, bool, error) {
	var (
		h, life = p.row.Handle, m.cfg.lifetimes()
		renewal = Renewal{Lifetimes: life, Device: p.device}
		mark    = Mark(p.token.Mark())
		authAt  = p.row.AuthAt
	)
	if d.confirm && !p.row.PendingAuthAt.IsZero() {
		authAt = p.row.PendingAuthAt
	}
	var (
		g = grant{
			handle: h, userID: p.row.UserID, payload: p.row.Payload,
			refresh: p.token, key: p.key, storeTime: p.now, authAt: p.at.Add(authAt.Sub(p.now)),
			at: p.at, left: p.row.CreatedAt.Add(life.Absolute).Sub(p.now), remaining: life.Idle,
		}
		won bool
		err error
	)
	if d.action == actHandOut {
		if _, good := m.keys.refreshSigner(p.row.PendingAt); !good {
			d.action = actMint // the successor's key has been cut off: nobody can use it
		}
	}
	switch d.action {
	case actKeep:
		g.kept, g.result = true, refreshKept
		if !d.confirm {
			g.remaining = p.row.ExpiresAt.Sub(p.now)
			return g, true, nil
		}
		// The session's end moves, and the client's copy of the token has to last as long. A late answer does no harm here:
		// for a grace from now on there is no newer token that it could displace.
		g.result = refreshConfirmed
		g.kept = !p.resend && p.now.Sub(p.row.HandedAt) < life.Idle/keptShare
		won, err = m.store.Confirm(ctx, h, mark, nil, renewal)
	case actMint:
		g.result = refreshRotated
		next := m.succeed(&g, p.token, p.key, p.now)
		if d.confirm {
			won, err = m.store.Confirm(ctx, h, mark, &next, renewal)
		} else {
			won, err = m.store.Mint(ctx, h, mark, p.row.Pending, p.row.HandedAt, next, renewal)
		}
	case actHandOut:
		g.result = refreshRepeated
		if m.succeed(&g, p.token, p.key, p.row.PendingAt); g.refresh.Mark() != p.row.Pending {
			return g, false, errLineage
		}
		won, err = m.store.HandOut(ctx, h, mark, p.row.Pending, d.counts, renewal)
	case actNewest:
		g.result = refreshCrossed
		current := m.succeed(&g, p.token, p.key, p.row.CurrentAt)
		g.unconfirmed = false
		if current.Mark != p.row.Current {
			return g, false, errLineage
		}
		if p.row.Pending.IsZero() {
			g.remaining = p.row.ExpiresAt.Sub(p.now)
			return g, true, nil
		}
		if m.succeed(&g, g.refresh, g.key, p.row.PendingAt); g.refresh.Mark() != p.row.Pending {
			return g, false, errLineage
		}
		won, err = m.store.HandOut(ctx, h, p.row.Current, p.row.Pending, true, renewal)
	case actTheft:
		panic("session: theft is not a step")
	}
	return g, won, err
}

// errLineage: a successor that the row names cannot be made again from its predecessor, since Reauthenticated has made it, or
// since it was signed with another key than the schedule says: keys were cut off meanwhile. The client's newest token may be
// good.
var errLineage = fmt.Errorf("%w: the newest token cannot be made from this one", ErrTryRefresh)

// succeed replaces the grant's refresh token by the successor of token at a moment.
func (m *Manager) succeed(g *grant, token refreshtoken.Token, own *refreshtoken.Key, moment time.Time) Successor {
	g.key, _ = m.keys.refreshSigner(moment)
	g.refresh = token.Successor(own, g.key, moment)
	g.unconfirmed = true
	return Successor{Mark: g.refresh.Mark(), MintedAt: moment}
}
