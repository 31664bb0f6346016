package session_test

import (
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// I2: a shadow who brings about that the store does not answer earns four times as many hand-outs as are allowed anyway, and no more:
// however often it was refused, its polling is found out.
func TestI2ShadowsEarnLittleByOutages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tokens := w.login()
	w.clock.advance(time.Hour)
	w.store.setFault(func(call string, after bool) error {
		if call == "Mint" && !after {
			return session.ErrUnavailable // never carried out
		}
		return nil
	})
	for range 500 {
		w.clock.advance(8 * time.Second)
		_, _, err := w.Refresh(w.ctx, tokens.RefreshToken, session.RefreshOptions{})
		w.refused(err, session.ErrUnavailable)
	}
	w.store.setFault(nil)
	passed, most := 0, 6*session.DefaultMaxHandOuts // some cost nothing, since they come within the grace of another
	for ; passed <= most; passed++ {
		w.clock.advance(8 * time.Second)
		if _, _, err := w.Refresh(w.ctx, tokens.RefreshToken, session.RefreshOptions{}); err != nil {
			w.expectTheft(err, session.TheftShadow)
			break
		}
	}
	if passed > most {
		t.Errorf("%d hand-outs passed after 500 that were refused", passed)
	}
}
