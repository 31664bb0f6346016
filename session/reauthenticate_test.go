package session_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// prove has the user prove again who they are.
func (a *audit) prove(m *session.Manager, s *session.Session) (session.Tokens, error) {
	_, tokens, err := m.Reauthenticated(a.ctx, s, session.RefreshOptions{Device: ownersDevice})
	return tokens, err
}

// claimsOf reads an access token as anybody can.
func claimsOf(t *testing.T, accessToken string) map[string]json.RawMessage {
	t.Helper()
	parts := strings.Split(accessToken, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no token", accessToken)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]json.RawMessage
	if err := json.Unmarshal(raw, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// authIs asserts when an access token says that the user proved who they are.
func (a *audit) authIs(what, accessToken string, want time.Time) {
	a.t.Helper()
	want = want.Truncate(time.Second)
	if got := string(claimsOf(a.t, accessToken)["auth_time"]); got != fmt.Sprint(want.Unix()) {
		a.t.Errorf("%s: got the claim auth_time %s, want %d", what, got, want.Unix())
	}
}

func (a *audit) sessionOf(m *session.Manager, accessToken string) *session.Session {
	a.t.Helper()
	s, err := m.Verify(a.ctx, accessToken, session.VerifyOptions{})
	if err != nil {
		a.t.Fatal(err)
	}
	return s
}

// TestAuthTimeIsOfTheLastProof: at the login, after refreshes and renewals, and from a new proof on.
func TestAuthTimeIsOfTheLastProof(t *testing.T) {
	t.Parallel()
	for _, grace := range []time.Duration{session.DefaultGrace, session.NoGrace} {
		inAudit(t, func(t *testing.T, a *audit) {
			a.clock.advance(345 * time.Millisecond)
			login := a.clock.Now()
			tokens := a.login()
			follow := func(what string, at time.Time) {
				t.Helper()
				for i := range 3 {
					a.clock.advance(session.DefaultAccessLifetime)
					next := a.refresh(tokens.RefreshToken)
					if next.RefreshToken == "" { // confirmed by presenting it
						next.RefreshToken = tokens.RefreshToken
					}
					a.authIs(fmt.Sprint(what, ", refresh ", i+1), next.AccessToken, at)
					s := a.sessionOf([]*session.Manager{a.Manager, a.other}[i%2], next.AccessToken)
					if !s.AuthTime().Equal(at.Truncate(time.Second)) {
						t.Errorf("%s, refresh %d: AuthTime is %v, want %v", what, i+1, s.AuthTime(), at)
					}
					if renewed, ok := s.Renewed(); ok {
						a.authIs(fmt.Sprint(what, ", renewal ", i+1), renewed.AccessToken, at)
						next.AccessToken = renewed.AccessToken
					}
					tokens = next
				}
				if infos, err := a.Sessions(a.ctx, "user", session.Page{}); err != nil || len(infos) != 1 || !infos[0].AuthAt.Equal(at) {
					t.Errorf("%s: got %+v, %v, want AuthAt %v", what, infos, err, at)
				}
			}
			a.authIs("login", tokens.AccessToken, login)
			follow("after the login", login)
			for i := range 2 {
				a.clock.advance(5 * time.Minute)
				s := a.sessionOf(a.Manager, tokens.AccessToken)
				before := s.AuthTime()
				proof := a.clock.Now()
				fresh, proved, err := a.Reauthenticated(a.ctx, s, session.RefreshOptions{})
				if err != nil {
					t.Fatal(err)
				}
				if proved.RefreshToken == "" || proved.RefreshToken == tokens.RefreshToken || proved.ID == tokens.ID {
					t.Error("a new proof did not change the refresh token")
				}
				if !fresh.AuthTime().Truncate(time.Second).Equal(proof.Truncate(time.Second)) || !s.AuthTime().Equal(before) || fresh.Handle() != s.Handle() || fresh.UserID() != "user" {
					t.Errorf("proof %d: got a session with AuthTime %v, want %v", i+1, fresh.AuthTime(), proof)
				}
				if got, want := string(fresh.RawPayload()), `{"role":"user"}`; got != want {
					t.Errorf("proof %d: got the payload %s, want %s", i+1, got, want)
				}
				a.authIs("proof", proved.AccessToken, proof)
				if i == 0 { // the second one is confirmed by a refresh
					renewed, ok := a.use(proved.AccessToken).Renewed()
					if !ok {
						t.Fatal("the first use of a proof was not renewed")
					}
					a.authIs("its renewal", renewed.AccessToken, proof)
				}
				tokens = proved
				follow("after a proof", proof)
			}
			if len(a.thefts) != 0 {
				t.Errorf("got the alarms %+v", a.thefts)
			}
		}, func(cfg *session.Config) { cfg.Grace, cfg.StaleFeed = grace, session.StaleFeedAccept })
	}
}

func TestAuthTimeClaim(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		a.clock.advance(999 * time.Millisecond)
		claims := claimsOf(t, a.login().AccessToken)
		var at json.Number
		if err := json.Unmarshal(claims["auth_time"], &at); err != nil || at.String() != "1760000000" {
			t.Errorf("got auth_time %s, want the number 1760000000", claims["auth_time"])
		}
		for name := range claims {
			if strings.ToLower(name) != name {
				t.Errorf("the claim %s has capitals", name)
			}
		}
	})
}

// TestMaxAuthAge asks for a proof that is not older than that, at its boundary. The session goes on in any case.
func TestMaxAuthAge(t *testing.T) {
	t.Parallel()
	const limit = 5 * time.Minute
	inAudit(t, func(t *testing.T, a *audit) {
		tokens := a.login()
		check := func(what string, m *session.Manager, want error) {
			t.Helper()
			_, err := m.Verify(a.ctx, tokens.AccessToken, session.VerifyOptions{MaxAuthAge: limit})
			if !errors.Is(err, want) || want == nil && err != nil {
				t.Errorf("%s: got %v, want %v", what, err, want)
			}
			for _, other := range []error{session.ErrUnauthorised, session.ErrTryRefresh, session.ErrUnavailable, session.ErrAntiCSRF} {
				if errors.Is(err, other) {
					t.Errorf("%s: %v matches %v", what, err, other)
				}
			}
			if _, err := m.Verify(a.ctx, tokens.AccessToken, session.VerifyOptions{}); err != nil {
				t.Errorf("%s: where no proof is asked for, got %v", what, err)
			}
		}
		check("at the login", a.Manager, nil)
		a.clock.advance(limit)
		check("at the limit", a.other, nil)
		a.clock.advance(time.Millisecond)
		check("after it", a.Manager, session.ErrReauthenticate)
		a.clock.advance(time.Minute)
		tokens = a.refresh(tokens.RefreshToken)
		check("a refresh is no proof", a.Manager, session.ErrReauthenticate)
		a.clock.advance(time.Minute)
		var err error
		if tokens, err = a.prove(a.other, a.sessionOf(a.Manager, tokens.AccessToken)); err != nil {
			t.Fatal(err)
		}
		check("after a proof", a.Manager, nil)
		a.clock.advance(limit - time.Minute)
		tokens = a.refresh(tokens.RefreshToken)
		check("a refresh later", a.other, nil)
		a.clock.advance(time.Minute + time.Second)
		check("when the proof is old", a.Manager, session.ErrReauthenticate)
	})
}

// A refused step-up has not confirmed anything, and an ended session is not asked for a proof.
func TestMaxAuthAgeComesLast(t *testing.T) {
	t.Parallel()
	for _, mode := range []session.RevocationMode{session.RevocationFeed, session.RevocationStrict} {
		inAudit(t, func(t *testing.T, a *audit) {
			first := a.login()
			a.clock.advance(time.Minute)
			tokens := a.refresh(first.RefreshToken)
			old := session.VerifyOptions{MaxAuthAge: time.Second}
			if _, err := a.Verify(a.ctx, tokens.AccessToken, old); !errors.Is(err, session.ErrReauthenticate) {
				t.Errorf("%s: got %v, want ErrReauthenticate", mode, err)
			}
			if _, err := a.Revoke(a.ctx, a.handle(first.AccessToken), session.RevokeOptions{}); err != nil {
				t.Fatal(err)
			}
			if _, err := a.Verify(a.ctx, tokens.AccessToken, old); endedFor(err) != session.ReasonRevoked {
				t.Errorf("%s: of an ended session: got %v, want its end", mode, err)
			}
		}, func(cfg *session.Config) { cfg.Revocation = mode })
	}
}

// TestVerifierAsksForAProof as a Manager does: a service without a store has doors that need one, too.
func TestVerifierAsksForAProof(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(cfg *session.Config) { cfg.Algorithm = session.EdDSA })
	v, err := session.NewVerifier(w.ctx, session.VerifierConfig{Keys: w.JWKS(w.ctx), Clock: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	tokens := w.login()
	w.clock.advance(10 * time.Minute)
	if s, err := v.Verify(w.ctx, tokens.AccessToken, session.VerifyOptions{MaxAuthAge: 10 * time.Minute}); err != nil || !s.AuthTime().Equal(newClock().Now()) {
		t.Errorf("a proof that is not too old: got %v", err)
	}
	if _, err := v.Verify(w.ctx, tokens.AccessToken, session.VerifyOptions{MaxAuthAge: 9 * time.Minute}); !errors.Is(err, session.ErrReauthenticate) {
		t.Errorf("a proof that is too old: got %v, want ErrReauthenticate", err)
	}
}

// TestVerifiersSessionHasNoStore: every method that would need one says so.
func TestVerifiersSessionHasNoStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(cfg *session.Config) { cfg.Algorithm = session.EdDSA })
	v, err := session.NewVerifier(w.ctx, session.VerifierConfig{Keys: w.JWKS(w.ctx), Clock: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	tokens := w.login()
	s, err := v.Verify(w.ctx, tokens.AccessToken, session.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.store.total()
	for name, call := range map[string]func() error{
		"Data":       func() error { _, err := s.Data(w.ctx); return err },
		"SetData":    func() error { _, err := s.SetData(w.ctx, 1); return err },
		"UpdateData": func() error { _, err := s.UpdateData(w.ctx, 1, 1); return err },
		"SetPayload": func() error { return s.SetPayload(w.ctx, 1) },
		"Revoke":     func() error { _, err := s.Revoke(w.ctx, session.RevokeOptions{}); return err },
	} {
		if err := call(); !errors.Is(err, session.ErrNoStore) {
			t.Errorf("%s: got %v, want ErrNoStore", name, err)
		}
	}
	noCalls(t, w.store.total())
	// It says nevertheless whose session it is: a Manager can go on with it.
	if _, _, err := w.Reauthenticated(w.ctx, s, session.RefreshOptions{}); err != nil {
		t.Errorf("Manager.Reauthenticated: %v", err)
	}
}

// TestProofIsNotSharedWithAThief: whoever holds a copy of the tokens from before the proof never gets one with the new
// auth_time, whenever they try, and gives themselves away once the owner has gone on for a grace.
func TestProofIsNotSharedWithAThief(t *testing.T) {
	t.Parallel()
	for _, grace := range []time.Duration{session.DefaultGrace, session.NoGrace} {
		for _, copies := range []string{"the newest token", "the token before"} {
			for _, after := range []time.Duration{0, time.Second, session.DefaultGrace / 4, session.DefaultGrace, session.DefaultGrace + time.Second, time.Hour} {
				t.Run(fmt.Sprintf("grace %v/%s/%v", grace, copies, after), func(t *testing.T) {
					t.Parallel()
					inAudit(t, func(t *testing.T, a *audit) {
						first := a.login()
						a.clock.advance(time.Minute)
						newest := a.refresh(first.RefreshToken)
						s := a.sessionOf(a.Manager, newest.AccessToken)
						login := a.clock.Now().Add(-time.Minute)
						a.clock.advance(3 * time.Second)
						copied := newest.RefreshToken
						if copies == "the token before" {
							copied = first.RefreshToken
						}
						stolen := a.sessionOf(a.other, newest.AccessToken)
						var loot []session.Tokens
						try := func() error {
							_, tokens, err := a.other.Refresh(a.ctx, copied, session.RefreshOptions{Device: thiefsDevice})
							if err == nil {
								loot = append(loot, tokens)
							}
							return err
						}
						proved, err := a.prove(a.Manager, s)
						if err != nil {
							t.Fatal(err)
						}
						proof := a.clock.Now()
						early := try() // before the owner has used anything
						if isTheft(early) {
							if grace != session.NoGrace {
								t.Errorf("before the owner has gone on: got %v", early)
							}
							return // in the strict mode an old token is a thief's at once
						}
						owner, err := a.Verify(a.ctx, proved.AccessToken, session.VerifyOptions{MaxAuthAge: time.Minute})
						if grace == session.NoGrace {
							// The thief's refresh has replaced the owner's pending token: the owner's is the one that gives it away.
							if _, _, err := a.Refresh(a.ctx, proved.RefreshToken, session.RefreshOptions{}); !isTheft(err) {
								t.Errorf("the owner after the thief: got %v, want a theft", err)
							}
						} else {
							if err != nil || !owner.AuthTime().Equal(proof.Truncate(time.Second)) {
								t.Fatalf("the owner: got %v, want a good token with the new auth_time", err)
							}
							a.clock.advance(after)
							late := try()
							if alarm := isTheft(late); alarm != (after > grace) && copies == "the newest token" || late == nil {
								t.Errorf("%v after the owner has gone on: got %v", after, late)
							}
							// By way of the access token, too.
							if _, err := a.prove(a.other, stolen); !errors.Is(err, session.ErrTryRefresh) && !errors.Is(err, session.ErrUnauthorised) {
								t.Errorf("a proof with the old access token: got %v", err)
							}
						}
						for i, tokens := range loot {
							a.authIs(fmt.Sprintf("loot %d", i), tokens.AccessToken, login)
							if tokens.RefreshToken == proved.RefreshToken {
								t.Errorf("loot %d: the thief got the owner's new token", i)
							}
							got, err := a.other.Verify(a.ctx, tokens.AccessToken, session.VerifyOptions{})
							if err == nil && got.AuthTime().After(login) {
								t.Errorf("loot %d: got auth_time %v, want %v", i, got.AuthTime(), login)
							}
						}
						// Later the copy is a thief's in any case, and it is told once.
						a.clock.advance(2 * session.DefaultGrace)
						if err := try(); err == nil {
							t.Error("much later the copy is good")
						}
						if len(a.thefts) != 1 {
							t.Errorf("got %d alarms, want one", len(a.thefts))
						}
					}, func(cfg *session.Config) { cfg.Grace = grace })
				})
			}
		}
	}
}

// TestThiefCrossesWithAProof: in every order of their store calls the owner proves and goes on, while a thief refreshes with a copy of the
// token from before. Nothing that the thief gets bears the new auth_time, nor is the owner's new token.
func TestThiefCrossesWithAProof(t *testing.T) {
	t.Parallel()
	runs := everyInterleaving(func(choices []int) (widths []int) {
		inAudit(t, func(t *testing.T, a *audit) {
			login := a.clock.Now()
			tokens := a.login()
			a.clock.advance(time.Minute)
			s := a.sessionOf(a.Manager, tokens.AccessToken)
			g := &gates{waiting: map[string]chan struct{}{}}
			a.store.Store = gatedStore{a.store.Store, g}
			var (
				loot   []session.Tokens
				proved session.Tokens
			)
			steal := func(ctx context.Context) {
				if _, got, err := a.other.Refresh(ctx, tokens.RefreshToken, session.RefreshOptions{Device: thiefsDevice}); err == nil {
					loot = append(loot, got)
				}
			}
			widths = g.interleave(a.ctx, choices, []operation{
				{"owner", func(ctx context.Context) {
					var err error
					if _, proved, err = a.Reauthenticated(ctx, s, session.RefreshOptions{}); err != nil {
						return // the thief's refresh looks like another tab's
					}
					if _, err = a.Verify(ctx, proved.AccessToken, session.VerifyOptions{}); err != nil {
						t.Errorf("order %v: the owner: %v", choices, err)
					}
				}},
				{"thief", func(ctx context.Context) { steal(ctx); steal(ctx) }},
			})
			steal(a.ctx)
			for i, got := range loot {
				a.authIs(fmt.Sprintf("order %v, loot %d", choices, i), got.AccessToken, login)
				if got.RefreshToken != "" && got.RefreshToken == proved.RefreshToken {
					t.Errorf("order %v, loot %d: the thief got the owner's new token", choices, i)
				}
			}
		})
		return widths
	})
	t.Logf("%d orders", runs)
}

// TestLostProofChangesNothing: the client goes on with what it has, its auth_time is as before, and a new proof can be given.
func TestLostProofChangesNothing(t *testing.T) {
	t.Parallel()
	for _, after := range []time.Duration{0, time.Second, session.DefaultGrace, session.DefaultGrace + time.Second, time.Hour} {
		inAudit(t, func(t *testing.T, a *audit) {
			login := a.clock.Now()
			tokens := a.login()
			a.clock.advance(time.Minute)
			s := a.sessionOf(a.Manager, tokens.AccessToken)
			if _, err := a.prove(a.Manager, s); err != nil { // and nobody gets it
				t.Fatal(err)
			}
			if info, err := a.Lookup(a.ctx, s.Handle()); err != nil || !info.AuthAt.Equal(login) {
				t.Errorf("after %v: a proof that nobody holds counts: AuthAt %v, %v", after, info.AuthAt, err)
			}
			a.clock.advance(after)
			refreshed := a.refresh(tokens.RefreshToken)
			a.authIs(fmt.Sprintf("after %v", after), refreshed.AccessToken, login)
			if refreshed.RefreshToken == "" {
				refreshed.RefreshToken = tokens.RefreshToken
			}
			a.use(refreshed.AccessToken)
			// The user proves once more, as soon as the lost answer cannot arrive any more.
			a.clock.advance(session.DefaultGrace + time.Second)
			again := a.refresh(refreshed.RefreshToken)
			if again.RefreshToken == "" {
				again.RefreshToken = refreshed.RefreshToken
			}
			own := a.sessionOf(a.other, again.AccessToken)
			proved, err := a.prove(a.other, own)
			if err != nil {
				t.Fatalf("after %v: the second proof: %v", after, err)
			}
			a.authIs("the second proof", proved.AccessToken, a.clock.Now())
			a.use(proved.AccessToken)
			if len(a.thefts) != 0 {
				t.Errorf("after %v: got the alarms %+v", after, a.thefts)
			}
		})
	}
}

// TestProofThatIsTriedAgainAtOnce: the answer is lost, and the user proves again, as the errors say: refresh and repeat.
func TestProofThatIsTriedAgainAtOnce(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		tokens := a.login()
		a.clock.advance(time.Minute)
		s := a.sessionOf(a.Manager, tokens.AccessToken)
		if _, err := a.prove(a.Manager, s); err != nil { // and nobody gets it
			t.Fatal(err)
		}
		tries := 0
		for held := tokens.RefreshToken; ; tries++ {
			proved, err := a.prove(a.other, s)
			if err == nil {
				a.authIs("the proof", proved.AccessToken, a.clock.Now())
				break
			}
			if !errors.Is(err, session.ErrTryRefresh) || tries == 20 {
				t.Fatalf("try %d: got %v, want ErrTryRefresh for a while", tries+1, err)
			}
			a.clock.advance(time.Second)
			refreshed := a.refresh(held)
			if refreshed.RefreshToken != "" {
				held = refreshed.RefreshToken
			}
			s = a.sessionOf(a.other, refreshed.AccessToken)
		}
		if len(a.thefts) != 0 {
			t.Errorf("got the alarms %+v", a.thefts)
		}
		t.Logf("%d tries", tries)
	})
}

// TestProofWhileARefreshIsUnderWay: another tab's answer may put its successor into the jar at any time. The client refreshes, and then
// it works.
func TestProofWhileARefreshIsUnderWay(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		tokens := a.login()
		a.clock.advance(time.Minute)
		s := a.sessionOf(a.Manager, tokens.AccessToken)
		tab := a.refresh(tokens.RefreshToken)
		for range 3 {
			if _, err := a.prove(a.Manager, s); !errors.Is(err, session.ErrTryRefresh) || errors.Is(err, session.ErrUnavailable) {
				t.Errorf("got %v, want ErrTryRefresh", err)
			}
		}
		if infos := a.handles("user"); len(infos) != 1 {
			t.Errorf("%d sessions", len(infos))
		}
		refreshed := a.refresh(tokens.RefreshToken)
		if refreshed.RefreshToken != tab.RefreshToken {
			t.Error("the refusal has replaced the other tab's successor")
		}
		began := a.clock.Now()
		proved, err := a.prove(a.other, a.sessionOf(a.Manager, refreshed.AccessToken))
		if err != nil {
			t.Fatal(err)
		}
		// The other tab's answer has the rest of a quarter grace to arrive.
		if waited := a.clock.Now().Sub(began); waited != session.DefaultGrace/4 {
			t.Errorf("waited %v, want %v", waited, session.DefaultGrace/4)
		}
		a.authIs("proof", proved.AccessToken, a.clock.Now())
		a.use(proved.AccessToken)
		// The old access token says nothing about who holds the newest refresh token.
		if _, err := a.prove(a.Manager, s); !errors.Is(err, session.ErrTryRefresh) {
			t.Errorf("with an old access token: got %v, want ErrTryRefresh", err)
		}
		if len(a.thefts) != 0 {
			t.Errorf("got the alarms %+v", a.thefts)
		}
	})
}

