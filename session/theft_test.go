package session_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

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
