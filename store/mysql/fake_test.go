package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
)

// fake is a driver that answers each statement with the next of its errors, and with success when there are no more: with the
// next of its numbers of rows, read or changed, and without any with none read, or one changed.
type fake struct {
	mu         sync.Mutex
	errs       []error
	rows       []int
	statements []string
	first      []driver.Value // the first argument of each query
}

func (f *fake) store(t *testing.T) *Store {
	t.Helper()
	db := sql.OpenDB(f)
	t.Cleanup(func() { _ = db.Close() })
	store, err := New(db, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func (f *fake) next(statement string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.statements = append(f.statements, statement)
	if len(f.errs) == 0 {
		return nil
	}
	err := f.errs[0]
	f.errs = f.errs[1:]
	return err
}

// count is how many rows a statement reads or changes.
func (f *fake) count(otherwise int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.rows) == 0 {
		return otherwise
	}
	n := f.rows[0]
	f.rows = f.rows[1:]
	return n
}

func (f *fake) Connect(context.Context) (driver.Conn, error) { return fakeConn{f}, nil }
func (f *fake) Driver() driver.Driver                        { return nil }

type fakeConn struct{ *fake }

func (c fakeConn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("not prepared here") }
func (c fakeConn) Begin() (driver.Tx, error)           { return nil, errors.New("no transactions here") }
func (c fakeConn) Close() error                        { return nil }

func (c fakeConn) ExecContext(_ context.Context, statement string, _ []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(c.count(1)), c.next(statement)
}

func (c fakeConn) QueryContext(_ context.Context, statement string, args []driver.NamedValue) (driver.Rows, error) {
	if len(args) > 0 {
		c.mu.Lock()
		c.first = append(c.first, args[0].Value)
		c.mu.Unlock()
	}
	columns := []string{"handle"}
	if strings.HasPrefix(statement, "SELECT handle, ") {
		columns = append(columns, "at")
	}
	return &keyRows{c.count(0), columns}, c.next(statement)
}

// keyRows are rows of one key each, and a time, if that is asked for: the number of rows that are left.
type keyRows struct {
	left    int
	columns []string
}

func (r *keyRows) Columns() []string { return r.columns }
func (*keyRows) Close() error        { return nil }

func (r *keyRows) Next(row []driver.Value) error {
	if r.left == 0 {
		return io.EOF
	}
	r.left--
	row[0] = []byte{15: 1}
	if len(row) > 1 {
		row[1] = int64(1000 - r.left)
	}
	return nil
}
