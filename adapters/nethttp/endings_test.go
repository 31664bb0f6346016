package nethttp_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

const refreshPath = wire.DefaultRefreshPath

// Whoever holds good tokens of a session that has ended is told why, and loses them.
func TestReasonsOfRevocation(t *testing.T) {
	t.Parallel()
	for _, mode := range []session.RevocationMode{session.RevocationFeed, session.RevocationStrict, session.RevocationOff} {
		for _, reason := range []session.Reason{session.ReasonRevoked, session.ReasonRevokedByUser, session.ReasonPasswordChange} {
			t.Run(string(mode)+" "+string(reason), func(t *testing.T) {
				t.Parallel()
				s := newSite(t, wire.Config{}, session.Config{Revocation: mode})
				s.expect(s.do("POST", "/login?user=alice"), 200, "")
				s.revoke(s.newest(), reason)
				if mode == session.RevocationOff {
					s.sets(s.expect(s.do("GET", "/me"), 200, "alice"), nil, nil)
				} else {
					s.expect(s.do("GET", "/maybe"), 200, "nobody")
					cookies := access + "=" + s.jar(access) + "; " + id + "=1"
					s.sets(s.expect(s.as(s.browser(), "GET", "/me", "Cookie", cookies), 401, "unauthorised "+string(reason)), nil, all)
				}
				got := s.expect(s.do("POST", refreshPath), 401, "unauthorised "+string(reason))
				s.sets(got, nil, all)
				if got.body != `{"error":"unauthorised","reason":"`+string(reason)+`"}`+"\n" {
					t.Errorf("got %s", got.body)
				}
				s.expect(s.do("POST", refreshPath), 401, "unauthorised") // nobody knows this client any more
			})
		}
	}
}

func TestLogoutElsewhere(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{}, session.Config{})
	s.expect(s.do("POST", "/login?user=alice"), 200, "")
	cookies := access + "=" + s.jar(access) + "; " + refresh + "=" + s.jar(refresh) + "; " + id + "=1"
	other := s.second()
	s.expect(s.do("POST", "/logout"), 200, "{}\n")
	s.sets(s.expect(s.as(s.browser(), "GET", "/me", "Cookie", cookies), 401, "unauthorised logout"), nil, all)
	s.sets(s.expect(s.as(s.browser(), "POST", refreshPath, "Cookie", cookies), 401, "unauthorised logout"), nil, all)
	s.sets(s.expect(s.as(s.browser(), "POST", "/logout", "Cookie", cookies), 200, "{}\n"), nil, all)
	s.expect(s.as(other, "GET", "/me"), 200, "alice")
	endings, err := s.manager.Endings(t.Context(), "alice", session.EndingsPage{})
	if err != nil || len(endings) != 1 || endings[0].Reason != session.ReasonLogout {
		t.Errorf("endings: %+v, %v", endings, err)
	}
}

func TestReasonsOfAge(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		reason string
		pauses []time.Duration // before each refresh, the last of which fails
	}{
		{"idle", []time.Duration{time.Hour}},
		{"idle", []time.Duration{50 * time.Minute, time.Hour}},
		{"absolute", []time.Duration{50 * time.Minute, 50 * time.Minute, 20 * time.Minute}},
		{"absolute", []time.Duration{50 * time.Minute, 50 * time.Minute, 90 * time.Minute}},
	} {
		s := newSite(t, wire.Config{}, session.Config{IdleLifetime: time.Hour, AbsoluteLifetime: 2 * time.Hour})
		s.expect(s.do("POST", "/login?user=alice"), 200, "")
		for i, pause := range test.pauses {
			s.advance(pause)
			s.sets(s.expect(s.do("GET", "/me"), 401, "try_refresh"), nil, nil)
			if i == len(test.pauses)-1 {
				s.sets(s.expect(s.do("POST", refreshPath), 401, "unauthorised "+test.reason), nil, all)
				break
			}
			s.expect(s.do("POST", refreshPath), 200, "{}\n")
			s.expect(s.do("GET", "/me"), 200, "alice")
		}
	}
}

func TestReasonsOfTheft(t *testing.T) {
	t.Parallel()
	const over = "unauthorised theft"
	for _, test := range []struct {
		policy        session.TheftPolicy
		victim, other string // what /me says afterwards, in two sessions of the user
	}{
		{session.TheftRevoke, over, "alice"},
		{session.TheftRevokeUser, over, over},
		{session.TheftReport, "alice", "alice"},
	} {
		t.Run(string(test.policy), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, wire.Config{}, session.Config{Theft: test.policy})
			s.expect(s.do("POST", "/login?user=alice"), 200, "")
			other := s.second()
			stolen := s.jar(refresh)
			s.advance(time.Minute)
			s.expect(s.do("POST", refreshPath), 200, "{}\n")
			s.expect(s.do("GET", "/me"), 200, "alice")
			s.advance(time.Minute)
			s.sets(s.expect(s.as(s.browser(), "POST", refreshPath, "Cookie", refresh+"="+stolen), 401, "token_theft theft"), nil, all)
			for client, want := range map[*http.Client]string{s.client: test.victim, other: test.other} {
				if want == over {
					s.sets(s.expect(s.as(client, "GET", "/me"), 401, want), nil, all)
				} else {
					s.sets(s.expect(s.as(client, "GET", "/me"), 200, want), nil, nil)
				}
			}
		})
	}
}

