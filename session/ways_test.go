package session_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// doomed is a session that is about to end, and who holds its tokens.
type doomed struct {
	info     session.Info
	own      map[*session.Manager]*session.Session // as a request of its client sees it
	first    session.Tokens                        // a generation behind; the thief's
	newest   session.Tokens                        // the owner's
	keep     session.Handle                        // another session of the user
	expires  time.Time                             // when it ends by itself; zero: it is ended now
	verified bool                                  // its access token is good until it is ended
}

// doom makes a session that was refreshed once, and another one of its user.
func (a *audit) doom() *doomed {
	a.t.Helper()
	d := &doomed{own: map[*session.Manager]*session.Session{}, verified: true}
	s, first, err := a.Create(a.ctx, "user", session.CreateOptions{Device: ownersDevice, Label: "laptop"})
	if err != nil {
		a.t.Fatal(err)
	}
	d.first = first
	a.clock.advance(time.Second)
	kept, _, err := a.Create(a.ctx, "user", session.CreateOptions{})
	if err != nil {
		a.t.Fatal(err)
	}
	d.keep = kept.Handle()
	a.clock.advance(time.Minute)
	d.newest = a.refreshFrom(first.RefreshToken, ownersDevice)
	a.use(d.newest.AccessToken)
	a.clock.advance(time.Minute)
	a.look(d, s.Handle())
	return d
}

// look takes down how the session is, right before its end.
func (a *audit) look(d *doomed, h session.Handle) {
	a.t.Helper()
	var err error
	if d.info, err = a.Lookup(a.ctx, h); err != nil {
		a.t.Fatal(err)
	}
	for _, m := range []*session.Manager{a.Manager, a.other} {
		if s, err := m.Verify(a.ctx, d.newest.AccessToken, session.VerifyOptions{}); err == nil {
			d.own[m] = s
		}
	}
	a.told()
	a.store.total()
}

func (a *audit) refreshFrom(token string, device session.Device) session.Tokens {
	a.t.Helper()
	_, tokens, err := a.Refresh(a.ctx, token, session.RefreshOptions{Device: device})
	if err != nil {
		a.t.Fatal(err)
	}
	return tokens
}

// way is a way in which a session ends.
type way struct {
	name    string
	reason  session.Reason
	stolen  bool                                                   // the event is one of theft
	another bool                                                   // it is another session of the user whose token is stolen
	many    bool                                                   // the feed names many, of whom the session is one
	modes   []session.RevocationMode                               // nil: all of them
	change  func(*session.Config)                                  // nil: nothing
	prepare func(a *audit) *doomed                                 // nil: doom
	end     func(context.Context, *session.Manager, *doomed) error // ErrUnavailable: it is to be repeated
}

// refusal takes the error with which a session's end is told to whoever finds it.
func refusal(err error) error {
	switch {
	case err == nil:
		return errors.New("it was not refused")
	case errors.Is(err, session.ErrUnauthorised):
		return nil
	default:
		return err
	}
}

func present(token func(*doomed) string) func(context.Context, *session.Manager, *doomed) error {
	return func(ctx context.Context, m *session.Manager, d *doomed) error {
		_, _, err := m.Refresh(ctx, token(d), session.RefreshOptions{Device: thiefsDevice})
		return refusal(err)
	}
}

func firstToken(d *doomed) string  { return d.first.RefreshToken }
func newestToken(d *doomed) string { return d.newest.RefreshToken }

func revocation(opts session.RevokeOptions) func(context.Context, *session.Manager, *doomed) error {
	return func(ctx context.Context, m *session.Manager, d *doomed) error {
		_, err := m.Revoke(ctx, d.info.Handle, opts)
		return err
	}
}

func ofUser(reason session.Reason) func(context.Context, *session.Manager, *doomed) error {
	return func(ctx context.Context, m *session.Manager, _ *doomed) error {
		_, err := m.RevokeUser(ctx, "user", session.RevokeOptions{Reason: reason})
		return err
	}
}

func cleanUp(ctx context.Context, m *session.Manager, _ *doomed) error {
	_, err := m.Cleanup(ctx)
	return err
}

// expire lets the session's time run out.
func (a *audit) expire(d *doomed) *doomed {
	d.expires, d.verified = d.info.ExpiresAt, false
	a.clock.advance(d.expires.Sub(a.clock.Now()))
	return d
}

