package session_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchword-dev/watchword/session"
)

func limit(n int, policy session.LimitPolicy) func(*session.Config) {
	return func(cfg *session.Config) { cfg.MaxSessions, cfg.OnLimit = n, policy }
}

// handles are those of a user's live sessions, the oldest first.
func (w *world) handles(user string) []session.Handle {
	w.t.Helper()
	infos, err := w.Sessions(w.ctx, user, session.Page{Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	var handles []session.Handle
	for _, info := range infos {
		handles = append(handles, info.Handle)
	}
	slices.Reverse(handles)
	return handles
}

func TestLimitEndsTheOldest(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 5} {
		for _, policy := range []session.LimitPolicy{"", session.LimitEndOldest} {
			inAudit(t, func(t *testing.T, a *audit) {
				stranger, _, err := a.Create(a.ctx, "stranger", session.CreateOptions{})
				if err != nil {
					t.Fatal(err)
				}
				var all []session.Handle
				var tokens []session.Tokens
				for i := range 3 * n {
					a.clock.advance(time.Second)
					a.told()
					m := []*session.Manager{a.Manager, a.other}[i%2]
					s, own, err := m.Create(a.ctx, "user", session.CreateOptions{Device: ownersDevice})
					if err != nil {
						t.Fatal(err)
					}
					all, tokens = append(all, s.Handle()), append(tokens, own)
					if got, want := a.handles("user"), all[max(len(all)-n, 0):]; !slices.Equal(got, want) {
						t.Errorf("limit %d, login %d: got %d sessions %v, want the newest", n, i+1, len(got), got)
					}
					told := a.told()
					ended := ofKind(told, session.EventEnded)
					if created := ofKind(told, session.EventCreated); len(created) != 1 || len(told) != 1+len(ended) {
						t.Errorf("limit %d, login %d: got the events %+v", n, i+1, told)
					}
					if i < n {
						if len(ended) != 0 {
							t.Errorf("limit %d, login %d: got %+v, none is too many", n, i+1, ended)
						}
						continue
					}
					if len(ended) != 1 || ended[0].Handle != all[i-n] || ended[0].Reason != session.ReasonLimit || ended[0].UserID != "user" || ended[0].Device != ownersDevice {
						t.Errorf("limit %d, login %d: got %+v, want the end of the oldest", n, i+1, ended)
					}
					if _, err := m.Verify(a.ctx, tokens[i-n].AccessToken, session.VerifyOptions{}); endedFor(err) != session.ReasonLimit {
						t.Errorf("limit %d, login %d: the ended session's token gets %v", n, i+1, err)
					}
				}
				if _, err := a.Lookup(a.ctx, stranger.Handle()); err != nil {
					t.Errorf("another user's session: %v", err)
				}
			}, limit(n, policy))
		}
	}
}

// A limit that was lowered ends all that are too many with the next login.
func TestLimitThatWasLowered(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		for range 7 {
			a.clock.advance(time.Second)
			a.login()
		}
		before := a.handles("user")
		a.cfg.MaxSessions = 3
		a.clock.advance(time.Second)
		s, _, err := a.process().Create(a.ctx, "user", session.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := a.handles("user"), append(before[5:], s.Handle()); !slices.Equal(got, want) {
			t.Errorf("got %v, want the three newest %v", got, want)
		}
		if ended := ofKind(a.told(), session.EventEnded); len(ended) != 5 {
			t.Errorf("got %d events, want 5", len(ended))
		}
		a.cfg.OnLimit, a.cfg.MaxSessions = session.LimitRefuse, 2
		if _, _, err := a.process().Create(a.ctx, "user", session.CreateOptions{}); !errors.Is(err, session.ErrSessionLimit) {
			t.Errorf("refuse: got %v, want ErrSessionLimit", err)
		}
		if n := len(a.handles("user")); n != 3 {
			t.Errorf("a refusal has left %d sessions, want 3", n)
		}
	}, limit(0, ""))
}