func TestSessionLimit(t *testing.T) {
	t.Parallel()
	t.Run("the oldest ends", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, wire.Config{}, session.Config{MaxSessions: 1})
		s.expect(s.do("POST", "/login?user=alice"), 200, "")
		s.advance(time.Second) // the oldest is told by its time
		other := s.second()
		s.sets(s.expect(s.do("GET", "/me"), 401, "unauthorised session_limit"), nil, all)
		s.expect(s.as(other, "GET", "/me"), 200, "alice")
	})
	t.Run("the newest is refused", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, wire.Config{}, session.Config{MaxSessions: 1, OnLimit: session.LimitRefuse})
		s.expect(s.do("POST", "/login?user=alice"), 200, "")
		other := s.browser()
		refused := s.expect(s.as(other, "POST", "/login?user=alice"), 409, "session_limit")
		s.sets(refused, nil, nil)
		if refused.Header.Get("Id-Refresh-Token") != "" {
			t.Errorf("id-refresh-token: got %q", refused.Header.Get("Id-Refresh-Token"))
		}
		// The browser that has a session keeps it when it asks for another one.
		s.sets(s.expect(s.do("POST", "/login?user=alice"), 409, "session_limit"), nil, nil)
		s.expect(s.do("GET", "/me"), 200, "alice")
		s.expect(s.do("POST", "/logout"), 200, "{}\n")
		s.expect(s.as(other, "POST", "/login?user=alice"), 200, "")
	})
}

func TestReasonOfKeysThatWereCutOff(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{}, session.Config{})
	s.expect(s.do("POST", "/login?user=alice"), 200, "")
	s.advance(time.Second)
	if err := s.manager.RotateNow(t.Context(), session.PurposeRefresh, "stolen", true); err != nil {
		t.Fatal(err)
	}
	s.sets(s.expect(s.do("POST", refreshPath), 401, "unauthorised key_compromised"), nil, all)
}

// Of several tokens the one that leaves most of a session counts; of sessions that are over, the one that says why.
func TestReasonsOfSeveralSessions(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{}, session.Config{Revocation: session.RevocationStrict})
	type tokens struct{ access, refresh string }
	login := func() (session.Handle, tokens) {
		s.advance(time.Second) // handles are ordered by time
		other := s.second()
		return s.newest(), tokens{access + "=" + s.jarOf(other, access), refresh + "=" + s.jarOf(other, refresh)}
	}
	_, expired := login()
	s.advance(session.DefaultAccessLifetime)
	first, known := login()
	second, forgotten := login()
	third, alsoKnown := login()
	fourth, forgottenToo := login()
	s.revoke(second, session.ReasonRevoked)
	s.revoke(fourth, session.ReasonRevoked)
	s.advance(time.Second)
	if _, err := s.store.Purge(t.Context(), 0, 0, 100); err != nil {
		t.Fatal(err)
	}
	s.revoke(first, session.ReasonPasswordChange)
	s.revoke(third, session.ReasonRevokedByUser)
	_, good := login()

	const (
		lost, password, user = "unauthorised", "unauthorised password_changed", "unauthorised revoked_by_user"
		refreshed            = "{}\n"
	)
	for _, test := range []struct {
		name            string
		jar             []tokens
		access, refresh string // what it comes to
	}{
		{"one of which nothing is known", []tokens{forgotten}, lost, lost},
		{"a reason after none", []tokens{forgotten, known}, password, password},
		{"a reason before none", []tokens{known, forgotten}, password, password},
		{"a reason between two without", []tokens{forgotten, known, forgottenToo}, password, password},
		{"of two reasons that of the newer session", []tokens{known, alsoKnown}, user, user},
		{"the other way about", []tokens{alsoKnown, known}, user, user},
		{"one that a refresh may help", []tokens{known, expired}, "try_refresh", refreshed},
		{"one that is good", []tokens{forgotten, known, good}, "alice", refreshed},
	} {
		t.Log(test.name)
		cookies := id + "=1"
		var refreshCookies []string
		for _, had := range test.jar {
			cookies += "; " + had.access
			refreshCookies = append(refreshCookies, had.refresh)
		}
		got := s.as(s.browser(), "GET", "/me", "Cookie", cookies)
		switch test.access {
		case "alice":
			s.sets(s.expect(got, 200, test.access), []string{access}, nil) // and the others are gone
		case "try_refresh":
			s.sets(s.expect(got, 401, test.access), nil, nil)
		default:
			s.sets(s.expect(got, 401, test.access), nil, all)
		}
		got = s.as(s.browser(), "POST", refreshPath, "Cookie", strings.Join(refreshCookies, "; "))
		if test.refresh == refreshed {
			s.expect(got, 200, test.refresh)
		} else {
			s.sets(s.expect(got, 401, test.refresh), nil, all)
		}
	}
	// That a session has ended is known even where the reason is not: the log shows whose.
	told := 0
	for _, err := range s.failures {
		var ended *session.EndedError
		if errors.As(err, &ended) && ended.Handle == second {
			told++
		}
	}
	if told != 2 {
		t.Errorf("OnFailure was told %d times of the session that is forgotten, want once by /me and once by the refresh", told)
	}
}
