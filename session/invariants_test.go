package session_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

var errCut = fmt.Errorf("%w: connection lost", session.ErrUnavailable)

// cutOnce fails one call, before it has happened or after, and lets all others pass.
func cutOnce(call string, after bool) func(string, bool) error {
	done := false
	return func(c string, a bool) error {
		if done || c != call || a != after {
			return nil
		}
		done = true
		return errCut
	}
}

// TestI7AmbiguityIsSafe cuts the connection before and after each store call of each operation. What the client gets,
// after repeating the operation where it was told to, must be what it gets without a cut.
func TestI7AmbiguityIsSafe(t *testing.T) {
	t.Parallel()
	operations := []struct {
		name  string
		calls []string
		run   func(w *world, first session.Tokens) error
	}{
		{"create", []string{"Insert"}, func(w *world, _ session.Tokens) error {
			_, tokens, err := w.Create(w.ctx, "user", session.CreateOptions{})
			if err != nil {
				w.t.Errorf("create was not repeated by itself: %v", err)
				return nil
			}
			if infos, err := w.Sessions(w.ctx, "user", session.Page{}); err != nil || len(infos) != 2 {
				w.t.Errorf("got %d sessions, %v, want the first and this one", len(infos), err)
			}
			w.clock.advance(time.Minute)
			w.refresh(tokens.RefreshToken)
			return nil
		}},
		{"refresh, minting", []string{"Get", "Mint"}, func(w *world, first session.Tokens) error {
			return w.rotate(first)
		}},
		{"refresh, handing out again", []string{"Get", "HandOut"}, func(w *world, first session.Tokens) error {
			_, lost, err := w.Refresh(w.ctx, first.RefreshToken, session.RefreshOptions{})
			if err != nil {
				return err
			}
			_, again, err := w.Refresh(w.ctx, first.RefreshToken, session.RefreshOptions{})
			if err == nil && again.RefreshToken != lost.RefreshToken {
				err = errors.New("another successor was handed out")
			}
			return err
		}},
		{"refresh, confirming", []string{"Get", "Confirm"}, func(w *world, first session.Tokens) error {
			_, second, err := w.Refresh(w.ctx, first.RefreshToken, session.RefreshOptions{})
			if err != nil {
				return err
			}
			_, kept, err := w.Refresh(w.ctx, second.RefreshToken, session.RefreshOptions{})
			if err == nil && kept.RefreshToken != "" {
				err = errors.New("a token that was just confirmed was replaced")
			}
			return err
		}},
		{"first use", []string{"Confirm", "Get"}, func(w *world, first session.Tokens) error {
			_, second, err := w.Refresh(w.ctx, first.RefreshToken, session.RefreshOptions{})
			if err != nil {
				return err
			}
			if _, err := w.Verify(w.ctx, second.AccessToken, session.VerifyOptions{}); err != nil {
				return err
			}
			w.clock.advance(time.Minute)
			return w.rotate(second)
		}},
		{"revoke", []string{"End"}, func(w *world, first session.Tokens) error {
			if _, err := w.Revoke(w.ctx, w.handle(first.AccessToken), session.RevokeOptions{}); err != nil {
				return err
			}
			if _, _, err := w.Refresh(w.ctx, first.RefreshToken, session.RefreshOptions{}); !errors.Is(err, session.ErrUnauthorised) || isTheft(err) {
				return fmt.Errorf("refresh of a revoked session: %w", err)
			}
			return nil
		}},
		{"set data", []string{"SetData", "Data"}, func(w *world, first session.Tokens) error {
			h := w.handle(first.AccessToken)
			before, err := w.Data(w.ctx, h)
			if err != nil {
				return err
			}
			if _, err := w.UpdateData(w.ctx, h, before.Version, 1); err != nil {
				return err
			}
			after, err := w.Data(w.ctx, h)
			if err == nil && string(after.Raw) != "1" {
				err = fmt.Errorf("data is %s", after.Raw)
			}
			return err
		}},
	}
	for _, op := range operations {
		for _, call := range op.calls {
			for _, after := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/after=%v", op.name, call, after), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t)
					first := w.login()
					w.clock.advance(time.Minute)
					w.store.setFault(cutOnce(call, after))
					err := op.run(w, first)
					for range 3 {
						if !errors.Is(err, session.ErrUnavailable) {
							break
						}
						err = op.run(w, first)
					}
					if err != nil {
						t.Errorf("after the cut and a repetition: %v", err)
					}
					if len(w.thefts) != 0 {
						t.Errorf("a lost answer raised an alarm: %v", w.thefts)
					}
				})
			}
		}
	}
}

