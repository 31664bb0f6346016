package mysqlproxy_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/integration/mysqlproxy"
	"github.com/watchword-dev/watchword/integration/mysqltest"
)

func TestMain(m *testing.M) {
	_ = mysql.SetLogger(&mysql.NopLogger{}) // it would tell of each connection that is cut
	mysqltest.Main(m)
}

const (
	insert = "INSERT INTO things VALUES ('new')"
	limit  = 20 * time.Second
)

// open returns a proxy, a pool behind it, and one that goes to the server directly, to look from.
func open(t *testing.T, params string) (*mysqlproxy.Proxy, *sql.DB, *sql.DB) {
	t.Helper()
	dsn := mysqltest.Database(t)
	direct := mysqltest.Open(t, dsn)
	if _, err := direct.ExecContext(t.Context(), "CREATE TABLE things (name VARCHAR(200))"); err != nil {
		t.Fatal(err)
	}
	p := mysqlproxy.Start(t, dsn+params)
	return p, mysqltest.Open(t, p.DSN()), direct
}

func rows(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM things").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// Each point lies where it says: what the server has carried out and what the client has seen of it is told by the row and the error.
func TestPoints(t *testing.T) {
	t.Parallel()
	refused := mysqlproxy.Refuse(1213, "40001", "Deadlock found")
	for name, test := range map[string]struct {
		at      mysqlproxy.Point
		do      func(*mysqlproxy.Exchange)
		rows    int
		number  uint16 // of the error; 0: none of the server's
		invalid bool   // the connection broke
	}{
		"cut before it is forwarded":     {mysqlproxy.Sent, mysqlproxy.Cut, 0, 0, true},
		"cut after the answer":           {mysqlproxy.Answered, mysqlproxy.Cut, 1, 0, true},
		"cut within the answer":          {mysqlproxy.Halfway, mysqlproxy.Cut, 1, 0, true},
		"cut after the client has it":    {mysqlproxy.Delivered, mysqlproxy.Cut, 1, 0, false},
		"refused instead of forwarded":   {mysqlproxy.Sent, refused, 0, 1213, false},
		"refused instead of the answer":  {mysqlproxy.Answered, refused, 1, 1213, false},
		"nothing, before":                {mysqlproxy.Sent, func(*mysqlproxy.Exchange) {}, 1, 0, false},
		"nothing, after":                 {mysqlproxy.Delivered, nil, 1, 0, false},
		"a number that the driver knows": {mysqlproxy.Sent, mysqlproxy.Refuse(1205, "HY000", "Lock wait timeout"), 0, 1205, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, db, direct := open(t, "")
			f := p.Arm(mysqlproxy.Fault{Match: mysqlproxy.Begins("INSERT"), At: test.at, Do: test.do})
			_, err := db.ExecContext(t.Context(), insert)
			var refusal *mysql.MySQLError
			switch {
			case test.invalid && !errors.Is(err, mysql.ErrInvalidConn):
				t.Errorf("got the error %v, want a broken connection", err)
			case test.number != 0 && (!errors.As(err, &refusal) || refusal.Number != test.number):
				t.Errorf("got the error %v, want number %d", err, test.number)
			case !test.invalid && test.number == 0 && err != nil:
				t.Errorf("got the error %v, want none", err)
			}
			f.Wait(t, limit)
			if n := rows(t, direct); n != test.rows {
				t.Errorf("got %d rows, want %d", n, test.rows)
			}
			if f.Fired() != 1 {
				t.Errorf("%d statements have met the fault, want 1", f.Fired())
			}
			if _, err := db.ExecContext(t.Context(), insert); err != nil {
				t.Errorf("the next statement: %v", err)
			}
			if n := rows(t, direct); n != test.rows+1 {
				t.Errorf("then got %d rows, want %d", n, test.rows+1)
			}
		})
	}
}

// Result sets pass whole, whatever they hold, and are cut in two.
func TestAnswersOfEveryForm(t *testing.T) {
	t.Parallel()
	for _, params := range []string{"", "&interpolateParams=true"} {
		p, db, direct := open(t, params)
		db.SetMaxOpenConns(1)
		long := strings.Repeat("x", 70_000)
		for _, test := range []struct {
			query string
			args  []any
			want  string
		}{
			{"SELECT ?", []any{"one"}, "[one]"},
			{"SELECT NULL", nil, "[<nil>]"},
			{"SELECT ? FROM things", []any{1}, "[]"},
			{"SELECT name FROM (SELECT 'a' AS name UNION SELECT 'b' UNION SELECT '') AS t ORDER BY name", nil, "[ a b]"},
			{"SELECT ?", []any{long}, "[" + long + "]"},
		} {
			got, err := strs(t.Context(), db, test.query, test.args...)
			if err != nil || got != test.want {
				t.Errorf("%q with %q: got %.80v, %v, want %.80v", test.query, params, got, err, test.want)
			}
			p.Arm(mysqlproxy.Fault{Match: mysqlproxy.Contains("SELECT"), At: mysqlproxy.Halfway, Do: mysqlproxy.Cut})
			if got, err := strs(t.Context(), db, test.query, test.args...); err == nil {
				t.Errorf("%q with %q, cut in two: got %.80v, want an error", test.query, params, got)
			}
		}
		if _, err := db.ExecContext(t.Context(), "SELECT 1 FROM nothing"); err == nil {
			t.Error("a statement that the server refuses: got no error")
		}
		if err := db.PingContext(t.Context()); err != nil {
			t.Errorf("ping: %v", err)
		}
		if n := rows(t, direct); n != 0 {
			t.Errorf("got %d rows, want none", n)
		}
	}
}