func TestLimitRefuses(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 5} {
		inAudit(t, func(t *testing.T, a *audit) {
			for range n {
				a.clock.advance(time.Second)
				a.login()
			}
			kept := a.handles("user")
			a.told()
			for _, m := range []*session.Manager{a.Manager, a.other} {
				s, tokens, err := m.Create(a.ctx, "user", session.CreateOptions{})
				if !errors.Is(err, session.ErrSessionLimit) || s != nil || tokens != (session.Tokens{}) {
					t.Errorf("limit %d: got %v, and a session: %v, want ErrSessionLimit", n, err, s != nil)
				}
				if errors.Is(err, session.ErrUnauthorised) || errors.Is(err, session.ErrUnavailable) {
					t.Errorf("limit %d: %v matches too much", n, err)
				}
			}
			endings, err := a.Endings(a.ctx, "user", session.EndingsPage{})
			if err != nil || len(endings) != 0 || len(a.told()) != 0 || !slices.Equal(a.handles("user"), kept) {
				t.Errorf("limit %d: a refused login has left a trace: %+v, %v", n, endings, err)
			}
			if _, err := a.Revoke(a.ctx, kept[0], session.RevokeOptions{}); err != nil {
				t.Fatal(err)
			}
			a.login() // there is room again
		}, limit(n, session.LimitRefuse))
	}
}

// Which one is the oldest is told by the store's clock, and not by the processes', from which handles are made.
func TestLimitUnderClockSkew(t *testing.T) {
	t.Parallel()
	for _, behind := range []time.Duration{30 * time.Second, -30 * time.Second} {
		inAudit(t, func(t *testing.T, a *audit) {
			var logins []session.Handle
			for i := range 6 {
				a.clock.advance(time.Second)
				a.behind = behind * time.Duration(i%2)
				s, _, err := []*session.Manager{a.Manager, a.other}[i%2].Create(a.ctx, "user", session.CreateOptions{})
				if err != nil {
					t.Fatalf("clocks apart by %v, login %d: %v", behind, i+1, err)
				}
				logins = append(logins, s.Handle())
				for j, h := range logins {
					if _, err := a.Lookup(a.ctx, h); (err == nil) != (j > i-2) {
						t.Errorf("clocks apart by %v, after login %d: session %d: %v", behind, i+1, j+1, err)
					}
				}
			}
		}, limit(2, ""))
	}
}

// Sessions that have expired do not count, although nobody has cleaned them up.
func TestLimitCountsLiveSessions(t *testing.T) {
	t.Parallel()
	for _, policy := range []session.LimitPolicy{session.LimitEndOldest, session.LimitRefuse} {
		inAudit(t, func(t *testing.T, a *audit) {
			a.login()
			a.login()
			a.clock.advance(session.DefaultIdleLifetime)
			a.told()
			a.login()
			a.login()
			if told := a.told(); len(told) != 2 || len(a.handles("user")) != 2 {
				t.Errorf("%s: got the events %+v and %d sessions, want two logins", policy, told, len(a.handles("user")))
			}
			if endings, err := a.Endings(a.ctx, "user", session.EndingsPage{}); err != nil || len(endings) != 0 {
				t.Errorf("%s: got the records %+v, %v", policy, endings, err)
			}
		}, limit(2, policy))
	}
}

func ofReason(endings []session.Ending, reason session.Reason) (n int) {
	for _, e := range endings {
		if e.Reason == reason {
			n++
		}
	}
	return n
}

