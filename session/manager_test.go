package session_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

func TestConfigRefusesNonsense(t *testing.T) {
	t.Parallel()
	for field, change := range map[string]func(*session.Config){
		"Issuer":            func(c *session.Config) { c.Issuer = strings.Repeat("x", 257) },
		"Audience":          func(c *session.Config) { c.Audience = strings.Repeat("x", 257) },
		"AccessLifetime":    func(c *session.Config) { c.AccessLifetime = time.Second - 1 },
		"IdleLifetime":      func(c *session.Config) { c.AccessLifetime, c.IdleLifetime = time.Hour, time.Minute },
		"AbsoluteLifetime":  func(c *session.Config) { c.IdleLifetime, c.AbsoluteLifetime = time.Hour, time.Minute },
		"Grace":             func(c *session.Config) { c.Grace = -2 },
		"IdleLifetime    ":  func(c *session.Config) { c.AccessLifetime, c.IdleLifetime = time.Hour, time.Hour+3*time.Minute },
		"AccessJitter":      func(c *session.Config) { c.AccessJitter = 0.51 },
		"AccessJitter ":     func(c *session.Config) { c.AccessJitter = -0.1 },
		"AccessJitter  ":    func(c *session.Config) { c.AccessJitter = math.NaN() },
		"VerifiedTokens":    func(c *session.Config) { c.VerifiedTokens = 1<<20 + 1 },
		"VerifiedTokens ":   func(c *session.Config) { c.VerifiedTokens = -2 },
		"IdleLifetime  ":    func(c *session.Config) { c.AccessLifetime, c.IdleLifetime = time.Hour, time.Hour },
		"Issuer ":           func(c *session.Config) { c.Issuer = "caf\xe9" },
		"AbsoluteLifetime ": func(c *session.Config) { c.AbsoluteLifetime = -time.Second },
		"IdleLifetime ":     func(c *session.Config) { c.IdleLifetime = time.Millisecond },
		"MaxHandOuts":       func(c *session.Config) { c.MaxHandOuts = 1 },
		"StoreTimeout":      func(c *session.Config) { c.StoreTimeout = -1 },
		"MaxDataBytes":      func(c *session.Config) { c.MaxDataBytes = -1 },
		"Theft":             func(c *session.Config) { c.Theft = "forgive" },
	} {
		var cfg session.Config
		change(&cfg)
		_, err := session.New(t.Context(), memstore.New(nil), cfg)
		if validated := cfg.Validate(); validated == nil || err == nil || validated.Error() != err.Error() {
			t.Errorf("%s: Validate says %v, and New %v", field, validated, err)
		}
		if !errors.Is(err, session.ErrInvalidConfig) || !strings.Contains(err.Error(), ": "+strings.TrimSpace(field)+" ") {
			t.Errorf("%s: got %v, want ErrInvalidConfig naming the field", field, err)
		}
	}
	for _, cfg := range []session.Config{
		{AccessLifetime: -time.Second}, {IdleLifetime: -time.Second}, {AbsoluteLifetime: -time.Second}, {IdleLifetime: time.Millisecond},
		{Grace: 6 * time.Minute}, {AbsoluteLifetime: 1 << 62}, {MaxDataBytes: 1 << 30},
	} {
		if _, err := session.New(t.Context(), memstore.New(nil), cfg); !errors.Is(err, session.ErrInvalidConfig) {
			t.Errorf("%+v: got %v, want ErrInvalidConfig", cfg, err)
		}
	}
	for _, cfg := range []session.Config{ // a default gives way to what is set
		{IdleLifetime: time.Minute}, {AbsoluteLifetime: time.Minute}, {AccessLifetime: 400 * 24 * time.Hour}, {IdleLifetime: 400 * 24 * time.Hour},
		{AccessLifetime: time.Second},
	} {
		if _, err := session.New(t.Context(), memstore.New(nil), cfg); err != nil {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	if _, err := session.New(t.Context(), nil, session.Config{}); !errors.Is(err, session.ErrInvalidConfig) {
		t.Errorf("no store: got %v, want ErrInvalidConfig", err)
	}
	if _, err := session.New(t.Context(), memstore.New(nil), session.Config{}); err != nil {
		t.Errorf("the zero Config: %v", err)
	}
}

func TestCreateRefusesBadInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, id := range map[string]string{
		"empty": "", "invalid UTF-8": "a\xff", "129 characters": strings.Repeat("a", 129), "129 emoji": strings.Repeat("\U0001F511", 129),
	} {
		if _, _, err := w.Create(w.ctx, id, session.CreateOptions{}); !errors.Is(err, session.ErrInvalidUserID) {
			t.Errorf("user id %s: got %v, want ErrInvalidUserID", name, err)
		}
		if _, err := w.RevokeUser(w.ctx, id, session.RevokeOptions{}); !errors.Is(err, session.ErrInvalidUserID) {
			t.Errorf("RevokeUser %s: got %v, want ErrInvalidUserID", name, err)
		}
		if _, err := w.Sessions(w.ctx, id, session.Page{}); !errors.Is(err, session.ErrInvalidUserID) {
			t.Errorf("Sessions %s: got %v, want ErrInvalidUserID", name, err)
		}
	}
	for _, bad := range []any{
		json.RawMessage(""), json.RawMessage("{"), json.RawMessage("1 2"), json.RawMessage("\"\xff\""), json.RawMessage("nul"), func() {},
		map[string]json.RawMessage{"a": json.RawMessage("\"\xff\"")},
	} {
		if _, _, err := w.Create(w.ctx, "user", session.CreateOptions{Payload: bad}); !errors.Is(err, session.ErrInvalidJSON) {
			t.Errorf("payload %v: got %v, want ErrInvalidJSON", bad, err)
		}
		if _, _, err := w.Create(w.ctx, "user", session.CreateOptions{Data: bad}); !errors.Is(err, session.ErrInvalidJSON) {
			t.Errorf("data %v: got %v, want ErrInvalidJSON", bad, err)
		}
	}
	_, _, err := w.Create(w.ctx, "user", session.CreateOptions{Payload: strings.Repeat("x", 8<<10)})
	if !errors.Is(err, session.ErrTooLarge) || !strings.Contains(err.Error(), "8192") {
		t.Errorf("payload of 8 KiB: got %v, want ErrTooLarge naming the limit", err)
	}
	_, _, err = w.Create(w.ctx, "user", session.CreateOptions{Data: strings.Repeat("x", 1<<20)})
	if !errors.Is(err, session.ErrTooLarge) || !strings.Contains(err.Error(), "1048578") {
		t.Errorf("data of more than 1 MiB: got %v, want ErrTooLarge naming the size", err)
	}
	noCalls(t, w.store.total())
}

// The longest token that Create lets through must pass Verify in every later form.
func TestCreateLimitHoldsForLaterTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := 8 << 10
	var tokens session.Tokens
	for ; ; n-- {
		var err error
		if _, tokens, err = w.Create(w.ctx, "user", session.CreateOptions{Payload: strings.Repeat("x", n)}); err == nil {
			break
		}
	}
	for range 5 {
		w.clock.advance(time.Minute + 123*time.Millisecond)
		tokens = w.refresh(tokens.RefreshToken)
		w.use(tokens.AccessToken)
	}
}

