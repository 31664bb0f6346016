// Package manager measures what a Manager costs a process and a database that have nothing to do: starting, waiting, memory.
package manager

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/watchword-dev/watchword/integration/bench/env"
	"github.com/watchword-dev/watchword/integration/bench/report"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

// Part is "manager".
func Part() env.Part {
	return env.Part{Name: "manager", About: "statements of a Manager that starts or has nothing to do, and its memory", Run: run}
}

const text = "What a process asks of its database without any request, counted by the server (`Questions` of the one connection that it has), and what a " +
	"Manager holds in memory, taken as the growth of heap and stacks after a collection. An idle Manager has `Manager.Run` going with all defaults. " +
	"The last table shows one Manager verify more and more tokens, each once: what it keeps of them has a bound."

// startStatements is how many a Manager may send when tables and keys are there.
const startStatements = 3

func run(ctx context.Context, e *env.Env) (report.Section, error) {
	s := report.Section{Title: "A Manager with nothing to do", Text: text}
	settle, window := 5*time.Second, 2*time.Minute
	if e.Short {
		settle, window = 100*time.Millisecond, 3*time.Second
	}
	dsn, err := e.Schema(ctx)
	if err != nil {
		return s, err
	}
	e.Progress("start")
	began, err := start(ctx, dsn)
	if err != nil {
		return s, err
	}
	e.Progress("idle for %v", settle+window)
	waits, err := idle(ctx, dsn, settle, window)
	if err != nil {
		return s, err
	}
	e.Progress("memory")
	resident, err := heap(ctx)
	if err != nil {
		return s, err
	}
	kept, memory, err := seen(ctx, e)
	if err != nil {
		return s, err
	}

	feed, off := float64(waits[session.RevocationFeed])/window.Seconds(), float64(waits[session.RevocationOff])/window.Minutes()
	s.Budgets = []report.Budget{
		{What: "Statements of `session.New`, tables and keys in place", Want: fmt.Sprintf("≤ %d", startStatements), Got: fmt.Sprint(began), Met: began <= startStatements, Counted: true},
		{What: "Idle process, with the feed", Want: "≤ 1 statement a second", Got: report.Number(feed), Met: feed <= 1},
		{What: "Idle process, without the feed", Want: "≤ 1 statement a minute", Got: report.Number(off), Met: off <= 1},
		{What: "Memory of an idle Manager", Want: "≤ 2 MiB", Got: report.Bytes(resident), Met: resident <= 2<<20, Counted: true},
		memory,
	}
	s.Tables = []report.Table{kept}
	return s, nil
}

// pool has one connection, which counts what is sent over it.
type pool struct {
	db    *sql.DB
	store *mysql.Store
}

func open(ctx context.Context, dsn string) (*pool, error) {
	store, err := mysql.Open(ctx, dsn, mysql.Options{})
	if err != nil {
		return nil, err
	}
	p := &pool{db: store.DB(), store: store}
	p.db.SetMaxOpenConns(1)
	p.db.SetConnMaxLifetime(0)
	return p, nil
}

// questions is how many statements its connection has sent, this one included.
func (p *pool) questions(ctx context.Context) (n int, err error) {
	var name string
	err = p.db.QueryRowContext(ctx, "SHOW SESSION STATUS LIKE 'Questions'").Scan(&name, &n)
	return n, err
}

// start counts the statements of a Manager's start, when another has made tables and keys.
func start(ctx context.Context, dsn string) (n int, err error) {
	p, err := open(ctx, dsn)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.store.Close()) }()
	if err := p.store.Migrate(ctx); err != nil {
		return 0, err
	}
	if _, err := session.New(ctx, p.store, session.Config{}); err != nil {
		return 0, err
	}
	before, err := p.questions(ctx)
	if err != nil {
		return 0, err
	}
	if _, err := session.New(ctx, p.store, session.Config{}); err != nil {
		return 0, err
	}
	after, err := p.questions(ctx)
	return after - before - 1, err
}

// idle counts the statements of Managers that run for a while and are asked nothing, each with a connection of its own.
func idle(ctx context.Context, dsn string, settle, window time.Duration) (map[session.RevocationMode]int, error) {
	var (
		all    sync.WaitGroup
		mu     sync.Mutex
		counts = map[session.RevocationMode]int{}
		failed error
	)
	for _, mode := range []session.RevocationMode{session.RevocationFeed, session.RevocationOff} {
		all.Go(func() {
			n, err := idleOne(ctx, dsn, mode, settle, window)
			mu.Lock()
			defer mu.Unlock()
			counts[mode], failed = n, errors.Join(failed, err)
		})
	}
	all.Wait()
	return counts, failed
}

func idleOne(ctx context.Context, dsn string, mode session.RevocationMode, settle, window time.Duration) (n int, err error) {
	p, err := open(ctx, dsn)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.store.Close()) }()
	m, err := session.New(ctx, p.store, session.Config{Revocation: mode})
	if err != nil {
		return 0, err
	}
	running, stop := context.WithCancel(ctx)
	var run sync.WaitGroup
	run.Go(func() { m.Run(running) })
	defer run.Wait()
	defer stop()
	if err := wait(ctx, settle); err != nil {
		return 0, err
	}
	before, err := p.questions(ctx)
	if err != nil {
		return 0, err
	}
	if err := wait(ctx, window); err != nil {
		return 0, err
	}
	after, err := p.questions(ctx)
	return after - before - 1, err
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
