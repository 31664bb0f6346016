package session_test

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// handleOf returns the handle of a session whatever the state of its tokens.
func (w *world) handleOf(tokens session.Tokens) session.Handle {
	w.t.Helper()
	infos, err := w.Sessions(w.ctx, "user", session.Page{})
	if err != nil {
		w.t.Fatalf("Sessions: %v", err)
	}
	if len(infos) == 1 {
		return infos[0].Handle
	}
	return session.Handle{}
}

func TestVerifyReadsTheToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	created, tokens, err := w.Create(w.ctx, "üser \U0001F511", session.CreateOptions{Payload: json.RawMessage("{ \"a\" : 1.0, \"<é>\":[ ] }")})
	if err != nil {
		t.Fatalf("Create: %v", err)
	}
	w.store.total()
	s := w.use(tokens.AccessToken)
	noCalls(t, w.store.total())
	if s.Handle() != created.Handle() || s.UserID() != "üser \U0001F511" {
		t.Errorf("got session %v of %q", s.Handle(), s.UserID())
	}
	if got := string(s.RawPayload()); got != "{ \"a\" : 1.0, \"<é>\":[ ] }" {
		t.Errorf("payload: got %s", got)
	}
	var payload struct{ A float64 }
	if err := s.Payload(&payload); err != nil || payload.A != 1 {
		t.Errorf("Payload: got %v, %v", payload, err)
	}
}

func TestVerifyExpires(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tokens := w.login()
	w.clock.advance(tokens.AccessExpires.Sub(w.clock.Now()) - time.Millisecond)
	w.use(tokens.AccessToken)
	w.clock.advance(time.Millisecond)
	_, err := w.Verify(w.ctx, tokens.AccessToken, session.VerifyOptions{})
	w.refused(err, session.ErrTryRefresh)
}

func TestVerifyToleratesClockSkew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.clock.advance(59 * time.Second)
	tokens := w.login()
	w.clock.advance(-59 * time.Second)
	w.use(tokens.AccessToken)
	w.clock.advance(-3 * time.Second)
	_, err := w.Verify(w.ctx, tokens.AccessToken, session.VerifyOptions{})
	w.refused(err, session.ErrTryRefresh)
}

func TestVerifyRefusesForeignTokens(t *testing.T) {
	t.Parallel()
	named := func(issuer, audience string) func(*session.Config) {
		return func(cfg *session.Config) { cfg.Issuer, cfg.Audience = issuer, audience }
	}
	w := newWorld(t, named("us", "api"))
	tokens := w.login()
	w.use(tokens.AccessToken)
	for name, change := range map[string]func(*session.Config){
		"other issuer": named("them", "api"), "other audience": named("us", "web"),
		"no issuer": named("", "api"), "no audience": named("us", ""),
	} {
		change(&w.cfg)
		if _, err := w.process().Verify(w.ctx, tokens.AccessToken, session.VerifyOptions{}); !errors.Is(err, session.ErrTryRefresh) {
			t.Errorf("%s: got %v, want ErrTryRefresh", name, err)
		}
	}
	if _, err := newWorld(t, named("us", "api")).Verify(w.ctx, tokens.AccessToken, session.VerifyOptions{}); !errors.Is(err, session.ErrTryRefresh) {
		t.Errorf("token of another deployment: got %v, want ErrTryRefresh", err)
	}
}

func TestFirstUseConfirmsAndRenews(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.login()
	w.clock.advance(time.Minute)
	second := w.refresh(first.RefreshToken)
	w.store.total()

	renewed, ok := w.use(second.AccessToken).Renewed()
	if !ok || renewed.RefreshToken != "" || renewed.ID != "" || !renewed.AccessExpires.Equal(second.AccessExpires) {
		t.Fatalf("the first use renewed %v with expiry %v, want an access token alone, with the expiry %v",
			ok, renewed.AccessExpires, second.AccessExpires)
	}
	if calls := w.store.total(); calls["Confirm"] != 1 || len(calls) != 1 {
		t.Errorf("store calls of the first use: got %v, want one Confirm", calls)
	}
	if _, again := w.use(renewed.AccessToken).Renewed(); again {
		t.Errorf("the renewed token was renewed")
	}
	again, _ := w.use(second.AccessToken).Renewed() // its answer was lost
	if again.AccessToken == "" {
		t.Errorf("a repeated first use was not renewed")
	}
	noCalls(t, w.store.total())
}

