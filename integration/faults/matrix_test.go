// Package faults_test holds every operation of a Manager on a real MySQL to what is promised when connections, statements, contexts
// and the server fail. What comes out of it is the table in docs/reliability.md.
package faults_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/integration/mysqltest"
	"github.com/watchword-dev/watchword/session"
)

func TestMain(m *testing.M) {
	_ = driver.SetLogger(&driver.NopLogger{}) // it would tell of each connection that is cut
	flag.Parse()
	if flag.Lookup("test.parallel").Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = flag.Set("test.parallel", "8") // most of the time they wait
	}
	mysqltest.Main(m)
}

const (
	storeTimeout = 5 * time.Second
	slack        = 3 * time.Second // of a busy machine
)

var operations = slices.Concat(lifecycle, refreshes, endings, upkeep)

// TestFaultMatrix brings every fault on every operation.
func TestFaultMatrix(t *testing.T) {
	t.Parallel()
	m := newMatrix()
	t.Run("cells", func(t *testing.T) {
		for _, op := range operations {
			t.Run(op.name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, mysqltest.Database(t))
				n := w.statements(t, op)
				for _, f := range faults {
					m.put(t, op, f.name, w.column(t, op, f, n))
				}
			})
		}
		t.Run("server", func(t *testing.T) {
			t.Parallel()
			server := mysqltest.StartServer(t, "--innodb-flush-log-at-trx-commit=2", "--sync-binlog=0", "--max-connections=1000")
			admin := mysqltest.Open(t, server.Database(t))
			b := newBreakable(t, func() string { return server.Database(t) })
			for _, f := range serverFaults(t, server, admin) {
				begin := time.Now()
				b.column(t, m, f)
				t.Logf("%s took %v", f.name, time.Since(begin).Round(time.Second/10))
			}
		})
		t.Run("full disk", func(t *testing.T) {
			t.Parallel()
			disk := newSmallDisk(t)
			b := newBreakable(t, disk.database(t))
			b.column(t, m, serverFault{name: "disk full", when: beforehand, timeout: 1500 * time.Millisecond, reads: true, strike: disk.fill, heal: disk.empty})
		})
	})
	m.compare(t)
}

// statements runs an operation without any fault, and returns how many statements it sends.
func (w *world) statements(t *testing.T, op operation) int {
	t.Helper()
	c := newCell(t, w, op.name+", no fault", storeTimeout, op.config)
	s := op.setup(c)
	w.proxy.Reset()
	got, err := s.run(t.Context())
	var sent []string
	for _, statement := range w.proxy.Statements() {
		if op.own == nil || op.own(statement) {
			sent = append(sent, statement.Text)
		}
	}
	if err != nil || got != done || words(sent) != op.statements {
		t.Fatalf("%s without a fault: got %s, %v with the statements %s; want %s with %s", op.name, got, err, words(sent), done, op.statements)
	}
	s.check(done)
	return len(sent)
}

// column runs the cells of an operation under one fault: one for each statement, where that matters.
func (w *world) column(t *testing.T, op operation, f fault, statements int) string {
	t.Helper()
	n := 1
	if f.each {
		n = statements
	}
	var outcomes []outcome
	for k := range n {
		name := op.name + ", " + f.name
		if f.each {
			name = fmt.Sprintf("%s, statement %d", name, k+1)
		}
		outcomes = append(outcomes, w.cell(t, op, f, k, name))
	}
	return text(outcomes)
}

func (w *world) cell(t *testing.T, op operation, f fault, k int, name string) outcome {
	t.Helper()
	timeout := f.timeout
	if timeout == 0 {
		timeout = storeTimeout
	}
	c := newCell(t, w, name, timeout, op.config)
	s := op.setup(c)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	heal, armed := f.strike(c, op, k, cancel)
	got := c.attempt(ctx, op, s)
	heal()
	if armed != nil && armed.Fired() == 0 && op.statements != "" {
		c.errorf("no statement has met the fault")
	}
	w.proxy.Settle(limit)
	return c.repeat(got, op, s)
}

// attempt runs an operation under a fault: it ends in time, and an error tells nothing.
func (c *cell) attempt(ctx context.Context, op operation, s scenario) outcome {
	c.t.Helper()
	begin := time.Now()
	got, err := s.run(ctx)
	if took, most := time.Since(begin), time.Duration(op.waits)*c.timeout+slack; took > most {
		c.errorf("took %v, want at most %d times StoreTimeout (%v) and a little", took, op.waits, c.timeout)
	}
	if err == nil {
		return got
	}
	if !errors.Is(err, session.ErrUnavailable) {
		c.errorf("got the error %v, want ErrUnavailable", err)
	}
	c.tellsNothing(err)
	c.wantThefts(0)
	return again
}

// repeat runs an operation once more if it failed, now that the fault is over, and checks that all is as if it had been done once.
func (c *cell) repeat(first outcome, op operation, s scenario) outcome {
	c.t.Helper()
	if first == unconfirmed || first == again {
		second, err := s.run(c.t.Context())
		if err != nil {
			c.errorf("done once more it fails: %v", err)
			return "?"
		}
		if first == again && second != done {
			first = second
		}
	}
	if strings.HasPrefix(op.name, "create") && first == again && c.live() == 2 {
		first = orphan
	}
	s.check(first)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed {
		return "?"
	}
	return first
}
