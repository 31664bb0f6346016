package session_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// audit is a world of two processes, with every store call watched and every event kept.
type audit struct {
	*world
	other  *session.Manager
	behind time.Duration // how far the processes' clocks are behind the store's

	mu     sync.Mutex
	events []session.Event
}

// inAudit runs a test in a bubble, where all that goes on beside it comes to an end when the test waits.
func inAudit(t *testing.T, f func(t *testing.T, a *audit), change ...func(*session.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newAudit(t, change...)) })
}

func newAudit(t *testing.T, change ...func(*session.Config)) *audit {
	t.Helper()
	a := &audit{}
	a.world = newWorld(t, append([]func(*session.Config){func(cfg *session.Config) {
		now := cfg.Clock
		cfg.Clock = func() time.Time { return now().Add(-a.behind) }
		cfg.Sleep = func(_ context.Context, d time.Duration) error { a.clock.advance(d); return nil }
		cfg.OnEvent = func(e session.Event) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.events = append(a.events, e)
		}
	}}, change...)...)
	a.store.Store = watchedRest{a.store.Store, a.store}
	a.other = a.process()
	a.told()
	a.store.total()
	return a
}

// told returns the events since the last call.
func (a *audit) told() []session.Event {
	synctest.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	events := a.events
	a.events = nil
	return events
}

func ofKind(events []session.Event, kinds ...session.EventKind) []session.Event {
	return slices.DeleteFunc(slices.Clone(events), func(e session.Event) bool { return !slices.Contains(kinds, e.Kind) })
}

// watchedRest has a watchedStore watch those calls, too, that it passes on.
type watchedRest struct {
	session.Store
	watch *watchedStore
}

// watched runs a call that gives one thing and an error.
func watched[T any](s watchedRest, call string, f func() (T, error)) (T, error) {
	var none T
	if err := s.watch.enter(call); err != nil {
		return none, err
	}
	v, err := f()
	if err = s.watch.leave(call, err); err != nil {
		return none, err
	}
	return v, nil
}

func (s watchedRest) List(ctx context.Context, userID string, page session.Page) ([]session.Row, error) {
	return watched(s, "List", func() ([]session.Row, error) { return s.Store.List(ctx, userID, page) })
}

func (s watchedRest) SetPayload(ctx context.Context, h session.Handle, payload []byte) (bool, error) {
	return watched(s, "SetPayload", func() (bool, error) { return s.Store.SetPayload(ctx, h, payload) })
}

func (s watchedRest) SetLabel(ctx context.Context, h session.Handle, label string) (bool, error) {
	return watched(s, "SetLabel", func() (bool, error) { return s.Store.SetLabel(ctx, h, label) })
}

func (s watchedRest) EndUser(ctx context.Context, userID string, keep session.Handle, end session.End, limit int) (int, error) {
	return watched(s, "EndUser", func() (int, error) { return s.Store.EndUser(ctx, userID, keep, end, limit) })
}

func (s watchedRest) EndAll(ctx context.Context, before time.Time, end session.End, limit int) ([]session.Ended, error) {
	return watched(s, "EndAll", func() ([]session.Ended, error) { return s.Store.EndAll(ctx, before, end, limit) })
}

func (s watchedRest) EndExpired(ctx context.Context, h session.Handle, absolute time.Duration, id session.Version, limit int) ([]session.Ended, error) {
	return watched(s, "EndExpired", func() ([]session.Ended, error) { return s.Store.EndExpired(ctx, h, absolute, id, limit) })
}

func (s watchedRest) Ending(ctx context.Context, h session.Handle) (session.Ended, error) {
	return watched(s, "Ending", func() (session.Ended, error) { return s.Store.Ending(ctx, h) })
}

func (s watchedRest) Endings(ctx context.Context, userID string, page session.EndingsPage) ([]session.Ended, error) {
	return watched(s, "Endings", func() ([]session.Ended, error) { return s.Store.Endings(ctx, userID, page) })
}

func (s watchedRest) Purge(ctx context.Context, endings, revocations time.Duration, limit int) (int, error) {
	return watched(s, "Purge", func() (int, error) { return s.Store.Purge(ctx, endings, revocations, limit) })
}

func (s watchedRest) Publish(ctx context.Context, r session.Revocation) error {
	_, err := watched(s, "Publish", func() (struct{}, error) { return struct{}{}, s.Store.Publish(ctx, r) })
	return err
}

func (s watchedRest) Keys(ctx context.Context) ([]session.Key, time.Time, error) {
	var now time.Time
	keys, err := watched(s, "Keys", func() (keys []session.Key, err error) {
		keys, now, err = s.Store.Keys(ctx)
		return keys, err
	})
	return keys, now, err
}

func (s watchedRest) InsertKey(ctx context.Context, key session.Key) error {
	_, err := watched(s, "InsertKey", func() (struct{}, error) { return struct{}{}, s.Store.InsertKey(ctx, key) })
	return err
}

func (s watchedRest) RetireKey(ctx context.Context, id string) (bool, error) {
	return watched(s, "RetireKey", func() (bool, error) { return s.Store.RetireKey(ctx, id) })
}

var (
	ownersDevice = session.Device{UserAgent: "Owner/1.0", Address: "192.0.2.7"}
	thiefsDevice = session.Device{UserAgent: "Thief/6.6", Address: "2001:db8::66"}
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

// gatedRest has the gates asked before further calls.
type gatedRest struct{ gatedStore }

func (s gatedRest) Insert(ctx context.Context, row session.NewRow) error {
	s.gates.before(ctx)
	return s.Store.Insert(ctx, row)
}

func (s gatedRest) List(ctx context.Context, userID string, page session.Page) ([]session.Row, error) {
	s.gates.before(ctx)
	return s.Store.List(ctx, userID, page)
}

func (s gatedRest) EndExpired(ctx context.Context, h session.Handle, absolute time.Duration, id session.Version, limit int) ([]session.Ended, error) {
	s.gates.before(ctx)
	return s.Store.EndExpired(ctx, h, absolute, id, limit)
}

func (s gatedRest) Ending(ctx context.Context, h session.Handle) (session.Ended, error) {
	s.gates.before(ctx)
	return s.Store.Ending(ctx, h)
}

func (w way) in() []session.RevocationMode {
	if w.modes != nil {
		return w.modes
	}
	return []session.RevocationMode{session.RevocationFeed, session.RevocationStrict, session.RevocationOff}
}

// TestEveryWayIntoAnEndingHasOneRowOneEventOneReason: whatever ends a session, and whoever comes later with what tokens.
func TestEveryWayIntoAnEndingHasOneRowOneEventOneReason(t *testing.T) {
	t.Parallel()
	for _, w := range ways {
		for _, mode := range w.in() {
			t.Run(w.name+"/"+string(mode), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					a, d := w.start(t, mode)
					if err := w.end(a.ctx, a.Manager, d); err != nil {
						t.Fatal(err)
					}
					a.expectRow(w, d)
					if d.verified && mode != session.RevocationOff {
						if _, err := a.Verify(a.ctx, d.newest.AccessToken, session.VerifyOptions{}); err == nil {
							t.Error("at once, in the process that ended it: the access token passes")
						}
					}
					a.expectRefusals(w, d, mode, false)
					a.expectEvent(w, d, a.told())
				})
			})
		}
	}
}

// expectRow asserts the one record of the ending.
func (a *audit) expectRow(w way, d *doomed) {
	a.t.Helper()
	var rows []session.Ending
	endings, err := a.Endings(a.ctx, "user", session.EndingsPage{})
	if err != nil {
		a.t.Fatal(err)
	}
	for _, e := range endings {
		if e.Handle == d.info.Handle {
			rows = append(rows, e)
		}
	}
	if len(rows) != 1 {
		a.t.Fatalf("got %d records, want one", len(rows))
	}
	got := rows[0]
	want := session.Ending{
		Handle: d.info.Handle, UserID: "user", Reason: w.reason, EndedAt: d.expires, CreatedAt: d.info.CreatedAt,
		RefreshedAt: d.info.RefreshedAt, Device: ownersDevice, Label: "laptop", Theft: got.Theft,
	}
	if want.EndedAt.IsZero() {
		want.EndedAt = a.clock.Now()
	}
	if got != want {
		a.t.Errorf("got the record %+v,\nwant %+v", got, want)
	}
	if (got.Theft != nil) != w.stolen {
		a.t.Errorf("got the facts %+v of a theft, want some: %v", got.Theft, w.stolen)
	}
	if _, err := a.Lookup(a.ctx, d.info.Handle); !errors.Is(err, session.ErrUnauthorised) {
		a.t.Errorf("the session lives on: %v", err)
	}
}