func TestFiftyFirstUsesCostOneUpdate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.login()
	w.clock.advance(time.Minute)
	second := w.refresh(first.RefreshToken)
	w.store.total()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			s, err := w.Verify(w.ctx, second.AccessToken, session.VerifyOptions{})
			if err != nil {
				t.Errorf("Verify: %v", err)
				return
			}
			if _, ok := s.Renewed(); !ok {
				t.Errorf("not renewed")
			}
		})
	}
	wg.Wait()
	if calls := w.store.total(); calls["Confirm"] != 1 || len(calls) != 1 {
		t.Errorf("store calls: got %v, want one Confirm", calls)
	}
}

func TestUnconfirmedTokenThatCrossed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	second := w.process() // has confirmed nothing
	first := w.login()
	w.clock.advance(time.Minute)
	tokens := w.refresh(first.RefreshToken)
	w.use(tokens.AccessToken)
	s, err := second.Verify(w.ctx, tokens.AccessToken, session.VerifyOptions{})
	if err != nil {
		t.Fatalf("confirmed by another process: %v", err)
	}
	if _, ok := s.Renewed(); !ok {
		t.Errorf("confirmed by another process: not renewed")
	}

	w.clock.advance(time.Minute)
	newest := w.refresh(tokens.RefreshToken)
	w.use(newest.AccessToken)
	third := w.process()
	w.clock.advance(session.DefaultGrace)
	s, err = third.Verify(w.ctx, tokens.AccessToken, session.VerifyOptions{})
	if err != nil {
		t.Fatalf("crossed with the next rotation: %v", err)
	}
	if _, ok := s.Renewed(); ok {
		t.Errorf("crossed with the next rotation: renewed")
	}
	w.clock.advance(time.Microsecond)
	_, err = third.Verify(w.ctx, tokens.AccessToken, session.VerifyOptions{})
	w.refused(err, session.ErrTryRefresh)
	if len(w.thefts) != 0 {
		t.Errorf("a verification raised an alarm: %v", w.thefts)
	}
}

func TestAntiCSRF(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.csrf = true
	first := w.login()
	if first.AntiCSRF == "" {
		t.Fatal("no anti-CSRF token")
	}
	verify := func(token, csrf string) error {
		_, err := w.Verify(w.ctx, token, session.VerifyOptions{CheckAntiCSRF: true, AntiCSRF: csrf})
		return err
	}
	if err := verify(first.AccessToken, first.AntiCSRF); err != nil {
		t.Errorf("with its token: %v", err)
	}
	for _, csrf := range []string{"", "x", first.AntiCSRF + "x", strings.ToLower(first.AntiCSRF)} {
		if err := verify(first.AccessToken, csrf); !errors.Is(err, session.ErrAntiCSRF) {
			t.Errorf("with %q: got %v, want ErrAntiCSRF", csrf, err)
		}
	}
	w.use(first.AccessToken) // not asked for
	w.clock.advance(time.Minute)
	second := w.refresh(first.RefreshToken)
	if second.AntiCSRF != first.AntiCSRF {
		t.Errorf("a refresh changed the anti-CSRF token: crossing responses would leave halves of two")
	}
	if w.login().AntiCSRF == first.AntiCSRF {
		t.Errorf("two sessions share an anti-CSRF token")
	}
	if err := verify(second.AccessToken, "x"); !errors.Is(err, session.ErrAntiCSRF) || w.store.total()["Confirm"] != 0 {
		t.Errorf("a forged first use: got %v, or it confirmed", err)
	}

	without := newWorld(t)
	plain := without.login()
	_, err := without.Verify(w.ctx, plain.AccessToken, session.VerifyOptions{CheckAntiCSRF: true})
	w.refused(err, session.ErrTryRefresh) // switched on later: a refresh brings the token
	without.csrf = true
	healed := without.refresh(plain.RefreshToken)
	if _, err := without.Verify(w.ctx, healed.AccessToken, session.VerifyOptions{CheckAntiCSRF: true, AntiCSRF: healed.AntiCSRF}); err != nil {
		t.Errorf("after a refresh: %v", err)
	}
}
