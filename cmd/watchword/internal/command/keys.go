package command

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/watchword-dev/watchword/cmd/watchword/internal/settings"
	"github.com/watchword-dev/watchword/session"
)

func (p *program) keysCommand() *cobra.Command {
	return p.group("keys", "Look after the signing keys", p.keysListCommand(), p.keysRotateCommand(), p.keysResealCommand())
}

// signingKey is a key as JSON.
type signingKey struct {
	KeyID         string             `json:"kid"`
	Purpose       session.KeyPurpose `json:"purpose"`
	Sequence      int                `json:"sequence"`
	Algorithm     string             `json:"algorithm"`
	State         session.KeyState   `json:"state"`
	ActivatesAt   time.Time          `json:"activatesAt"`
	VerifiesUntil time.Time          `json:"verifiesUntil,omitzero"`
	RetiresAt     time.Time          `json:"retiresAt,omitzero"`
	AgeSeconds    int64              `json:"ageSeconds"` // since it began to sign; less than zero: until it does
	Sealed        bool               `json:"sealed"`
	Outdated      bool               `json:"outdated,omitempty"` // `keys reseal` would seal it anew
}

func (p *program) keysListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the signing keys: what each is good for, and for how long",
		Long: `Lists the signing keys: what each is good for, and for how long, with the lifetimes and the
key-encryption key of the settings. It shows no key, and opens none.

  published  it does not sign yet
  signing
  verifying  a later key signs; tokens that this one has signed are still good
  expired    these have expired, too; the application deletes it in time
  cut_off    it was compromised: nothing that it has signed is good`,
		Args: cobra.NoArgs,
		RunE: p.action(p.listKeys),
	}
}

func (p *program) listKeys(ctx context.Context) error {
	return p.withStore(ctx, func(s settings.Settings, b *Backend) error {
		keys, now, err := readKeys(ctx, b.Store)
		if err != nil {
			return err
		}
		infos, err := s.Session.DescribeKeys(keys, now)
		if err != nil {
			return err
		}
		l := p.list("KEY", "PURPOSE", "NO.", "ALGORITHM", "STATE", "SIGNS FROM", "AGE", "VERIFIES UNTIL", "CUT OFF", "SEALED")
		for _, k := range infos {
			if err := l.add(newSigningKey(k, now), k.ID, string(k.Purpose), fmt.Sprint(k.Sequence), k.Algorithm, string(k.State), stamp(k.ActivatesAt),
				age(now.Sub(k.ActivatesAt)), stamp(k.VerifiesUntil), stamp(k.RetiresAt), sealed(k)); err != nil {
				return err
			}
		}
		return l.end("There are no signing keys yet: the application makes them when it first starts.")
	})
}

func newSigningKey(k session.KeyInfo, now time.Time) signingKey {
	return signingKey{
		KeyID: k.ID, Purpose: k.Purpose, Sequence: k.Sequence, Algorithm: k.Algorithm, State: k.State,
		ActivatesAt: k.ActivatesAt.UTC(), VerifiesUntil: k.VerifiesUntil.UTC(), RetiresAt: k.RetiresAt.UTC(),
		AgeSeconds: int64(now.Sub(k.ActivatesAt) / time.Second), Sealed: k.Sealed, Outdated: k.Outdated,
	}
}

// age is a duration as people count it.
func age(d time.Duration) string {
	switch {
	case d < 0:
		return "in " + age(-d)
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	case d >= time.Minute:
		return strings.TrimSuffix(d.Truncate(time.Minute).String(), "0s")
	default:
		return d.Truncate(time.Second).String()
	}
}

func sealed(k session.KeyInfo) string {
	switch {
	case k.Sealed && k.Outdated:
		return "with an old key"
	case k.Sealed:
		return "yes"
	case k.Outdated:
		return "NOT YET"
	default:
		return "no"
	}
}

// resealed is what `keys reseal` did, as JSON.
type resealed struct {
	Resealed int `json:"resealed"`
}

func (p *program) keysResealCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "reseal",
		Short: "Seal all keys with the first of WATCHWORD_KEY_ENCRYPTION",
		Long: `Seals all keys with the first key of WATCHWORD_KEY_ENCRYPTION: those that are in the clear,
and those that another of its keys has sealed. The application does so by itself, in time;
when this command is done, the other keys of WATCHWORD_KEY_ENCRYPTION may go, if no process
is left that seals with one of them.

Keys in the clear are sealed with WATCHWORD_ACCEPT_UNSEALED_KEYS=1 alone: somebody who can
write to the database could have put one there, and sealed it would pass for your own.`,
		Args: cobra.NoArgs,
		RunE: p.action(p.reseal),
	}
}

func (p *program) reseal(ctx context.Context) error {
	return p.withKeys(ctx, func(m *session.Manager, _ *Backend, _ *progress) error {
		n, err := m.ResealKeys(ctx)
		if err != nil {
			return err
		}
		if p.json {
			return p.object(resealed{n})
		}
		_, err = fmt.Fprintf(p.out, "%d sealed anew.\n", n)
		return err
	})
}