// TestLimitOfParallelLogins: when all have returned there are no more than allowed, by whichever processes they went.
func TestLimitOfParallelLogins(t *testing.T) {
	t.Parallel()
	for _, policy := range []session.LimitPolicy{session.LimitEndOldest, session.LimitRefuse} {
		for _, n := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s/%d", policy, n), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, limit(n, policy))
				managers := []*session.Manager{w.Manager, w.process()}
				const logins = 32
				var (
					wg      sync.WaitGroup
					mu      sync.Mutex
					created []session.Handle
					refused int
				)
				for i := range logins {
					wg.Go(func() {
						s, _, err := managers[i%2].Create(w.ctx, "user", session.CreateOptions{})
						mu.Lock()
						defer mu.Unlock()
						switch {
						case err == nil:
							created = append(created, s.Handle())
						case errors.Is(err, session.ErrSessionLimit):
							refused++
						default:
							t.Error(err)
						}
					})
				}
				wg.Wait()
				alive := w.handles("user")
				if len(alive) > n {
					t.Errorf("%d sessions are alive, at most %d are allowed", len(alive), n)
				}
				endings, err := w.Endings(w.ctx, "user", session.EndingsPage{Limit: 1000})
				if err != nil || ofReason(endings, session.ReasonLimit) != len(endings) {
					t.Errorf("got %+v, %v, want ends by the limit alone", endings, err)
				}
				for _, h := range alive {
					if !slices.Contains(created, h) {
						t.Errorf("session %v is alive, but its login was refused", h)
					}
				}
				if policy == session.LimitEndOldest && len(alive)+len(endings) != logins {
					t.Errorf("%d are alive and %d ended, of %d", len(alive), len(endings), logins)
				}
				if policy == session.LimitRefuse && len(alive) != len(created) {
					t.Errorf("%d logins succeeded, and %d of their sessions are alive", len(created), len(alive))
				}
				w.clock.advance(time.Second)
				s, _, err := w.Create(w.ctx, "user", session.CreateOptions{})
				switch full := policy == session.LimitRefuse && len(alive) == n; {
				case full != errors.Is(err, session.ErrSessionLimit) || !full && err != nil:
					t.Errorf("one more login, with %d sessions: got %v", len(alive), err)
				case !full && !slices.Contains(w.handles("user"), s.Handle()):
					t.Error("the newest session did not survive its login")
				}
			})
		}
	}
}

// crossLogins runs two logins in every order of their store calls, by two processes, the first a little earlier, and calls check with
// what came of them.
func crossLogins(t *testing.T, n int, policy session.LimitPolicy, check func(t *testing.T, a *audit, order []int, got [2]*session.Session, errs [2]error)) {
	t.Helper()
	runs := everyInterleaving(func(choices []int) (widths []int) {
		inAudit(t, func(t *testing.T, a *audit) {
			for range n - 1 { // room for one
				a.login()
				a.clock.advance(time.Second)
			}
			a.told()
			g := &gates{waiting: map[string]chan struct{}{}}
			a.store.Store = gatedRest{gatedStore{a.store.Store, g}}
			var (
				got        [2]*session.Session
				errs       [2]error
				operations []operation
			)
			// The processes' clocks tell which one is the newer.
			for i := range got {
				a.behind = -time.Duration(i) * time.Second
				cfg, now := a.cfg, a.cfg.Clock()
				cfg.Clock = func() time.Time { return now }
				m, err := session.New(a.ctx, a.store, cfg)
				if err != nil {
					t.Fatal(err)
				}
				operations = append(operations, operation{fmt.Sprint(i), func(ctx context.Context) {
					got[i], _, errs[i] = m.Create(ctx, "user", session.CreateOptions{})
				}})
			}
			widths = g.interleave(a.ctx, choices, operations)
			synctest.Wait()
			check(t, a, choices, got, errs)
		}, limit(n, policy))
		return widths
	})
	t.Logf("%d orders", runs)
}

// TestLimitOfCrossingLoginsLeavesTheNewest: of two logins that cross, one at least has a session when both have returned, and so
// does the newest of all.
func TestLimitOfCrossingLoginsLeavesTheNewest(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			crossLogins(t, n, session.LimitEndOldest, func(t *testing.T, a *audit, order []int, got [2]*session.Session, errs [2]error) {
				for _, err := range errs { // the older one may be told that it came too late
					if err != nil && !errors.Is(err, session.ErrSessionLimit) || errors.Join(errs[0], errs[1]) != nil && errs[0] != nil && errs[1] != nil {
						t.Errorf("order %v: %v", order, err)
						return
					}
				}
				alive := a.handles("user")
				if len(alive) > n || len(alive) == 0 || !slices.Contains(alive, got[1].Handle()) {
					t.Errorf("order %v: %d sessions are alive, want %d with the newest among them", order, len(alive), n)
				}
			})
		})
	}
}

