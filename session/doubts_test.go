package session_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchword-dev/watchword/session"
)

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