// expectEvent asserts the one event, among all that were told.
func (a *audit) expectEvent(w way, d *doomed, events []session.Event) {
	a.t.Helper()
	var told []session.Event
	for _, e := range ofKind(events, session.EventEnded, session.EventTheft) {
		if e.Handle == d.info.Handle {
			told = append(told, e)
		}
	}
	kind := session.EventEnded
	if w.stolen {
		kind = session.EventTheft
	}
	if len(told) != 1 {
		a.t.Errorf("got %d events %+v, want one", len(told), told)
		return
	}
	if e := told[0]; e.Kind != kind || e.Reason != w.reason || e.UserID != "user" || (e.Theft != nil) != w.stolen {
		a.t.Errorf("got the event %+v, want kind %s of user with reason %s", e, kind, w.reason)
	}
	thefts := 0
	if w.stolen || w.another {
		thefts = 1
	}
	if len(a.thefts) != thefts {
		a.t.Errorf("OnTheft was called %d times, want %d", len(a.thefts), thefts)
	}
}

// expectRefusals presents what is out of the session's tokens to both processes, which have read the feed. With unknown the
// answer may leave the reason open.
func (a *audit) expectRefusals(w way, d *doomed, mode session.RevocationMode, unknown bool) {
	a.t.Helper()
	a.behind = 0
	if mode == session.RevocationFeed {
		a.readFeeds()
	}
	for name, m := range map[string]*session.Manager{"the process that ended it": a.Manager, "the other process": a.other} {
		for whose, token := range map[string]string{"the older": d.first.RefreshToken, "the newest": d.newest.RefreshToken} {
			if w.another && whose == "the older" {
				continue
			}
			_, _, err := m.Refresh(a.ctx, token, session.RefreshOptions{})
			if got := endedFor(err); got != w.reason && (got != "" || !unknown) {
				a.t.Errorf("%s, %s refresh token: got %s, want %s", name, whose, got, w.reason)
			}
		}
		_, err := m.Verify(a.ctx, d.newest.AccessToken, session.VerifyOptions{})
		switch {
		case !d.verified || w.many && mode == session.RevocationFeed:
			if !errors.Is(err, session.ErrTryRefresh) {
				a.t.Errorf("%s, access token: got %v, want ErrTryRefresh", name, err)
			}
		case mode == session.RevocationOff:
			if err != nil {
				a.t.Errorf("%s, access token without any check: got %v", name, err)
			}
		default:
			if got := endedFor(err); got != w.reason && (got != "" || !unknown) {
				a.t.Errorf("%s, access token: got %s, want %s", name, got, w.reason)
			}
		}
	}
}

// readFeeds has both processes run for a moment.
func (a *audit) readFeeds() {
	for _, m := range []*session.Manager{a.Manager, a.other} {
		ctx, cancel := context.WithCancel(a.ctx)
		go m.Run(ctx)
		synctest.Wait()
		cancel()
		synctest.Wait()
	}
}

// TestEndingFoundTwiceAtOnce: two processes bring about, or find, one and the same ending, in every order of their store calls.
func TestEndingFoundTwiceAtOnce(t *testing.T) {
	t.Parallel()
	for _, w := range ways {
		for _, mode := range w.in() {
			if mode != session.RevocationFeed && w.modes == nil {
				continue
			}
			t.Run(w.name, func(t *testing.T) {
				t.Parallel()
				runs := everyInterleaving(func(choices []int) (widths []int) {
					synctest.Test(t, func(t *testing.T) {
						a, d := w.start(t, mode)
						g := &gates{waiting: map[string]chan struct{}{}}
						a.store.Store = gatedRest{gatedStore{a.store.Store, g}}
						var errs [2]error
						var operations []operation
						for i, m := range []*session.Manager{a.Manager, a.other} {
							operations = append(operations, operation{fmt.Sprint(i), func(ctx context.Context) {
								errs[i] = w.end(ctx, m, d)
							}})
						}
						widths = g.interleave(a.ctx, choices, operations)
						if err := errors.Join(errs[0], errs[1]); err != nil {
							t.Errorf("order %v: %v", choices, err)
						}
						a.expectRow(w, d)
						a.expectRefusals(w, d, mode, false)
						a.expectEvent(w, d, a.told())
						if t.Failed() {
							t.Logf("in the order %v", choices)
						}
					})
					return widths
				})
				t.Logf("%d orders", runs)
			})
		}
	}
}

// TestTwoEndingsCross: of two different endings of one session, in every order of their store calls, one is kept and told, and
// whoever comes later hears of that one.
func TestTwoEndingsCross(t *testing.T) {
	t.Parallel()
	var plain []way
	for _, w := range ways {
		if w.prepare == nil && w.change == nil {
			plain = append(plain, w)
		}
	}
	if len(plain) < 7 {
		t.Fatalf("%d ways begin alike", len(plain))
	}
	for i, one := range plain {
		for _, two := range plain[:i] {
			if one.many && two.many {
				continue // many orders, and little to see
			}
			t.Run(one.name+"/"+two.name, func(t *testing.T) {
				t.Parallel()
				everyInterleaving(func(choices []int) (widths []int) {
					synctest.Test(t, func(t *testing.T) {
						a, d := one.start(t, session.RevocationStrict)
						g := &gates{waiting: map[string]chan struct{}{}}
						a.store.Store = gatedRest{gatedStore{a.store.Store, g}}
						var errs [2]error
						widths = g.interleave(a.ctx, choices, []operation{
							{"one", func(ctx context.Context) { errs[0] = one.end(ctx, a.Manager, d) }},
							{"two", func(ctx context.Context) { errs[1] = two.end(ctx, a.other, d) }},
						})
						if err := errors.Join(errs[0], errs[1]); err != nil {
							t.Errorf("order %v: %v", choices, err)
						}
						ended, err := a.store.Ending(a.ctx, d.info.Handle)
						if err != nil {
							t.Fatal(err)
						}
						won := one
						if ended.Reason != one.reason {
							won = two
						}
						if ended.Reason == one.reason && ended.Reason == two.reason {
							won.stolen = len(ended.Detail) > 0
						}
						a.expectRow(won, d)
						// Tokens of a lost key are refused as that, without a look at what became of the session.
						if one.reason != session.ReasonKeyCompromise && two.reason != session.ReasonKeyCompromise {
							a.expectRefusals(won, d, session.RevocationStrict, false)
						}
						a.expectEvent(won, d, a.told())
					})
					return widths
				})
			})
		}
	}
}

// TestOutlivedSessionThatEndsOtherwise: whoever finds that a session has outlived its absolute lifetime, at the moment when it is
// ended for another reason, hears of the reason that is kept.
func TestOutlivedSessionThatEndsOtherwise(t *testing.T) {
	t.Parallel()
	everyInterleaving(func(choices []int) (widths []int) {
		inAudit(t, func(t *testing.T, a *audit) {
			d := a.doom()
			a.cfg.IdleLifetime, a.cfg.AbsoluteLifetime = time.Hour, 2*time.Hour
			a.clock.advance(2 * time.Hour)
			finder := a.process()
			g := &gates{waiting: map[string]chan struct{}{}}
			a.store.Store = gatedRest{gatedStore{a.store.Store, g}}
			var found error
			widths = g.interleave(a.ctx, choices, []operation{
				{"refresh", func(ctx context.Context) {
					_, _, found = finder.Refresh(ctx, d.newest.RefreshToken, session.RefreshOptions{})
				}},
				{"logout", func(ctx context.Context) {
					if _, err := d.own[a.Manager].Revoke(ctx, session.RevokeOptions{}); err != nil {
						t.Error(err)
					}
				}},
			})
			ended, err := a.store.Ending(a.ctx, d.info.Handle)
			if err != nil || endedFor(found) != ended.Reason {
				t.Errorf("order %v: the record says %q, %v, the answer %q", choices, ended.Reason, err, endedFor(found))
			}
		}, func(cfg *session.Config) { cfg.Revocation = session.RevocationOff })
		return widths
	})
}