// TestLimitRefusesCrossingLogins, one or both of them: there is room for one.
func TestLimitRefusesCrossingLogins(t *testing.T) {
	t.Parallel()
	crossLogins(t, 1, session.LimitRefuse, func(t *testing.T, a *audit, order []int, _ [2]*session.Session, errs [2]error) {
		alive := len(a.handles("user"))
		if errs[0] == nil && errs[1] == nil || alive > 1 || alive == 0 && (errs[0] == nil || errs[1] == nil) {
			t.Errorf("order %v: got %v, %d sessions are alive", order, errs, alive)
		}
	})
}

// TestLimitRefusedLoginThatCrossedIsAnEnding: one that finds another session beside its own has one record, one event, and no
// tokens.
func TestLimitRefusedLoginThatCrossedIsAnEnding(t *testing.T) {
	t.Parallel()
	crossed := 0
	crossLogins(t, 1, session.LimitRefuse, func(t *testing.T, a *audit, order []int, got [2]*session.Session, errs [2]error) {
		succeeded := 0
		for i, err := range errs {
			switch {
			case err == nil:
				succeeded++
			case !errors.Is(err, session.ErrSessionLimit) || got[i] != nil:
				t.Errorf("order %v, login %d: got %v, want ErrSessionLimit without a session", order, i, err)
			}
		}
		if alive := a.handles("user"); len(alive) != succeeded || succeeded > 1 {
			t.Errorf("order %v: %d logins succeeded, %d sessions are alive", order, succeeded, len(alive))
		}
		endings, err := a.Endings(a.ctx, "user", session.EndingsPage{})
		if err != nil || ofReason(endings, session.ReasonLimit) != len(endings) || len(endings)+succeeded > 2 {
			t.Errorf("order %v: got the records %+v, %v", order, endings, err)
		}
		crossed += len(endings)
		told := a.told()
		if len(ofKind(told, session.EventCreated)) != succeeded {
			t.Errorf("order %v: got the events %+v of %d logins", order, told, succeeded)
		}
		for _, e := range endings {
			events := slices.DeleteFunc(ofKind(told, session.EventEnded), func(event session.Event) bool { return event.Handle != e.Handle })
			if len(events) != 1 || events[0].Reason != session.ReasonLimit || events[0].UserID != "user" {
				t.Errorf("order %v: got the events %+v, want one of session %v", order, events, e.Handle)
			}
		}
	})
	if crossed == 0 {
		t.Error("no two logins crossed")
	}
}

// TestI7LimitThoughAnAnswerIsLost: a login that is repeated leaves no more sessions than allowed.
func TestI7LimitThoughAnAnswerIsLost(t *testing.T) {
	t.Parallel()
	for _, policy := range []session.LimitPolicy{session.LimitEndOldest, session.LimitRefuse} {
		for n := range 6 {
			for _, after := range []bool{false, true} {
				inAudit(t, func(t *testing.T, a *audit) {
					what := fmt.Sprintf("%s, call %d, after=%v", policy, n+1, after)
					logins := 3 // the third is one too many
					if policy == session.LimitRefuse {
						logins = 2
					}
					a.store.setFault(cutNth(n, after))
					for range logins {
						a.clock.advance(time.Second)
						_, _, err := a.Create(a.ctx, "user", session.CreateOptions{})
						for range 3 {
							if !errors.Is(err, session.ErrUnavailable) {
								break
							}
							a.clock.advance(time.Second)
							_, _, err = a.Create(a.ctx, "user", session.CreateOptions{})
						}
						if err != nil && !errors.Is(err, session.ErrSessionLimit) {
							t.Errorf("%s: %v", what, err)
						}
					}
					a.store.setFault(nil)
					if alive := a.handles("user"); len(alive) != 2 {
						t.Errorf("%s: %d sessions are alive, want 2", what, len(alive))
					}
				}, limit(2, policy))
			}
		}
	}
}

func TestPagesAreLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const sessions, ended = 1105, 1103
	for range sessions + ended {
		w.login()
	}
	handles := w.handles("user")
	if len(handles) != 1000 {
		t.Fatalf("got a page of %d, want 1000", len(handles))
	}
	infos, err := w.Sessions(w.ctx, "user", session.Page{Before: handles[0], Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		handles = append(handles, info.Handle)
	}
	for _, h := range handles[:ended] {
		if _, err := w.Revoke(w.ctx, h, session.RevokeOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for given, want := range map[int]int{0: session.DefaultPage, 1: 1, 999: 999, 1000: 1000, 1001: 1000, 1 << 40: 1000} {
		infos, err := w.Sessions(w.ctx, "user", session.Page{Limit: given})
		if err != nil || len(infos) != want {
			t.Errorf("Sessions, limit %d: got %d, %v, want %d", given, len(infos), err, want)
		}
		endings, err := w.Endings(w.ctx, "user", session.EndingsPage{Limit: given})
		if err != nil || len(endings) != want {
			t.Errorf("Endings, limit %d: got %d, %v, want %d", given, len(endings), err, want)
		}
	}
	w.store.total()
	for _, bad := range []int{-1, -1 << 40} {
		if _, err := w.Sessions(w.ctx, "user", session.Page{Limit: bad}); !errors.Is(err, session.ErrInvalidPage) {
			t.Errorf("Sessions, limit %d: got %v, want ErrInvalidPage", bad, err)
		}
		if _, err := w.Endings(w.ctx, "user", session.EndingsPage{Limit: bad}); !errors.Is(err, session.ErrInvalidPage) {
			t.Errorf("Endings, limit %d: got %v, want ErrInvalidPage", bad, err)
		}
	}
	noCalls(t, w.store.total())
}

func TestBadUserIDs(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		for name, call := range map[string]func(user string) error{
			"Create":     func(user string) error { _, _, err := a.Create(a.ctx, user, session.CreateOptions{}); return err },
			"Sessions":   func(user string) error { _, err := a.Sessions(a.ctx, user, session.Page{}); return err },
			"Endings":    func(user string) error { _, err := a.Endings(a.ctx, user, session.EndingsPage{}); return err },
			"RevokeUser": func(user string) error { _, err := a.RevokeUser(a.ctx, user, session.RevokeOptions{}); return err },
			"RevokeOwned": func(user string) error {
				_, err := a.RevokeOwned(a.ctx, user, session.Handle{1}, session.RevokeOptions{})
				return err
			},
			"RevokeOthers": func(user string) error {
				_, err := a.RevokeOthers(a.ctx, user, session.Handle{1}, session.RevokeOptions{})
				return err
			},
		} {
			for _, user := range []string{"", "a\xff", string(make([]byte, 129)), string(make([]byte, 1<<20))} {
				if err := call(user); !errors.Is(err, session.ErrInvalidUserID) {
					t.Errorf("%s of %.10q: got %v, want ErrInvalidUserID", name, user, err)
				}
			}
		}
		noCalls(t, a.store.total())
		for _, m := range []*session.Manager{a.Manager, a.other} { // nobody has heard of this one
			infos, err := m.Sessions(a.ctx, "nobody", session.Page{})
			endings, endingsErr := m.Endings(a.ctx, "nobody", session.EndingsPage{})
			if err != nil || endingsErr != nil || len(infos)+len(endings) != 0 {
				t.Errorf("an unknown user: got %v, %v, %v, %v", infos, err, endings, endingsErr)
			}
			for range 2 {
				n, err := m.RevokeUser(a.ctx, "nobody", session.RevokeOptions{})
				others, othersErr := m.RevokeOthers(a.ctx, "nobody", session.Handle{1}, session.RevokeOptions{})
				if n != 0 || err != nil || others != 0 || othersErr != nil {
					t.Errorf("RevokeUser of nobody: got %d, %v; RevokeOthers: %d, %v", n, err, others, othersErr)
				}
			}
		}
		if told := a.told(); len(told) != 0 {
			t.Errorf("got the events %+v", told)
		}
	})
}

