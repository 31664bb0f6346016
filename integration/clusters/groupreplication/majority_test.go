//go:build clusters

package groupreplication_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/clusters/failover"
	"github.com/watchword-dev/watchword/session"
)

// held is a session with what its client holds.
type held struct {
	handle          session.Handle
	access, refresh string
}

// Without a majority a server takes statements and does not answer. Nothing tells a process without a router that, so its own
// timeouts have to end the calls; and whoever asked comes again with what they have, and is let in.
func TestCallsEndWhileAMajorityIsLost(t *testing.T) {
	g := openGroup(t)
	t.Cleanup(func() { g.mend(t) })
	config := g.database(t)
	primary, others := g.primary(t)
	config.Addr = primary.Addr("3306") // past the router
	cfg := session.Config{StoreTimeout: 1500 * time.Millisecond, Grace: 2 * time.Second}
	var thefts atomic.Int64
	p := failover.Begin(t, config.FormatDSN(), cfg, &thefts)

	const sessions = 4
	var all []*held
	for range sessions {
		s, tokens, err := p.Manager.Create(t.Context(), "user", session.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, &held{handle: s.Handle(), access: tokens.AccessToken, refresh: tokens.RefreshToken})
	}
	time.Sleep(cfg.Grace + 100*time.Millisecond) // a refresh has to write now

	failover.Each(others, func(s *server) { step(t, s.Pause) })
	mended := false
	mend := func() {
		if !mended {
			failover.Each(others, func(s *server) { step(t, s.Unpause) })
			mended = true
		}
	}
	defer mend()
	bounded := func(what string, f func(context.Context) error) {
		t.Helper()
		begun := time.Now()
		err := f(t.Context())
		if took, most := time.Since(begun), cfg.StoreTimeout+2*time.Second; took > most {
			t.Errorf("%s took %v, want at most %v", what, took, most)
		}
		if !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("%s without a majority: got %v, want ErrUnavailable", what, err)
		}
	}
	// Before the server notices that it is alone, and after.
	for range 3 {
		failover.Each(all, func(h *held) {
			bounded("create", func(ctx context.Context) error {
				_, _, err := p.Manager.Create(ctx, "user", session.CreateOptions{})
				return err
			})
			bounded("refresh", func(ctx context.Context) error {
				_, _, err := p.Manager.Refresh(ctx, h.refresh, session.RefreshOptions{})
				return err
			})
			bounded("revoke", func(ctx context.Context) error {
				_, err := p.Manager.Revoke(ctx, h.handle, session.RevokeOptions{Reason: session.ReasonLogout})
				return err
			})
			if _, err := p.Manager.Verify(t.Context(), h.access, session.VerifyOptions{}); err != nil {
				t.Errorf("verify without a majority: got %v, want the token to be good", err)
			}
		})
	}
	mend()
	g.mend(t)
	// What was asked for may have happened or not, by and by. The client repeats it, which makes it certain.
	failover.Each(all, func(h *held) {
		if _, err := p.Manager.Revoke(t.Context(), h.handle, session.RevokeOptions{Reason: session.ReasonLogout}); err != nil {
			t.Errorf("revoke of %s once the majority is back: got %v, want success", h.handle, err)
		}
		var theft *session.TheftError
		_, _, err := p.Manager.Refresh(t.Context(), h.refresh, session.RefreshOptions{})
		if !errors.Is(err, session.ErrUnauthorised) || errors.As(err, &theft) {
			t.Errorf("refresh of %s after its revocation: got %v, want ErrUnauthorised", h.handle, err)
		}
	})
}