// expireAhead lets it run out for the store, while the processes still take its newest access token for good.
func (a *audit) expireAhead(d *doomed) *doomed {
	a.expire(d)
	a.behind = a.clock.Now().Sub(d.newest.IssuedAt)
	return d
}

// lastBreath refreshes the session once more, and leaves it at that.
func (a *audit) lastBreath() *doomed {
	d := a.doom()
	d.newest = a.refreshFrom(d.newest.RefreshToken, ownersDevice)
	info, err := a.Lookup(a.ctx, d.info.Handle)
	if err != nil {
		a.t.Fatal(err)
	}
	d.info = info
	return d
}

// short has sessions end by their absolute lifetime.
func short(cfg *session.Config) {
	cfg.AccessLifetime, cfg.IdleLifetime, cfg.AbsoluteLifetime = 10*time.Minute, time.Hour, time.Hour+time.Minute
}

func theftIs(policy session.TheftPolicy) func(*session.Config) {
	return func(cfg *session.Config) { cfg.Theft = policy }
}

var strictOnly = []session.RevocationMode{session.RevocationStrict}

// ways are all of them but the login that is refused.
var ways = []way{
	{name: "theft, reuse", reason: session.ReasonTheft, stolen: true, end: present(firstToken)},
	{name: "theft, shadow", reason: session.ReasonTheft, stolen: true,
		change: func(cfg *session.Config) { cfg.MaxHandOuts = 2 },
		prepare: func(a *audit) *doomed {
			d := a.doom()
			for range 2 {
				a.refreshFrom(d.newest.RefreshToken, ownersDevice)
				a.clock.advance(time.Minute)
			}
			a.look(d, d.info.Handle)
			return d
		}, end: present(newestToken)},
	{name: "theft, all of the user", reason: session.ReasonTheft, stolen: true, change: theftIs(session.TheftRevokeUser), end: present(firstToken)},
	{name: "theft of another session", reason: session.ReasonTheft, another: true, change: theftIs(session.TheftRevokeUser),
		end: func(ctx context.Context, m *session.Manager, d *doomed) error {
			_, _, err := m.Refresh(ctx, d.first.RefreshToken, session.RefreshOptions{})
			return refusal(err)
		},
		prepare: func(a *audit) *doomed {
			stolen, d := a.doom(), a.doom()
			d.first = stolen.first
			return d
		}},
	{name: "idle, by refresh", reason: session.ReasonIdle, prepare: func(a *audit) *doomed { return a.expire(a.doom()) }, end: present(newestToken)},
	{name: "idle, by a stale token", reason: session.ReasonIdle, prepare: func(a *audit) *doomed { return a.expire(a.doom()) }, end: present(firstToken)},
	{name: "idle, by cleanup", reason: session.ReasonIdle, prepare: func(a *audit) *doomed { return a.expire(a.doom()) }, end: cleanUp},
	{name: "idle, by first use", reason: session.ReasonIdle, prepare: func(a *audit) *doomed { return a.expireAhead(a.lastBreath()) }, end: firstUse},
	{name: "idle, by verification", reason: session.ReasonIdle, modes: strictOnly,
		prepare: func(a *audit) *doomed { return a.expireAhead(a.doom()) }, end: firstUse},
	{name: "idle, by a change of payload", reason: session.ReasonIdle, prepare: func(a *audit) *doomed { return a.expire(a.doom()) },
		end: func(ctx context.Context, m *session.Manager, d *doomed) error {
			return refusal(m.SetPayload(ctx, d.info.Handle, 1, session.PayloadOptions{}))
		}},
	{name: "idle, by a change of label", reason: session.ReasonIdle, prepare: func(a *audit) *doomed { return a.expire(a.doom()) },
		end: func(ctx context.Context, m *session.Manager, d *doomed) error {
			return refusal(m.SetLabel(ctx, d.info.Handle, "x"))
		}},
	{name: "idle, by a new proof", reason: session.ReasonIdle,
		prepare: func(a *audit) *doomed { d := a.doom(); a.look(d, d.info.Handle); return a.expire(d) },
		end: func(ctx context.Context, m *session.Manager, d *doomed) error {
			_, _, err := m.Reauthenticated(ctx, d.own[m], session.RefreshOptions{})
			return refusal(err)
		}},
	{name: "absolute, by refresh", reason: session.ReasonAbsolute, change: short, prepare: func(a *audit) *doomed { return a.expire(a.doom()) }, end: present(newestToken)},
	{name: "absolute, by cleanup", reason: session.ReasonAbsolute, change: short, prepare: func(a *audit) *doomed { return a.expire(a.doom()) }, end: cleanUp},
	{name: "absolute, by first use", reason: session.ReasonAbsolute, change: short,
		prepare: func(a *audit) *doomed { return a.expireAhead(a.lastBreath()) }, end: firstUse},
	{name: "absolute, by verification", reason: session.ReasonAbsolute, change: short, modes: strictOnly,
		prepare: func(a *audit) *doomed { return a.expireAhead(a.doom()) }, end: firstUse},
	{name: "absolute, shortened", reason: session.ReasonAbsolute,
		prepare: func(a *audit) *doomed {
			a.doom() // another one, which stays
			d := a.lastBreath()
			a.cfg.IdleLifetime, a.cfg.AbsoluteLifetime = time.Hour, 2*time.Hour
			a.clock.advance(2*time.Hour - a.clock.Now().Sub(d.info.CreatedAt))
			a.Manager, a.other = a.process(), a.process()
			a.look(d, d.info.Handle)
			d.verified = false
			return d
		}, end: present(newestToken)},
	{name: "logout", reason: session.ReasonLogout, end: func(ctx context.Context, m *session.Manager, d *doomed) error {
		_, err := d.own[m].Revoke(ctx, session.RevokeOptions{})
		return err
	}},
	{name: "revoked", reason: session.ReasonRevoked, end: revocation(session.RevokeOptions{})},
	{name: "revoked by the user", reason: session.ReasonRevokedByUser,
		end: func(ctx context.Context, m *session.Manager, d *doomed) error {
			_, err := m.RevokeOwned(ctx, "user", d.info.Handle, session.RevokeOptions{Reason: session.ReasonRevokedByUser})
			return err
		}},
	{name: "revoked with the user's others", reason: session.ReasonRevokedByUser,
		end: func(ctx context.Context, m *session.Manager, d *doomed) error {
			_, err := m.RevokeOthers(ctx, "user", d.keep, session.RevokeOptions{Reason: session.ReasonRevokedByUser})
			return err
		}},
	{name: "all of the user revoked", reason: session.ReasonRevoked, end: ofUser("")},
	{name: "password changed", reason: session.ReasonPasswordChange, end: ofUser(session.ReasonPasswordChange)},
	{name: "limit", reason: session.ReasonLimit, change: func(cfg *session.Config) { cfg.MaxSessions = 2 },
		end: func(ctx context.Context, m *session.Manager, _ *doomed) error {
			_, _, err := m.Create(ctx, "user", session.CreateOptions{})
			return err
		}},
	{name: "key compromised", reason: session.ReasonKeyCompromise, many: true,
		end: func(ctx context.Context, m *session.Manager, _ *doomed) error {
			return m.RotateNow(ctx, session.PurposeRefresh, "test", true)
		}},
	{name: "everybody revoked", reason: session.ReasonRevoked, many: true,
		end: func(ctx context.Context, m *session.Manager, _ *doomed) error {
			_, err := m.RevokeAll(ctx, session.RevokeOptions{})
			return err
		}},
}

func firstUse(ctx context.Context, m *session.Manager, d *doomed) error {
	_, err := m.Verify(ctx, d.newest.AccessToken, session.VerifyOptions{})
	if err == nil {
		return errCut // the store's answer was lost, and the token stands
	}
	return refusal(err)
}

// start makes the audit of a way, and its doomed session.
func (w way) start(t *testing.T, mode session.RevocationMode) (*audit, *doomed) {
	t.Helper()
	change := w.change
	if change == nil {
		change = func(*session.Config) {}
	}
	a := newAudit(t, change, func(cfg *session.Config) { cfg.Revocation = mode })
	prepare := w.prepare
	if prepare == nil {
		prepare = (*audit).doom
	}
	d := prepare(a)
	a.told()
	a.store.total()
	return a, d
}

func (w way) in() []session.RevocationMode {
	if w.modes != nil {
		return w.modes
	}
	return []session.RevocationMode{session.RevocationFeed, session.RevocationStrict, session.RevocationOff}
}