// TestProofWaitsForAnswersUnderWay only as long as that takes: not at a login, nor long after a refresh, nor in the strict mode.
func TestProofWaitsForAnswersUnderWay(t *testing.T) {
	t.Parallel()
	quarter := session.DefaultGrace / 4
	for _, test := range []struct {
		grace, since, want time.Duration // since the confirmation
	}{
		{0, 0, quarter}, {0, time.Second, quarter - time.Second}, {0, quarter - time.Microsecond, time.Microsecond}, {0, quarter, 0},
		{0, time.Hour, 0}, {session.NoGrace, 0, 0}, {20 * time.Second, time.Second, 4 * time.Second},
	} {
		inAudit(t, func(t *testing.T, a *audit) {
			tokens := a.login()
			began := a.clock.Now()
			if _, err := a.prove(a.Manager, a.sessionOf(a.Manager, tokens.AccessToken)); err != nil || a.clock.Now() != began {
				t.Errorf("right after the login: got %v after %v", err, a.clock.Now().Sub(began))
			}
			a.clock.advance(time.Minute)
			tokens = a.refresh(tokens.RefreshToken)
			s := a.sessionOf(a.Manager, tokens.AccessToken)
			a.clock.advance(test.since)
			began = a.clock.Now()
			if _, err := a.prove(a.other, s); err != nil {
				t.Fatal(err)
			}
			if waited := a.clock.Now().Sub(began); waited != test.want {
				t.Errorf("grace %v, %v after the confirmation: waited %v, want %v", test.grace, test.since, waited, test.want)
			}
		}, func(cfg *session.Config) { cfg.Grace, cfg.AccessLifetime = test.grace, 2*time.Hour })
	}
}

