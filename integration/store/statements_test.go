package store_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

// counters reads the server's own counts of the pool's one connection. Reading counts as one statement itself.
func counters(t *testing.T, store *mysql.Store) map[string]int {
	t.Helper()
	rows, err := store.DB().QueryContext(t.Context(),
		"SHOW SESSION STATUS WHERE Variable_name = 'Questions' OR Variable_name LIKE 'Com\\_%'")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	counts := map[string]int{}
	for rows.Next() {
		var (
			name string
			n    int
		)
		if err := rows.Scan(&name, &n); err != nil {
			t.Fatal(err)
		}
		counts[name] = n
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return counts
}

// cost returns what f had the server do.
func cost(t *testing.T, store *mysql.Store, f func()) map[string]int {
	t.Helper()
	before := counters(t, store)
	f()
	after := counters(t, store)
	before["Questions"]++
	before["Com_show_status"]++
	spent := map[string]int{}
	for name, n := range after {
		if d := n - before[name]; d != 0 {
			spent[name] = d
		}
	}
	return spent
}

// TestStatementCounts: what each operation costs, counted by the server, is what docs/how-it-works.md says.
func TestStatementCounts(t *testing.T) {
	t.Parallel()
	store := open(t, "", oneConnection)
	// The server's clock stands still for the pool's one connection, and moves when it is told to.
	clock := time.Now()
	turn := func(d time.Duration) {
		t.Helper()
		clock = clock.Add(d)
		mustExec(t, store.DB(), fmt.Sprintf("SET timestamp = %.6f", float64(clock.UnixMicro())/1e6))
	}
	turn(0)
	began := time.Now()
	m, err := session.New(t.Context(), store, session.Config{
		Revocation: session.RevocationOff,
		Clock:      func() time.Time { return began }, // a cleanup does all in one turn while no time passes
	})
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var (
		s      *session.Session
		first  session.Tokens
		second session.Tokens
	)
	settle := func() { turn(time.Minute) } // no crossing explains anything any more
	cleaned := func(want session.Cleaned) {
		t.Helper()
		got, err := m.Cleanup(t.Context())
		must(err)
		if got != want {
			t.Errorf("clean up: got %+v, want %+v", got, want)
		}
	}
	statements := func(counts ...string) map[string]int {
		want := map[string]int{}
		for _, c := range counts {
			want["Com_"+c]++
			want["Questions"]++
		}
		return want
	}
	for _, step := range []struct {
		name string
		run  func()
		want map[string]int
	}{
		{"create", func() { s, first, err = m.Create(t.Context(), "user", session.CreateOptions{Data: 1}); must(err) }, statements("insert")},
		{"verify", func() { _, err := m.Verify(t.Context(), first.AccessToken, session.VerifyOptions{}); must(err) }, statements()},
		{"refresh of a brand-new token", func() { _, _, err := m.Refresh(t.Context(), first.RefreshToken, session.RefreshOptions{}); must(err) }, statements("select")},
		{"", settle, nil},
		{"refresh", func() {
			_, second, err = m.Refresh(t.Context(), first.RefreshToken, session.RefreshOptions{})
			must(err)
		}, statements("select", "update")},
		{"refresh again, before its successor was used", func() { _, _, err := m.Refresh(t.Context(), first.RefreshToken, session.RefreshOptions{}); must(err) }, statements("select", "update")},
		{"first verify after a refresh", func() { _, err := m.Verify(t.Context(), second.AccessToken, session.VerifyOptions{}); must(err) }, statements("update")},
		{"second verify after a refresh", func() { _, err := m.Verify(t.Context(), second.AccessToken, session.VerifyOptions{}); must(err) }, statements()},
		{"", settle, nil},
		{"refresh, later", func() {
			_, first, err = m.Refresh(t.Context(), second.RefreshToken, session.RefreshOptions{})
			must(err)
		}, statements("select", "update")},
		{"refresh that confirms", func() { _, _, err := m.Refresh(t.Context(), first.RefreshToken, session.RefreshOptions{}); must(err) }, statements("select", "update")},
		{"list", func() { _, err := m.Sessions(t.Context(), "user", session.Page{}); must(err) }, statements("select")},
		{"data", func() { _, err := s.Data(t.Context()); must(err) }, statements("select")},
		{"set data", func() { _, err := s.SetData(t.Context(), 2); must(err) }, statements("update")},
		{"garbage", func() {
			if _, _, err := m.Refresh(t.Context(), strings.Repeat("A", 135), session.RefreshOptions{}); err == nil {
				t.Error("garbage passed")
			}
		}, statements()},
		{"label", func() { must(m.SetLabel(t.Context(), s.Handle(), "at home")) }, statements("update")},
		{"label, as it is", func() { must(m.SetLabel(t.Context(), s.Handle(), "at home")) }, statements("update", "select")},
		{"feed", func() { _, _, err := store.Revocations(t.Context(), clock.Add(-time.Minute), 1000); must(err) }, statements("select")},
		{"revoke", func() { _, err := s.Revoke(t.Context(), session.RevokeOptions{}); must(err) }, statements("update")},
		{"revoke again", func() { _, err := s.Revoke(t.Context(), session.RevokeOptions{}); must(err) }, statements("update", "update")},
		{"", func() {
			for range 3 {
				_, _, err := m.Create(t.Context(), "user", session.CreateOptions{})
				must(err)
			}
		}, nil},
		{"revoke user", func() {
			n, err := m.RevokeUser(t.Context(), "user", session.RevokeOptions{})
			must(err)
			if n != 3 {
				t.Errorf("revoke user: got %d sessions, want 3", n)
			}
		}, statements("update")},
		{"endings", func() { _, err := m.Endings(t.Context(), "user", session.EndingsPage{}); must(err) }, statements("select")},
		{"publish", func() { must(store.Publish(t.Context(), session.Revocation{UserID: "user"})) }, statements("insert")},
		{"clean up nothing", func() { cleaned(session.Cleaned{}) }, statements("select", "select", "select", "delete", "select")},
		{"", func() {
			for range 3 {
				_, _, err := m.Create(t.Context(), "user", session.CreateOptions{})
				must(err)
			}
			turn(session.DefaultIdleLifetime + time.Hour) // as long as endings are kept, too
		}, nil},
		// Elected. Expired sessions: found, ended, told; none found from there, none from the beginning. Endings and revocations: found,
		// removed, removed; none from there, none from the beginning, none. Resigned.
		{"clean up", func() { cleaned(session.Cleaned{Expired: 3, Purged: 5}) }, statements("select",
			"select", "update", "select", "select", "select", "select", "delete", "delete", "select", "select", "delete", "select")},
	} {
		if step.name == "" {
			step.run()
			continue
		}
		got := cost(t, store, step.run)
		if !maps.Equal(got, step.want) {
			t.Errorf("%s: the server counted %v, want %v", step.name, got, step.want)
		}
	}
}
