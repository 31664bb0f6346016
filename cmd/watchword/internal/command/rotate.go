package command

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/watchword-dev/watchword/session"
)

// rotation is what `keys rotate` was asked for.
type rotation struct {
	purpose     string
	compromised bool
	reason      string
	yes         bool
}

// rotated is what became of it, as JSON.
type rotated struct {
	Purpose     session.KeyPurpose `json:"purpose"`
	Compromised bool               `json:"compromised"`
	KeyID       string             `json:"kid"` // of the newest key
	ActivatesAt time.Time          `json:"activatesAt"`
}

func (p *program) keysRotateCommand() *cobra.Command {
	var r rotation
	cmd := &cobra.Command{
		Use:   "rotate [--purpose access|refresh] [--compromised] [--reason TEXT] [--yes]",
		Short: "Make a new key ahead of schedule, or cut off those that have leaked",
		Long: `Makes a new key ahead of schedule. It is published now, and signs when every process knows
it: after WATCHWORD_KEY_PROPAGATION. Nobody notices.

With --compromised every key of the purpose is cut off as well: what they have signed is
refused by all processes within WATCHWORD_FEED_INTERVAL. For access keys that means that all
clients refresh, and their sessions go on. For refresh keys it means that all sessions end,
and everybody has to log in again.`,
		Args: cobra.NoArgs,
		RunE: p.action(func(ctx context.Context) error { return p.rotate(ctx, r) }),
	}
	cmd.Flags().StringVar(&r.purpose, "purpose", string(session.PurposeAccess), "access: keys that sign access tokens; refresh: those of refresh tokens")
	cmd.Flags().BoolVar(&r.compromised, "compromised", false, "cut all keys of the purpose off")
	cmd.Flags().StringVar(&r.reason, "reason", "", "for the log, with --verbose")
	yesFlag(cmd, &r.yes)
	flagWords(cmd, "purpose", string(session.PurposeAccess), string(session.PurposeRefresh))
	return cmd
}

func (p *program) rotate(ctx context.Context, r rotation) error {
	purpose := session.KeyPurpose(r.purpose)
	if !slices.Contains([]session.KeyPurpose{session.PurposeAccess, session.PurposeRefresh}, purpose) {
		return usage("--purpose is %q: it must be access or refresh", r.purpose)
	}
	return p.withKeys(ctx, func(m *session.Manager, b *Backend, g *progress) error {
		if r.compromised {
			question := fmt.Sprintf("Cut off all access keys in %s, so that all clients have to refresh?", b.Name)
			if purpose == session.PurposeRefresh {
				question = fmt.Sprintf("Cut off all refresh keys in %s, and end EVERYBODY'S sessions, so that all users have to log in again?", b.Name)
			}
			if err := p.confirm(ctx, r.yes, question); err != nil {
				return err
			}
		}
		g.begin("ending sessions")
		err := m.RotateNow(ctx, purpose, r.reason, r.compromised)
		g.end()
		if err != nil {
			return err
		}
		return p.tellRotated(ctx, b, purpose, r.compromised)
	})
}

// tellRotated tells which key is the newest now.
func (p *program) tellRotated(ctx context.Context, b *Backend, purpose session.KeyPurpose, compromised bool) error {
	keys, now, err := readKeys(ctx, b.Store)
	if err != nil {
		return fmt.Errorf("it is done, but the keys could not be read again: %w", err)
	}
	var newest session.Key
	for _, k := range keys {
		if k.Purpose == purpose {
			newest = k
		}
	}
	if p.json {
		return p.object(rotated{purpose, compromised, newest.ID, newest.ActivatesAt.UTC()})
	}
	when := "signs now"
	if newest.ActivatesAt.After(now) {
		when = "signs from " + stamp(newest.ActivatesAt) + " on"
	}
	if compromised {
		when += "; all keys before it are cut off"
	}
	_, err = fmt.Fprintf(p.out, "Key %s %s.\n", newest.ID, when)
	return err
}