// While it waits its caller may go away.
func TestProofDoesNotOutwaitItsCaller(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bubble) {
		m := b.manager()
		_, tokens := b.login(m, "user")
		time.Sleep(time.Minute)
		_, tokens, err := m.Refresh(b.ctx, tokens.RefreshToken, session.RefreshOptions{})
		if err != nil {
			b.t.Fatal(err)
		}
		s, err := m.Verify(b.ctx, tokens.AccessToken, session.VerifyOptions{})
		if err != nil {
			b.t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(b.ctx, time.Second)
		defer cancel()
		began := time.Now()
		_, _, err = m.Reauthenticated(ctx, s, session.RefreshOptions{})
		if took := time.Since(began); !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) || took != time.Second {
			b.t.Errorf("got %v after %v, want ErrUnavailable after a second", err, took)
		}
		if _, _, err = m.Reauthenticated(b.ctx, s, session.RefreshOptions{}); err != nil || time.Since(began) != session.DefaultGrace/4 {
			b.t.Errorf("afterwards: got %v after %v", err, time.Since(began))
		}
	})
}

// TestProofsAtOnce: of two with one access token, in every order of their store calls, one succeeds, and the other is asked to
// refresh.
func TestProofsAtOnce(t *testing.T) {
	t.Parallel()
	runs := everyInterleaving(func(choices []int) (widths []int) {
		inAudit(t, func(t *testing.T, a *audit) {
			tokens := a.login()
			a.clock.advance(time.Minute)
			s := a.sessionOf(a.Manager, tokens.AccessToken)
			a.told()
			g := &gates{waiting: map[string]chan struct{}{}}
			a.store.Store = gatedStore{a.store.Store, g}
			var (
				errs   [2]error
				proved [2]session.Tokens
			)
			var operations []operation
			for i, m := range []*session.Manager{a.Manager, a.other} {
				operations = append(operations, operation{fmt.Sprint(i), func(ctx context.Context) {
					_, proved[i], errs[i] = m.Reauthenticated(ctx, s, session.RefreshOptions{})
				}})
			}
			widths = g.interleave(a.ctx, choices, operations)
			winner := 0
			if errs[0] != nil {
				winner = 1
			}
			if errs[winner] != nil || !errors.Is(errs[1-winner], session.ErrTryRefresh) {
				t.Fatalf("order %v: got %v, want one success and one ErrTryRefresh", choices, errs)
			}
			if told := ofKind(a.told(), session.EventReauthenticated); len(told) != 1 {
				t.Errorf("order %v: got the events %+v, want one", choices, told)
			}
			a.use(proved[winner].AccessToken)
			a.authIs("the winner", proved[winner].AccessToken, a.clock.Now())
			a.clock.advance(time.Minute)
			a.refresh(proved[winner].RefreshToken)
			if len(a.thefts) != 0 {
				t.Errorf("order %v: got the alarms %+v", choices, a.thefts)
			}
		})
		return widths
	})
	t.Logf("%d orders", runs)
}

