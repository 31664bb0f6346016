// Command api is Watchword's demo: an API with sessions, and the front end that shows them at work. Run it with --help for its
// settings.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	driver "github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/demo/api/internal/config"
)

// The exit codes.
const (
	exitOK    = 0
	exitFail  = 1
	exitUsage = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop() // a second signal ends the process at once
	}()
	// The driver has one logger for the whole process. What it says of broken connections, whoever meets one reports.
	if err := driver.SetLogger(&driver.NopLogger{}); err != nil {
		panic(err) // only for nil
	}
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// run is the program: it serves until ctx is done.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) (code int) {
	if done, code := readArguments(args, stdout, stderr); done {
		return code
	}
	cfg, err := config.Parse(environ)
	if err == nil {
		err = serve(ctx, cfg, stdout, newLogger(stderr))
	}
	if err != nil {
		_, _ = fmt.Fprintln(stderr, config.Explain(err))
		return exitFail
	}
	return exitOK
}

// readArguments reports whether the arguments leave nothing to run, and the exit code in that case.
func readArguments(args []string, stdout, stderr io.Writer) (done bool, code int) {
	flags := flag.NewFlagSet("api", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	err := flags.Parse(args)
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument: %s", flags.Arg(0))
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, _ = io.WriteString(stdout, config.Help())
		return true, exitOK
	case err != nil:
		_, _ = fmt.Fprintf(stderr, "%v\n\n%s", err, config.Help())
		return true, exitUsage
	}
	return false, exitOK
}