// cutEverywhere ends a session in one way again and again, where each time another one of the store's answers is lost, before the
// call has happened or after. What gives ErrUnavailable is repeated.
func (w way) cutEverywhere(t *testing.T, check func(a *audit, d *doomed)) {
	t.Parallel()
	mode := w.in()[0]
	var calls []string
	synctest.Test(t, func(t *testing.T) {
		a, d := w.start(t, mode)
		a.store.setFault(func(call string, after bool) error {
			if !after {
				calls = append(calls, call)
			}
			return nil
		})
		if err := w.end(a.ctx, a.Manager, d); err != nil {
			t.Fatal(err)
		}
	})
	for i, call := range calls {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d %s/after=%v", i+1, call, after), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a, d := w.start(t, mode)
					a.store.setFault(cutNth(i, after))
					err := w.end(a.ctx, a.Manager, d)
					for range 3 {
						if !errors.Is(err, session.ErrUnavailable) {
							break
						}
						err = w.end(a.ctx, a.Manager, d)
					}
					if err != nil {
						t.Errorf("after the cut and repetitions: %v", err)
					}
					a.store.setFault(nil)
					if _, err := a.other.Cleanup(a.ctx); err != nil { // for what has expired, and could not be ended
						t.Error(err)
					}
					check(a, d)
				})
			})
		}
	}
}

// cutNth fails the call with one number, before it has happened or after.
func cutNth(n int, after bool) func(string, bool) error {
	return func(_ string, a bool) error {
		if !a {
			n--
		}
		if a == after && n == -1 {
			return errCut
		}
		return nil
	}
}

// TestI7EndingIsKeptOnceThoughAnAnswerIsLost: it has one record with the right facts, nobody hears another reason, and nobody hears of it
// twice.
func TestI7EndingIsKeptOnceThoughAnAnswerIsLost(t *testing.T) {
	t.Parallel()
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			w.cutEverywhere(t, func(a *audit, d *doomed) {
				a.expectRow(w, d)
				a.expectRefusals(w, d, w.in()[0], true)
				told := ofKind(a.told(), session.EventEnded, session.EventTheft)
				told = slices.DeleteFunc(told, func(e session.Event) bool { return e.Handle != d.info.Handle })
				if len(told) > 1 {
					a.t.Errorf("got %d events %+v, want one at most", len(told), told)
				}
			})
		})
	}
}

// TestI7EndingIsToldOnceThoughAnAnswerIsLost: and somebody does hear of it. Only of batches of whomever's sessions a lost answer loses
// the events: whose they are, nobody knows then. Their records are there.
func TestI7EndingIsToldOnceThoughAnAnswerIsLost(t *testing.T) {
	t.Parallel()
	for _, w := range ways {
		if slices.Contains([]string{"everybody revoked", "key compromised", "absolute, by cleanup", "idle, by cleanup"}, w.name) {
			continue
		}
		t.Run(w.name, func(t *testing.T) {
			w.cutEverywhere(t, func(a *audit, d *doomed) { a.expectEvent(w, d, a.told()) })
		})
	}
}

// One lost answer of those that end a session is nobody's business but the Manager's.
func TestI7RevocationTakesALostAnswer(t *testing.T) {
	t.Parallel()
	for call, revoke := range map[string]func(a *audit, d *doomed) error{
		"End": func(a *audit, d *doomed) error {
			_, err := a.Revoke(a.ctx, d.info.Handle, session.RevokeOptions{})
			return err
		},
		"EndUser": func(a *audit, _ *doomed) error {
			_, err := a.RevokeUser(a.ctx, "user", session.RevokeOptions{})
			return err
		},
		"Publish": func(a *audit, _ *doomed) error { _, err := a.RevokeAll(a.ctx, session.RevokeOptions{}); return err },
	} {
		for _, after := range []bool{false, true} {
			inAudit(t, func(t *testing.T, a *audit) {
				d := a.doom()
				a.store.setFault(cutOnce(call, after))
				if err := revoke(a, d); err != nil {
					t.Errorf("%s, after=%v: got %v", call, after, err)
				}
				a.store.setFault(func(c string, _ bool) error {
					if c == call {
						return errCut
					}
					return nil
				})
				a.store.total()
				err := revoke(a, a.doom())
				a.refused(err, session.ErrUnavailable)
				if calls := a.store.total(); calls[call] != 2 {
					t.Errorf("store calls: got %v, want two attempts", calls)
				}
			})
		}
	}
}

// TestI7LostAnswerBesideAnotherEnding: the answer is lost, and the session has ended, but by somebody else: who tells that alone.
func TestI7LostAnswerBesideAnotherEnding(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		call    string
		prepare func(a *audit, d *doomed)
		end     func(a *audit, d *doomed) error
		another func(a *audit, d *doomed) error
		want    session.Reason
	}{
		{"End", func(*audit, *doomed) {},
			func(a *audit, d *doomed) error {
				ended, err := a.Revoke(a.ctx, d.info.Handle, session.RevokeOptions{})
				if ended {
					a.t.Error("somebody else's ending is taken for one's own")
				}
				return err
			},
			func(a *audit, d *doomed) error {
				_, err := d.own[a.other].Revoke(a.ctx, session.RevokeOptions{})
				return err
			}, session.ReasonLogout},
		{"EndExpired", func(a *audit, d *doomed) { a.expire(d) },
			func(a *audit, d *doomed) error {
				_, _, err := a.Refresh(a.ctx, d.newest.RefreshToken, session.RefreshOptions{})
				return refusal(err)
			},
			func(a *audit, _ *doomed) error { _, err := a.other.Cleanup(a.ctx); return err }, session.ReasonIdle},
	} {
		inAudit(t, func(t *testing.T, a *audit) {
			d := a.doom()
			test.prepare(a, d)
			done := false
			a.store.setFault(func(call string, after bool) error {
				if done || call != test.call || after {
					return nil
				}
				done = true
				if err := test.another(a, d); err != nil {
					t.Error(err)
				}
				return errCut
			})
			if err := test.end(a, d); err != nil {
				t.Errorf("%s: %v", test.call, err)
			}
			told := ofKind(a.told(), session.EventEnded)
			told = slices.DeleteFunc(told, func(e session.Event) bool { return e.Handle != d.info.Handle })
			if !done || len(told) != 1 || told[0].Reason != test.want {
				t.Errorf("%s: got the events %+v, want one for %s", test.call, told, test.want)
			}
		})
	}
}

// TestI7EndingIsToldInDoubt: of an ending of which all answers are lost but the last, it is not known whose it is; better told twice than
// never.
func TestI7EndingIsToldInDoubt(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		d := a.doom()
		end, ending := cutOnce("End", true), cutOnce("Ending", false)
		a.store.setFault(func(call string, after bool) error { return errors.Join(end(call, after), ending(call, after)) })
		if _, _, err := a.Refresh(a.ctx, d.first.RefreshToken, session.RefreshOptions{}); !isTheft(err) {
			t.Fatal(err)
		}
		if told := ofKind(a.told(), session.EventTheft); len(told) != 1 || len(a.thefts) != 1 {
			t.Errorf("got the events %+v, and %d calls of OnTheft, want one of each", told, len(a.thefts))
		}
	})
}

