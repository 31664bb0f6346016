package flows_test

import (
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/mysqltest"
)

const password = "correct horse battery"

// guess tries to log in.
func guess(p *process, user, word string) answer {
	return newBrowser(p.t).do(p, "POST", "/api/login", fmt.Sprintf(`{"userId":%q,"password":%q}`, user, word))
}

func register(p *process, user string) *browser {
	br := newBrowser(p.t)
	br.want(br.do(p, "POST", "/api/register", fmt.Sprintf(`{"userId":%q,"password":%q}`, user, password)), 200, "")
	return br
}

// wantTooMany checks that an attempt was not made, and may be made within a minute.
func wantTooMany(t *testing.T, a answer) {
	t.Helper()
	seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
	if a.status != 429 || a.code() != "too_many_attempts" || err != nil || seconds < 1 || seconds > 60 {
		t.Errorf("got %d %s, Retry-After %q; want 429 too_many_attempts", a.status, a.body, a.header.Get("Retry-After"))
	}
}

// Of ten wrong passwords each process sees some, and together they count; so they do after a restart.
func TestLimitsAreSharedByProcesses(t *testing.T) {
	t.Parallel()
	dsn := mysqltest.Database(t)
	a, b := start(t, dsn), start(t, dsn)
	br := register(a, "ann")
	register(b, "bob")
	for i := range 10 {
		br.want(guess([]*process{a, b}[i%2], "ann", "wrong horse battery"), 401, "invalid_credentials")
	}
	for _, p := range []*process{a, b} {
		wantTooMany(t, guess(p, "ann", "wrong horse battery"))
		wantTooMany(t, guess(p, "ann", password))
		br.want(guess(p, "bob", password), 200, "")
	}
	wantTooMany(t, br.do(b, "POST", "/api/reauthenticate", fmt.Sprintf(`{"password":%q}`, password)))
	br.me(b)
	a.stop()
	c := start(t, dsn)
	wantTooMany(t, guess(c, "ann", password))

	// A minute later, for all that the table knows.
	db := mysqltest.Open(t, dsn)
	pass(t, db, time.Minute)
	br.want(guess(c, "ann", "wrong horse battery"), 401, "invalid_credentials")
	wantTooMany(t, guess(b, "ann", "wrong horse battery"))
	pass(t, db, time.Hour)
	for range 15 { // what is right is given back
		br.want(guess(b, "ann", password), 200, "")
	}
	// A server whose clock was set back by an hour locks nobody out for one.
	for range 10 {
		br.want(guess(b, "ann", "wrong horse battery"), 401, "invalid_credentials")
	}
	pass(t, db, -time.Hour)
	wantTooMany(t, guess(b, "ann", password)) // from this address
	pass(t, db, 6*time.Second)
	wantTooMany(t, guess(b, "ann", password)) // for this account
	pass(t, db, time.Minute)
	br.want(guess(b, "ann", password), 200, "")
}

// pass has every attempt lie so much farther back.
func pass(t *testing.T, db *sql.DB, d time.Duration) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), "UPDATE watchword_demo_attempts SET empty_at = empty_at - ?", d.Microseconds()); err != nil {
		t.Fatal(err)
	}
}

// No number of processes and connections gets more than ten passwords looked at.
func TestLimitsHoldAtOnce(t *testing.T) {
	t.Parallel()
	dsn := mysqltest.Database(t)
	processes := []*process{start(t, dsn), start(t, dsn)}
	register(processes[0], "ann")
	var (
		tried, refused atomic.Int64
		wg             sync.WaitGroup
	)
	for i := range 60 {
		wg.Go(func() {
			switch a := guess(processes[i%2], "ann", "wrong horse battery"); a.status {
			case 401:
				tried.Add(1)
			case 429:
				refused.Add(1)
			default:
				t.Errorf("got %d %s", a.status, a.body)
			}
		})
	}
	wg.Wait()
	if tried.Load() != 10 || refused.Load() != 50 {
		t.Errorf("%d passwords were looked at and %d not, want 10 and 50", tried.Load(), refused.Load())
	}
}

// An attempt costs one statement for the address and one for the account; one that was right another one, which gives it back.
func TestStatementsOfAttempts(t *testing.T) {
	t.Parallel()
	dsn := mysqltest.Database(t)
	p := start(t, dsn)
	register(p, "ann")
	db := mysqltest.Open(t, dsn)
	count := func() (inserts, updates, others int) {
		for text, n := range digests(t, db) {
			switch {
			case !strings.Contains(text, "demo_attempts"), strings.HasPrefix(text, "CREATE"), strings.HasPrefix(text, "SELECT"): // the start, and cleaning up
			case strings.HasPrefix(text, "INSERT"):
				inserts += n
			case strings.HasPrefix(text, "UPDATE"):
				updates += n
			default:
				others += n
			}
		}
		return inserts, updates, others
	}
	inserts, updates, others := count()
	for range 5 {
		guess(p, "ann", "wrong horse battery")
		guess(p, "ann", password)
	}
	gotInserts, gotUpdates, gotOthers := count()
	if gotInserts-inserts != 20 || gotUpdates-updates != 5 || gotOthers != others {
		t.Errorf("ten attempts, five of them right, cost %d counts, %d returns and %d other statements; want 20, 5 and 0",
			gotInserts-inserts, gotUpdates-updates, gotOthers-others)
	}
	var id string
	if err := db.QueryRowContext(t.Context(), "SELECT HEX(id) FROM watchword_demo_attempts LIMIT 1").Scan(&id); err != nil {
		t.Fatal(err)
	}
	for statement, want := range map[string]string{
		"UPDATE watchword_demo_attempts SET empty_at = empty_at - 1 WHERE id = UNHEX('" + id + "')":    "PRIMARY",
		"SELECT HEX(id) FROM watchword_demo_attempts WHERE empty_at <= 1 ORDER BY empty_at LIMIT 1000": "by_empty",
	} {
		if key := plannedKey(t, db, statement); key != want {
			t.Errorf("%s: the server would use key %q, want %q", statement, key, want)
		}
	}
}