// Many at once in one process.
func TestManyProofsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tokens := w.login()
	w.clock.advance(time.Minute)
	s := w.use(tokens.AccessToken)
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		proved []session.Tokens
	)
	for range 16 {
		wg.Go(func() {
			_, tokens, err := w.Reauthenticated(w.ctx, s, session.RefreshOptions{})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				proved = append(proved, tokens)
			} else if !errors.Is(err, session.ErrTryRefresh) {
				t.Errorf("got %v, want ErrTryRefresh", err)
			}
		})
	}
	wg.Wait()
	if len(proved) != 1 {
		t.Fatalf("%d of 16 proofs have succeeded, want one", len(proved))
	}
	w.use(proved[0].AccessToken)
}

// TestProofAndRefreshAtOnce, in every order of their store calls: the client ends up with tokens that are good, whichever answer
// comes last, and nobody is taken for a thief.
func TestProofAndRefreshAtOnce(t *testing.T) {
	t.Parallel()
	for _, last := range []string{"proof", "refresh"} {
		everyInterleaving(func(choices []int) (widths []int) {
			inAudit(t, func(t *testing.T, a *audit) {
				login := a.clock.Now()
				tokens := a.login()
				a.clock.advance(time.Minute)
				s := a.sessionOf(a.Manager, tokens.AccessToken)
				g := &gates{waiting: map[string]chan struct{}{}}
				a.store.Store = gatedStore{a.store.Store, g}
				var (
					proved, refreshed       session.Tokens
					proofErr, refreshFailed error
				)
				widths = g.interleave(a.ctx, choices, []operation{
					{"proof", func(ctx context.Context) {
						_, proved, proofErr = a.Reauthenticated(ctx, s, session.RefreshOptions{})
					}},
					{"refresh", func(ctx context.Context) {
						_, refreshed, refreshFailed = a.other.Refresh(ctx, tokens.RefreshToken, session.RefreshOptions{})
					}},
				})
				if refreshFailed != nil || proofErr != nil && !errors.Is(proofErr, session.ErrTryRefresh) {
					t.Fatalf("order %v: got %v and %v", choices, proofErr, refreshFailed)
				}
				a.authIs("the refresh", refreshed.AccessToken, login)
				// The jar: an answer without a refresh token leaves the old one in place.
				jar := tokens
				answers := []session.Tokens{refreshed, proved}
				if last == "refresh" {
					answers = []session.Tokens{proved, refreshed}
				}
				for _, answer := range answers {
					if answer.AccessToken != "" {
						jar.AccessToken = answer.AccessToken
					}
					if answer.RefreshToken != "" {
						jar.RefreshToken = answer.RefreshToken
					}
				}
				for i := range 3 {
					_, err := a.Verify(a.ctx, jar.AccessToken, session.VerifyOptions{})
					if err != nil && !errors.Is(err, session.ErrTryRefresh) {
						t.Errorf("order %v, %s last, round %d: got %v", choices, last, i, err)
					}
					a.clock.advance(time.Minute)
					next := a.refresh(jar.RefreshToken)
					jar.AccessToken = next.AccessToken
					if next.RefreshToken != "" {
						jar.RefreshToken = next.RefreshToken
					}
				}
				if len(a.thefts) != 0 {
					t.Errorf("order %v, %s last: got the alarms %+v", choices, last, a.thefts)
				}
			})
			return widths
		})
	}
}

