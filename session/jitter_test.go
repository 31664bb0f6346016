package session_test

import (
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// TestAccessLifetimesAreSpread over the whole range, and no further; the token says the same as what comes beside it.
func TestAccessLifetimesAreSpread(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		jitter         float64
		shortest, most time.Duration
	}{
		{0, 95 * time.Minute, 105 * time.Minute},
		{0.5, 50 * time.Minute, 150 * time.Minute},
		{session.NoJitter, 100 * time.Minute, 100 * time.Minute},
	} {
		w := newWorld(t, func(cfg *session.Config) { cfg.AccessLifetime, cfg.AccessJitter = 100*time.Minute, test.jitter })
		low, high := time.Duration(1<<62), time.Duration(0)
		tokens := w.login()
		for range 300 {
			w.clock.advance(session.DefaultGrace + time.Second)
			next := w.refresh(tokens.RefreshToken)
			if next.RefreshToken != "" {
				tokens = next
			}
			s := w.use(next.AccessToken)
			if !s.AccessExpires().Equal(next.AccessExpires) {
				t.Fatalf("jitter %v: the token expires at %v, and what comes beside it says %v", test.jitter, s.AccessExpires(), next.AccessExpires)
			}
			lives := next.AccessExpires.Sub(w.clock.Now())
			low, high = min(low, lives), max(high, lives)
		}
		if slack := (test.most - test.shortest) / 20; low < test.shortest || low > test.shortest+slack || high > test.most || high < test.most-slack {
			t.Errorf("jitter %v: tokens live %v to %v, want all of %v to %v", test.jitter, low, high, test.shortest, test.most)
		}
	}
}
