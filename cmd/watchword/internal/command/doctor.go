package command

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/watchword-dev/watchword/cmd/watchword/internal/doctor"
	"github.com/watchword-dev/watchword/cmd/watchword/internal/settings"
)

func (p *program) doctorCommand() *cobra.Command {
	var skip []string
	cmd := &cobra.Command{
		Use:   "doctor [--skip CHECK,…]",
		Short: "Look whether database and settings are well",
		Long: `Looks whether database and settings are well, with the application's own settings, and best
as the application's own database user. It changes nothing.

  config      the settings make sense, and none is misspelt
  server      its version, whether it takes changes, whether the connection is encrypted
  schema      it is up to date
  privileges  the user may do what the application does
  indexes     all are there
  isolation   transactions are as the store needs them
  clock       the store's clock and this machine's agree
  feed        what is revoked reaches the application's processes
  keys        there are keys, they open, and somebody rotates them
  cleanup     somebody ends the sessions that have expired

Warnings and problems are findings, with exit code 3; notes are not. --skip leaves checks out
whose findings are meant to be.`,
		Args: cobra.NoArgs,
		RunE: p.action(func(ctx context.Context) error { return p.doctor(ctx, skip) }),
	}
	cmd.Flags().StringSliceVar(&skip, "skip", nil, "leave these checks out, separated by commas")
	flagWords(cmd, "skip", doctor.Checks()...)
	return cmd
}

func (p *program) doctor(ctx context.Context, skip []string) error {
	for _, name := range skip {
		if !slices.Contains(doctor.Checks(), name) {
			return usage("--skip: there is no check %q; there are %s", name, strings.Join(doctor.Checks(), ", "))
		}
	}
	return p.withStore(ctx, func(s settings.Settings, b *Backend) error {
		patient := &doctor.Patient{
			Settings: s, Store: b.Store, Now: p.Now,
			Schema: b.Schema, DB: b.DB, Prefix: b.Prefix, Local: b.Local, Vitess: b.Vitess,
		}
		l := p.list("CHECK", "RESULT", "")
		l.widths[0], l.widths[1] = len("privileges"), len(doctor.Warning)
		found := false
		err := doctor.Examine(ctx, patient, skip, func(r doctor.Result) error {
			found = found || r.Level.Finding()
			text := r.Text
			if r.Advice != "" {
				text += "; " + r.Advice
			}
			if err := l.add(r, r.Check, string(r.Level), text); err != nil {
				return err
			}
			return l.page()
		})
		if err == nil && found {
			err = errFindings
		}
		return err
	})
}