func TestPayloadForms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, test := range []struct {
		give any
		want string
	}{
		{nil, "null"}, {json.RawMessage(nil), "null"}, {json.RawMessage("null"), "null"}, {0, "0"}, {false, "false"}, {"", `""`},
		{"<&>\u2028", `"<&>\u2028"`}, {[]int{}, "[]"}, {map[string]any{"sub": "root", "exp": 1}, `{"exp":1,"sub":"root"}`},
		{json.RawMessage(" {\n\"b\":1,  \"a\":1.50, \"a\":2} \n"), "{\n\"b\":1,  \"a\":1.50, \"a\":2}"},
		{json.RawMessage(`"\u00e9\/"`), `"\u00e9\/"`}, {json.RawMessage("1E400"), "1E400"},
	} {
		_, tokens, err := w.Create(w.ctx, "user", session.CreateOptions{Payload: test.give})
		if err != nil {
			t.Errorf("payload %v: %v", test.give, err)
			continue
		}
		s := w.use(tokens.AccessToken)
		if got := string(s.RawPayload()); got != test.want || s.UserID() != "user" {
			t.Errorf("payload %v: got %s of user %q, want %s", test.give, got, s.UserID(), test.want)
		}
		w.clock.advance(time.Minute)
		if got := string(w.use(w.refresh(tokens.RefreshToken).AccessToken).RawPayload()); got != test.want {
			t.Errorf("payload %v after a refresh: got %s, want %s", test.give, got, test.want)
		}
	}
}

