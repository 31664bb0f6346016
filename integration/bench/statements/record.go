package statements

import (
	"context"
	"database/sql/driver"
	"sync"
)

// statement is one as the driver was given it.
type statement struct {
	text string
	args []any
}

// recorder is a driver.Connector that writes down what goes through it. It has no opinion of its own about what an operation
// sends, so that what is measured beside the product cannot drift from it.
type recorder struct {
	driver.Connector

	mu  sync.Mutex
	all []statement
}

// take returns what was sent since it was last called.
func (r *recorder) take() []statement {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.all
	r.all = nil
	return all
}

func (r *recorder) note(text string, args []driver.NamedValue) {
	s := statement{text: text, args: make([]any, len(args))}
	for i, a := range args {
		s.args[i] = a.Value
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, s)
}

// Connect implements driver.Connector.
func (r *recorder) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := r.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	inner, ok := c.(conn)
	if !ok {
		return nil, driver.ErrSkip // the driver has become another one
	}
	return recorded{inner, r}, nil
}

// conn is as much of the MySQL driver's connection as its statements need.
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

	to *recorder
}

func (c recorded) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	c.to.note(text, args)
	return c.conn.ExecContext(ctx, text, args)
}

func (c recorded) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	c.to.note(text, args)
	return c.conn.QueryContext(ctx, text, args)
}
