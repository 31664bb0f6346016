// Command watchword looks after the sessions in a database: migrations, sessions and how they ended, signing keys, cleanups, and
// whether all is well. Run it with --help.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	driver "github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/cmd/watchword/internal/command"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop() // a second signal ends the process at once
	}()
	// The driver has one logger for the whole process. What it says of broken connections, errors say as well.
	if err := driver.SetLogger(&driver.NopLogger{}); err != nil {
		panic(err) // only for nil
	}
	os.Exit(command.Run(ctx, command.Environment{
		Args: os.Args[1:], Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	}))
}
