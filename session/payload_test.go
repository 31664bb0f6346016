package session_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// TestSetPayloadHoldsFromTheNextRefresh: tokens that are out keep theirs, and later ones have the new one, byte for byte.
func TestSetPayloadHoldsFromTheNextRefresh(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		given any
		want  string
	}{
		"value":       {map[string]any{"role": "admin", "<&>": 1}, `{"<&>":1,"role":"admin"}`},
		"null":        {nil, "null"},
		"raw":         {json.RawMessage(" {\n\"b\":1,  \"a\":1.50, \"a\":2, \"e\":\"\\u00e9\\/\"} \t\n"), "{\n\"b\":1,  \"a\":1.50, \"a\":2, \"e\":\"\\u00e9\\/\"}"},
		"large digit": {json.RawMessage("1E400"), "1E400"},
		"same":        {map[string]string{"role": "user"}, `{"role":"user"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inAudit(t, func(t *testing.T, a *audit) {
				payload := func(what, access, want string) {
					t.Helper()
					for i, m := range []*session.Manager{a.Manager, a.other} {
						s := a.sessionOf(m, access)
						if got := string(s.RawPayload()); got != want {
							t.Errorf("%s, process %d: got %s, want %s", what, i, got, want)
						}
						if renewed, ok := s.Renewed(); ok {
							if got := string(a.sessionOf(m, renewed.AccessToken).RawPayload()); got != want {
								t.Errorf("%s, renewed by process %d: got %s, want %s", what, i, got, want)
							}
						}
					}
				}
				first := a.login()
				a.clock.advance(time.Minute)
				second := a.refresh(first.RefreshToken) // that is out, but was not used
				s := a.sessionOf(a.Manager, first.AccessToken)
				if err := s.SetPayload(a.ctx, test.given); err != nil {
					t.Fatal(err)
				}
				const before = `{"role":"user"}`
				payload("the old token", first.AccessToken, before)
				payload("one that was out", second.AccessToken, before)
				if got := string(s.RawPayload()); got != before {
					t.Errorf("the session at hand: got %s, want %s", got, before)
				}
				third := a.refresh(second.RefreshToken)
				payload("a kept token", third.AccessToken, test.want)
				a.clock.advance(time.Minute)
				fourth := a.refresh(second.RefreshToken)
				payload("the next", fourth.AccessToken, test.want)
				a.clock.advance(time.Minute)
				proved, err := a.prove(a.other, a.sessionOf(a.Manager, fourth.AccessToken))
				if err != nil {
					t.Fatal(err)
				}
				payload("a new proof", proved.AccessToken, test.want)
				// It is of this session alone.
				a.login()
				infos, err := a.Sessions(a.ctx, "user", session.Page{})
				if err != nil || len(infos) != 2 || infos[1].Handle != s.Handle() {
					t.Errorf("got the sessions %+v, %v", infos, err)
				}
			})
		})
	}
}

func TestSetPayloadRefuses(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		d := a.doom()
		h := d.info.Handle
		for _, bad := range []any{json.RawMessage(""), json.RawMessage("{"), json.RawMessage("1 2"), json.RawMessage("\"\xff\""), func() {}} {
			if err := a.SetPayload(a.ctx, h, bad, session.PayloadOptions{}); !errors.Is(err, session.ErrInvalidJSON) {
				t.Errorf("payload %v: got %v, want ErrInvalidJSON", bad, err)
			}
		}
		noCalls(t, a.store.total())
		for limit, n := range map[int]int{0: 3600, 3800: 3800, 500: 500, 8192: 8192, 1 << 20: 8192, -1: 8192} {
			err := a.SetPayload(a.ctx, h, strings.Repeat("x", n), session.PayloadOptions{MaxAccessToken: limit})
			if !errors.Is(err, session.ErrTooLarge) || !strings.Contains(err.Error(), fmt.Sprint(n)) {
				t.Errorf("limit %d, payload of %d bytes: got %v, want ErrTooLarge naming the limit", limit, n, err)
			}
		}
		if err := d.own[a.Manager].SetPayload(a.ctx, strings.Repeat("x", 3800)); !errors.Is(err, session.ErrTooLarge) {
			t.Errorf("Session.SetPayload of more than a cookie: got %v, want ErrTooLarge", err)
		}
		if calls := a.store.total(); calls["SetPayload"] != 0 {
			t.Errorf("a refused payload reached the store: %v", calls)
		}
		a.clock.advance(time.Minute)
		if got := string(a.use(a.refresh(d.newest.RefreshToken).AccessToken).RawPayload()); got != "null" {
			t.Errorf("a refused payload was kept: %s", got)
		}
		if _, err := a.other.Revoke(a.ctx, h, session.RevokeOptions{Reason: session.ReasonLogout}); err != nil {
			t.Fatal(err)
		}
		if err := a.SetPayload(a.ctx, h, 1, session.PayloadOptions{}); endedFor(err) != session.ReasonLogout {
			t.Errorf("SetPayload of an ended session: got %v", err)
		}
		if err := d.own[a.Manager].SetPayload(a.ctx, 1); endedFor(err) != session.ReasonLogout {
			t.Errorf("Session.SetPayload of an ended session: got %v", err)
		}
		if err := a.SetLabel(a.ctx, h, "x"); endedFor(err) != session.ReasonLogout {
			t.Errorf("SetLabel of an ended session: got %v", err)
		}
		if endings, err := a.Endings(a.ctx, "user", session.EndingsPage{}); err != nil || len(endings) != 1 || endings[0].Label != "laptop" {
			t.Errorf("got the records %+v, %v, want the label as it was", endings, err)
		}
	})
}

// TestPayloadLimitHoldsForLaterTokens: the largest payload that a limit lets through fits into every later token, whatever that has in
// addition: the mark of being unconfirmed, a fraction in its expiry, an anti-CSRF token, the store's time.
func TestPayloadLimitHoldsForLaterTokens(t *testing.T) {
	t.Parallel()
	const limit = 2000
	keys := session.StaticKeys(generate(session.PurposeAccess, session.HS256), generate(session.PurposeRefresh, session.HS256))
	for name, change := range map[string]func(*session.Config){
		"as it is":           func(*session.Config) {},
		"keys of the user's": func(cfg *session.Config) { cfg.KeySource, cfg.Revocation = keys, session.RevocationOff },
	} {
		for _, how := range []string{"Create", "SetPayload"} {
			t.Run(name+"/"+how, func(t *testing.T) {
				t.Parallel()
				inAudit(t, func(t *testing.T, a *audit) {
					tokens := a.login()
					h := a.handle(tokens.AccessToken)
					set := func(n int) (err error) {
						payload := strings.Repeat("x", n)
						if how == "Create" {
							var s *session.Session
							var created session.Tokens
							s, created, err = a.Create(a.ctx, "user", session.CreateOptions{Payload: payload, MaxAccessToken: limit})
							if err == nil {
								tokens, h = created, s.Handle()
							}
							return err
						}
						return a.SetPayload(a.ctx, h, payload, session.PayloadOptions{MaxAccessToken: limit})
					}
					largest := 0
					for step := 1024; step > 0; step /= 2 {
						if err := set(largest + step); err == nil {
							largest += step
						} else if !errors.Is(err, session.ErrTooLarge) {
							t.Fatal(err)
						}
					}
					if largest < limit/2 {
						t.Errorf("only %d bytes of payload fit into %d", largest, limit)
					}
					a.csrf = true // switched on meanwhile
					for range 5 {
						a.clock.advance(time.Minute + 123*time.Millisecond)
						tokens = a.refresh(tokens.RefreshToken)
						if got := len(tokens.AccessToken); got > limit {
							t.Errorf("payload of %d bytes: got an access token of %d, want %d at most", largest, got, limit)
						}
						a.use(tokens.AccessToken)
					}
				}, change)
			})
		}
	}
}

// TestI7SetPayloadAndLabel cuts the connection before and after each call: what was to be repeated has the outcome of once.
func TestI7SetPayloadAndLabel(t *testing.T) {
	t.Parallel()
	for n := range 4 {
		for _, after := range []bool{false, true} {
			inAudit(t, func(t *testing.T, a *audit) {
				d := a.doom()
				h := d.info.Handle
				for name, set := range map[string]func() error{
					"SetPayload": func() error { return a.SetPayload(a.ctx, h, "new", session.PayloadOptions{}) },
					"SetLabel":   func() error { return a.SetLabel(a.ctx, h, "new") },
				} {
					a.store.setFault(cutNth(n, after))
					err := set()
					if errors.Is(err, session.ErrUnavailable) {
						err = set()
					}
					a.store.setFault(nil)
					if err != nil {
						t.Errorf("%s, call %d, after=%v: %v", name, n+1, after, err)
					}
				}
				if got := string(a.use(a.refresh(d.newest.RefreshToken).AccessToken).RawPayload()); got != `"new"` {
					t.Errorf("call %d, after=%v: got the payload %s", n+1, after, got)
				}
				if info, err := a.Lookup(a.ctx, h); err != nil || info.Label != "new" {
					t.Errorf("call %d, after=%v: got the label %q, %v", n+1, after, info.Label, err)
				}
			})
		}
	}
}
