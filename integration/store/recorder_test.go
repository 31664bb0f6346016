package store_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"

	driverpkg "github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/store/mysql"
)

// sentStatement is a statement as the driver was given it.
type sentStatement struct {
	text string
	args []any
}

// handles is a list of them, in all its lengths.
var handles = regexp.MustCompile(` IN \(UNHEX\(\?\)(, UNHEX\(\?\))*\)`)

// form is what all statements have in common that differ in their arguments only.
func (s sentStatement) form(prefix string) string {
	return strings.ReplaceAll(handles.ReplaceAllString(s.text, " IN (…)"), "`"+prefix, "`")
}

// recorder writes down each statement that names one of the tables with its prefix.
type recorder struct {
	prefix string

	mu  sync.Mutex
	all []sentStatement
}

// recorded makes a store whose statements are written down.
func recorded(t *testing.T, dsn string, to *recorder) *mysql.Store {
	t.Helper()
	cfg, err := driverpkg.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	cfg.InterpolateParams = true
	inner, err := driverpkg.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector{inner, to})
	t.Cleanup(func() { _ = db.Close() })
	unlimited(db)
	store, err := mysql.New(db, mysql.Options{TablePrefix: to.prefix})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return store
}

// connector connects to be written down.
type connector struct {
	driver.Connector

	to *recorder
}

// take returns what was sent since it was last called.
func (r *recorder) take() []sentStatement {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.all
	r.all = nil
	return all
}

func (r *recorder) note(text string, args []driver.NamedValue) {
	if !strings.Contains(text, "`"+r.prefix) || strings.Contains(text, "`"+r.prefix+"schema_version`") ||
		strings.Contains(text, "CREATE TABLE") || strings.HasPrefix(text, "EXPLAIN") {
		return
	}
	s := sentStatement{text: text, args: make([]any, len(args))}
	for i, a := range args {
		s.args[i] = a.Value
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, s)
}

func (k connector) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := k.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	inner, ok := c.(mysqlConn)
	if !ok {
		return nil, errors.New("the driver's connections have become others")
	}
	return recordedConn{inner, k.to}, nil
}

// mysqlConn is as much of the driver's connection as the store needs.
type mysqlConn interface {
	driver.Conn
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.SessionResetter
	driver.Validator
}

type recordedConn struct {
	mysqlConn

	to *recorder
}

func (c recordedConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	c.to.note(text, args)
	return c.mysqlConn.ExecContext(ctx, text, args)
}

func (c recordedConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	c.to.note(text, args)
	return c.mysqlConn.QueryContext(ctx, text, args)
}
