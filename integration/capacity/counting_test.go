package main

import (
	"context"
	"database/sql"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/integration/mysqltest"
	"github.com/watchword-dev/watchword/integration/sqlrecord"
	store "github.com/watchword-dev/watchword/store/mysql"
)

// counting counts what any number of stores send to one schema: here, and not in the server, so that it may be any engine.
type counting struct {
	schema     string
	config     *mysql.Config
	tape       *sqlrecord.Tape
	statements [13]atomic.Int64 // by kinds
	up, down   atomic.Int64
}

func newCounting(t *testing.T) *counting {
	t.Helper()
	config, err := mysql.ParseDSN(mysqltest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	config.InterpolateParams = true // as store.Open sets it
	c := &counting{schema: config.DBName, config: config}
	if len(c.statements) != len(kinds) {
		t.Fatalf("%d kinds of statements are counted, want %d", len(c.statements), len(kinds))
	}
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return countedConn{conn, c}, nil
	}
	c.tape = &sqlrecord.Tape{Wanted: func(text string) bool {
		c.statements[kindOf(text)].Add(1)
		return false // it need not be written down
	}}
	return c
}

// store is a process's own, with connections of its own.
func (c *counting) store(t *testing.T) *store.Store {
	t.Helper()
	connector, err := mysql.NewConnector(c.config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c.tape.Record(connector))
	t.Cleanup(func() { _ = db.Close() })
	mysqltest.Limit(db, 16)
	made, err := store.New(db, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := made.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return made
}

// countedConn counts bytes.
type countedConn struct {
	net.Conn

	to *counting
}

func (c countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.to.down.Add(int64(n))
	return n, err
}

func (c countedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.to.up.Add(int64(n))
	return n, err
}

// spent is what was done until a moment, or between two.
type spent struct {
	at         time.Time
	time       time.Duration
	requests   int64
	statements [13]int64
	up, down   int64
}

func (w *workload) counted() spent {
	s := spent{at: time.Now(), requests: w.requests.Load(), up: w.db.up.Load(), down: w.db.down.Load()}
	for i := range s.statements {
		s.statements[i] = w.db.statements[i].Load()
	}
	return s
}

func (s spent) minus(before spent) spent {
	s.time = s.at.Sub(before.at)
	s.requests -= before.requests
	s.up -= before.up
	s.down -= before.down
	for i := range s.statements {
		s.statements[i] -= before.statements[i]
	}
	return s
}
