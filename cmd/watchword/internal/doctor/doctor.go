// Package doctor looks whether a deployment is well: its database and its settings, from outside of the application. It changes nothing.
package doctor

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/watchword-dev/watchword/cmd/watchword/internal/settings"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

// Level says how bad something is.
type Level string

// The levels. Warnings and problems are findings; the others are not.
const (
	OK      Level = "ok"
	Note    Level = "note"    // worth knowing
	Warning Level = "warning" // it works, and should be otherwise
	Problem Level = "problem" // something does not work, or is unsafe
	Skipped Level = "skipped" // it could not be looked at here
)

// Finding reports whether somebody should do something.
func (l Level) Finding() bool { return l == Warning || l == Problem }

// Result is what a check has to say.
type Result struct {
	Check  string `json:"check"`
	Level  Level  `json:"level"`
	Text   string `json:"text"`
	Advice string `json:"advice,omitempty"`
}

// Patient is what is looked at.
type Patient struct {
	Settings settings.Settings
	Store    session.Store
	Now      func() time.Time

	// The others are MySQL's alone.
	Schema *mysql.Store
	DB     *sql.DB
	Prefix string
	Local  bool // the connection does not leave this machine
	Vitess bool
}

// checkTimeout bounds each check.
const checkTimeout = 20 * time.Second

// check is one thing that is looked at.
type check struct {
	name  string
	sql   bool // it asks a MySQL directly
	shard bool // and Vitess would not answer
	look  func(context.Context, *Patient) ([]Result, error)
}

// checks are all of them, in the order in which they are made.
var checks = []check{
	{name: "config", look: config},
	{name: "server", sql: true, look: server},
	{name: "schema", sql: true, look: schema},
	{name: "privileges", sql: true, shard: true, look: privileges},
	{name: "indexes", sql: true, shard: true, look: indexes},
	{name: "isolation", sql: true, look: isolation},
	{name: "clock", look: clock},
	{name: "feed", look: feed},
	{name: "keys", look: keys},
	{name: "cleanup", sql: true, shard: true, look: cleanup},
}

// Checks are the names of all checks.
func Checks() []string {
	names := make([]string, len(checks))
	for i, c := range checks {
		names[i] = c.name
	}
	return names
}

// Examine makes all checks but those that are to be left out, and tells each result as it comes. The error is tell's, or ctx's.
func Examine(ctx context.Context, p *Patient, leaveOut []string, tell func(Result) error) error {
	for _, c := range checks {
		if slices.Contains(leaveOut, c.name) {
			continue
		}
		for _, r := range c.examine(ctx, p) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			r.Check = c.name
			if err := tell(r); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

func (c check) examine(ctx context.Context, p *Patient) []Result {
	switch {
	case c.sql && p.DB == nil:
		return []Result{{Level: Skipped, Text: "the store is no MySQL"}}
	case c.shard && p.Vitess:
		return []Result{{Level: Skipped, Text: "Vitess does not say"}}
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	results, err := c.look(ctx, p)
	if err != nil {
		r := Result{Level: Problem, Text: "it could not be looked at: " + describe(err)}
		if errors.Is(err, session.ErrUnavailable) {
			r.Advice = "is the database up, and not overloaded?"
		}
		results = append(results, r)
	}
	return results
}

func ok(format string, args ...any) Result {
	return Result{Level: OK, Text: fmt.Sprintf(format, args...)}
}
func note(advice, format string, args ...any) Result {
	return Result{Level: Note, Text: fmt.Sprintf(format, args...), Advice: advice}
}
func warning(advice, format string, args ...any) Result {
	return Result{Level: Warning, Text: fmt.Sprintf(format, args...), Advice: advice}
}
func problem(advice, format string, args ...any) Result {
	return Result{Level: Problem, Text: fmt.Sprintf(format, args...), Advice: advice}
}

// config looks at the settings, which have been found to make sense before.
func config(_ context.Context, p *Patient) ([]Result, error) {
	var results []Result
	if unknown := p.Settings.Unknown; len(unknown) > 0 {
		results = append(results, warning("are they misspelt? `watchword help settings` lists what there is",
			"variables that are no settings: %s", strings.Join(unknown, ", ")))
	}
	cfg := p.Settings.Session
	if grace := or(cfg.Grace, session.DefaultGrace); grace != session.NoGrace && or(cfg.StoreTimeout, session.DefaultStoreTimeout) >= grace {
		results = append(results, warning("have WATCHWORD_GRACE longer than that, or clients whose refresh is answered late are taken for thieves",
			"GRACE is %v, and an operation may wait for the store for %v", grace, or(cfg.StoreTimeout, session.DefaultStoreTimeout)))
	}
	if cfg.Grace == session.NoGrace {
		results = append(results, warning("set WATCHWORD_GRACE, unless all clients are known to be single-threaded",
			"GRACE is 0: two tabs that refresh at once log each other out"))
	}
	if cfg.Theft == session.TheftReport {
		results = append(results, warning("set WATCHWORD_THEFT to revoke", "THEFT is report: a session whose token was stolen lives on"))
	}
	if len(results) == 0 {
		results = append(results, ok("the settings make sense"))
	}
	return results, nil
}

// or is a setting, or its default.
func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}