// TestTheftTellsTheSameFactsEverywhere: the error, the record, the event and the hook agree on what is known of a theft.
func TestTheftTellsTheSameFactsEverywhere(t *testing.T) {
	t.Parallel()
	const (
		sinceLogin    = time.Minute
		sinceRotation = 90 * time.Second
	)
	type test struct {
		name        string
		rotations   int // that the client is known to have followed
		stale       int // which of its tokens is presented, by generation
		handOuts    int // of the newest token, before; the limit is 2
		policy      session.TheftPolicy
		presenter   session.Device
		kind        session.TheftKind
		generations int
		since       time.Duration
	}
	var tests []test
	for _, policy := range []session.TheftPolicy{session.TheftRevoke, session.TheftRevokeUser, session.TheftReport} {
		for _, n := range []int{1, 2, 5} {
			tests = append(tests, test{fmt.Sprintf("%s, %d behind", policy, n), n, 0, 0, policy, thiefsDevice, session.TheftReuse, n, sinceRotation})
		}
		tests = append(tests,
			test{string(policy) + ", behind the middle", 5, 3, 0, policy, thiefsDevice, session.TheftReuse, 2, sinceRotation},
			test{string(policy) + ", shadow", 3, 3, 2, policy, thiefsDevice, session.TheftShadow, 0, sinceRotation},
			test{string(policy) + ", shadow of the first token", 0, 0, 2, policy, thiefsDevice, session.TheftShadow, 0, 0},
			test{string(policy) + ", unknown device", 1, 0, 0, policy, session.Device{}, session.TheftReuse, 1, sinceRotation})
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			inAudit(t, func(t *testing.T, a *audit) {
				s, tokens, err := a.Create(a.ctx, "user", session.CreateOptions{Device: ownersDevice})
				if err != nil {
					t.Fatal(err)
				}
				all := []string{tokens.RefreshToken}
				for range test.rotations {
					a.clock.advance(sinceLogin)
					tokens = a.refreshFrom(all[len(all)-1], ownersDevice)
					a.use(tokens.AccessToken)
					all = append(all, tokens.RefreshToken)
				}
				left := sinceRotation
				for range test.handOuts {
					a.clock.advance(sinceRotation / 3)
					left -= sinceRotation / 3
					a.refreshFrom(all[test.stale], ownersDevice)
				}
				a.clock.advance(left)
				a.told()
				_, _, err = a.Refresh(a.ctx, all[test.stale], session.RefreshOptions{Device: test.presenter})
				want := session.Theft{
					Kind: test.kind, Generations: test.generations, SinceRotation: test.since, Device: ownersDevice, Presenter: test.presenter,
				}
				var stolen *session.TheftError
				if !errors.As(err, &stolen) || stolen.Theft != want || stolen.Handle != s.Handle() || stolen.UserID != "user" {
					t.Fatalf("got the error %+v of %+v,\nwant the facts %+v", err, stolen, want)
				}
				if len(a.thefts) != 1 || a.thefts[0] != *stolen {
					t.Errorf("OnTheft was told %+v, want %+v once", a.thefts, *stolen)
				}
				told := a.told()
				thefts := ofKind(told, session.EventTheft)
				reason := session.ReasonTheft
				if test.policy == session.TheftReport {
					reason = ""
				}
				if len(thefts) != 1 || len(told) != 1 {
					t.Fatalf("got the events %+v, want one of theft", told)
				}
				e := thefts[0]
				if e.Theft == nil || *e.Theft != want || e.Device != test.presenter || e.Reason != reason || e.Handle != s.Handle() || e.UserID != "user" {
					t.Errorf("got the event %+v with %+v, want reason %q and %+v", e, e.Theft, reason, want)
				}
				endings, err := a.Endings(a.ctx, "user", session.EndingsPage{})
				if err != nil {
					t.Fatal(err)
				}
				if test.policy == session.TheftReport {
					if len(endings) != 0 {
						t.Errorf("a report has ended a session: %+v", endings)
					}
					if info, err := a.Lookup(a.ctx, s.Handle()); err != nil || info.Device != ownersDevice {
						t.Errorf("the session is not as it was: %+v, %v", info, err)
					}
					return
				}
				if len(endings) != 1 || endings[0].Theft == nil || *endings[0].Theft != want || endings[0].Device != ownersDevice {
					t.Errorf("got the records %+v, want one with %+v", endings, want)
				}
			}, func(cfg *session.Config) { cfg.Theft, cfg.MaxHandOuts = test.policy, 2 })
		})
	}
}

// Under TheftReport each stolen token that is presented is told, the session goes on, and what ends it later is told as that.
func TestTheftReportTellsEachTime(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		d := a.doom()
		for i := range 3 {
			for _, m := range []*session.Manager{a.Manager, a.other} {
				if _, _, err := m.Refresh(a.ctx, d.first.RefreshToken, session.RefreshOptions{}); !isTheft(err) {
					t.Errorf("got %v, want a theft", err)
				}
			}
			if told := a.told(); len(ofKind(told, session.EventTheft)) != 2 || len(told) != 2 || len(a.thefts) != 2*i+2 {
				t.Errorf("round %d: got events %+v, and %d calls of OnTheft", i, told, len(a.thefts))
			}
		}
		if _, err := a.Revoke(a.ctx, d.info.Handle, session.RevokeOptions{Reason: session.ReasonLogout}); err != nil {
			t.Fatal(err)
		}
		_, _, err := a.Refresh(a.ctx, d.first.RefreshToken, session.RefreshOptions{})
		if got := endedFor(err); got != session.ReasonLogout || len(a.thefts) != 6 {
			t.Errorf("after a logout: got %s, and %d calls of OnTheft", got, len(a.thefts))
		}
	}, theftIs(session.TheftReport))
}

// TestTheftRevokesAllOfTheUser: the others are ended for theft, too, each with an event of its own, and nobody else's are.
func TestTheftRevokesAllOfTheUser(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		d := a.doom()
		var others []session.Handle
		for range 3 {
			others = append(others, a.doom().info.Handle)
		}
		stranger, _, err := a.Create(a.ctx, "stranger", session.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := a.other.Refresh(a.ctx, d.first.RefreshToken, session.RefreshOptions{}); !isTheft(err) {
			t.Fatal(err)
		}
		told := a.told()
		thefts, ended := ofKind(told, session.EventTheft), ofKind(told, session.EventEnded)
		if len(thefts) != 1 || thefts[0].Handle != d.info.Handle || len(a.thefts) != 1 {
			t.Errorf("got the events of theft %+v, want one", thefts)
		}
		for _, h := range others {
			n := 0
			for _, e := range ended {
				if e.Handle == h && e.Reason == session.ReasonTheft && e.Theft == nil && e.Device == ownersDevice && e.UserID == "user" {
					n++
				}
			}
			if n != 1 {
				t.Errorf("session %v of the user: got %d events among %+v", h, n, ended)
			}
		}
		if infos, err := a.Sessions(a.ctx, "user", session.Page{}); err != nil || len(infos) != 0 {
			t.Errorf("got %d live sessions of the user, %v", len(infos), err)
		}
		if _, err := a.Lookup(a.ctx, stranger.Handle()); err != nil {
			t.Errorf("another user's session: %v", err)
		}
	}, theftIs(session.TheftRevokeUser))
}

// TestTwoThefts of one user's sessions at once, where each ends all of the user: both are told, whichever comes first, and each session has
// one record.
func TestTwoTheftsOfAUserAtOnce(t *testing.T) {
	t.Parallel()
	runs := everyInterleaving(func(choices []int) (widths []int) {
		inAudit(t, func(t *testing.T, a *audit) {
			one, two := a.doom(), a.doom()
			a.told()
			g := &gates{waiting: map[string]chan struct{}{}}
			a.store.Store = gatedRest{gatedStore{a.store.Store, g}}
			operations := make([]operation, 2)
			var errs [2]error
			for i, d := range []*doomed{one, two} {
				operations[i] = operation{fmt.Sprint(i), func(ctx context.Context) {
					_, _, errs[i] = []*session.Manager{a.Manager, a.other}[i].Refresh(ctx, d.first.RefreshToken, session.RefreshOptions{Device: thiefsDevice})
				}}
			}
			widths = g.interleave(a.ctx, choices, operations)
			told := a.told()
			for i, d := range []*doomed{one, two} {
				if !isTheft(errs[i]) && endedFor(errs[i]) != session.ReasonTheft {
					t.Errorf("order %v, session %d: got %v", choices, i, errs[i])
				}
				thefts, hooked := 0, 0
				for _, e := range ofKind(told, session.EventTheft) {
					if e.Handle == d.info.Handle {
						thefts++
					}
				}
				for _, theft := range a.thefts {
					if theft.Handle == d.info.Handle {
						hooked++
					}
				}
				// Whoever was answered with a theft has found one, and somebody is told.
				if want := isTheft(errs[i]); thefts > 1 || hooked != thefts || want != (thefts == 1) {
					t.Errorf("order %v, session %d: answered with a theft: %v; %d events and %d calls of OnTheft", choices, i, want, thefts, hooked)
				}
				ended, err := a.store.Ending(a.ctx, d.info.Handle)
				if err != nil || ended.Reason != session.ReasonTheft {
					t.Errorf("order %v, session %d: got the record %+v, %v", choices, i, ended.Reason, err)
				}
			}
			if len(a.thefts) == 0 {
				t.Errorf("order %v: nobody was told", choices)
			}
		}, theftIs(session.TheftRevokeUser))
		return widths
	})
	t.Logf("%d orders", runs)
}