// TestI7ProofThoughAnAnswerIsLost cuts the connection before and after each store call.
func TestI7ProofThoughAnAnswerIsLost(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"confirmed", "unconfirmed"} {
		for n := range 6 {
			for _, after := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/call %d/after=%v", state, n+1, after), func(t *testing.T) {
					t.Parallel()
					inAudit(t, func(t *testing.T, a *audit) {
						login := a.clock.Now()
						first := a.login()
						a.clock.advance(time.Minute)
						tokens := a.refresh(first.RefreshToken)
						if state == "unconfirmed" {
							a.store.setFault(cutOnce("Confirm", false)) // the store is away at the first use
						}
						s := a.sessionOf(a.Manager, tokens.AccessToken)
						a.clock.advance(time.Minute)
						a.told()
						a.store.setFault(cutNth(n, after))
						proved, err := a.prove(a.Manager, s)
						a.store.setFault(nil)
						if err != nil && !errors.Is(err, session.ErrUnavailable) {
							t.Fatalf("got %v, want success or ErrUnavailable", err)
						}
						told := ofKind(a.told(), session.EventReauthenticated)
						if err == nil {
							if len(told) != 1 {
								t.Errorf("got the events %+v, want one", told)
							}
							a.authIs("proof", proved.AccessToken, a.clock.Now())
							a.use(proved.AccessToken)
							a.clock.advance(time.Minute)
							a.authIs("the next", a.refresh(proved.RefreshToken).AccessToken, a.clock.Now().Add(-time.Minute))
						} else {
							if len(told) != 0 {
								t.Errorf("got the events %+v of a failure", told)
							}
							a.clock.advance(time.Minute)
							next := a.refresh(tokens.RefreshToken)
							a.authIs("after a failure", next.AccessToken, login)
							if proved, err = a.prove(a.other, a.sessionOf(a.Manager, next.AccessToken)); err != nil {
								t.Fatalf("the next proof: %v", err)
							}
							a.authIs("the next proof", proved.AccessToken, a.clock.Now())
						}
						if len(a.thefts) != 0 {
							t.Errorf("a lost answer raised an alarm: %v", a.thefts)
						}
					})
				})
			}
		}
	}
}

