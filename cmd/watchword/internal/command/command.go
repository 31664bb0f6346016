// Package command is the command line: one file for each command, over what they share.
package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/watchword-dev/watchword/cmd/watchword/internal/settings"
)

// Environment is what a run gets from the process, or from a test.
type Environment struct {
	Args    []string
	Environ []string // as os.Environ gives it
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer

	Now  func() time.Time                                                // default time.Now
	Open func(context.Context, settings.Settings, Now) (*Backend, error) // default: MySQL
}

// Now gives the process's time.
type Now = func() time.Time

// program is one run.
type program struct {
	Environment

	out     *bufio.Writer
	input   *bufio.Reader
	json    bool
	verbose bool
	began   bool // the arguments made sense, and a command has begun
}

// Run runs the command and returns its exit code.
func Run(ctx context.Context, env Environment) int {
	if env.Now == nil {
		env.Now = time.Now
	}
	if env.Open == nil {
		env.Open = openMySQL
	}
	p := &program{Environment: env, out: bufio.NewWriter(env.Stdout), input: bufio.NewReader(env.Stdin)}
	err := p.root().ExecuteContext(ctx)
	if flushErr := p.out.Flush(); err == nil {
		err = flushErr
	}
	if err != nil && !p.began {
		err = &usageError{err} // cobra's own, of arguments
	}
	if err != nil && !errors.Is(err, errFindings) {
		p.say("watchword: %v", settings.Explain(err))
		if !p.began {
			p.say("`watchword --help` lists commands and options.")
		}
	}
	return exitCode(ctx, err)
}

const about = `Looks after the sessions that an application keeps with Watchword in MySQL.

Which database that is, and how the application is configured, it is told by the
environment, with the application's own settings: ` + "`watchword help settings`" + ` lists them.
One is required but for inspect-token and audit: WATCHWORD_MYSQL_DSN, or WATCHWORD_MYSQL_DSN_FILE.

Tables are for people. With --json a list is one JSON object on each line, in which times
are RFC 3339 in UTC and what is not known is left out; anything else is one JSON object.
Messages, questions and progress go to the standard error output.`

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "watchword",
		Short:         "Looks after sessions, their keys and their database",
		Long:          about,
		Args:          cobra.NoArgs,
		RunE:          p.needsCommand,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetArgs(p.Args)
	root.SetIn(p.input)
	root.SetOut(p.out)
	root.SetErr(p.Stderr)
	root.SetUsageTemplate(root.UsageTemplate() + exitHelp)
	root.PersistentFlags().BoolVar(&p.json, "json", false, "print JSON: a list as one object on each line")
	root.PersistentFlags().BoolVarP(&p.verbose, "verbose", "v", false, "log what is done to the standard error output")
	root.AddCommand(
		p.migrateCommand(), p.sessionsCommand(), p.endingsCommand(), p.keysCommand(), p.cleanupCommand(),
		p.inspectCommand(), p.auditCommand(), p.doctorCommand(),
		&cobra.Command{Use: "settings", Short: "The settings, which are variables of the environment", Long: settings.Help()},
	)
	plain(root)
	return root
}

// plain keeps "[flags]" out of how a command is called, which says what there is.
func plain(cmd *cobra.Command) {
	cmd.DisableFlagsInUseLine = true
	for _, c := range cmd.Commands() {
		plain(c)
	}
}

// needsCommand is what a command does that only holds others.
func (p *program) needsCommand(cmd *cobra.Command, _ []string) error {
	return fmt.Errorf("%s: which command?", cmd.CommandPath())
}

// group is a command that only holds others.
func (p *program) group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: p.needsCommand}
	cmd.AddCommand(commands...)
	return cmd
}

// action makes what a command does of a function.
func (p *program) action(f func(context.Context) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		p.began = true
		return f(cmd.Context())
	}
}

// say writes a message to people.
func (p *program) say(format string, args ...any) {
	_, _ = fmt.Fprintf(p.Stderr, format+"\n", args...)
}

// logger is what the library writes to.
func (p *program) logger() *slog.Logger {
	if !p.verbose {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(p.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// flagWords completes a flag by words.
func flagWords(cmd *cobra.Command, flag string, words ...string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // only for a flag that is not there
	}
}