// TestRepeatedRevocationReachesAllSessions: of a user with more sessions than one statement ends, the answer of any call is lost; when
// the repetition has returned no access token passes, here and in a process that has read the feed.
func TestRepeatedRevocationReachesAllSessions(t *testing.T) {
	t.Parallel()
	for i := range 4 * 4 {
		keeps, after, n := i&1 > 0, i&2 > 0, i/4
		t.Run(fmt.Sprintf("keep=%v/after=%v/call %d", keeps, after, n+1), func(t *testing.T) {
			t.Parallel()
			inAudit(t, func(t *testing.T, a *audit) {
				var all []session.Tokens
				for range 1100 {
					all = append(all, a.login())
				}
				keep := session.Handle{}
				if keeps {
					keep = a.doom().keep
				}
				a.clock.advance(time.Minute)
				a.store.setFault(cutNth(n, after))
				_, err := a.RevokeOthers(a.ctx, "user", keep, session.RevokeOptions{})
				for range 3 {
					if !errors.Is(err, session.ErrUnavailable) {
						break
					}
					_, err = a.RevokeOthers(a.ctx, "user", keep, session.RevokeOptions{})
				}
				if err != nil {
					t.Fatal(err)
				}
				a.store.setFault(nil)
				a.readFeeds()
				for name, m := range map[string]*session.Manager{"here": a.Manager, "there": a.other} {
					passed := 0
					for _, tokens := range all {
						if _, err := m.Verify(a.ctx, tokens.AccessToken, session.VerifyOptions{}); err == nil {
							passed++
						}
					}
					if passed > 0 {
						t.Errorf("%s the access tokens of %d of %d ended sessions pass", name, passed, len(all))
					}
				}
			}, func(cfg *session.Config) { cfg.OnEvent = nil })
		})
	}
}

// TestDoubtOutlivesAFailedPublication: a revocation in doubt whose publication fails, too, is still in doubt when it is repeated.
func TestDoubtOutlivesAFailedPublication(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		a.login()
		lost := cutOnce("EndUser", true)
		a.store.setFault(func(call string, after bool) error {
			if call == "Publish" {
				return errCut
			}
			return lost(call, after)
		})
		_, err := a.RevokeUser(a.ctx, "user", session.RevokeOptions{})
		a.refused(err, session.ErrUnavailable)
		a.store.setFault(nil)
		a.store.total()
		if _, err := a.RevokeUser(a.ctx, "user", session.RevokeOptions{}); err != nil {
			t.Fatal(err)
		}
		if calls := a.store.total(); calls["Publish"] != 1 {
			t.Errorf("the repetition made the calls %v, want it to publish the user", calls)
		}
	})
}

// TestTokensMintedDuringALongRevocation: of a user with more sessions than one statement ends, those that are refreshed between two
// statements are over, too, when the call has returned.
func TestTokensMintedDuringALongRevocation(t *testing.T) {
	t.Parallel()
	for name, revoke := range map[string]func(a *audit, keep session.Handle) error{
		"RevokeUser": func(a *audit, _ session.Handle) error {
			_, err := a.RevokeUser(a.ctx, "user", session.RevokeOptions{})
			return err
		},
		"RevokeOthers": func(a *audit, keep session.Handle) error {
			_, err := a.RevokeOthers(a.ctx, "user", keep, session.RevokeOptions{})
			return err
		},
		"RevokeAll": func(a *audit, _ session.Handle) error {
			_, err := a.RevokeAll(a.ctx, session.RevokeOptions{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inAudit(t, func(t *testing.T, a *audit) {
				keep := a.handle(a.login().AccessToken)
				tokens := map[session.Handle]session.Tokens{}
				for range 1050 {
					s, own, err := a.Create(a.ctx, "user", session.CreateOptions{})
					if err != nil {
						t.Fatal(err)
					}
					tokens[s.Handle()] = own
				}
				a.clock.advance(time.Minute)
				var minted []session.Tokens
				calls := 0
				a.store.setFault(func(call string, after bool) error {
					if after || call != "EndUser" && call != "EndAll" {
						return nil
					}
					if calls++; calls != 2 {
						return nil
					}
					a.clock.advance(5 * time.Second)
					for _, own := range tokens {
						if _, got, err := a.other.Refresh(a.ctx, own.RefreshToken, session.RefreshOptions{}); err == nil {
							minted = append(minted, got)
						}
					}
					return nil
				})
				if err := revoke(a, keep); err != nil {
					t.Fatal(err)
				}
				a.store.setFault(nil)
				a.readFeeds()
				if len(minted) < 50 {
					t.Fatalf("%d tokens were minted between the statements, want 50", len(minted))
				}
				for who, m := range map[string]*session.Manager{"here": a.Manager, "there": a.other} {
					passed := 0
					for _, got := range minted {
						if _, err := m.Verify(a.ctx, got.AccessToken, session.VerifyOptions{}); err == nil {
							passed++
						}
					}
					if passed > 0 {
						t.Errorf("%s %d of %d access tokens pass that were minted between the statements", who, passed, len(minted))
					}
				}
			}, func(cfg *session.Config) { cfg.OnEvent = nil })
		})
	}
}

// TestRevokeUserTellsItsOwnEndings, and not those that there were, although they bear the same time.
func TestRevokeUserTellsItsOwnEndings(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		for range 9 {
			a.login()
		}
		all := a.handles("user")
		for i := range 3 {
			if _, err := a.Revoke(a.ctx, all[3*i+1], session.RevokeOptions{Reason: session.ReasonLogout}); err != nil {
				t.Fatal(err)
			}
		}
		a.told()
		left := a.handles("user")
		if n, err := a.RevokeUser(a.ctx, "user", session.RevokeOptions{}); n != 6 || err != nil {
			t.Fatalf("got %d, %v", n, err)
		}
		var told []session.Handle
		for _, e := range ofKind(a.told(), session.EventEnded) {
			if told = append(told, e.Handle); e.Reason != session.ReasonRevoked {
				t.Errorf("got the event %+v, want it for %s", e, session.ReasonRevoked)
			}
		}
		slices.SortFunc(told, func(x, y session.Handle) int { return strings.Compare(x.String(), y.String()) })
		if !slices.Equal(told, left) {
			t.Errorf("got the events of %v, want those of %v", told, left)
		}
	})
}

// Of more sessions than are listed at once, each is told once.
func TestRevokeUserTellsOfMany(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		const many = 2100
		for range many {
			a.login()
		}
		a.told()
		if n, err := a.RevokeUser(a.ctx, "user", session.RevokeOptions{}); n != many || err != nil {
			t.Fatalf("got %d, %v", n, err)
		}
		told := map[session.Handle]bool{}
		events := ofKind(a.told(), session.EventEnded)
		for _, e := range events {
			told[e.Handle] = true
		}
		if len(events) != many || len(told) != many {
			t.Errorf("got %d events of %d sessions, want %d", len(events), len(told), many)
		}
	})
}

func TestRevokeKeepsToItsOptions(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		d := a.doom()
		h := d.info.Handle
		bad := session.RevokeOptions{Reason: "because"}
		for name, revoke := range map[string]func() error{
			"Revoke":         func() error { _, err := a.Revoke(a.ctx, h, bad); return err },
			"Session.Revoke": func() error { _, err := d.own[a.Manager].Revoke(a.ctx, bad); return err },
			"RevokeUser":     func() error { _, err := a.RevokeUser(a.ctx, "user", bad); return err },
			"RevokeOthers":   func() error { _, err := a.RevokeOthers(a.ctx, "user", h, bad); return err },
			"RevokeAll":      func() error { _, err := a.RevokeAll(a.ctx, bad); return err },
		} {
			if err := revoke(); !errors.Is(err, session.ErrInvalidReason) {
				t.Errorf("%s for an unknown reason: got %v, want ErrInvalidReason", name, err)
			}
		}
		noCalls(t, a.store.total())

		// A handle of somebody else's is none.
		if ended, err := a.RevokeOwned(a.ctx, "somebody", h, session.RevokeOptions{}); ended || err != nil {
			t.Errorf("a foreign handle: got %v, %v", ended, err)
		}
		if calls := a.store.total(); calls["End"] != 0 {
			t.Errorf("a foreign handle reached the store: %v", calls)
		}
		a.use(d.newest.AccessToken)
		yours := session.RevokeOptions{Reason: session.ReasonRevokedByUser}
		for i, want := range []bool{true, false, false} {
			if ended, err := a.RevokeOwned(a.ctx, "user", h, yours); ended != want || err != nil {
				t.Errorf("the user's own handle, time %d: got %v, %v", i+1, ended, err)
			}
		}
		a.store.total()
		if _, err := a.RevokeOwned(a.ctx, "user", h, yours); err != nil || a.store.total()["End"] != 1 {
			t.Errorf("a repetition has to reach the store, so that the feed names the session again; got %v", err)
		}
		if ended, err := a.RevokeOwned(a.ctx, "somebody", h, yours); ended || err != nil || a.store.total()["End"] != 0 {
			t.Errorf("a foreign handle of an ended session: got %v, %v, or it reached the store", ended, err)
		}
		for i := range 2 {
			if ended, err := a.RevokeOwned(a.ctx, "user", session.Handle{byte(i)}, yours); ended || err != nil {
				t.Errorf("an unknown handle: got %v, %v", ended, err)
			}
		}
		if told := a.told(); len(told) != 1 || told[0].Reason != session.ReasonRevokedByUser {
			t.Errorf("got the events %+v, want one", told)
		}
	})
}

