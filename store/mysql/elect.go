package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// conn is what statements run on: the pool, or one of its connections.
type conn interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

var _ session.Elector = (*Store)(nil)

// The lock's name is that of the schema and the prefix, since names of locks are the whole server's, and have 64 characters at most. It is made by
// the server, which knows the schema.
const (
	lockName = "CONCAT('watchword.', LEFT(SHA2(CONCAT_WS('/', DATABASE(), ?), 256), 40))"
	getLock  = "SELECT GET_LOCK(" + lockName + ", 0)"
	freeLock = "SELECT RELEASE_LOCK(" + lockName + ")"
)

// freeTimeout bounds giving the lock back, after which its connection is closed, and the lock gone with that.
const freeTimeout = time.Second

// Elect implements session.Elector by GET_LOCK, which the server gives to one connection at a time, and takes back when that connection
// ends. All statements run on that connection, so that a pool of one is enough.
//
// On a cluster that writes on several nodes each has locks of its own, and one process is elected for each. An engine without GET_LOCK
// elects everybody.
func (s *Store) Elect(ctx context.Context, f func(session.Cleaner) error) (bool, error) {
	held, answer, err := s.askForLock(ctx)
	if err != nil {
		return false, translate(ctx, "elect a process to clean up", err)
	}
	switch answer {
	case lockTaken:
		return false, held.Close()
	case lockGot:
		defer s.freeLock(ctx, held)
	default:
		defer func() { _ = held.Close() }() // it is the pool's again
	}
	here := *s
	here.on = held
	return true, f(&here)
}

// lockAnswer is what the server says when it is asked for the lock.
type lockAnswer uint8

const (
	lockUnknown lockAnswer = iota // it does not know such locks, or could not tell
	lockGot
	lockTaken
)

// askForLock returns a connection of the pool, and what it has been told there.
func (s *Store) askForLock(ctx context.Context) (held *sql.Conn, answer lockAnswer, err error) {
	for range 2 { // the pool may not have noticed yet that a connection broke
		if held, err = s.db.Conn(ctx); err != nil {
			return nil, lockUnknown, err
		}
		var got sql.NullInt64 // NULL: it failed
		err = held.QueryRowContext(ctx, getLock, s.prefix).Scan(&got)
		switch c := classify(err); {
		case err == nil && got.Valid && got.Int64 == 0:
			return held, lockTaken, nil
		case err == nil && got.Valid:
			return held, lockGot, nil
		case err == nil || c != lost && c != unready && ctx.Err() == nil:
			return held, lockUnknown, nil
		}
		discard(held)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, lockUnknown, err
}

// freeLock gives the lock and its connection back. A connection that might have the lock still must not go to the pool, where it
// would keep it for ever.
func (s *Store) freeLock(ctx context.Context, held *sql.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), freeTimeout)
	defer cancel()
	var freed int
	if err := held.QueryRowContext(ctx, freeLock, s.prefix).Scan(&freed); err != nil || freed != 1 {
		discard(held)
		return
	}
	_ = held.Close() // it is the pool's again
}

// discard closes a connection for good.
func discard(c *sql.Conn) {
	_ = c.Raw(func(any) error { return driver.ErrBadConn }) // which is how database/sql is told
	_ = c.Close()
}
