package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/mysqltest"
	"github.com/watchword-dev/watchword/integration/sqlrecord"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/storetest"
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

// fill adds 100,000 sessions under the prefix explained_: live, expired and, almost half of them, ended; some of these are in the
// feed. The newest of the feed's entries are seconds old, the oldest a day.
func fill(t *testing.T, db *sql.DB) {
	t.Helper()
	// of is so many rows, numbered by i. A statement recurses a thousand times at most.
	of := func(thousands int) string {
		return fmt.Sprintf(" FROM (WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 999)"+
			" SELECT a.n * 1000 + b.n AS i FROM n AS a JOIN n AS b WHERE a.n < %d) AS numbered", thousands)
	}
	now := time.Now().UnixMicro()
	ago := fmt.Sprintf("(%d - i * 1000000)", now)
	const ended = "i %% 20 <> 0 AND i DIV 400 %% 2 = 0" // of each user, half of them
	for _, statement := range []string{
		"INSERT INTO explained_sessions (handle, user_id, current_mark, current_at, generation, handed, auth_at, user_agent, address, label," +
			" payload, data, data_version, created_at, expires_at, ended_at, ending_id, ending_reason, fed_at)" +
			" SELECT CONCAT(0x05, UNHEX(LPAD(HEX(i), 30, '0'))), CONCAT('user', i % 400), RANDOM_BYTES(32), 0, 0, 0, 0, '', '', '', '1', '1', 1, 0," +
			fmt.Sprintf(" IF(i %% 20 = 0, %s, %d + i), IF("+ended+", %[1]s, NULL), IF("+ended+", 1, NULL), IF("+ended+", 'logout', NULL),"+
				" IF("+ended+" AND i %% 5 = 0, %[1]s, NULL)", ago, now+time.Hour.Microseconds()) + of(100),
		"INSERT INTO explained_revocations (id, user_id, reason, revoked_at)" +
			" SELECT RANDOM_BYTES(16), CONCAT('user', i), 'revoked', " + ago + of(2),
		"ANALYZE TABLE explained_sessions, explained_revocations",
	} {
		mustExec(t, db, statement)
	}
}

