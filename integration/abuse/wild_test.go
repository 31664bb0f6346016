package abuse_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestAThousandRefreshesAtOnce: a client gone wild sends its refresh token a thousand times at once. It gets its answers, costs the
// database a few statements, is not taken for a thief, and its session goes on.
func TestAThousandRefreshesAtOnce(t *testing.T) {
	exclusive(t)
	const wild, grace = 1000, 2 * time.Second
	s := newSite(t, "GRACE="+grace.String())
	c := s.public.clients[0]
	time.Sleep(grace + grace/10) // within the grace after login a refresh gives back the token that it was given
	token := c.cookie(t, refreshPath, "sRefreshToken")
	before, mark := s.statements(t), s.Log.Size()
	request := raw(http.MethodPost, refreshPath, "", "Cookie: sIdRefreshToken=x; sRefreshToken="+token)
	var (
		mu    sync.Mutex
		got   = map[int]int{}
		ready sync.WaitGroup
		all   sync.WaitGroup
		start = make(chan struct{})
		began time.Time
	)
	ready.Add(wild)
	for range wild {
		all.Go(func() {
			l := &line{addr: s.Addr}
			defer l.close()
			err := l.open(t.Context())
			ready.Done()
			<-start
			status := 0
			if err == nil {
				status, err = l.exchange(t.Context(), request)
			}
			if err != nil {
				t.Errorf("refresh: %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			got[status]++
		})
	}
	ready.Wait()
	began = time.Now()
	close(start)
	all.Wait()
	took, statements := time.Since(began), s.statements(t)["sessions"]-before["sessions"]
	t.Logf("%d refreshes with one token at once: answers %v in %v, %d statements", wild, got, took.Round(time.Millisecond), statements)
	if got[http.StatusOK] != wild {
		t.Errorf("answers: got %v, want %d of 200", got, wild)
	}
	// Those that come while one is under way share the next one: as many rounds as fit into the time, at most one for each answer.
	if statements > wild/10 {
		t.Errorf("%d refreshes at once: %d statements, want %d at most", wild, statements, wild/10)
	}
	c.must(t, http.MethodPost, refreshPath, "")
	c.must(t, http.MethodGet, "/api/me", "")
	if log := string(s.Log.Since(mark)); strings.Contains(log, "theft") {
		t.Error("a client gone wild was taken for a thief")
	}
}

// TestLoginsWithoutEnd: one user logs in again and again, from many addresses. The user has no more sessions than are allowed, and the
// public goes on.
func TestLoginsWithoutEnd(t *testing.T) {
	exclusive(t)
	const most = 10
	s := newSite(t, fmt.Sprintf("MAX_SESSIONS=%d", most))
	login := raw(http.MethodPost, "/api/login", `{"userId":"wild","password":"watchword"}`, "Content-Type: application/json")
	c := s.siege(t, flood{connections: 64, rate: 200, request: func(int) string { return login }})
	for status := range c.status {
		if status != http.StatusOK && status != http.StatusTooManyRequests && status != http.StatusConflict && status != http.StatusServiceUnavailable {
			t.Errorf("a login was answered %d", status)
		}
	}
	t.Logf("%d logins of one user: %.1f statements each", c.sent, float64(c.statements["sessions"]+c.statements["attempts"])/float64(c.sent))
	user := newClient(t, s.server, source(1, 200))
	user.login(t, "wild")
	var list struct{ Sessions []struct{ Handle string } }
	if err := json.Unmarshal([]byte(user.must(t, http.MethodGet, "/api/sessions", "").body), &list); err != nil {
		t.Fatal(err)
	}
	if n := len(list.Sessions); n < 1 || n > most {
		t.Errorf("the user has %d sessions, want %d at most", n, most)
	}
	var live int
	if err := s.db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM watchword_sessions WHERE user_id = 'wild' AND ended_at IS NULL").Scan(&live); err != nil {
		t.Fatal(err)
	}
	if live > most {
		t.Errorf("the database has %d live sessions of the user, want %d at most", live, most)
	}
}

// TestGuessesWithoutEnd: passwords that are tried from one address are refused by the limit on attempts long before the hashes of
// passwords take all of the processor, which is what they cost.
func TestGuessesWithoutEnd(t *testing.T) {
	exclusive(t)
	s := newSite(t)
	c := s.siege(t, flood{connections: 32, rate: *rate / 5, request: func(i int) string {
		return raw(http.MethodPost, "/api/login", fmt.Sprintf(`{"userId":"user-%d","password":"guess"}`, i%3), "Content-Type: application/json")
	}})
	burst := 3 * (10 + 1 + int(c.took/time.Minute)) // three accounts, ten each and one a minute
	if tried := c.status[http.StatusUnauthorized]; tried == 0 || tried > burst {
		t.Errorf("%d guesses were looked at, want 1 to %d; answers %v", tried, burst, c.status)
	}
	if grown := c.peak - c.idle; grown > 256<<10 { // four hashes at once, 19 MiB each, and as much that waits for the collector
		t.Errorf("the process has grown by %d KiB", grown)
	}
}

// TestTokensOfEndedSessions: who has had many sessions holds good tokens of all of them for ever, eight of which fit into a request. What
// that costs is what a session that ends once costs.
func TestTokensOfEndedSessions(t *testing.T) {
	exclusive(t)
	s := newSite(t)
	var tokens []string
	for range 8 {
		c := newClient(t, s.server, source(1, 201))
		c.login(t, "quitter")
		tokens = append(tokens, c.cookie(t, refreshPath, "sRefreshToken"))
		c.must(t, http.MethodPost, "/api/logout", "")
	}
	request := raw(http.MethodPost, refreshPath, "", "Cookie: sIdRefreshToken=x; sRefreshToken="+strings.Join(tokens, "; sRefreshToken="))
	c := s.siege(t, flood{connections: 64, rate: *rate / 2, request: func(int) string { return request }})
	if len(c.status) != 1 || c.status[http.StatusUnauthorized] == 0 {
		t.Errorf("answers: got %v, want 401 only", c.status)
	}
	dead := c.statements["sessions"] - 3*c.refreshes
	t.Logf("%d requests with eight tokens of ended sessions each: about %d statements, %.2f a request", c.sent, dead, float64(dead)/float64(c.sent))
	if most := c.sent; dead > most {
		t.Errorf("%d requests with tokens of ended sessions: %d statements, want %d at most", c.sent, dead, most)
	}
}
