package nethttp_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

func TestMaxAuthAge(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{}, session.Config{})
	s.expect(s.do("GET", "/safe"), 401, "unauthorised")
	s.expect(s.do("POST", "/login?user=alice"), 200, "")
	s.advance(safeAge - 2*time.Second)
	s.sets(s.expect(s.do("GET", "/safe"), 200, "alice"), nil, nil)
	s.advance(4 * time.Second)
	for _, method := range []string{"GET", "POST"} {
		refused := s.expect(s.do(method, "/safe"), 403, "reauthenticate")
		s.sets(refused, nil, nil)
		if refused.Header.Get("Id-Refresh-Token") != "" || refused.Header.Get("Www-Authenticate") != "" {
			t.Errorf("%s: headers %v", method, refused.Header)
		}
	}
	s.sets(s.expect(s.do("GET", "/me"), 200, "alice"), nil, nil) // the session is as good as ever elsewhere

	s.sets(s.expect(s.do("POST", "/prove"), 200, "alice 0s"), all, nil)
	s.sets(s.expect(s.do("GET", "/safe"), 200, "alice"), []string{access}, nil) // the first use renews
	s.sets(s.expect(s.do("GET", "/safe"), 200, "alice"), nil, nil)

	// A refresh proves nothing, and takes nothing away.
	s.advance(safeAge / 2)
	s.expect(s.do("POST", refreshPath), 200, "{}\n")
	s.expect(s.do("GET", "/safe"), 200, "alice")
	s.advance(safeAge/2 + 2*time.Second)
	s.expect(s.do("POST", refreshPath), 200, "{}\n")
	s.sets(s.expect(s.do("GET", "/safe"), 403, "reauthenticate"), nil, nil)
	s.sets(s.expect(s.do("GET", "/me"), 200, "alice"), []string{access}, nil)

	// An expired token is to be refreshed first, and a revoked one is over.
	s.advance(session.DefaultAccessLifetime)
	s.sets(s.expect(s.do("GET", "/safe"), 401, "try_refresh"), nil, nil)
	s.expect(s.do("POST", refreshPath), 200, "{}\n")
	s.revoke(s.newest(), session.ReasonRevoked)
	s.sets(s.expect(s.do("GET", "/safe"), 401, "unauthorised revoked"), nil, all)
}

// A copy of the tokens from before gains nothing of the proof, and gives itself away.
func TestReauthenticatedChangesTheTokens(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{}, session.Config{})
	s.expect(s.do("POST", "/login?user=alice"), 200, "")
	oldAccess, oldRefresh := access+"="+s.jar(access)+"; "+id+"=1", refresh+"="+s.jar(refresh)
	s.advance(safeAge + 2*time.Second)
	s.expect(s.do("POST", "/prove"), 200, "alice 0s")
	s.expect(s.do("GET", "/safe"), 200, "alice")
	s.sets(s.expect(s.as(s.browser(), "GET", "/safe", "Cookie", oldAccess), 403, "reauthenticate"), nil, nil)
	s.expect(s.as(s.browser(), "GET", "/safe", "Cookie", oldAccess+"; "+access+"="+s.jar(access)), 200, "alice") // a jar with both
	s.advance(time.Minute)
	s.sets(s.expect(s.as(s.browser(), "POST", refreshPath, "Cookie", oldRefresh), 401, "token_theft theft"), nil, all)
}

// Reauthenticated verifies by itself where no middleware has, and answers what Verify answers.
func TestReauthenticatedErrors(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{AntiCSRF: wire.AntiCSRFToken}, session.Config{})
	for _, path := range []string{"/prove", "/prove-by-itself"} {
		s.client = s.browser()
		s.expect(s.do("POST", path), 401, "unauthorised")
		token := s.expect(s.do("POST", "/login?user=alice"), 200, "").Header.Get("Anti-Csrf")
		s.sets(s.expect(s.do("POST", path), 403, "anti_csrf"), nil, nil)
		s.sets(s.expect(s.do("POST", path, "Anti-Csrf", token), 200, "alice 0s"), all, nil)
		s.expect(s.do("GET", "/me"), 200, "alice")

		s.store.away = true
		s.sets(s.expect(s.do("POST", path, "Anti-Csrf", token), 503, "unavailable"), nil, nil)
		s.store.away = false
		s.sets(s.expect(s.do("POST", path, "Anti-Csrf", token), 200, "alice 0s"), all, nil) // after a pause
		s.expect(s.do("GET", "/me"), 200, "alice")

		// While a refresh is under way there is nothing to do but to refresh.
		before := access + "=" + s.jar(access) + "; " + id + "=1"
		s.advance(time.Minute)
		s.expect(s.do("POST", refreshPath), 200, "{}\n")
		s.sets(s.expect(s.as(s.browser(), "POST", path, "Cookie", before, "Anti-Csrf", token), 401, "try_refresh"), nil, nil)
		s.expect(s.do("POST", path, "Anti-Csrf", token), 200, "alice 0s")

		s.revoke(s.newest(), session.ReasonRevoked)
		s.sets(s.expect(s.do("POST", path, "Anti-Csrf", token), 401, "unauthorised revoked"), nil, all)
	}
}

// Whom a middleware has verified counts, and is not verified again.
func TestReauthenticatedOfTheVerifiedSession(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{}, session.Config{})
	verified, _, err := s.manager.Create(t.Context(), "alice", session.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(session.NewContext(t.Context(), verified), http.MethodPost, "/prove", http.NoBody)
	w := httptest.NewRecorder()
	renewed, err := s.sessions.Reauthenticated(w, r)
	if err != nil || renewed.Handle() != verified.Handle() || len(w.Result().Cookies()) != len(all) {
		t.Errorf("got %v, %v and %d cookies", renewed, err, len(w.Result().Cookies()))
	}
}

// In a jar with several sessions' tokens the refusal that leaves most counts.
func TestMaxAuthAgeOfSeveralSessions(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{}, session.Config{})
	s.expect(s.do("POST", "/login?user=alice"), 200, "")
	ended := access + "=" + s.jar(access)
	s.revoke(s.newest(), session.ReasonRevoked)
	s.expect(s.do("POST", "/login?user=alice"), 200, "")
	old := access + "=" + s.jar(access)
	s.advance(safeAge + 2*time.Second)
	for _, cookies := range []string{ended + "; " + old, old + "; " + ended, old + "; " + access + "=garbage", access + "=garbage; " + old} {
		s.sets(s.expect(s.as(s.browser(), "GET", "/safe", "Cookie", cookies+"; "+id+"=1"), 403, "reauthenticate"), nil, nil)
	}
}