// Where nobody is told, a revocation costs one call, and one more to see whose session it is, or which ones these were.
func TestRevokeCosts(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		one, two := a.doom(), a.doom()
		for _, test := range []struct {
			calls  string
			revoke func() error
		}{
			{"map[End:1]", func() error { _, err := a.Revoke(a.ctx, one.info.Handle, session.RevokeOptions{}); return err }},
			{"map[End:1 Get:1]", func() error {
				_, err := a.RevokeOwned(a.ctx, "user", two.info.Handle, session.RevokeOptions{})
				return err
			}},
			{"map[EndUser:1 Endings:1]", func() error { _, err := a.RevokeUser(a.ctx, "user", session.RevokeOptions{}); return err }},
		} {
			a.store.total()
			if err := test.revoke(); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(a.store.total()); got != test.calls {
				t.Errorf("got the calls %s, want %s", got, test.calls)
			}
		}
	}, func(cfg *session.Config) { cfg.OnEvent = nil })
}

// Each reason is kept and told as it was given, in the feed, too.
func TestReasonsAreKept(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		reasons := []session.Reason{
			session.ReasonTheft, session.ReasonIdle, session.ReasonAbsolute, session.ReasonLogout, session.ReasonRevoked, session.ReasonRevokedByUser,
			session.ReasonLimit, session.ReasonPasswordChange, session.ReasonKeyCompromise,
		}
		tokens := map[session.Reason]session.Tokens{}
		for _, reason := range reasons {
			s, own, err := a.Create(a.ctx, "user", session.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			tokens[reason] = own
			a.clock.advance(time.Second)
			if _, err := a.Revoke(a.ctx, s.Handle(), session.RevokeOptions{Reason: reason}); err != nil {
				t.Fatal(err)
			}
		}
		a.readFeeds()
		for reason, own := range tokens {
			for _, m := range []*session.Manager{a.Manager, a.other} {
				_, err := m.Verify(a.ctx, own.AccessToken, session.VerifyOptions{})
				if got := endedFor(err); got != reason || !strings.Contains(err.Error(), string(reason)) {
					t.Errorf("Verify: got %v for %s", err, reason)
				}
				if _, _, err = m.Refresh(a.ctx, own.RefreshToken, session.RefreshOptions{}); endedFor(err) != reason {
					t.Errorf("Refresh: got %v for %s", err, reason)
				}
			}
		}
		// The first one counts, also for a process that gives another one later.
		s, own, err := a.Create(a.ctx, "another", session.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for i, reason := range []session.Reason{session.ReasonRevoked, session.ReasonKeyCompromise} {
			m := []*session.Manager{a.Manager, a.other}[i]
			if ended, err := m.Revoke(a.ctx, s.Handle(), session.RevokeOptions{Reason: reason}); ended != (i == 0) || err != nil {
				t.Errorf("Revoke for %s: got %v, %v", reason, ended, err)
			}
		}
		a.readFeeds()
		for _, m := range []*session.Manager{a.Manager, a.other} {
			if _, err := m.Verify(a.ctx, own.AccessToken, session.VerifyOptions{}); endedFor(err) != session.ReasonRevoked {
				t.Errorf("Verify: got %v, want the first reason", err)
			}
		}
		// Newest first, by pages of any size.
		for _, limit := range []int{0, 1, 2, 4, len(reasons), 5000} {
			var got []session.Reason
			for page := (session.EndingsPage{Limit: limit}); ; {
				endings, err := a.Endings(a.ctx, "user", page)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range endings {
					got = append(got, e.Reason)
					page.EndedAt, page.Handle = e.EndedAt, e.Handle
				}
				if len(endings) == 0 || limit > 0 && len(endings) > limit {
					break
				}
			}
			slices.Reverse(got)
			if !slices.Equal(got, reasons) {
				t.Errorf("by pages of %d: got %v, want %v", limit, got, reasons)
			}
		}
	})
}

// A token and a revocation of many bear the store's time to the millisecond: of one millisecond, the token is over.
func TestRevocationOfManyAndTokensOfThatMoment(t *testing.T) {
	t.Parallel()
	for _, user := range []string{"", "user"} {
		for _, late := range []time.Duration{0, time.Millisecond - time.Microsecond, time.Millisecond} {
			inAudit(t, func(t *testing.T, a *audit) {
				if err := a.store.Publish(a.ctx, session.Revocation{UserID: user, Reason: session.ReasonRevoked}); err != nil {
					t.Fatal(err)
				}
				a.clock.advance(late)
				_, tokens, err := a.process().Create(a.ctx, "user", session.CreateOptions{}) // one that has just read the store's clock
				if err != nil {
					t.Fatal(err)
				}
				a.readFeeds()
				_, err = a.other.Verify(a.ctx, tokens.AccessToken, session.VerifyOptions{})
				if refused := errors.Is(err, session.ErrTryRefresh); refused != (late < time.Millisecond) {
					t.Errorf("minted %v after the revocation of %q: got %v", late, user, err)
				}
			})
		}
	}
}

// A process whose clock runs fast, by a thousandth at most, does not date tokens later than a revocation that comes after them.
func TestRevocationWithAClockThatRunsFast(t *testing.T) {
	t.Parallel()
	for _, since := range []time.Duration{0, time.Second, 20 * time.Second, time.Hour} {
		inAudit(t, func(t *testing.T, a *audit) {
			a.clock.advance(since)
			a.behind = -since / 1000
			_, tokens, err := a.other.Create(a.ctx, "user", session.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if n, err := a.RevokeAll(a.ctx, session.RevokeOptions{}); n != 1 || err != nil {
				t.Fatalf("got %d, %v", n, err)
			}
			a.readFeeds()
			if _, err := a.other.Verify(a.ctx, tokens.AccessToken, session.VerifyOptions{}); !errors.Is(err, session.ErrTryRefresh) {
				t.Errorf("%v after the last reading: got %v, want ErrTryRefresh", since, err)
			}
		})
	}
}

// Nor does one whose last reading of the store's clock has taken a while, wherever in between the clock was read.
func TestRevocationAfterASlowReading(t *testing.T) {
	t.Parallel()
	for _, answered := range []bool{false, true} {
		inAudit(t, func(t *testing.T, a *audit) {
			a.store.setFault(func(call string, after bool) error {
				if (call == "Revocations" || call == "Keys") && after == answered {
					a.clock.advance(2 * time.Second)
				}
				return nil
			})
			a.clock.advance(time.Minute)
			a.readFeeds()
			a.store.setFault(nil)
			_, tokens, err := a.other.Create(a.ctx, "user", session.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			a.clock.advance(time.Second)
			if n, err := a.RevokeAll(a.ctx, session.RevokeOptions{}); n != 1 || err != nil {
				t.Fatalf("got %d, %v", n, err)
			}
			a.readFeeds()
			if _, err := a.other.Verify(a.ctx, tokens.AccessToken, session.VerifyOptions{}); !errors.Is(err, session.ErrTryRefresh) {
				t.Errorf("the clock was read first: %v: got %v, want ErrTryRefresh", answered, err)
			}
		})
	}
}

// In the strict mode a verification depends on the store, and says so while that is away.
func TestStrictVerificationNeedsTheStore(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		tokens := a.login()
		a.store.setFault(func(string, bool) error { return errCut })
		_, err := a.Verify(a.ctx, tokens.AccessToken, session.VerifyOptions{})
		if !errors.Is(err, session.ErrUnavailable) || errors.Is(err, session.ErrUnauthorised) || errors.Is(err, session.ErrTryRefresh) {
			t.Errorf("got %v, want ErrUnavailable", err)
		}
		a.store.setFault(nil)
		a.use(tokens.AccessToken)
	}, func(cfg *session.Config) { cfg.Revocation = session.RevocationStrict })
}

// The feed is as old as the moment before the store was asked.
func TestFeedAgeCountsTheReading(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		a.store.setFault(func(call string, after bool) error {
			if call == "Revocations" && !after {
				a.clock.advance(2 * time.Second)
			}
			return nil
		})
		a.clock.advance(time.Minute)
		a.readFeeds()
		a.clock.advance(time.Second)
		if got := a.other.Health().Feed.Age; got != 3*time.Second {
			t.Errorf("got an age of %v, want 3s", got)
		}
	})
}

