package session_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// TestLogSaysWhyTokensAreRefused, and shows none of them.
func TestLogSaysWhyTokensAreRefused(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	w := newWorld(t, func(cfg *session.Config) {
		cfg.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	tokens := w.login()
	handle := w.handle(tokens.AccessToken).String()
	refused := func(want map[string]string, f func() error) {
		t.Helper()
		log.Reset()
		if f() == nil {
			t.Error("it was not refused")
		}
		line := map[string]string{}
		for text := range strings.Lines(log.String()) {
			var all map[string]any
			if err := json.Unmarshal([]byte(text), &all); err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(all["msg"].(string), "token refused") {
				continue
			}
			for k, v := range all {
				if s, ok := v.(string); ok && k != "time" && k != "level" {
					line[k] = s
				}
			}
		}
		if line["kid"] != "" && want["kid"] == "yes" {
			line["kid"] = "yes"
		}
		for k, v := range want {
			if line[k] != v {
				t.Errorf("got %v, want %s=%q", line, k, v)
			}
		}
		if len(line) != len(want) {
			t.Errorf("got %v, want %v", line, want)
		}
		for _, secret := range []string{tokens.AccessToken, tokens.RefreshToken, tokens.AccessToken[len(tokens.AccessToken)-20:], tokens.RefreshToken[len(tokens.RefreshToken)-20:]} {
			if strings.Contains(log.String(), secret) {
				t.Errorf("the log holds a part of a token: %s", log.String())
			}
		}
	}
	verify := func(token string) func() error {
		return func() error { _, err := w.Verify(w.ctx, token, session.VerifyOptions{}); return err }
	}
	refresh := func(token string) func() error {
		return func() error { _, _, err := w.Refresh(w.ctx, token, session.RefreshOptions{}); return err }
	}
	const access, refreshToken = "access token refused", "refresh token refused"
	refused(map[string]string{"msg": access, "reason": "malformed"}, verify("<script>"))
	refused(map[string]string{"msg": access, "reason": "unknown_key"}, verify("secret.secret.secret"))
	refused(map[string]string{"msg": access, "reason": "bad_signature", "kid": "yes"}, verify(tokens.AccessToken[:len(tokens.AccessToken)-3]+"AAA"))
	refused(map[string]string{"msg": refreshToken, "reason": "unauthorised"}, refresh("secret"))
	w.clock.advance(session.DefaultAccessLifetime)
	refused(map[string]string{"msg": access, "reason": "expired", "kid": "yes"}, verify(tokens.AccessToken))
	next := w.refresh(tokens.RefreshToken)
	w.use(next.AccessToken)
	w.clock.advance(time.Minute)
	refused(map[string]string{"msg": refreshToken, "reason": "theft", "session": handle, "theft": "reuse"}, refresh(tokens.RefreshToken))
	refused(map[string]string{"msg": access, "reason": "ended", "kid": "yes", "session": handle, "ended": "theft"}, verify(next.AccessToken))
	refused(map[string]string{"msg": refreshToken, "reason": "ended", "session": handle, "ended": "theft"}, refresh(next.RefreshToken))
}
