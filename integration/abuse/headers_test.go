package abuse_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// almost is a little less than what the demo reads of a request's headers (http.Server.MaxHeaderBytes).
const almost = 60 << 10

// oversize is a request that is large somewhere, with the statuses that it may get; 0 is a connection that was closed without an
// answer, which is how it looks when net/http gives up while the client is still sending.
type oversize struct {
	name, request string
	want          []int
}

// oversized are requests that are large wherever a client can make them so.
func oversized() []oversize {
	fill := func(part string, n int) string { return strings.Repeat(part, n/len(part)) }
	const json = "Content-Type: application/json"
	cut := []int{http.StatusRequestHeaderFieldsTooLarge, 0}
	return []oversize{
		{"one cookie of 1 MiB", raw(http.MethodGet, "/api/me", "", "Cookie: sAccessToken="+fill("A", 1<<20)), cut},
		{"1 MiB of cookies, 4 KiB each", raw(http.MethodGet, "/api/me", "", slices.Repeat([]string{"Cookie: sAccessToken=" + fill("A", 4<<10)}, 256)...), cut},
		{"thousands of access cookies", raw(http.MethodGet, "/api/me", "", "Cookie: sIdRefreshToken=x; "+fill("sAccessToken=x; ", almost)), []int{400}},
		{"thousands of refresh cookies", raw(http.MethodPost, refreshPath, "", "Cookie: "+fill("sRefreshToken=x; ", almost)), []int{400}},
		{"thousands of other cookies", raw(http.MethodGet, "/api/me", "", "Cookie: sIdRefreshToken=x; "+fill("a=b; ", almost)), []int{401}},
		{"thousands of semicolons", raw(http.MethodGet, "/api/me", "", "Cookie: sIdRefreshToken=x; "+fill(";", almost)), []int{401}},
		{"an access cookie of 60 KiB", raw(http.MethodGet, "/api/me", "", "Cookie: sIdRefreshToken=x; sAccessToken="+fill("A", almost)), []int{401}},
		{"eight of 7 KiB", raw(http.MethodGet, "/api/me", "", "Cookie: sIdRefreshToken=x"+strings.Repeat("; sAccessToken="+fill("A.", 7<<10), 8)), []int{401}},
		{"Authorization of 60 KiB", raw(http.MethodGet, "/api/me", "", "Authorization: Bearer "+fill("A", almost)), []int{401}},
		{"X-Refresh-Token of 60 KiB", raw(http.MethodPost, refreshPath, "", "X-Refresh-Token: "+fill("A", almost)), []int{401}},
		{"Origin of 60 KiB", raw(http.MethodPost, refreshPath, "", "Cookie: sRefreshToken=x", "Origin: https://"+fill("a.", almost)), []int{403}},
		{"X-Forwarded-For of 60 KiB", raw(http.MethodPost, "/api/login", `{"userId":"x","password":"x"}`, json, "X-Forwarded-For: "+fill("127.0.0.1, ", almost)), []int{401, 429}},
		{"X-Forwarded-For of commas", raw(http.MethodPost, "/api/login", `{"userId":"x","password":"x"}`, json, "X-Forwarded-For: "+fill(",", almost)), []int{401, 429}},
		{"User-Agent of 60 KiB", raw(http.MethodPost, refreshPath, "", "Cookie: sRefreshToken=x", "User-Agent: "+fill("\u00e9", almost)), []int{401}},
		{"thousands of headers", raw(http.MethodGet, "/api/me", "", slices.Repeat([]string{"X: y"}, almost/20)...), []int{401}},
		{"a path of 60 KiB", raw(http.MethodGet, "/api/"+fill("a/", almost), ""), []int{404}},
		{"a query of 60 KiB", raw(http.MethodGet, "/api/sessions?"+fill("a=b&", almost), ""), []int{401}},
		{"a login of 1 MiB", raw(http.MethodPost, "/api/login", `{"userId":"`+fill("a", 1<<20)+`"}`, json), []int{413, 0}},
		{"a deep login", raw(http.MethodPost, "/api/login", fill("[", 4000), json), []int{400}},
		{"a deep login that is closed", raw(http.MethodPost, "/api/login", fill("[", 2000)+fill("]", 2000), json), []int{400}},
		{"a login with many members", raw(http.MethodPost, "/api/login", "{"+fill(`"a":0,`, 4000)+`"b":0}`, json), []int{400, 401, 429}},
		{"a refresh of 1 MiB", raw(http.MethodPost, refreshPath, `{"refresh_token":"`+fill("A", 1<<20)+`"}`, "Session-Transport: header", json), []int{400, 0}},
		{"a deep refresh", raw(http.MethodPost, refreshPath, fill(`{"a":`, 4000), "Session-Transport: header", json), []int{400}},
		{"a logout of 1 MiB", raw(http.MethodPost, "/api/logout", fill("A", 1<<20)), []int{200, 0}},
		{"data of 1 MiB without a session", strings.Replace(raw(http.MethodPost, "/api/data", fill("1", 1<<20), json), "POST", "PUT", 1), []int{401, 0}},
	}
}

// TestOversizedRequests: each input has a limit, and what is beyond it is refused before anything is done with it. The process needs
// no more memory than net/http by itself does for the same requests.
func TestOversizedRequests(t *testing.T) {
	exclusive(t)
	s := newSite(t, "TRUSTED_PROXIES=127.0.0.0/8")
	requests := oversized()
	for _, r := range requests {
		l := &line{addr: s.Addr, from: source(8, 1)}
		status, err := l.exchange(t.Context(), r.request)
		l.close()
		if err != nil && status != 0 || !slices.Contains(r.want, status) {
			t.Errorf("%s: got %d (%v), want one of %v", r.name, status, err, r.want)
		}
	}
	// What asks the limits on attempts has a statement for that. A logout succeeds, with a line in the log, also without a session.
	requests = slices.DeleteFunc(requests, func(r oversize) bool {
		return slices.Contains(r.want, http.StatusTooManyRequests) || slices.Contains(r.want, http.StatusOK)
	})
	attack := flood{connections: 200, rate: *rate / 5, cut: true, request: func(i int) string { return requests[i%len(requests)].request }}
	c := s.siege(t, attack)
	c.isFree(t)
	s.comparePlain(t, attack, c)
}

// comparePlain has net/http by itself take the same attack, and asserts that the site has not needed much more memory.
func (s *site) comparePlain(t *testing.T, attack flood, c costs) {
	t.Helper()
	if !procfs {
		return
	}
	plain := startPlain(t)
	idle, _ := plain.memory()
	plain.resetPeak()
	attack.addr, attack.lasts = plain.Addr, *duration/2
	attack.run(t, func(strike func() tally) { t.Logf("net/http alone: %v", strike()) })
	_, peak := plain.memory()
	n := float64(attack.connections)
	each, alone := float64(c.peak-c.idle)/n, float64(peak-idle)/n
	verdict := fmt.Sprintf("memory of each of %d connections: %.1f KiB, with net/http alone %.1f KiB", attack.connections, each, alone)
	t.Log(verdict)
	if few := 64 << 10 / n; each > 1.5*alone+8+few { // 64 MiB for what does not depend on connections: the heap of some thousand requests
		t.Error(verdict)
	}
}
