// Package env is what the parts of the benchmarks run in.
package env

import (
	"context"

	"github.com/watchword-dev/watchword/integration/bench/report"
)

// Part is one part of the benchmarks. The short form only proves that it runs.
type Part struct {
	Name  string // one word, for the command line
	About string
	// Modules are those whose versions matter for what was measured.
	Modules []string
	Run     func(ctx context.Context, e *Env) (report.Section, error)
}

// Env is what a part is given.
type Env struct {
	// Schema makes an empty schema on the server that all parts share, which is dropped at the end, and returns its DSN.
	Schema func(ctx context.Context) (dsn string, err error)
	Short  bool
	// Progress tells whoever waits what is going on.
	Progress func(format string, args ...any)
	// AllocsPerRun is testing.AllocsPerRun.
	AllocsPerRun func(runs int, f func()) float64
}
