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

var (
	life    = session.Lifetimes{Idle: time.Hour, Absolute: 24 * time.Hour}
	renewal = session.Renewal{Lifetimes: life, Device: session.Device{UserAgent: "agent", Address: "192.0.2.1"}}
)

func mustExec(t *testing.T, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%.80s: %v", query, err)
	}
}

// fill adds sessions under the prefix explained_: live, expired and, more than half of them, ended; some of these are in the
// feed. The newest of the feed's entries are seconds old, the oldest hours.
func fill(t *testing.T, db *sql.DB) {
	t.Helper()
	const sessions, revocations, users, batch = 20_000, 2_000, 400, 500
	now := time.Now()
	ago := func(i int) int64 { return now.Add(-time.Duration(i) * time.Second).UnixMicro() }
	for from := 0; from < sessions; from += batch {
		values := make([]string, batch)
		for n := range values {
			i := from + n
			expires, ended, fed := now.Add(time.Hour).UnixMicro(), "NULL, NULL, NULL", "NULL"
			switch {
			case i%20 == 0:
				expires = ago(i)
			case i/users%2 == 0: // of each user, half of them
				ended = fmt.Sprintf("%d, 1, 'logout'", ago(i))
				if i%5 == 0 {
					fed = fmt.Sprint(ago(i))
				}
			}
			values[n] = fmt.Sprintf("(RANDOM_BYTES(16), 'user%d', RANDOM_BYTES(32), 0, 0, 0, 0, '', '', '', '1', '1', 1, 0, %d, %s, %s)",
				i%users, expires, ended, fed)
		}
		mustExec(t, db, "INSERT INTO explained_sessions (handle, user_id, current_mark, current_at, generation, handed, auth_at,"+
			" user_agent, address, label, payload, data, data_version, created_at, expires_at, ended_at, ending_id, ending_reason, fed_at)"+
			" VALUES "+strings.Join(values, ","))
	}
	values := make([]string, revocations)
	for i := range values {
		values[i] = fmt.Sprintf("(RANDOM_BYTES(16), 'user%d', 'revoked', %d)", i, ago(i))
	}
	mustExec(t, db, "INSERT INTO explained_revocations (id, user_id, reason, revoked_at) VALUES "+strings.Join(values, ","))
	mustExec(t, db, "ANALYZE TABLE explained_sessions, explained_revocations")
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
	unlimited(store.DB())
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	db := store.DB()
	fill(t, db)

	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	h, gone, end := session.Handle{1}, session.Handle{2}, session.End{ID: 7, Reason: session.ReasonRevoked, Fed: true}
	current, next := session.Mark{1}, session.Successor{Mark: session.Mark{2}, MintedAt: time.Now()}
	insert := func(h session.Handle) {
		t.Helper()
		check(store.Insert(t.Context(), session.NewRow{Handle: h, UserID: "user1", Current: current, Payload: []byte("1"), Data: []byte("1"), DataVersion: 1, Lifetimes: life}))
	}
	insert(h)
	insert(gone)
	recently := time.Now().Add(-30 * time.Second)
	page := session.EndingsPage{EndedAt: time.Now().Add(-time.Hour), Handle: session.Handle{0xff}, Limit: 10}

	type plan struct{ begins, contains, key string }
	statement := func(begins, contains string, keys ...string) plan {
		return plan{begins, contains, strings.Join(keys, ", ")}
	}
	steps := []struct {
		run  func(context.Context) error
		want []plan
	}{
		{func(ctx context.Context) error { _, _, err := store.Get(ctx, h); return err },
			[]plan{statement("SELECT", "WHERE handle =", "PRIMARY")}},
		{func(ctx context.Context) error {
			_, err := store.Mint(ctx, h, current, session.Mark{}, time.Time{}, next, renewal)
			return err
		}, []plan{statement("UPDATE", "pending_mark <=>", "PRIMARY")}},
		{func(ctx context.Context) error {
			_, err := store.HandOut(ctx, h, current, next.Mark, true, renewal)
			return err
		}, []plan{statement("UPDATE", "handed = handed + IF", "PRIMARY")}},
		{func(ctx context.Context) error { _, err := store.Confirm(ctx, h, next.Mark, nil, renewal); return err },
			[]plan{statement("UPDATE", "previous_mark =", "PRIMARY")}},
		{func(ctx context.Context) error { _, _, err := store.Data(ctx, h); return err },
			[]plan{statement("SELECT data", "WHERE handle =", "PRIMARY")}},
		{func(ctx context.Context) error { _, err := store.SetData(ctx, h, 1, 2, []byte("x")); return err },
			[]plan{statement("UPDATE", "SET data =", "PRIMARY")}},
		{func(ctx context.Context) error { _, err := store.SetPayload(ctx, h, []byte("1")); return err }, // what is there
			[]plan{statement("UPDATE", "SET payload =", "PRIMARY"), statement("SELECT handle", "WHERE handle =", "PRIMARY")}},
		{func(ctx context.Context) error { _, err := store.SetLabel(ctx, h, "x"); return err },
			[]plan{statement("UPDATE", "SET label =", "PRIMARY")}},
		{func(ctx context.Context) error {
			_, err := store.List(ctx, "user1", session.Page{Limit: 10})
			return err
		},
			[]plan{statement("SELECT", "WHERE user_id =", "by_user")}},
		{func(ctx context.Context) error {
			_, err := store.List(ctx, "user1", session.Page{Limit: 10, Before: session.Handle{0xff}})
			return err
		}, []plan{statement("SELECT", "AND handle <", "by_user")}},
		{func(ctx context.Context) error { _, err := store.End(ctx, gone, end); return err },
			[]plan{statement("UPDATE", "SET ended_at =", "PRIMARY")}},
		{func(ctx context.Context) error { _, err := store.End(ctx, gone, end); return err },
			[]plan{statement("UPDATE", "SET ended_at =", "PRIMARY"), statement("UPDATE", "SET fed_at =", "PRIMARY")}},
		{func(ctx context.Context) error { _, err := store.Ending(ctx, gone); return err },
			[]plan{statement("SELECT", "WHERE handle =", "PRIMARY")}},
		{func(ctx context.Context) error {
			_, err := store.Endings(ctx, "user1", session.EndingsPage{Limit: 10})
			return err
		}, []plan{statement("SELECT", "ended_at IS NOT NULL", "by_user")}},
		{func(ctx context.Context) error { _, err := store.Endings(ctx, "user1", page); return err },
			[]plan{statement("SELECT", "OR ended_at =", "by_user")}},
		{func(ctx context.Context) error { return store.Publish(ctx, session.Revocation{UserID: "user1"}) },
			[]plan{statement("INSERT", "revocations")}},
		{func(ctx context.Context) error { _, _, err := store.Revocations(ctx, recently, 10_000); return err },
			[]plan{statement("(SELECT", "UNION ALL", "by_feed", "PRIMARY")}},
		{func(ctx context.Context) error { _, _, err := store.Revocations(ctx, time.Unix(0, 0), 100); return err }, // everything
			[]plan{statement("(SELECT", "UNION ALL", "by_feed", "PRIMARY")}},
		{func(ctx context.Context) error { _, err := store.EndUser(ctx, "user1", h, end, 1000); return err },
			[]plan{statement("UPDATE", "WHERE user_id =", "by_user")}},
		{func(ctx context.Context) error {
			_, err := store.EndExpired(ctx, session.Handle{}, time.Hour, 8, 300)
			return err
		}, []plan{statement("SELECT handle", "ORDER BY expires_at", "by_end"), statement("UPDATE", "handle IN", "PRIMARY"), statement("SELECT", "ending_id =", "PRIMARY")}},
		{func(ctx context.Context) error { _, err := store.EndAll(ctx, time.Unix(1, 0), end, 300); return err },
			[]plan{statement("SELECT handle", "ORDER BY expires_at", "by_end"), statement("UPDATE", "handle IN", "PRIMARY"), statement("SELECT", "ending_id =", "PRIMARY")}},
		{func(ctx context.Context) error { _, err := store.Purge(ctx, time.Hour, time.Minute, 300); return err },
			[]plan{
				statement("SELECT handle", "ORDER BY ended_at", "by_end"), statement("DELETE", "handle IN", "PRIMARY"),
				statement("DELETE", "ORDER BY revoked_at", "PRIMARY"),
			}},
		{func(ctx context.Context) error { _, err := store.EndExpired(ctx, gone, time.Hour, 8, 1); return err },
			[]plan{statement("UPDATE", "handle IN", "PRIMARY")}},
	}
	var want []plan
	statements := logged(t, db, func(ctx context.Context) {
		for _, step := range steps {
			check(step.run(ctx))
			want = append(want, step.want...)
		}
	})
	if len(statements) != len(want) {
		t.Fatalf("the server logged %d statements, want %d:\n%.100q", len(statements), len(want), statements)
	}
	for i, statement := range statements {
		w := want[i]
		if !strings.HasPrefix(statement, w.begins) || !strings.Contains(statement, w.contains) {
			t.Errorf("statement %d: got %.200q, want %q … %q", i, statement, w.begins, w.contains)
			continue
		}
		usesKey(t, db, statement, w.key)
	}

	// Where hardly a session is alive, the fewest rows are read along by_end. What changes sessions must not do so even then.
	mustExec(t, db, "UPDATE explained_sessions SET ended_at = 1 WHERE ended_at IS NULL AND handle > 0x03")
	mustExec(t, db, "ANALYZE TABLE explained_sessions")
	for _, statement := range statements {
		if !strings.HasPrefix(statement, "SELECT") && strings.Contains(statement, "handle IN") {
			usesKey(t, db, statement, "PRIMARY")
		}
	}
}

