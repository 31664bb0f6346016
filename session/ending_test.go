package session_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchword-dev/watchword/session"
)

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