// TestUnknownHandles: of no session, of one that has ended, and of one that has expired.
func TestUnknownHandles(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		ended := a.handle(a.login().AccessToken)
		if _, err := a.Revoke(a.ctx, ended, session.RevokeOptions{Reason: session.ReasonLogout}); err != nil {
			t.Fatal(err)
		}
		expired := a.handle(a.login().AccessToken)
		a.clock.advance(session.DefaultIdleLifetime)
		live := a.handle(a.login().AccessToken)
		a.told()
		// The expired one comes last, since whoever asks for it ends it.
		for _, unknown := range []struct {
			name   string
			h      session.Handle
			reason session.Reason
		}{{"zero", session.Handle{}, ""}, {"unknown", session.Handle{1}, ""}, {"ended", ended, session.ReasonLogout}, {"expired", expired, session.ReasonIdle}} {
			for _, call := range []struct {
				name string
				do   func(h session.Handle) error
				why  bool // the error tells the reason
			}{
				{"Lookup", func(h session.Handle) error { _, err := a.Lookup(a.ctx, h); return err }, false},
				{"Data", func(h session.Handle) error { _, err := a.Data(a.ctx, h); return err }, false},
				{"SetData", func(h session.Handle) error { _, err := a.SetData(a.ctx, h, 1); return err }, false},
				{"UpdateData", func(h session.Handle) error { _, err := a.UpdateData(a.ctx, h, 1, 1); return err }, false},
				{"SetLabel", func(h session.Handle) error { return a.SetLabel(a.ctx, h, "x") }, true},
				{"SetPayload", func(h session.Handle) error { return a.SetPayload(a.ctx, h, 1, session.PayloadOptions{}) }, true},
			} {
				err := call.do(unknown.h)
				if !errors.Is(err, session.ErrUnauthorised) {
					t.Errorf("%s of the %s handle: got %v, want ErrUnauthorised", call.name, unknown.name, err)
				}
				if got := endedFor(err); call.why && got != unknown.reason {
					t.Errorf("%s of the %s handle: got reason %q, want %q", call.name, unknown.name, got, unknown.reason)
				}
			}
			was, err := a.Revoke(a.ctx, unknown.h, session.RevokeOptions{})
			if was || err != nil {
				t.Errorf("Revoke of the %s handle: got %v, %v", unknown.name, was, err)
			}
			told := a.told()
			if unknown.name == "expired" && len(told) == 1 && told[0].Handle == expired && told[0].Reason == session.ReasonIdle {
				told = nil
			}
			if len(told) != 0 && !unknown.h.IsZero() { // see TestZeroHandleEndsNobody
				t.Errorf("the %s handle: got the events %+v", unknown.name, told)
			}
		}
		// To keep a session that there is not is to keep none.
		if n, err := a.RevokeOthers(a.ctx, "user", session.Handle{1}, session.RevokeOptions{}); n != 1 || err != nil {
			t.Errorf("RevokeOthers but an unknown one: got %d, %v", n, err)
		}
		if _, err := a.Lookup(a.ctx, live); !errors.Is(err, session.ErrUnauthorised) {
			t.Errorf("it lives on: %v", err)
		}
	})
}

// Nobody's session that has expired is touched by a call for the zero handle.
func TestZeroHandleEndsNobody(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		for range 3 {
			a.login()
		}
		a.clock.advance(session.DefaultIdleLifetime)
		a.told()
		if err := a.SetPayload(a.ctx, session.Handle{}, 1, session.PayloadOptions{}); !errors.Is(err, session.ErrUnauthorised) {
			t.Errorf("got %v, want ErrUnauthorised", err)
		}
		if err := a.SetLabel(a.ctx, session.Handle{}, "x"); !errors.Is(err, session.ErrUnauthorised) {
			t.Errorf("got %v, want ErrUnauthorised", err)
		}
		if told := a.told(); len(told) != 0 {
			t.Errorf("got the events %+v", told)
		}
	})
}
