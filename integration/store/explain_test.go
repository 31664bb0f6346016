package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/mysqltest"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

var life = session.Lifetimes{Idle: time.Hour, Absolute: 24 * time.Hour}

func mustExec(t *testing.T, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%.80s: %v", query, err)
	}
}

// TestEveryStatementUsesItsIndex has the server explain the statements as it received them, over 20,000 sessions.
//
// It is not parallel: the server logs while it runs.
func TestEveryStatementUsesItsIndex(t *testing.T) {
	dsn := mysqltest.Database(t)
	store, err := mysql.Open(t.Context(), dsn, mysql.Options{TablePrefix: "explained_"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	db := store.DB()
	const inserted, users, dead = 20_000, 400, 40 // every dead-th session is
	for from := 0; from < inserted; from += 500 {
		values := make([]string, 500)
		for i := range values {
			left := time.Hour
			if (from+i)%dead == 0 {
				left = -time.Hour
			}
			values[i] = fmt.Sprintf("(RANDOM_BYTES(16), 'user%d', RANDOM_BYTES(32), 0, 0, '1', '1', 1, 0, %d)", (from+i)%users, time.Now().Add(left).UnixMicro())
		}
		mustExec(t, db, "INSERT INTO explained_sessions (handle, user_id, current_mark, current_at, handed, payload, data, data_version, created_at, expires_at) VALUES "+strings.Join(values, ","))
	}
	mustExec(t, db, "ANALYZE TABLE explained_sessions")

	h := session.Handle{1}
	current, next := session.Mark{1}, session.Successor{Mark: session.Mark{2}, MintedAt: time.Now()}
	insert := func(h session.Handle) {
		if err := store.Insert(t.Context(), session.NewRow{Handle: h, UserID: "user1", Current: current, Payload: []byte("1"), Data: []byte("1"), DataVersion: 1, Lifetimes: life}); err != nil {
			t.Fatal(err)
		}
	}
	insert(h)
	statements := logged(t, db, func(ctx context.Context) {
		check := func(_ bool, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		_, _, err := store.Get(ctx, h)
		check(true, err)
		check(store.Mint(ctx, h, current, session.Mark{}, time.Time{}, next, life))
		check(store.HandOut(ctx, h, current, next.Mark, true, life))
		check(store.Confirm(ctx, h, next.Mark, nil, life))
		_, _, err = store.Data(ctx, h)
		check(true, err)
		check(store.SetData(ctx, h, 1, 2, []byte("x")))
		_, err = store.List(ctx, "user1", session.Page{Limit: 10})
		check(true, err)
		_, err = store.List(ctx, "user1", session.Page{Limit: 10, Before: session.Handle{0xff}})
		check(true, err)
		_, err = store.DeleteUser(ctx, "user1", h, 1000)
		check(true, err)
		_, err = store.DeleteExpired(ctx, 300)
		check(true, err)
		check(store.Delete(ctx, h))
	})
	insert(h) // reads by key of a missing row are not explained

	want := []struct{ begins, contains, key string }{
		{"SELECT", "WHERE handle =", "PRIMARY"},
		{"UPDATE", "pending_mark <=>", "PRIMARY"},
		{"UPDATE", "handed = handed + IF", "PRIMARY"},
		{"UPDATE", "previous_mark =", "PRIMARY"},
		{"SELECT data", "WHERE handle =", "PRIMARY"},
		{"UPDATE", "SET data =", "PRIMARY"},
		{"SELECT", "WHERE user_id =", "by_user"},
		{"SELECT", "AND handle <", "by_user"},
		{"DELETE", "WHERE user_id =", "by_user"},
		{"SELECT handle", "ORDER BY expires_at", "by_expiry"},
		{"DELETE", "WHERE handle IN", "PRIMARY"},
		{"DELETE", "WHERE handle =", "PRIMARY"},
	}
	if len(statements) != len(want) {
		t.Fatalf("the server logged %d statements, want %d:\n%.100q", len(statements), len(want), statements)
	}
	for i, statement := range statements {
		w := want[i]
		if !strings.HasPrefix(statement, w.begins) || !strings.Contains(statement, w.contains) {
			t.Errorf("statement %d: got %.200q, want %q … %q", i, statement, w.begins, w.contains)
			continue
		}
		if plan := explain(t, db, statement); plan["key"] != w.key || plan["type"] == "ALL" || plan["type"] == "index" || strings.Contains(plan["Extra"], "filesort") {
			t.Errorf("%s … %s: got key %q, access %q, %q; want key %q", w.begins, w.contains, plan["key"], plan["type"], plan["Extra"], w.key)
		}
	}
}

// logged returns the statements on the explained tables that the server received while f ran.
func logged(t *testing.T, db *sql.DB, f func(context.Context)) []string {
	t.Helper()
	mustExec(t, db, "SET GLOBAL log_output = 'TABLE'")
	mustExec(t, db, "SET GLOBAL general_log = 1")
	f(t.Context())
	mustExec(t, db, "SET GLOBAL general_log = 0")
	rows, err := db.QueryContext(t.Context(), "SELECT argument FROM mysql.general_log WHERE command_type = 'Query'"+
		" AND argument LIKE '%`explained\\_sessions`%' AND argument NOT LIKE '%general\\_log%' ORDER BY event_time")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var statements []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		statements = append(statements, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return statements
}

// explain returns the first row of the server's plan, by column.
func explain(t *testing.T, db *sql.DB, statement string) map[string]string {
	t.Helper()
	// Later versions have another format by default.
	rows, err := db.QueryContext(t.Context(), "EXPLAIN FORMAT=TRADITIONAL "+statement)
	if err != nil {
		t.Fatalf("EXPLAIN %.100q: %v", statement, err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	plan := map[string]string{}
	if rows.Next() {
		values, targets := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			t.Fatal(err)
		}
		for i, c := range columns {
			plan[c] = values[i].String
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan
}
