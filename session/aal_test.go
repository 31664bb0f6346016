package session_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// TestAssurancePresets: the lifetimes of a level are those of NIST SP 800-63B-4, and a session ends by them.
func TestAssurancePresets(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		level          session.AAL
		idle, absolute time.Duration // as in the standard, but for AAL1, which names no inactivity
	}{
		{0, 30 * day, 180 * day}, {session.AAL1, 15 * day, 30 * day}, {session.AAL2, time.Hour, day}, {session.AAL3, 15 * time.Minute, 12 * time.Hour},
	} {
		w := newWorld(t, func(cfg *session.Config) { cfg.Assurance = test.level })
		tokens := w.login()
		if got := tokens.RefreshExpires.Sub(tokens.IssuedAt); got != test.idle || w.IdleLifetime() != test.idle {
			t.Errorf("%v: a session lasts %v, want %v", test.level, got, test.idle)
		}
		w.clock.advance(test.idle)
		_, _, err := w.Refresh(w.ctx, tokens.RefreshToken, session.RefreshOptions{})
		w.refused(err, session.ErrUnauthorised)

		tokens = w.login()
		begun := w.clock.Now()
		for err = nil; err == nil; { // never idle
			w.use(tokens.AccessToken)
			w.clock.advance(test.idle / 2)
			if w.clock.Now().Sub(begun) > 2*test.absolute {
				t.Fatalf("%v: a session does not end", test.level)
			}
			var next session.Tokens
			if _, next, err = w.Refresh(w.ctx, tokens.RefreshToken, session.RefreshOptions{}); err == nil && next.RefreshToken != "" {
				tokens = next
			}
		}
		w.refused(err, session.ErrUnauthorised)
		if got := w.clock.Now().Sub(begun); got < test.absolute || got >= test.absolute+test.idle/2 {
			t.Errorf("%v: a session that is used ends after %v, want %v", test.level, got, test.absolute)
		}
		report, err := session.Config{Assurance: test.level}.Audit(session.ASVSLevel3)
		if err != nil || len(report.Violations()) > 0 {
			t.Errorf("%v: %v, %v", test.level, err, report.Violations())
		}
		said := report[0].Detail // 7.1.1
		if test.level == 0 && strings.Contains(said, "within") || test.level != 0 && !strings.Contains(said, "within "+test.level.String()+" ") {
			t.Errorf("%v: the audit says %q", test.level, said)
		}
	}
}

// What is set goes before what the level says.
func TestAssuranceIsADefault(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(cfg *session.Config) { cfg.Assurance, cfg.IdleLifetime = session.AAL2, 10*time.Minute })
	if w.IdleLifetime() != 10*time.Minute {
		t.Errorf("got %v, want what was set", w.IdleLifetime())
	}
	longer := session.Config{Assurance: session.AAL3, AbsoluteLifetime: 48 * time.Hour}
	if err := longer.Validate(); err != nil {
		t.Errorf("without Strict it is the application's to say: %v", err)
	}
	longer.Strict = session.ASVSLevel2
	if err := longer.Validate(); !errors.Is(err, session.ErrInvalidConfig) || !strings.Contains(err.Error(), "AAL3 of NIST SP 800-63B-4 allows") {
		t.Errorf("got %v, want AbsoluteLifetime refused for 7.3.2", err)
	}
	for _, level := range []session.AAL{-1, 4} {
		if err := (session.Config{Assurance: level}).Validate(); !errors.Is(err, session.ErrInvalidConfig) || !strings.Contains(err.Error(), ": Assurance ") {
			t.Errorf("level %d: got %v", level, err)
		}
	}
}