// A store that takes no writes is not asked again and again.
func TestProofGivesUp(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		tokens := a.login()
		a.clock.advance(time.Minute)
		s := a.sessionOf(a.Manager, tokens.AccessToken)
		a.store.total()
		a.store.setFault(func(call string, _ bool) error {
			if call == "Mint" {
				return errCut
			}
			return nil
		})
		_, err := a.prove(a.Manager, s)
		a.refused(err, session.ErrUnavailable)
		if calls := a.store.total(); calls["Mint"] != 2 {
			t.Errorf("store calls: got %v, want two attempts to write", calls)
		}
	})
}

// Without randomness there is no new token, rather than one that could be guessed.
func TestProofNeedsRandomness(t *testing.T) {
	t.Parallel()
	var dry atomic.Bool
	inAudit(t, func(t *testing.T, a *audit) {
		login := a.clock.Now()
		tokens := a.login()
		a.clock.advance(time.Minute)
		s := a.sessionOf(a.Manager, tokens.AccessToken)
		a.told()
		dry.Store(true)
		proved, err := a.prove(a.Manager, s)
		if err == nil || errors.Is(err, session.ErrUnauthorised) || proved != (session.Tokens{}) {
			t.Errorf("got %v, and tokens: %v, want a failure", err, proved != (session.Tokens{}))
		}
		dry.Store(false)
		if told := a.told(); len(told) != 0 {
			t.Errorf("got the events %+v", told)
		}
		a.authIs("afterwards", a.refresh(tokens.RefreshToken).AccessToken, login)
	}, func(cfg *session.Config) {
		cfg.Random = source(func(b []byte) (int, error) {
			if dry.Load() {
				return 0, errors.New("the source is dry")
			}
			return rand.Read(b)
		})
	})
}