// TestFeedOfMoreThanAPage: none is passed over where one reading takes several pages, though all of them may bear the same time.
func TestFeedOfMoreThanAPage(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		const many = 5500
		var all []session.Tokens
		revoke := func(apart time.Duration) {
			t.Helper()
			var handles []session.Handle
			for range many / 2 {
				s, tokens, err := a.Create(a.ctx, "user", session.CreateOptions{})
				if err != nil {
					t.Fatal(err)
				}
				all, handles = append(all, tokens), append(handles, s.Handle())
			}
			for _, h := range handles {
				if _, err := a.Revoke(a.ctx, h, session.RevokeOptions{Reason: session.ReasonLogout}); err != nil {
					t.Fatal(err)
				}
				a.clock.advance(apart)
			}
		}
		revoke(time.Microsecond)
		revoke(0)
		revoke(0)
		a.readFeeds()
		for name, m := range map[string]*session.Manager{"one that has run": a.other, "a new one": a.process()} {
			missed := 0
			for _, tokens := range all {
				if _, err := m.Verify(a.ctx, tokens.AccessToken, session.VerifyOptions{}); endedFor(err) != session.ReasonLogout {
					missed++
				}
			}
			if missed > 0 {
				t.Errorf("%s does not know of %d of %d", name, missed, len(all))
			}
		}
	}, func(cfg *session.Config) { cfg.OnEvent = nil })
}

// stuckStore answers nothing that makes an entry of the feed until the context ends.
type stuckStore struct{ session.Store }

func stuck(ctx context.Context) error {
	<-ctx.Done()
	return fmt.Errorf("%w: %w", session.ErrUnavailable, ctx.Err())
}

func (stuckStore) End(ctx context.Context, _ session.Handle, _ session.End) (bool, error) {
	return false, stuck(ctx)
}

func (stuckStore) EndUser(ctx context.Context, _ string, _ session.Handle, _ session.End, _ int) (int, error) {
	return 0, stuck(ctx)
}

func (stuckStore) Publish(ctx context.Context, _ session.Revocation) error { return stuck(ctx) }

// Whatever StoreTimeout is, no statement that makes an entry may take so long that a reading which goes back behind the last one would
// miss it.
func TestStatementsOfTheFeedAreBounded(t *testing.T) {
	t.Parallel()
	for _, timeout := range []time.Duration{0, time.Second, time.Hour} {
		inBubble(t, func(b *bubble) {
			m := b.manager()
			h, _ := b.login(m, "user")
			b.store.Store = stuckStore{b.store.Store}
			most := 15 * time.Second
			if timeout == 0 {
				most = session.DefaultStoreTimeout
			} else if timeout < most {
				most = timeout
			}
			for name, revoke := range map[string]func() error{
				"Revoke":     func() error { _, err := m.Revoke(b.ctx, h, session.RevokeOptions{}); return err },
				"RevokeUser": func() error { _, err := m.RevokeUser(b.ctx, "user", session.RevokeOptions{}); return err },
				"RevokeAll":  func() error { _, err := m.RevokeAll(b.ctx, session.RevokeOptions{}); return err },
			} {
				began := time.Now()
				err := revoke()
				if took := time.Since(began); !errors.Is(err, session.ErrUnavailable) || took > 2*most || took < most {
					b.t.Errorf("timeout %v, %s: got %v after %v, want ErrUnavailable after two attempts of %v", timeout, name, err, took, most)
				}
			}
		}, func(cfg *session.Config) { cfg.StoreTimeout = timeout })
	}
}

// TestLoginCrossesWithRevokeAll, in every order of their store calls: when both have returned, a session that has ended has no good
// access token, and one that lives on is asked to refresh at worst.
func TestLoginCrossesWithRevokeAll(t *testing.T) {
	t.Parallel()
	lived, ended := 0, 0
	everyInterleaving(func(choices []int) (widths []int) {
		inAudit(t, func(t *testing.T, a *audit) {
			g := &gates{waiting: map[string]chan struct{}{}}
			a.store.Store = gatedRest{gatedStore{a.store.Store, g}}
			var (
				s      *session.Session
				tokens session.Tokens
				errs   [2]error
			)
			widths = g.interleave(a.ctx, choices, []operation{
				{"login", func(ctx context.Context) {
					s, tokens, errs[0] = a.other.Create(ctx, "user", session.CreateOptions{})
				}},
				{"revoke", func(ctx context.Context) { _, errs[1] = a.RevokeAll(ctx, session.RevokeOptions{}) }},
			})
			if err := errors.Join(errs[:]...); err != nil {
				t.Fatalf("order %v: %v", choices, err)
			}
			a.clock.advance(time.Second)
			a.readFeeds()
			_, err := a.Lookup(a.ctx, s.Handle())
			for _, m := range []*session.Manager{a.Manager, a.other} {
				access := tokens.AccessToken
				_, verified := m.Verify(a.ctx, access, session.VerifyOptions{})
				if err != nil {
					ended++
					if verified == nil {
						t.Errorf("order %v: the access token of an ended session passes", choices)
					}
					continue
				}
				lived++
				if verified != nil {
					a.refused(verified, session.ErrTryRefresh)
					access = a.refresh(tokens.RefreshToken).AccessToken
				}
				if _, err := m.Verify(a.ctx, access, session.VerifyOptions{}); err != nil {
					t.Errorf("order %v: after a refresh: %v", choices, err)
				}
			}
		})
		return widths
	})
	if lived == 0 || ended == 0 {
		t.Errorf("%d sessions lived on and %d ended, want some of each", lived, ended)
	}
}

// A change of password ends all sessions and begins a new one, whose tokens are good.
func TestLoginAfterRevokeUserIsGood(t *testing.T) {
	t.Parallel()
	for _, mode := range []session.RevocationMode{session.RevocationFeed, session.RevocationStrict, session.RevocationOff} {
		inAudit(t, func(t *testing.T, a *audit) {
			d := a.doom()
			if n, err := a.RevokeUser(a.ctx, "user", session.RevokeOptions{Reason: session.ReasonPasswordChange}); err != nil || n != 2 {
				t.Fatalf("got %d, %v", n, err)
			}
			again := a.login()
			if _, err := a.Verify(a.ctx, again.AccessToken, session.VerifyOptions{}); err != nil {
				t.Errorf("%s: the new session's token: %v", mode, err)
			}
			if _, err := a.Verify(a.ctx, d.newest.AccessToken, session.VerifyOptions{}); (err == nil) != (mode == session.RevocationOff) {
				t.Errorf("%s: the old session's token: got %v", mode, err)
			}
		}, func(cfg *session.Config) { cfg.Revocation = mode })
	}
}

// A reset of a password may come when nobody is logged in.
func TestLoginAfterRevokeUserOfNobodyIsGood(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		a.readFeeds()
		if n, err := a.RevokeUser(a.ctx, "user", session.RevokeOptions{Reason: session.ReasonPasswordChange}); err != nil || n != 0 {
			t.Fatalf("got %d, %v", n, err)
		}
		again := a.login()
		for _, when := range []string{"at once", "when the feed has been read"} {
			for i, m := range []*session.Manager{a.Manager, a.other} {
				if _, err := m.Verify(a.ctx, again.AccessToken, session.VerifyOptions{}); err != nil {
					t.Errorf("%s, process %d: the new session's token: %v", when, i, err)
				}
			}
			a.clock.advance(time.Second)
			a.readFeeds()
		}
	})
}

// An ending that is no longer kept has no reason any more, but it is one.
func TestPurgedEndingHasNoReason(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		d := a.doom()
		if _, err := a.Revoke(a.ctx, d.info.Handle, session.RevokeOptions{}); err != nil {
			t.Fatal(err)
		}
		a.clock.advance(session.DefaultEndingRetention + time.Microsecond)
		if _, err := a.Cleanup(a.ctx); err != nil {
			t.Fatal(err)
		}
		_, _, err := a.Refresh(a.ctx, d.newest.RefreshToken, session.RefreshOptions{})
		var ended *session.EndedError
		if !errors.As(err, &ended) || ended.Reason != "" || ended.Handle != d.info.Handle || !errors.Is(err, session.ErrUnauthorised) {
			t.Errorf("got %v, want an end without a reason", err)
		}
	})
}