// rotate refreshes, uses what came, and refreshes again.
func (w *world) rotate(tokens session.Tokens) error {
	_, second, err := w.Refresh(w.ctx, tokens.RefreshToken, session.RefreshOptions{})
	if err != nil {
		return err
	}
	if _, err := w.Verify(w.ctx, second.AccessToken, session.VerifyOptions{}); err != nil {
		return err
	}
	w.clock.advance(time.Minute)
	if second.RefreshToken == "" {
		second.RefreshToken = tokens.RefreshToken // kept
	}
	_, third, err := w.Refresh(w.ctx, second.RefreshToken, session.RefreshOptions{})
	if err == nil && third.RefreshToken == "" {
		err = errors.New("no rotation a minute after the last")
	}
	return err
}

// A theft whose deletion lost its answer is still told, and the session is over.
func TestI7TheftIsToldThoughTheAnswerIsLost(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		w := newWorld(t, strict)
		first := w.login()
		w.use(w.refresh(first.RefreshToken).AccessToken)
		w.store.setFault(cutOnce("End", after))
		_, _, err := w.Refresh(w.ctx, first.RefreshToken, session.RefreshOptions{})
		w.expectTheft(err, session.TheftReuse)
	}
}

// TestI9OutageLogsNobodyOut: verification goes on, nothing is judged, and service resumes by itself.
func TestI9OutageLogsNobodyOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.login()
	w.clock.advance(time.Minute)
	second := w.refresh(first.RefreshToken)
	w.store.setFault(func(string, bool) error { return errCut })
	if _, renewed := w.use(second.AccessToken).Renewed(); renewed {
		t.Errorf("an unconfirmed token was renewed without the store")
	}
	w.use(first.AccessToken)
	for _, token := range []string{first.RefreshToken, second.RefreshToken} {
		_, _, err := w.Refresh(w.ctx, token, session.RefreshOptions{})
		w.refused(err, session.ErrUnavailable)
		if errors.Is(err, session.ErrUnauthorised) {
			t.Errorf("an outage was taken for an end: %v", err)
		}
	}
	_, err := w.Revoke(w.ctx, w.handle(first.AccessToken), session.RevokeOptions{})
	w.refused(err, session.ErrUnavailable)
	w.store.setFault(nil)
	if _, renewed := w.use(second.AccessToken).Renewed(); !renewed {
		t.Errorf("after the outage the first use was not confirmed")
	}
	w.refresh(second.RefreshToken)
}

