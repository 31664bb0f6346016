package abuse_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestRowsDoNotBloat: whatever a client says of its device, and whatever name the user gives to a session, a row stays small; also
// that of a theft, which keeps the devices of both sides.
func TestRowsDoNotBloat(t *testing.T) {
	exclusive(t)
	const grace = 250 * time.Millisecond
	s := newSite(t, "TRUSTED_PROXIES=127.0.0.0/8", "GRACE="+grace.String())
	agents := []string{
		strings.Repeat("A", almost), strings.Repeat("\U0001F980", almost/4), strings.Repeat(`"\`, almost/2), strings.Repeat("\xff", almost),
		strings.Repeat("<&>", almost/3), strings.Repeat("\u2028", almost/3),
	}
	for i, agent := range agents {
		c := newClient(t, s.server, source(1, 210+i))
		headers := []string{"User-Agent", agent, "X-Forwarded-For", strings.Repeat("1.2.3.4,", 500) + "2001:db8::1%" + strings.Repeat("z", 100)}
		label := strings.Repeat("\U0001F980", 64)
		c.must(t, http.MethodPost, "/api/login", fmt.Sprintf(`{"userId":"bloated-%d","password":"watchword","label":%q}`, i, label), headers...)
		for _, refused := range []struct {
			label string
			want  int
		}{{label + "x", http.StatusBadRequest}, {strings.Repeat("x", 1<<20), http.StatusRequestEntityTooLarge}, {"\u202e", http.StatusBadRequest}} {
			body := fmt.Sprintf(`{"userId":"bloated-%d","password":"watchword","label":%q}`, i, refused.label)
			if a, err := c.do(t.Context(), http.MethodPost, "/api/login", body); err == nil && a.status != refused.want {
				t.Errorf("a label of %d bytes: got %d %s, want %d", len(refused.label), a.status, a.body, refused.want)
			}
		}
		// The owner's tokens move on; a thief comes late with an old one.
		old := c.cookie(t, refreshPath, "sRefreshToken")
		for range 2 {
			time.Sleep(2 * grace) // within the grace nothing moves
			c.must(t, http.MethodPost, refreshPath, "", headers...)
			c.must(t, http.MethodGet, "/api/me", "")
		}
		time.Sleep(2 * grace)
		thief := newClient(t, s.server, source(1, 220+i))
		a, err := thief.do(t.Context(), http.MethodPost, refreshPath, "", append(headers, "Cookie", "sRefreshToken="+old)...)
		if err != nil || a.status != http.StatusUnauthorized || !strings.Contains(a.body, "theft") {
			t.Errorf("the thief: got %d %s, %v", a.status, a.body, err)
		}
	}
	for column, most := range map[string]int{"user_agent": 256, "address": 64, "label": 256, "payload": 64, "ending_detail": 8 << 10} {
		var longest, rows int
		if err := s.db.QueryRowContext(t.Context(), "SELECT COUNT(*), COALESCE(MAX(LENGTH("+column+")), 0) FROM watchword_sessions").Scan(&rows, &longest); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes at most in %d rows", column, longest, rows)
		if longest > most || rows < len(agents) {
			t.Errorf("%s: %d bytes in %d rows, want %d at most", column, longest, rows, most)
		}
	}
	if size := s.Log.Size(); size > 1<<20 {
		t.Errorf("the log has %d bytes", size)
	}
}
