package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/watchword-dev/watchword/cmd/watchword/internal/settings"
	"github.com/watchword-dev/watchword/session"
)

// cleaned is what `cleanup` did, as JSON.
type cleaned struct {
	Expired  int  `json:"expired"`
	Purged   int  `json:"purged"`
	Complete bool `json:"complete"`
}

func (p *program) cleanupCommand() *cobra.Command {
	var (
		share float64
		limit time.Duration
	)
	cmd := &cobra.Command{
		Use:   "cleanup [--share SHARE] [--time-limit DURATION]",
		Short: "End sessions that have expired, and remove records that are no longer kept",
		Long: `Ends sessions that have expired, and removes records that are no longer kept, as the
application does by itself every WATCHWORD_CLEANUP_INTERVAL. What is no longer kept depends on
WATCHWORD_ACCESS_LIFETIME, WATCHWORD_ABSOLUTE_LIFETIME and WATCHWORD_ENDING_RETENTION, which
have to be the application's. While a process of it cleans up, the command waits for its turn.`,
		Args: cobra.NoArgs,
		RunE: p.action(func(ctx context.Context) error { return p.cleanup(ctx, share, limit) }),
	}
	cmd.Flags().Float64Var(&share, "share", session.DefaultCleanupShare, "the share of its time that it works, from 0.01 to 1; it rests for the others")
	cmd.Flags().DurationVar(&limit, "time-limit", 0, "stop after that; 0: when nothing is left")
	return cmd
}

func (p *program) cleanup(ctx context.Context, share float64, limit time.Duration) error {
	if !(share >= 0.01 && share <= 1) { // nor is NaN
		return usage("--share is %v: it must be between 0.01 and 1", share)
	}
	if limit < 0 {
		return usage("--time-limit is %v: it must not be negative", limit)
	}
	return p.withStore(ctx, func(s settings.Settings, b *Backend) error {
		g := p.progress()
		s.Session.CleanupShare = share
		m, err := keyless(ctx, watch(b.Store, g.add), s.Session)
		if err != nil {
			return err
		}
		bounded, cancel := ctx, func() {}
		if limit > 0 {
			bounded, cancel = context.WithTimeout(ctx, limit)
		}
		defer cancel()
		g.begin("cleaning up")
		done, err := m.Cleanup(bounded)
		g.end()
		complete := err == nil
		if errors.Is(bounded.Err(), context.DeadlineExceeded) && ctx.Err() == nil {
			err = nil // the time was up
		}
		return errors.Join(err, p.tellCleaned(done, complete))
	})
}

// tellCleaned tells what was done, also when that was not all.
func (p *program) tellCleaned(done session.Cleaned, complete bool) error {
	if p.json {
		return p.object(cleaned{done.Expired, done.Purged, complete})
	}
	rest := ""
	if !complete {
		rest = " There may be more: it did not come to the end."
	}
	_, err := fmt.Fprintf(p.out, "%d expired sessions ended, %d records removed.%s\n", done.Expired, done.Purged, rest)
	return err
}