// plannedKey is the index by which the server would carry a statement out.
func plannedKey(t *testing.T, db *sql.DB, statement string) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "EXPLAIN FORMAT=TRADITIONAL "+statement)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil || !rows.Next() {
		t.Fatalf("no plan: %v, %v", err, rows.Err())
	}
	values := make([]sql.NullString, len(columns))
	into := make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	if err := rows.Scan(into...); err != nil {
		t.Fatal(err)
	}
	for i, name := range columns {
		if strings.EqualFold(name, "key") {
			return values[i].String
		}
	}
	return ""
}

// What is kept is of one size, says nothing of whom it is about, and goes when it is no longer needed.
func TestRowsOfAttempts(t *testing.T) {
	t.Parallel()
	dsn := mysqltest.Database(t)
	p := start(t, dsn)
	for _, user := range []string{"ann", strings.Repeat("x", 3000), "'; DROP TABLE watchword_demo_attempts; --", ""} {
		newBrowser(t).want(guess(p, user, "wrong horse battery"), 401, "invalid_credentials")
	}
	db := mysqltest.Open(t, dsn)
	var rows, shortest, longest int
	var all string
	if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*), MIN(LENGTH(id)), MAX(LENGTH(id)), GROUP_CONCAT(HEX(id)) FROM watchword_demo_attempts").
		Scan(&rows, &shortest, &longest, &all); err != nil {
		t.Fatal(err)
	}
	if rows != 5 || shortest != 32 || longest != 32 || strings.Contains(all, fmt.Sprintf("%X", "127.0.0.1")) || strings.Contains(all, fmt.Sprintf("%X", "ann")) {
		t.Errorf("got %d rows of %d to %d bytes: %s", rows, shortest, longest, all)
	}
	// 2500 are more than are removed at once.
	if _, err := db.ExecContext(t.Context(), "INSERT INTO watchword_demo_attempts (id, empty_at) WITH RECURSIVE n (i) AS"+
		" (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT UNHEX(SHA2(CONCAT(a.i, '-', b.i), 256)), 1 FROM n a JOIN n b WHERE b.i <= 3 AND a.i <= 900"); err != nil {
		t.Fatal(err)
	}
	start(t, dsn) // which cleans up at once
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM watchword_demo_attempts").Scan(&rows); err != nil {
			t.Fatal(err)
		}
		if rows == 5 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d rows are left, want 5", rows)
		}
	}
}

// While the database is away, for which the demo's lab cuts its connections, nobody's password is looked at, and nobody is logged out.
func TestLimitsWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	dsn := mysqltest.Database(t)
	p := start(t, dsn, "DEMO_LAB=1", "GRACE=1s")
	br := register(p, "ann")
	db := mysqltest.Open(t, dsn)
	connections := func() (n int) {
		if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> CONNECTION_ID()").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if connections() == 0 {
		t.Fatal("the demo has no connections: the test does not see them")
	}
	br.want(br.do(p, "POST", "/api/lab/outage", `{"on":true,"seconds":60}`), 200, "")
	for deadline := time.Now().Add(5 * time.Second); connections() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are left", connections())
		}
	}
	for _, a := range []answer{
		guess(p, "ann", password), guess(p, "ann", "wrong horse battery"),
		br.do(p, "POST", "/api/register", fmt.Sprintf(`{"userId":"bob","password":%q}`, password)),
		br.do(p, "POST", "/api/reauthenticate", fmt.Sprintf(`{"password":%q}`, password)),
		br.do(p, "POST", refreshPath, ""),
	} {
		br.want(a, 503, "unavailable")
		if a.header.Get("Retry-After") == "" || len(a.header.Values("Set-Cookie")) != 0 {
			t.Errorf("got headers %v", a.header)
		}
	}
	br.me(p)
	if health := br.do(p, "GET", "/healthz", ""); health.status != 200 || !strings.Contains(health.body, `"store":"unavailable"`) {
		t.Errorf("health: got %d %s", health.status, health.body)
	}
	br.want(br.do(p, "POST", "/api/lab/outage", `{"on":false}`), 200, "")
	br.refresh(p)
	br.me(p)
	br.want(guess(p, "ann", password), 200, "")
}