// When the server closes a connection that is idle, its client sees that.
func TestTheServerLeaves(t *testing.T) {
	t.Parallel()
	_, db, direct := open(t, "")
	db.SetMaxOpenConns(1)
	for range 3 {
		var id int
		if err := db.QueryRowContext(t.Context(), "SELECT CONNECTION_ID()").Scan(&id); err != nil {
			t.Fatal(err)
		}
		if _, err := direct.ExecContext(t.Context(), fmt.Sprint("KILL ", id)); err != nil {
			t.Fatal(err)
		}
		for gone := false; !gone; { // the server's side; the proxy's is closed at once then
			var n int
			if err := direct.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM performance_schema.threads WHERE processlist_id = ?", id).Scan(&n); err != nil {
				t.Fatal(err)
			}
			gone = n == 0
		}
		time.Sleep(50 * time.Millisecond)
		if _, err := db.ExecContext(t.Context(), insert); err != nil {
			t.Errorf("after the server has closed the idle connection: %v", err)
		}
	}
	if n := rows(t, direct); n != 3 {
		t.Errorf("got %d rows, want 3", n)
	}
}

func strs(ctx context.Context, db *sql.DB, query string, args ...any) (string, error) {
	found, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return "", err
	}
	defer func() { _ = found.Close() }()
	all := []any{}
	for found.Next() {
		var one sql.NullString
		if err := found.Scan(&one); err != nil {
			return "", err
		}
		if one.Valid {
			all = append(all, one.String)
		} else {
			all = append(all, nil)
		}
	}
	return fmt.Sprint(all), found.Err()
}

// The n-th statement from now meets a fault, so often; with and without statements that the server prepares.
func TestWhichStatementsMeetAFault(t *testing.T) {
	t.Parallel()
	for _, params := range []string{"", "&interpolateParams=true"} {
		p, db, direct := open(t, params)
		f := p.Arm(mysqlproxy.Fault{
			Match: func(s mysqlproxy.Statement) bool {
				return strings.HasPrefix(s.Text, "INSERT") && s.Command != "PREPARE"
			},
			Skip: 2, Times: 2, At: mysqlproxy.Answered, Do: mysqlproxy.Cut,
		})
		var got []bool
		for i := range 6 {
			_, err := db.ExecContext(t.Context(), "INSERT INTO things VALUES (?)", i)
			got = append(got, err == nil)
		}
		if want := []bool{true, true, false, false, true, true}; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%q: got %v, want %v", params, got, want)
		}
		if n := rows(t, direct); n != 6 || f.Fired() != 2 {
			t.Errorf("%q: got %d rows and %d faults, want 6 and 2", params, n, f.Fired())
		}
		seen := 0
		for _, s := range p.Statements() {
			if s.Command != "PREPARE" && strings.HasPrefix(s.Text, "INSERT") {
				seen++
			}
		}
		if seen != 6 {
			t.Errorf("%q: saw %d INSERTs, want 6 of %v", params, seen, p.Statements())
		}
	}
}

// A context that ends before the server sees the statement does not stop it, where the proxy says so.
func TestTheClientLeaves(t *testing.T) {
	t.Parallel()
	p, db, direct := open(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var left bool
	f := p.Arm(mysqlproxy.Fault{Match: mysqlproxy.Begins("INSERT"), Do: func(x *mysqlproxy.Exchange) {
		cancel()
		left = x.ClientLeft(limit)
	}})
	if _, err := db.ExecContext(ctx, insert); !errors.Is(err, context.Canceled) {
		t.Errorf("got the error %v, want that of the context", err)
	}
	f.Wait(t, limit)
	p.Settle(limit)
	if !left {
		t.Error("the client was not seen to leave")
	}
	if n := rows(t, direct); n != 1 {
		t.Errorf("got %d rows, want the one of the statement that went on", n)
	}
}

func TestRefuseAndAccept(t *testing.T) {
	t.Parallel()
	p, db, direct := open(t, "")
	if _, err := db.ExecContext(t.Context(), insert); err != nil {
		t.Fatal(err)
	}
	p.Refuse()
	if _, err := db.ExecContext(t.Context(), insert); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("while connections are refused: got %v, want that they are", err)
	}
	p.Accept()
	if _, err := db.ExecContext(t.Context(), insert); err != nil {
		t.Errorf("then: %v", err)
	}
	p.CutAll()
	if _, err := db.ExecContext(t.Context(), insert); err != nil {
		t.Errorf("after its idle connections were cut: %v", err)
	}
	if n := rows(t, direct); n != 3 {
		t.Errorf("got %d rows, want 3", n)
	}
}

// What was sent to a frozen server is carried out when it thaws, though nobody waits for it.
func TestFreezeAndThaw(t *testing.T) {
	t.Parallel()
	p, db, direct := open(t, "")
	if err := db.PingContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.Freeze()
	p.Freeze()
	for _, what := range []string{"a connection that was there", "a new connection"} {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		if _, err := db.ExecContext(ctx, insert); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v, want that of the context", what, err)
		}
		cancel()
	}
	if n := rows(t, direct); n != 0 {
		t.Errorf("while frozen: got %d rows, want none", n)
	}
	p.Thaw()
	p.Thaw()
	p.Settle(limit)
	if n := rows(t, direct); n != 1 {
		t.Errorf("thawed: got %d rows, want that of the statement that had been sent", n)
	}
	if _, err := db.ExecContext(t.Context(), insert); err != nil {
		t.Errorf("then: %v", err)
	}
}
