package workload

import (
	"context"
	"database/sql"
	"maps"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/integration/sqlrecord"
	store "github.com/watchword-dev/watchword/store/mysql"
)

// Counting counts what any number of stores send to one database: at the driver, and not in the server, so that it may be any engine.
type Counting struct {
	config  *mysql.Config
	options store.Options
	limit   func(*sql.DB)
	tape    *sqlrecord.Tape

	up, down atomic.Int64
	mu       sync.Mutex
	names    map[string]string // of texts that were sent before
	sent     map[string]int64  // by names
}

// NewCounting makes one for the database of a DSN. limit sets the limits of the stores' pools.
func NewCounting(t testing.TB, dsn string, options store.Options, limit func(*sql.DB)) *Counting {
	t.Helper()
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	config.InterpolateParams = true // as store.Open sets it
	c := &Counting{config: config, options: options, limit: limit, names: map[string]string{}, sent: map[string]int64{}}
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return countedConn{conn, c}, nil
	}
	c.tape = &sqlrecord.Tape{Wanted: func(text string) bool {
		c.note(text)
		return false // it need not be written down
	}}
	return c
}

func (c *Counting) note(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	name, known := c.names[text]
	if !known {
		name = Name(text)
		c.names[text] = name
	}
	c.sent[name]++
}

// Store is a process's own, with connections of its own.
func (c *Counting) Store(t testing.TB) *store.Store {
	t.Helper()
	connector, err := mysql.NewConnector(c.config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c.tape.Record(connector))
	t.Cleanup(func() { _ = db.Close() })
	c.limit(db)
	made, err := store.New(db, c.options)
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

	to *Counting
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

// Spent is what was done until a moment, or between two.
type Spent struct {
	Time     time.Duration
	Requests int64
	Sent     map[string]int64 // statements, by names
	Up, Down int64            // bytes to the database, and from it

	at                                              time.Time
	logouts, userEnds, lists, dataReads, dataWrites int64
}

// Until is what was done so far.
func (w *Workload) Until() Spent {
	w.db.mu.Lock()
	defer w.db.mu.Unlock()
	return Spent{
		at: time.Now(), Requests: w.done.requests.Load(), Up: w.db.up.Load(), Down: w.db.down.Load(), Sent: maps.Clone(w.db.sent),
		logouts: w.done.logouts.Load(), userEnds: w.done.userEnds.Load(), lists: w.done.lists.Load(),
		dataReads: w.done.dataReads.Load(), dataWrites: w.done.dataWrites.Load(),
	}
}

// Since is what was done between two moments.
func (s Spent) Since(before Spent) Spent {
	sent := maps.Clone(s.Sent)
	for name, n := range before.Sent {
		sent[name] -= n
	}
	s.Time, s.Sent = s.at.Sub(before.at), sent
	s.Requests -= before.Requests
	s.Up -= before.Up
	s.Down -= before.Down
	s.logouts -= before.logouts
	s.userEnds -= before.userEnds
	s.lists -= before.lists
	s.dataReads -= before.dataReads
	s.dataWrites -= before.dataWrites
	return s
}

// All are the statements in all.
func (s Spent) All() (all int64) {
	for _, n := range s.Sent {
		all += n
	}
	return all
}