func TestCleanupCounts(t *testing.T) {
	t.Parallel()
	const tokensLive = session.DefaultAccessLifetime + 3*time.Minute // with what clocks may differ by, on either side
	for _, test := range []struct {
		name      string
		retention time.Duration
		kept      time.Duration
	}{
		{"default", 0, 30 * 24 * time.Hour},
		{"a day", 24 * time.Hour, 24 * time.Hour},
		{"none", session.NoEndings, tokensLive},
		{"less than access tokens live", time.Second, tokensLive},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			inAudit(t, func(t *testing.T, a *audit) {
				for range 3 {
					a.login()
				}
				a.clock.advance(a.cfg.IdleLifetime / 2)
				var revoked []session.Handle
				for range 2 {
					revoked = append(revoked, a.handle(a.login().AccessToken))
				}
				lives := a.login()
				a.clock.advance(a.cfg.IdleLifetime / 2)
				for _, h := range revoked {
					if _, err := a.Revoke(a.ctx, h, session.RevokeOptions{}); err != nil {
						t.Fatal(err)
					}
				}
				a.told()
				expect := func(what string, want session.Cleaned, records int) {
					t.Helper()
					for i, m := range []*session.Manager{a.other, a.Manager} {
						if cleaned, err := m.Cleanup(a.ctx); err != nil || cleaned != want {
							t.Errorf("%s: process %d got %+v, %v, want %+v", what, i, cleaned, err, want)
						}
						want = session.Cleaned{}
					}
					if endings, err := a.Endings(a.ctx, "user", session.EndingsPage{}); err != nil || len(endings) != records {
						t.Errorf("%s: %d records are left, %v, want %d", what, len(endings), err, records)
					}
				}
				// Three have expired at this moment, and two were revoked.
				expect("at once", session.Cleaned{Expired: 3}, 5)
				if told := a.told(); len(told) != 3 {
					t.Errorf("got the events %+v, want three", told)
				}
				a.clock.advance(tokensLive)
				expect("while tokens live", session.Cleaned{}, 5)
				a.clock.advance(time.Microsecond)
				if test.kept == tokensLive {
					expect("when they have expired", session.Cleaned{Purged: 2 + 5}, 0)
				} else {
					expect("when they have expired", session.Cleaned{Purged: 2}, 5)
					a.clock.advance(test.kept - tokensLive - time.Microsecond)
					expect("one tick before", session.Cleaned{}, 5)
					a.clock.advance(time.Microsecond)
					expect("at its end", session.Cleaned{Purged: 5}, 0)
				}
				if told := a.told(); len(told) != 0 {
					t.Errorf("to forget is no event, got %+v", told)
				}
				a.refresh(lives.RefreshToken)
			}, func(cfg *session.Config) {
				cfg.EndingRetention, cfg.IdleLifetime, cfg.AbsoluteLifetime = test.retention, 100*24*time.Hour, 200*24*time.Hour
			})
		})
	}
}

func TestRunCleansUp(t *testing.T) {
	t.Parallel()
	for _, interval := range []time.Duration{0, time.Hour, session.NoCleanup} {
		inBubble(t, func(b *bubble) {
			b.store.Store = watchedRest{b.store.Store, b.store}
			b.process()
			m := b.process()
			h, _ := b.login(m, "user")
			b.store.setFault(func(call string, _ bool) error {
				if call == "EndExpired" {
					return errCut
				}
				return nil
			})
			wait := interval
			if wait <= 0 {
				wait = session.DefaultCleanupInterval
			}
			time.Sleep(b.cfg.IdleLifetime + wait + time.Second)
			if told := b.told(session.EventEnded); len(told) != 0 {
				t.Errorf("every %v: got the events %+v while the store is away", interval, told)
			}
			b.store.setFault(nil)
			time.Sleep(wait + time.Second)
			want := 1
			if interval == session.NoCleanup {
				want = 0
			}
			told := b.told(session.EventEnded)
			if len(told) != want || want > 0 && (told[0].Handle != h || told[0].Reason != session.ReasonIdle) {
				t.Errorf("every %v: got the events %+v, want %d", interval, told, want)
			}
			if endings, err := m.Endings(b.ctx, "user", session.EndingsPage{}); err != nil || len(endings) != want {
				t.Errorf("every %v: got %d records, %v, want %d", interval, len(endings), err, want)
			}
			failed, done := strings.Count(b.log.String(), "could not be removed"), strings.Count(b.log.String(), "cleaned up")
			if (failed > 0) != (want > 0) || done != want {
				t.Errorf("every %v: %d lines of failures and %d of success, want %d:\n%s", interval, failed, done, want, b.log.String())
			}
		}, func(cfg *session.Config) {
			cfg.Revocation, cfg.CleanupInterval = session.RevocationOff, interval
			cfg.AccessLifetime, cfg.IdleLifetime = 10*time.Minute, 25*time.Minute
		})
	}
}

// TestI8GarbageIsFreeInEveryMode: what this deployment did not mint costs one look at the keys at most.
func TestI8GarbageIsFreeInEveryMode(t *testing.T) {
	t.Parallel()
	for _, mode := range []session.RevocationMode{session.RevocationFeed, session.RevocationStrict, session.RevocationOff} {
		for _, policy := range []session.StaleFeedPolicy{session.StaleFeedAccept, session.StaleFeedRefuse} {
			inAudit(t, func(t *testing.T, a *audit) {
				own, foreign := a.doom(), newAudit(t).doom() // of another deployment
				a.clock.advance(2 * time.Hour)               // so that the feed is stale
				garbage := []string{
					"", ".", "..", "x", strings.Repeat("A", 181), strings.Repeat("A", 9000), "\x00", own.info.Handle.String(),
					foreign.newest.AccessToken, foreign.newest.RefreshToken, foreign.first.RefreshToken,
				}
				for _, token := range []string{own.newest.AccessToken, own.newest.RefreshToken, own.first.RefreshToken} {
					for i := 0; i < len(token); i += 7 {
						flipped := []byte(token)
						flipped[i] ^= 1
						garbage = append(garbage, token[:i], token[i:], string(flipped))
					}
					garbage = append(garbage, token+"A", " "+token, strings.ToUpper(token))
				}
				for _, m := range []*session.Manager{a.Manager, a.other} {
					m.RankRefreshTokens(a.ctx, garbage)
					for _, token := range garbage {
						if token != own.newest.RefreshToken && token != own.first.RefreshToken {
							if _, _, err := m.Refresh(a.ctx, token, session.RefreshOptions{Device: thiefsDevice}); err != session.ErrUnauthorised { //nolint:errorlint // uniform: this very error, without any detail
								t.Errorf("%s: refresh with %.40q: got %v, want ErrUnauthorised itself", mode, token, err)
							}
						}
						if token != own.newest.AccessToken {
							if _, err := m.Verify(a.ctx, token, session.VerifyOptions{MaxAuthAge: time.Second}); err != session.ErrTryRefresh { //nolint:errorlint // uniform: this very error, without any detail
								t.Errorf("%s: verification of %.40q: got %v, want ErrTryRefresh itself", mode, token, err)
							}
						}
					}
				}
				calls := a.store.total()
				if calls["Keys"] > 2 {
					t.Errorf("%s: the keys were looked at %d times, want once for each process", mode, calls["Keys"])
				}
				delete(calls, "Keys")
				noCalls(t, calls)
				if told := a.told(); len(told) != 0 || len(a.thefts) != 0 {
					t.Errorf("%s: garbage was told: %+v", mode, told)
				}
			}, func(cfg *session.Config) {
				cfg.Revocation, cfg.StaleFeed, cfg.MaxFeedAge, cfg.AccessLifetime = mode, policy, time.Hour, 10*time.Hour
			})
		}
	}
}

// Tokens of a key that was cut off are told from garbage, and cost nothing either.
func TestTokensOfALostKeyAreFree(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		d := a.doom()
		for range 2 {
			if err := a.RotateNow(a.ctx, session.PurposeRefresh, "test", true); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.RotateNow(a.ctx, session.PurposeAccess, "test", true); err != nil {
			t.Fatal(err)
		}
		a.store.total()
		for _, token := range []string{d.first.RefreshToken, d.newest.RefreshToken} {
			_, _, err := a.Refresh(a.ctx, token, session.RefreshOptions{})
			if got := endedFor(err); got != session.ReasonKeyCompromise {
				t.Errorf("got %s", got)
			}
		}
		flipped := []byte(d.newest.RefreshToken)
		flipped[len(flipped)/2] ^= 1
		if _, _, err := a.Refresh(a.ctx, string(flipped), session.RefreshOptions{}); err != session.ErrUnauthorised { //nolint:errorlint // uniform: this very error, without any detail
			t.Errorf("a forged token of the lost key: got %v", err)
		}
		if _, err := a.Verify(a.ctx, d.newest.AccessToken, session.VerifyOptions{}); err != session.ErrTryRefresh { //nolint:errorlint // uniform: this very error, without any detail
			t.Errorf("an access token of the lost key: got %v", err)
		}
		noCalls(t, a.store.total())
	})
}
