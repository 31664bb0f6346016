package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/watchword-dev/watchword/cmd/watchword/internal/settings"
	"github.com/watchword-dev/watchword/store/mysql"
)

// migration is a migration as JSON.
type migration struct {
	Version int       `json:"version"`
	Name    string    `json:"name"`
	Way     mysql.Way `json:"way"`
	Needs   int       `json:"needs"`
	Applied bool      `json:"applied"`
	SQL     string    `json:"sql,omitempty"` // with --sql
}

func (p *program) migrateCommand() *cobra.Command {
	var dryRun, script bool
	cmd := &cobra.Command{
		Use:   "migrate [--dry-run [--sql]]",
		Short: "Bring the schema up to date",
		Long: `Brings the schema up to date: makes or changes the tables under WATCHWORD_TABLE_PREFIX, and no
others. It may be run by any number of processes at once, and again when one died half-way.

It lists the migrations that it has applied, and how the server goes about each: CREATE makes a
table, INSTANT changes no row, INPLACE goes over all rows while others read and write them.`,
		Args: cobra.NoArgs,
		RunE: p.action(func(ctx context.Context) error { return p.migrate(ctx, dryRun, script) }),
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be done")
	cmd.Flags().BoolVar(&script, "sql", false, "with --dry-run, print the statements")
	return cmd
}

func (p *program) migrate(ctx context.Context, dryRun, script bool) error {
	if script && !dryRun {
		return usage("--sql goes with --dry-run")
	}
	return p.withStore(ctx, func(_ settings.Settings, b *Backend) error {
		if b.Schema == nil {
			return errors.New("this store has no schema")
		}
		pending, err := b.Schema.Pending(ctx)
		if err != nil {
			return err
		}
		if !dryRun && len(pending) > 0 {
			p.say("Bringing the schema of %s to version %d …", b.Name, pending[len(pending)-1].Version)
			if err := b.Schema.Migrate(ctx); err != nil {
				return err
			}
		}
		return p.tellMigrations(pending, !dryRun, script)
	})
}

func (p *program) tellMigrations(pending []mysql.Migration, applied, script bool) error {
	if script && !p.json {
		for _, m := range pending {
			if _, err := fmt.Fprintf(p.out, "-- %s\n%s\n", m.Name, m.SQL()); err != nil {
				return err
			}
		}
		return nil
	}
	l := p.list("VERSION", "NAME", "WAY", "STATE")
	state := "pending"
	if applied {
		state = "applied"
	}
	for _, m := range pending {
		object := migration{Version: m.Version, Name: m.Name, Way: m.Way, Needs: m.Needs, Applied: applied}
		if script {
			object.SQL = m.SQL()
		}
		if err := l.add(object, fmt.Sprint(m.Version), m.Name, string(m.Way), state); err != nil {
			return err
		}
	}
	return l.end("The schema is up to date.")
}