// source is a source of randomness.
type source func([]byte) (int, error)

func (s source) Read(b []byte) (int, error) { return s(b) }

// A theft counts a proof as a generation like any other.
func TestTheftAfterAProof(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		first := a.login()
		a.clock.advance(time.Minute)
		proved, err := a.prove(a.Manager, a.sessionOf(a.Manager, first.AccessToken))
		if err != nil {
			t.Fatal(err)
		}
		a.use(proved.AccessToken)
		a.clock.advance(time.Minute)
		next := a.refresh(proved.RefreshToken)
		a.use(next.AccessToken)
		a.clock.advance(time.Minute)
		for token, want := range map[string]int{first.RefreshToken: 2, proved.RefreshToken: 1} {
			var theft *session.TheftError
			_, _, err := a.Refresh(a.ctx, token, session.RefreshOptions{})
			if !errors.As(err, &theft) || theft.Generations != want {
				t.Errorf("got %v, %+v, want a token of %d generations ago", err, theft, want)
			}
		}
	}, theftIs(session.TheftReport))
}

func TestProofOfAnEndedSession(t *testing.T) {
	t.Parallel()
	for _, mode := range []session.RevocationMode{session.RevocationFeed, session.RevocationStrict, session.RevocationOff} {
		inAudit(t, func(t *testing.T, a *audit) {
			d := a.doom()
			if _, err := a.other.Revoke(a.ctx, d.info.Handle, session.RevokeOptions{Reason: session.ReasonPasswordChange}); err != nil {
				t.Fatal(err)
			}
			a.told()
			tokens, err := a.prove(a.Manager, d.own[a.Manager])
			if got := endedFor(err); got != session.ReasonPasswordChange || tokens != (session.Tokens{}) {
				t.Errorf("%s: got %s and tokens %v, want %s", mode, got, tokens.AccessToken != "", session.ReasonPasswordChange)
			}
			if told := a.told(); len(told) != 0 {
				t.Errorf("%s: got the events %+v", mode, told)
			}
		}, func(cfg *session.Config) { cfg.Revocation = mode })
	}
}