// usesKey asserts that the server goes by these keys through the tables of a statement, reads none of them as a whole, and
// sorts none.
func usesKey(t *testing.T, db *sql.DB, statement, want string) {
	t.Helper()
	var keys []string
	for _, table := range explain(t, db, statement) {
		if !strings.HasPrefix(table["table"], "explained_") {
			continue // the clock, or the union's result, which is as short as its limit
		}
		if table["key"] != "" {
			keys = append(keys, table["key"])
		}
		if table["type"] == "ALL" && table["select_type"] != "INSERT" || table["type"] == "index" || strings.Contains(table["Extra"], "filesort") {
			t.Errorf("%.200s: access to %s is %q, %q", statement, table["table"], table["type"], table["Extra"])
		}
	}
	if got := strings.Join(keys, ", "); got != want {
		t.Errorf("%.200s: got key %q, want %q", statement, got, want)
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
		" AND argument LIKE '%`explained\\_%' AND argument NOT LIKE '%general\\_log%' ORDER BY event_time")
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

// explain returns the rows of the server's plan, by column.
func explain(t *testing.T, db *sql.DB, statement string) []map[string]string {
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
	var plan []map[string]string
	for rows.Next() {
		values, targets := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			t.Fatal(err)
		}
		table := map[string]string{}
		for i, c := range columns {
			table[c] = values[i].String
		}
		plan = append(plan, table)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan
}
