package command_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/mysqltest"
	"github.com/watchword-dev/watchword/session"
)

// checkLine is a line of `doctor --json`.
type checkLine struct{ Check, Level, Text, Advice string }

// ill returns the findings of a doctor's round, as "check level".
func ill(t *testing.T, text string) string {
	t.Helper()
	var all []string
	for _, c := range lines[checkLine](t, text) {
		if c.Level == "warning" || c.Level == "problem" {
			all = append(all, c.Check+" "+c.Level)
		}
	}
	return strings.Join(all, ", ")
}

// wantIll has the doctor find just that, and say something of it.
func (s *shell) wantIll(want, says string) {
	s.t.Helper()
	code := found
	if want == "" {
		code = done
	}
	r := s.want(code, "doctor --json")
	if got := ill(s.t, r.stdout); got != want || !strings.Contains(r.stdout, says) {
		s.t.Errorf("got %q, want %q with %q\n%s", got, want, says, r.stdout)
	}
}

// with adds parameters to a DSN.
func with(t *testing.T, dsn string, params ...string) string {
	t.Helper()
	cfg := parts(t, dsn)
	if cfg.Params == nil {
		cfg.Params = map[string]string{}
	}
	for i := 0; i < len(params); i += 2 {
		cfg.Params[params[i]] = params[i+1]
	}
	return cfg.FormatDSN()
}

func TestDoctorOnSettings(t *testing.T) {
	t.Parallel()
	dsn := mysqltest.Database(t)
	start(t, dsn, session.Config{})
	newShell(t, dsn).wantIll("", "all indexes are there")
	newShell(t, dsn, "REVOCATION=off").wantIll("feed warning", "the feed is off")
	newShell(t, dsn, "KEY_ENCRYPTION=7:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").wantIll("keys warning", "keys reseal")
	newShell(t, dsn, "REVOCATOIN=off").wantIll("config warning", "WATCHWORD_REVOCATOIN")

	// A session's clock is the server's, unless the connection sets another.
	for _, skew := range []time.Duration{-time.Hour, time.Hour} {
		at := fmt.Sprint(time.Now().Add(skew).Unix())
		r := newShell(t, with(t, dsn, "timestamp", at)).want(found, "doctor --json")
		if got := ill(t, r.stdout); !strings.Contains(got, "clock problem") {
			t.Errorf("clock off by %v: got %q\n%s", skew, got, r.stdout)
		}
	}
	newShell(t, with(t, dsn, "transaction_isolation", "'READ-UNCOMMITTED'")).wantIll("isolation problem", "READ UNCOMMITTED")
	newShell(t, with(t, dsn, "transaction_isolation", "'READ-COMMITTED'")).wantIll("", "READ COMMITTED")
	newShell(t, with(t, dsn, "autocommit", "0")).wantIll("isolation problem", "autocommit")
}

// TestDoctorMissesNoIndex drops each index that there is, and has the doctor find it.
func TestDoctorMissesNoIndex(t *testing.T) {
	t.Parallel()
	dsn := mysqltest.Database(t)
	start(t, dsn, session.Config{})
	s, db := newShell(t, dsn), mysqltest.Open(t, dsn)
	rows, err := db.QueryContext(t.Context(), "SELECT DISTINCT TABLE_NAME, INDEX_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND INDEX_NAME <> 'PRIMARY'")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var all [][2]string
	for rows.Next() {
		var index [2]string
		if err := rows.Scan(&index[0], &index[1]); err != nil {
			t.Fatal(err)
		}
		all = append(all, index)
	}
	if err := rows.Err(); err != nil || len(all) < 4 {
		t.Fatalf("got %v, %v", all, err)
	}
	for _, index := range all {
		execute(t, dsn, fmt.Sprintf("ALTER TABLE `%s` RENAME INDEX `%s` TO `elsewhere`", index[0], index[1]))
		s.wantIll("indexes problem", index[1])
		execute(t, dsn, fmt.Sprintf("ALTER TABLE `%s` RENAME INDEX `elsewhere` TO `%s`", index[0], index[1]))
	}
	execute(t, dsn, "ALTER TABLE watchword_sessions DROP INDEX by_feed, ADD INDEX by_feed (ended_at)")
	s.wantIll("indexes problem", "should be of fed_at")
	execute(t, dsn, "ALTER TABLE watchword_sessions DROP INDEX by_feed")
	r := s.want(found, "doctor --json")
	// Its advice heals.
	for _, c := range lines[checkLine](t, r.stdout) {
		if _, statement, ok := strings.Cut(c.Advice, "make it: "); ok {
			execute(t, dsn, statement)
		}
	}
	s.wantIll("", "all indexes are there")
}

// TestDoctorMissesNoPrivilege takes each right of the application's user away, and has the doctor find it.
func TestDoctorMissesNoPrivilege(t *testing.T) {
	t.Parallel()
	dsn := mysqltest.Database(t)
	start(t, dsn, session.Config{})
	user := parts(t, dsn)
	schema := user.DBName
	user.User, user.Passwd = "u"+strings.ToLower(rand.Text()[:12]), rand.Text()
	account := fmt.Sprintf("'%s'@'%%'", user.User)
	execute(t, dsn, fmt.Sprintf("CREATE USER %s IDENTIFIED BY '%s'", account, user.Passwd))
	db := mysqltest.Open(t, dsn)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
		defer cancel()
		if _, err := db.ExecContext(ctx, "DROP USER "+account); err != nil {
			t.Error(err)
		}
	})
	rights := map[string]string{
		"sessions": "SELECT, INSERT, UPDATE, DELETE", "signing_keys": "SELECT, INSERT, UPDATE, DELETE", "revocations": "SELECT, INSERT, DELETE", "schema_version": "SELECT",
	}
	for table, list := range rights {
		execute(t, dsn, fmt.Sprintf("GRANT %s ON `%s`.watchword_%s TO %s", list, schema, table, account))
	}
	s := newShell(t, user.FormatDSN())
	s.wantIll("", "the user may do what the application does")
	for table, list := range rights {
		for right := range strings.SplitSeq(list, ", ") {
			execute(t, dsn, fmt.Sprintf("REVOKE %s ON `%s`.watchword_%s FROM %s", right, schema, table, account))
			r := s.want(found, "doctor --json")
			// The user sees nothing of the one table that it had one right on, and so other checks find something, too.
			if got := r.stdout; !strings.Contains(ill(t, got), "privileges problem") || !strings.Contains(got, right+" on watchword_"+table) {
				t.Errorf("without %s on %s: got %s", right, table, got)
			}
			execute(t, dsn, fmt.Sprintf("GRANT %s ON `%s`.watchword_%s TO %s", right, schema, table, account))
		}
	}
	s.wantIll("", "the user may do what the application does")
}