// TestI8GarbageIsFree: nothing that this deployment did not mint reaches the store, and all of it gets one answer.
func TestI8GarbageIsFree(t *testing.T) {
	t.Parallel()
	w, foreign := newWorld(t), newWorld(t)
	own, other := w.login(), foreign.login()
	w.store.total()

	flip := func(token string, at int) string {
		b := []byte(token)
		if b[at] == 'A' {
			b[at] = 'B'
		} else {
			b[at] = 'A'
		}
		return string(b)
	}
	var refresh []string
	for i := range own.RefreshToken {
		refresh = append(refresh, flip(own.RefreshToken, i), own.RefreshToken[:i])
	}
	refresh = append(refresh, other.RefreshToken, own.AccessToken, own.RefreshToken+"A", own.RefreshToken+"=", " "+own.RefreshToken,
		own.RefreshToken+"\n", own.RefreshToken[:60]+"\r\n"+own.RefreshToken[62:], strings.Repeat("A", len(own.RefreshToken)),
		strings.Repeat("A", 9<<10), strings.Repeat("\x00", 135), "Bearer "+own.RefreshToken)
	for _, token := range refresh {
		_, _, err := w.Refresh(w.ctx, token, session.RefreshOptions{})
		if err != session.ErrUnauthorised { //nolint:errorlint // uniform: this very error, without any detail
			t.Errorf("refresh with %.40q: got %v, want ErrUnauthorised itself", token, err)
		}
	}

	segment := base64.RawURLEncoding.EncodeToString
	parts := strings.Split(own.AccessToken, ".")
	var access []string
	for i := range own.AccessToken {
		access = append(access, flip(own.AccessToken, i), own.AccessToken[:i])
	}
	for _, alg := range []string{"none", "None", "NONE", "nOnE", ""} {
		header := segment([]byte(`{"alg":"` + alg + `","typ":"watchword-access+jwt"}`))
		access = append(access, header+"."+parts[1]+".", header+"."+parts[1]+"."+parts[2])
	}
	access = append(access, other.AccessToken, own.RefreshToken, own.AccessToken+"\n", own.AccessToken+"=", own.AccessToken+".", "..",
		strings.Repeat("A", 9<<10), strings.Repeat("x.", 4<<10), parts[0]+"."+parts[1]+"."+strings.Repeat("A", 8<<10))
	for _, token := range access {
		_, err := w.Verify(w.ctx, token, session.VerifyOptions{})
		if err != session.ErrTryRefresh { //nolint:errorlint // uniform: this very error, without any detail
			t.Errorf("verification of %.40q: got %v, want ErrTryRefresh itself", token, err)
		}
	}
	noCalls(t, w.store.total())
	if len(w.thefts) != 0 {
		t.Errorf("garbage raised an alarm: %v", w.thefts)
	}
	w.use(own.AccessToken)
	w.refresh(own.RefreshToken)
}

// gate holds one store call of a request until the test has done something in between.
type gate struct {
	call    string
	after   bool
	skip    int // so many passages before the one that waits
	reached chan struct{}
	open    chan struct{}
}

func (g *gate) fault(call string, after bool) error {
	if call != g.call || after != g.after {
		return nil
	}
	if g.skip--; g.skip == -1 {
		close(g.reached)
		<-g.open
	}
	return nil
}