// TestProofOfAnOutlivedSession: one that is older than the absolute lifetime, which was shortened, has ended: no tokens are handed out that are
// dead.
func TestProofOfAnOutlivedSession(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		first := a.login()
		a.clock.advance(2*time.Hour - time.Minute)
		tokens := a.refresh(first.RefreshToken)
		s := a.sessionOf(a.Manager, tokens.AccessToken)
		a.clock.advance(time.Minute)
		a.cfg.IdleLifetime, a.cfg.AbsoluteLifetime = time.Hour, 2*time.Hour
		a.told()
		proved, err := a.prove(a.process(), s)
		if got := endedFor(err); got != session.ReasonAbsolute {
			t.Errorf("got %s, and tokens until %v at %v, want the end: %s", got, proved.RefreshExpires, a.clock.Now(), session.ReasonAbsolute)
		}
		if told := ofKind(a.told(), session.EventReauthenticated); len(told) != 0 {
			t.Errorf("got the events %+v", told)
		}
	})
}

// TestProofTellsTheConfirmation: where the proof is what shows that the client holds its newest token, that is told as any
// other confirmation is.
func TestProofTellsTheConfirmation(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		first := a.login()
		a.clock.advance(time.Minute)
		tokens := a.refresh(first.RefreshToken)
		a.store.setFault(cutOnce("Confirm", false))
		s := a.sessionOf(a.Manager, tokens.AccessToken)
		a.told()
		if _, err := a.prove(a.Manager, s); err != nil {
			t.Fatal(err)
		}
		if got, want := fmt.Sprint(kinds(a.told())), fmt.Sprint([]session.EventKind{session.EventConfirmed, session.EventReauthenticated}); got != want {
			t.Errorf("got the events %s, want %s", got, want)
		}
	})
}
