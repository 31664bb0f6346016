// Package sqlrecord writes down what is sent to MySQL. It has no opinion of its own about what an operation sends, so that what is
// held or measured against it cannot drift from the product.
package sqlrecord

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync"
)

// Statement is one as the driver was given it.
type Statement struct {
	Text string
	Args []any
}

// Tape is what the statements of any number of pools are written down on. It is safe for concurrent use.
type Tape struct {
	// Wanted says whether a statement is written down; nil: each is.
	Wanted func(text string) bool

	mu  sync.Mutex
	all []Statement
}

// Take returns what was sent since it was last called.
func (t *Tape) Take() []Statement {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.all
	t.all = nil
	return all
}

// Record returns a connector like go-sql-driver's inner one, whose statements are written down.
func (t *Tape) Record(inner driver.Connector) driver.Connector { return connector{inner, t} }

func (t *Tape) note(text string, args []driver.NamedValue) {
	if t.Wanted != nil && !t.Wanted(text) {
		return
	}
	s := Statement{Text: text, Args: make([]any, len(args))}
	for i, a := range args {
		s.Args[i] = a.Value
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, s)
}

type connector struct {
	driver.Connector

	to *Tape
}

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	made, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err //nolint:wrapcheck // the pool wants the driver's own
	}
	inner, ok := made.(conn)
	if !ok {
		return nil, errors.Join(errors.New("the driver's connections have become others"), made.Close())
	}
	return recorded{inner, c.to}, nil
}

// conn is as much of the driver's connection as the store needs.
type conn interface {
	driver.Conn
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.SessionResetter
	driver.Validator
}

type recorded struct {
	conn

	to *Tape
}

func (c recorded) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	c.to.note(text, args)
	return c.conn.ExecContext(ctx, text, args)
}

func (c recorded) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	c.to.note(text, args)
	return c.conn.QueryContext(ctx, text, args)
}