// TestI4RevokedStaysRevoked revokes at every point between two store calls of a refresh and of a first use. A refresh may
// still answer if its last store call came before the revocation; what it gave out must be dead.
func TestI4RevokedStaysRevoked(t *testing.T) {
	t.Parallel()
	points := []struct {
		call  string
		after bool
	}{{"Get", false}, {"Get", true}, {"Mint", false}, {"Mint", true}, {"HandOut", false}, {"HandOut", true}, {"Confirm", false}, {"Confirm", true}}
	operations := map[string]func(w *world, first, second session.Tokens) (session.Tokens, error){
		"minting": func(w *world, first, _ session.Tokens) (session.Tokens, error) {
			w.clock.advance(time.Minute)
			_, tokens, err := w.Refresh(w.ctx, first.RefreshToken, session.RefreshOptions{})
			return tokens, err
		},
		"handing out": func(w *world, first, _ session.Tokens) (session.Tokens, error) {
			_, tokens, err := w.Refresh(w.ctx, first.RefreshToken, session.RefreshOptions{})
			return tokens, err
		},
		"confirming": func(w *world, _, second session.Tokens) (session.Tokens, error) {
			_, tokens, err := w.Refresh(w.ctx, second.RefreshToken, session.RefreshOptions{})
			return tokens, err
		},
		"first use": func(w *world, _, second session.Tokens) (session.Tokens, error) {
			_, err := w.Verify(w.ctx, second.AccessToken, session.VerifyOptions{})
			return second, err
		},
	}
	for name, operation := range operations {
		for _, grace := range []time.Duration{session.DefaultGrace, session.NoGrace} {
			for _, p := range points {
				t.Run(fmt.Sprintf("%s/grace=%v/%s/after=%v", name, grace, p.call, p.after), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, func(cfg *session.Config) { cfg.Grace = grace })
					first := w.login()
					w.clock.advance(time.Minute)
					second := w.refresh(first.RefreshToken)
					h := w.handle(first.AccessToken)

					g := &gate{call: p.call, after: p.after, reached: make(chan struct{}), open: make(chan struct{})}
					w.store.setFault(g.fault)
					type answer struct {
						tokens session.Tokens
						err    error
					}
					done := make(chan answer, 1)
					go func() {
						tokens, err := operation(w, first, second)
						done <- answer{tokens, err}
					}()
					var got answer
					select {
					case <-g.reached:
						if was, err := w.Revoke(w.ctx, h, session.RevokeOptions{}); err != nil || !was {
							t.Errorf("Revoke: got %v, %v", was, err)
						}
						close(g.open)
						got = <-done
					case got = <-done: // the operation has no such point
						if _, err := w.Revoke(w.ctx, h, session.RevokeOptions{}); err != nil {
							t.Errorf("Revoke: %v", err)
						}
					}
					w.store.setFault(nil)
					if got.err != nil && !errors.Is(got.err, session.ErrUnauthorised) {
						t.Errorf("got %v, want success or ErrUnauthorised", got.err)
					}
					if isTheft(got.err) {
						t.Errorf("a revocation was taken for theft: %v", got.err)
					}
					for _, token := range []string{first.RefreshToken, second.RefreshToken, got.tokens.RefreshToken} {
						if token == "" {
							continue
						}
						_, _, err := w.Refresh(w.ctx, token, session.RefreshOptions{})
						w.refused(err, session.ErrUnauthorised)
					}
					if _, err := w.Lookup(w.ctx, h); !errors.Is(err, session.ErrUnauthorised) {
						t.Errorf("the session lives on: %v", err)
					}
				})
			}
		}
	}
}

// After a revocation no access token is good for longer than one that was out already.
func TestI4RenewalDoesNotOutliveTheToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(cfg *session.Config) { cfg.Revocation = session.RevocationOff })
	first := w.login()
	w.clock.advance(time.Minute)
	second := w.refresh(first.RefreshToken)
	h := w.handle(second.AccessToken)
	if _, err := w.Revoke(w.ctx, h, session.RevokeOptions{}); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(session.DefaultAccessLifetime - time.Minute)
	renewed, ok := w.use(second.AccessToken).Renewed() // from memory
	if !ok {
		t.Fatal("not renewed")
	}
	w.clock.advance(time.Minute)
	_, err := w.Verify(w.ctx, renewed.AccessToken, session.VerifyOptions{})
	w.refused(err, session.ErrTryRefresh)
}

// A first use after the revocation is refused, since it asks the store.
func TestI4FirstUseAfterRevocation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.login()
	h := w.handle(first.AccessToken)
	w.clock.advance(time.Minute)
	second := w.refresh(first.RefreshToken)
	if _, err := w.Revoke(w.ctx, h, session.RevokeOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err := w.Verify(w.ctx, second.AccessToken, session.VerifyOptions{})
	w.refused(err, session.ErrUnauthorised)
}

// An operation ends when its caller's context does, or after StoreTimeout.
func TestOperationsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(cfg *session.Config) { cfg.StoreTimeout = 10 * time.Millisecond })
	first := w.login()
	frozen := &frozenStore{Store: w.store}
	m, err := session.New(w.ctx, frozen, w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	frozen.frozen = true
	_, _, err = m.Refresh(w.ctx, first.RefreshToken, session.RefreshOptions{})
	w.refused(err, session.ErrUnavailable)
	w.refused(err, context.DeadlineExceeded)
}

// frozenStore answers nothing until the context ends.
type frozenStore struct {
	session.Store
	frozen bool
}

func (s *frozenStore) Get(ctx context.Context, h session.Handle) (session.Row, time.Time, error) {
	if !s.frozen {
		return s.Store.Get(ctx, h)
	}
	<-ctx.Done()
	return session.Row{}, time.Time{}, fmt.Errorf("%w: %w", session.ErrUnavailable, ctx.Err())
}
