// Command bench measures what the product costs, side by side with what one would use instead, and writes what it found as a page of
// the documentation. `make bench` runs it; --help says what it measures and how to run parts of it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/watchword-dev/watchword/integration/bench/cleanup"
	"github.com/watchword-dev/watchword/integration/bench/env"
	"github.com/watchword-dev/watchword/integration/bench/growth"
	"github.com/watchword-dev/watchword/integration/bench/hotpath"
	"github.com/watchword-dev/watchword/integration/bench/manager"
	"github.com/watchword-dev/watchword/integration/bench/request"
	"github.com/watchword-dev/watchword/integration/bench/statements"
	"github.com/watchword-dev/watchword/integration/bench/verify"
)

// parts are what there is to measure, in the order of the page.
func parts() []env.Part {
	return []env.Part{
		request.Part(),
		verify.Part(),
		statements.Part(),
		growth.Part(),
		cleanup.Part(),
		manager.Part(),
		hotpath.Part(),
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	interrupted := ctx.Err() != nil // before stop, which ends ctx as well
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case interrupted:
		fmt.Fprintln(os.Stderr, "bench: interrupted; what was running is not written")
		os.Exit(130)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	only    []env.Part
	short   bool
	out     string
	profile string
}

func parse(args []string) (o options, err error) {
	all := parts()
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := flags.String("only", "", "the `PARTS` to run, with commas between; the page keeps what it says of the others")
	flags.BoolVar(&o.short, "short", false, "only show that everything runs: the figures mean nothing, and are written nowhere")
	flags.StringVar(&o.out, "out", "", "the `FOLDER` of the documentation, for benchmarks.md, benchmarks.json and plots/; none: nothing is written")
	flags.StringVar(&o.profile, "profile", "", "write CPU and allocation profiles of the hot paths into this `FOLDER` instead")
	flags.Usage = func() {
		w := flags.Output()
		fmt.Fprint(w, "usage: bench [-only PARTS] [-short] [-out FOLDER] | bench -profile FOLDER\n\nThe parts:\n\n")
		for _, p := range all {
			fmt.Fprintf(w, "  %-12s %s\n", p.Name, p.About)
		}
		fmt.Fprint(w, "\nA count that is not what was promised, of statements or allocations, fails the run; a time does not.\n\n")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%q is no flag; --help lists them", flags.Arg(0))
	}
	if o.short && o.out != "" {
		return o, errors.New("-short measures nothing that could be written to -out")
	}
	o.only = all
	if *only != "" {
		o.only = nil
		for name := range strings.SplitSeq(*only, ",") {
			i := slices.IndexFunc(all, func(p env.Part) bool { return p.Name == name })
			if i < 0 {
				return o, fmt.Errorf("there is no part %q; --help lists them", name)
			}
			o.only = append(o.only, all[i])
		}
	}
	return o, nil
}
