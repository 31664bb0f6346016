package abuse_test

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// TestTenThousandConnectionsOfGarbage: tokens that this deployment did not mint, in every form, in cookies and in headers, at protected
// routes and at the refresh endpoint, over 10,000 connections. They cost no statement and no line in the log, and a connection takes
// about as much memory as with a server that does nothing.
func TestTenThousandConnectionsOfGarbage(t *testing.T) {
	exclusive(t)
	s := newSite(t)
	requests := garbageRequests(t, s)
	attack := flood{connections: *connections, rate: *rate, request: func(i int) string { return requests[i%len(requests)] }}
	c := s.siege(t, attack)
	c.isFree(t)
	for status, n := range c.status {
		if status != http.StatusUnauthorized && status != http.StatusBadRequest && status != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("%d requests of garbage were answered %d", n, status)
		}
	}
	if c.broken > 0 {
		t.Errorf("%d connections were closed without an answer", c.broken)
	}
	if after := s.goroutines(); after > 100 {
		t.Errorf("%d goroutines are left", after)
	}
	s.comparePlain(t, attack, c)
}

// garbageRequests are requests with garbage, each kind at each place where tokens are read.
func garbageRequests(t *testing.T, s *site) (requests []string) {
	t.Helper()
	other := newSite(t) // another deployment
	// A process of the same deployment whose access tokens live for a second: less than the public's first window.
	brief := startDemo(t, s.dsn, "ACCESS_LIFETIME=1s")
	old := newClient(t, brief, nil)
	old.login(t, "somebody")
	expired := old.cookie(t, "/", "sAccessToken")
	_ = brief.Stop(syscall.SIGTERM)
	own, foreign := s.public.clients[0], other.public.clients[0]
	goodAccess, goodRefresh := own.cookie(t, "/", "sAccessToken"), own.cookie(t, refreshPath, "sRefreshToken")
	access := garbageAccess(goodAccess, foreign.cookie(t, "/", "sAccessToken"))
	refresh := garbageRefresh(goodRefresh, foreign.cookie(t, refreshPath, "sRefreshToken"))
	access = append(access, presented{"expired", expired}, presented{"a refresh token", goodRefresh},
		presented{"empty", ""})
	refresh = append(refresh, presented{"an access token", goodAccess}, presented{"empty", ""})
	for _, a := range access {
		requests = append(requests,
			raw(http.MethodGet, "/api/me", "", "Cookie: sIdRefreshToken=x; sAccessToken="+a.token),
			raw(http.MethodGet, "/api/sessions", "", "Authorization: Bearer "+a.token),
			raw(http.MethodPost, "/api/logout-all", "", "Cookie: sIdRefreshToken=x; sAccessToken="+a.token),
		)
	}
	for _, r := range refresh {
		requests = append(requests,
			raw(http.MethodPost, refreshPath, "", "Cookie: sIdRefreshToken=x; sRefreshToken="+r.token),
			raw(http.MethodPost, refreshPath, "", "X-Refresh-Token: "+r.token),
			raw(http.MethodPost, refreshPath, `{"refresh_token":"`+r.token+`"}`, "Session-Transport: header", "Content-Type: application/json"),
			raw(http.MethodPost, refreshPath, "", "Cookie: sIdRefreshToken=x"+strings.Repeat("; sRefreshToken="+r.token, 8)),
		)
	}
	return requests
}