func TestTenProcessesMakeOneKeyOfEachPurpose(t *testing.T) {
	t.Parallel()
	store := memstore.New(nil)
	managers := make([]*session.Manager, 10)
	var wg sync.WaitGroup
	for i := range managers {
		wg.Go(func() {
			var err error
			if managers[i], err = session.New(t.Context(), store, session.Config{}); err != nil {
				t.Errorf("process %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	keys, _, err := store.Keys(t.Context())
	if err != nil || len(keys) != 2 {
		t.Fatalf("got %d keys, %v, want one of each purpose", len(keys), err)
	}
	_, tokens, err := managers[0].Create(t.Context(), "user", session.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range managers {
		if _, err := m.Verify(t.Context(), tokens.AccessToken, session.VerifyOptions{}); err != nil {
			t.Errorf("process %d refuses the token of process 0: %v", i, err)
		}
	}
}

func TestHandles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.handle(w.login().AccessToken)
	w.clock.advance(time.Millisecond)
	after := w.handle(w.login().AccessToken)
	if s := before.String(); len(s) != 36 || s[14] != '7' || !strings.ContainsRune("89ab", rune(s[19])) {
		t.Errorf("%s is no UUIDv7", s)
	}
	if before.String() >= after.String() {
		t.Errorf("%v was made before %v, but does not sort so", before, after)
	}
	if got, err := session.ParseHandle(after.String()); err != nil || got != after {
		t.Errorf("ParseHandle(%v): got %v, %v", after, got, err)
	}
	for _, bad := range []string{"", "x", strings.ToUpper(after.String()), after.String() + " ", strings.ReplaceAll(after.String(), "-", ""), "0000000000000000000000000000000000-0", "g" + after.String()[1:]} {
		if _, err := session.ParseHandle(bad); err == nil {
			t.Errorf("ParseHandle(%q) passed", bad)
		}
	}
	text, err := json.Marshal(map[string]session.Handle{"handle": after})
	if err != nil || string(text) != `{"handle":"`+after.String()+`"}` {
		t.Errorf("JSON of a handle: got %s, %v", text, err)
	}
	var back map[string]session.Handle
	if err := json.Unmarshal(text, &back); err != nil || back["handle"] != after {
		t.Errorf("a handle from JSON: got %v, %v", back, err)
	}
}

func TestData(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, _, err := w.Create(w.ctx, "user", session.CreateOptions{Data: json.RawMessage(" {\"a\": 1} ")})
	if err != nil {
		t.Fatal(err)
	}
	first, err := s.Data(w.ctx)
	if err != nil || string(first.Raw) != " {\"a\": 1} " {
		t.Fatalf("Data: got %q, %v", first.Raw, err)
	}
	var v struct{ A int }
	if err := first.Unmarshal(&v); err != nil || v.A != 1 {
		t.Errorf("Unmarshal: got %v, %v", v, err)
	}
	version, err := s.UpdateData(w.ctx, first.Version, map[string]int{"a": 2})
	if err != nil || version == first.Version {
		t.Fatalf("UpdateData: got version %d after %d, %v", version, first.Version, err)
	}
	if _, err := s.UpdateData(w.ctx, first.Version, 3); !errors.Is(err, session.ErrConflict) {
		t.Errorf("UpdateData of an old version: got %v, want ErrConflict", err)
	}
	if _, err := s.SetData(w.ctx, "any"); err != nil {
		t.Errorf("SetData: %v", err)
	}
	if got, err := s.Data(w.ctx); err != nil || string(got.Raw) != `"any"` {
		t.Errorf("Data: got %s, %v", got.Raw, err)
	}
	if _, err := s.SetData(w.ctx, json.RawMessage("{")); !errors.Is(err, session.ErrInvalidJSON) {
		t.Errorf("SetData of no JSON: got %v", err)
	}
	if _, err := s.Revoke(w.ctx, session.RevokeOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err = s.Data(w.ctx)
	w.refused(err, session.ErrUnauthorised)
	_, err = s.SetData(w.ctx, 1)
	w.refused(err, session.ErrUnauthorised)
	_, err = s.UpdateData(w.ctx, version, 1)
	w.refused(err, session.ErrUnauthorised)
}

func TestUpdateDataNeedsAVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, _, err := w.Create(w.ctx, "user", session.CreateOptions{Data: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.UpdateData(w.ctx, session.Data{}.Version, 2); !errors.Is(err, session.ErrConflict) {
		t.Errorf("UpdateData without having read: got %v, want ErrConflict", err)
	}
}

// I7: a write whose answer was lost is not repeated over what somebody else has written since.
func TestI7LostWriteDoesNotUndoAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, _, err := w.Create(w.ctx, "user", session.CreateOptions{Data: 1})
	if err != nil {
		t.Fatal(err)
	}
	writes := 0
	w.store.setFault(func(call string, after bool) error {
		if call != "SetData" || !after {
			return nil
		}
		if writes++; writes > 1 {
			return nil
		}
		read, err := s.Data(w.ctx)
		if err != nil || string(read.Raw) != "10" {
			t.Errorf("the other writer reads %s, %v", read.Raw, err)
		}
		if _, err := s.UpdateData(w.ctx, read.Version, 11); err != nil {
			t.Errorf("the other writer: %v", err)
		}
		return errCut
	})
	_, err = s.SetData(w.ctx, 10)
	w.refused(err, session.ErrUnavailable)
	if read, err := s.Data(w.ctx); err != nil || string(read.Raw) != "11" {
		t.Errorf("the acknowledged write of 11 became %s, %v", read.Raw, err)
	}
}

// Concurrent counters: every acknowledged increment survives.
func TestUpdateDataLosesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, _, err := w.Create(w.ctx, "user", session.CreateOptions{Data: 0})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for done := 0; done < 25; {
				data, err := s.Data(w.ctx)
				if err != nil {
					t.Error(err)
					return
				}
				var n int
				if err := data.Unmarshal(&n); err != nil {
					t.Error(err)
					return
				}
				switch _, err = s.UpdateData(w.ctx, data.Version, n+1); {
				case err == nil:
					done++
				case !errors.Is(err, session.ErrConflict):
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if data, err := s.Data(w.ctx); err != nil || string(data.Raw) != "200" {
		t.Errorf("8 × 25 increments gave %s, %v", data.Raw, err)
	}
}

func TestSessionsAndRevocation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var all []session.Tokens
	for range 3 {
		all = append(all, w.login())
		w.clock.advance(time.Second)
	}
	w.clock.advance(time.Minute)
	infos, err := w.Sessions(w.ctx, "user", session.Page{})
	if err != nil || len(infos) != 3 {
		t.Fatalf("Sessions: got %d, %v, want 3", len(infos), err)
	}
	if !infos[0].CreatedAt.After(infos[1].CreatedAt) || infos[0].RefreshedAt != infos[0].CreatedAt {
		t.Errorf("Sessions: got %v, want the newest first, not refreshed", infos)
	}
	w.use(w.refresh(all[2].RefreshToken).AccessToken)
	info, err := w.Lookup(w.ctx, infos[0].Handle)
	if err != nil || info.RefreshedAt != w.clock.Now() || info.UserID != "user" {
		t.Errorf("Lookup after a refresh: got %v, %v", info, err)
	}
	if n, err := w.RevokeOthers(w.ctx, "user", infos[0].Handle, session.RevokeOptions{}); err != nil || n != 2 {
		t.Errorf("RevokeOthers: got %d, %v, want 2", n, err)
	}
	if was, err := w.Revoke(w.ctx, infos[0].Handle, session.RevokeOptions{}); err != nil || !was {
		t.Errorf("Revoke: got %v, %v", was, err)
	}
	if was, err := w.Revoke(w.ctx, infos[0].Handle, session.RevokeOptions{}); err != nil || was {
		t.Errorf("Revoke again: got %v, %v", was, err)
	}
	for range 1500 { // more than one batch
		w.login()
	}
	if n, err := w.RevokeUser(w.ctx, "user", session.RevokeOptions{}); err != nil || n != 1500 {
		t.Errorf("RevokeUser: got %d, %v, want 1500", n, err)
	}
}

func TestCleanupEndsExpiredSessions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 1200 {
		w.login()
	}
	w.clock.advance(session.DefaultIdleLifetime - time.Microsecond)
	if cleaned, err := w.Cleanup(w.ctx); err != nil || cleaned != (session.Cleaned{}) {
		t.Errorf("one tick before the end: got %v, %v, want nothing", cleaned, err)
	}
	w.clock.advance(time.Microsecond)
	if cleaned, err := w.Cleanup(w.ctx); err != nil || cleaned != (session.Cleaned{Expired: 1200}) {
		t.Errorf("at the end: got %v, %v, want 1200 expired", cleaned, err)
	}
}