// TestEveryStatementUsesItsIndex has the server explain the statements as it received them, over 100,000 sessions, and the whole of the
// contract's suite send no others.
func TestEveryStatementUsesItsIndex(t *testing.T) {
	t.Parallel()
	const prefix = "explained_"
	sent := namingTables(prefix)
	store := recorded(t, mysqltest.Database(t), prefix, sent)
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

	type plan struct {
		begins, contains, key string
		mysqlOnly             string // why MariaDB is not held to it
	}
	statement := func(begins, contains string, keys ...string) plan {
		return plan{begins: begins, contains: contains, key: strings.Join(keys, ", ")}
	}
	onMySQL := func(why string, p plan) plan { p.mysqlOnly = why; return p }
	mariaDB := isMariaDB(t, db)
	plain := session.Renewal{Lifetimes: life}
	key := session.Key{ID: "explained-key-01", Purpose: session.PurposeAccess, Sequence: 1, Algorithm: "HS256", Material: []byte{1}, ActivatesAt: time.Now()}
	steps := []struct {
		run  func(context.Context) error
		want []plan
	}{
		{func(ctx context.Context) error {
			return store.Insert(ctx, session.NewRow{Handle: session.Handle{3}, UserID: "user1", Current: current, DataVersion: 1, Lifetimes: life})
		}, []plan{statement("INSERT", "sessions")}},
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
		// What notes no device is a statement of its own.
		{func(ctx context.Context) error {
			_, err := store.Mint(ctx, h, current, session.Mark{}, time.Time{}, next, plain)
			return err
		}, []plan{statement("UPDATE", "pending_mark <=>", "PRIMARY")}},
		{func(ctx context.Context) error {
			_, err := store.HandOut(ctx, h, current, next.Mark, true, plain)
			return err
		},
			[]plan{statement("UPDATE", "handed = handed + IF", "PRIMARY")}},
		{func(ctx context.Context) error { _, err := store.Confirm(ctx, h, next.Mark, nil, plain); return err },
			[]plan{statement("UPDATE", "previous_mark =", "PRIMARY")}},
		{func(ctx context.Context) error { _, _, err := store.Data(ctx, h); return err },
			[]plan{statement("SELECT data", "WHERE handle =", "PRIMARY")}},
		{func(ctx context.Context) error { _, err := store.SetData(ctx, h, 1, 2, []byte("x")); return err },
			[]plan{statement("UPDATE", "SET data =", "PRIMARY")}},
		{func(ctx context.Context) error { _, err := store.SetData(ctx, h, 0, 3, []byte("y")); return err },
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
			[]plan{statement("SELECT clock", "UNION ALL", "by_feed", "PRIMARY")}},
		{func(ctx context.Context) error { _, _, err := store.Revocations(ctx, time.Unix(0, 0), 100); return err }, // everything
			[]plan{onMySQL("it reads all sessions where so many of them are in the feed; a Manager asks for the last minutes",
				statement("SELECT clock", "UNION ALL", "by_feed", "PRIMARY"))}},
		{func(ctx context.Context) error { _, err := store.EndUser(ctx, "user1", h, end, 1000); return err },
			[]plan{onMySQL("it collects and sorts the entries of an index before it changes them; they are one user's",
				statement("UPDATE", "WHERE user_id =", "by_user"))}},
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
		{func(ctx context.Context) error { return store.InsertKey(ctx, key) }, []plan{statement("INSERT", "signing_keys")}},
		{func(ctx context.Context) error { _, _, err := store.Keys(ctx); return err },
			[]plan{statement("SELECT", "signing_keys", wholeTable)}}, // of a few keys
		{func(ctx context.Context) error {
			_, err := store.SetKeyMaterial(ctx, key.ID, []byte{1}, []byte{2})
			return err
		},
			[]plan{statement("UPDATE", "SET material =", "PRIMARY")}},
		{func(ctx context.Context) error { _, err := store.RetireKey(ctx, key.ID); return err },
			[]plan{statement("UPDATE", "SET retires_at =", "PRIMARY")}},
		{func(ctx context.Context) error { _, err := store.DeleteKey(ctx, key.ID); return err },
			[]plan{statement("DELETE", "signing_keys", "PRIMARY")}},
	}
	var (
		statements []sqlrecord.Statement
		named      = map[string]bool{}
	)
	sent.Take()
	for i, step := range steps {
		check(step.run(t.Context()))
		took := sent.Take()
		if len(took) != len(step.want) {
			t.Fatalf("step %d sent %d statements, want %d:\n%.100q", i, len(took), len(step.want), took)
		}
		for n, s := range took {
			w := step.want[n]
			if !strings.HasPrefix(s.Text, w.begins) || !strings.Contains(s.Text, w.contains) {
				t.Errorf("step %d, statement %d: got %.200q, want %q … %q", i, n, s.Text, w.begins, w.contains)
				continue
			}
			named[form(s, prefix)] = true
			if mariaDB && w.mysqlOnly != "" {
				t.Logf("step %d, statement %d, %.40q: its plan is not checked on MariaDB: %s", i, n, s.Text, w.mysqlOnly)
				continue
			}
			usesKey(t, db, s, w.key)
		}
		statements = append(statements, took...)
	}

	// Where hardly a session is alive, the fewest rows are read along by_end. What changes sessions must not do so even then.
	mustExec(t, db, "UPDATE explained_sessions SET ended_at = 1 WHERE ended_at IS NULL AND handle > 0x04")
	mustExec(t, db, "ANALYZE TABLE explained_sessions")
	for _, s := range statements {
		if !strings.HasPrefix(s.Text, "SELECT") && strings.Contains(s.Text, "handle IN") {
			usesKey(t, db, s, "PRIMARY")
		}
	}

	sent.Take() // what explaining has sent
	t.Run("ContractSuite", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) session.Store { return recorded(t, mysqltest.Database(t), prefix, sent) })
	})
	for _, s := range sent.Take() {
		if kind := form(s, prefix); !named[kind] {
			named[kind] = true
			t.Errorf("the contract's suite has the store send a statement of which no step above has one: %s", kind)
		}
	}
}

// wholeTable is the key of a statement that reads a table of a few rows.
const wholeTable = "none"

// usesKey asserts that the server goes by these keys through the tables of a statement, reads none of them as a whole, and
// sorts none.
func usesKey(t *testing.T, db *sql.DB, s sqlrecord.Statement, want string) {
	t.Helper()
	if want == wholeTable {
		return
	}
	var keys []string
	for _, table := range explain(t, db, s) {
		if !strings.HasPrefix(table["table"], "explained_") {
			continue // the clock, or the union's result, which is as short as its limit
		}
		if table["table"] == "explained_signing_keys" && table["type"] == "ALL" {
			continue // a few rows, which each reading of the feed looks at
		}
		if table["key"] != "" {
			keys = append(keys, table["key"])
		}
		if table["type"] == "ALL" && table["select_type"] != "INSERT" || table["type"] == "index" || strings.Contains(table["Extra"], "filesort") {
			t.Errorf("%.200s: access to %s is %q, %q", s.Text, table["table"], table["type"], table["Extra"])
		}
	}
	if got := strings.Join(keys, ", "); got != want {
		t.Errorf("%.200s: got key %q, want %q", s.Text, got, want)
	}
}

// explain returns the rows of the server's plan, by column.
func explain(t *testing.T, db *sql.DB, s sqlrecord.Statement) []map[string]string {
	t.Helper()
	// Later versions have another format by default.
	rows, err := db.QueryContext(t.Context(), "EXPLAIN FORMAT=TRADITIONAL "+s.Text, s.Args...)
	if err != nil {
		t.Fatalf("EXPLAIN %.100q: %v", s.Text, err)
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
