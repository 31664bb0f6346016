package adapters_test

import (
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// endings are how sessions end, and what clients are told of that.
var endings = cases{
	"a thief is caught":                    thiefIsCaught,
	"the owner is refused after the thief": ownerAfterThief,
	"revoked elsewhere":                    revokedElsewhere,
	"ended while a request is under way":   endedMeanwhile,
	"too old":                              tooOld,
	"the oldest of too many":               oldestOfTooMany,
	"one too many":                         oneTooMany,
	"keys that were cut off":               keysCutOff,
}

func thiefIsCaught(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	b := s.browser()
	b.login("alice")
	stolen := b.header(refresh, id)
	s.clock.advance(time.Minute)
	b.refresh()
	b.do("GET", "/me").want(200, "alice")
	s.clock.advance(time.Minute)
	s.call("POST", refreshPath, "Cookie", stolen).want(401, "token_theft theft").clears(everything...)
	if s.alarms() != 1 {
		t.Errorf("%d alarms, want one", s.alarms())
	}
	b.do("GET", "/me").want(401, "unauthorised theft").clears(everything...)
	b.do("GET", "/me").want(401, "unauthorised").sets()
}

// A thief who was faster is found out by the owner, who loses the session as well.
func ownerAfterThief(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	owner, thief := s.browser(), s.browser()
	owner.login("alice")
	thief.plant(wire.Cookies{}, session.Tokens{RefreshToken: owner.cookie(refresh), ID: owner.cookie(id)})
	s.clock.advance(time.Minute)
	thief.refresh()
	thief.do("GET", "/me").want(200, "alice")
	s.clock.advance(time.Minute)
	owner.refreshFails(401, "token_theft theft")
	thief.refreshFails(401, "unauthorised theft")
	if s.alarms() != 1 {
		t.Errorf("%d alarms, want one", s.alarms())
	}
}

func revokedElsewhere(t *testing.T, mount mounter) {
	for _, reason := range []session.Reason{session.ReasonRevoked, session.ReasonRevokedByUser, session.ReasonPasswordChange} {
		s := open(t, mount, wire.Config{}, session.Config{})
		b, refreshed := s.browser(), "unauthorised "+string(reason)
		b.login("alice")
		before := b.header(access, refresh, id)
		s.revoke(s.sessions("alice")[0].Handle, reason)
		b.do("GET", "/me").want(401, refreshed).clears(everything...)
		s.call("POST", refreshPath, "Cookie", before).want(401, refreshed).clears(everything...)
		s.call("POST", "/prove", "Cookie", before).want(401, refreshed).clears(everything...)
		s.call("GET", "/fresh", "Cookie", before).want(401, refreshed).clears(everything...)
		s.call("POST", "/logout", "Cookie", before).want(200, "{}\n").clears(everything...)
		s.noAlarm()
	}
}

// What Require has written for the client is worth nothing when the handler finds the session ended.
func endedMeanwhile(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	endAtGet := func(_ int, call string) fault {
		if call == "Get" { // after the access token was confirmed, and so renewed
			s.endUnseen("alice")
		}
		return healthy
	}
	b := s.browser()
	refreshed(b)
	s.store.reset(endAtGet)
	b.do("POST", "/prove").want(401, "unauthorised revoked").clears(everything...)
	s.store.reset(nil)

	c := s.nativeLogin("alice")
	s.clock.advance(time.Minute)
	c.renew()
	s.store.reset(endAtGet)
	c.do("POST", "/prove").want(401, "unauthorised revoked").quiet()
}

// endUnseen ends a user's sessions behind the manager's back, as another process would.
func (b *backend) endUnseen(user string) {
	b.t.Helper()
	if _, err := b.store.Store.EndUser(b.t.Context(), user, session.Handle{}, session.End{ID: 1, Reason: session.ReasonRevoked}, 10); err != nil {
		b.t.Error(err)
	}
}

func tooOld(t *testing.T, mount mounter) {
	for reason, pauses := range map[string][]time.Duration{
		"idle":     {50 * time.Minute, time.Hour},
		"absolute": {50 * time.Minute, 50 * time.Minute, 20 * time.Minute},
	} {
		s := open(t, mount, wire.Config{}, session.Config{IdleLifetime: time.Hour, AbsoluteLifetime: 2 * time.Hour})
		b := s.browser()
		b.login("alice")
		for i, pause := range pauses {
			s.clock.advance(pause)
			b.do("GET", "/me").want(401, "try_refresh").quiet()
			if i == len(pauses)-1 {
				b.refreshFails(401, "unauthorised "+reason)
				break
			}
			b.refresh()
			b.do("GET", "/me").want(200, "alice")
		}
	}
}

func oldestOfTooMany(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{MaxSessions: 1})
	first, second := s.browser(), s.browser()
	first.login("alice")
	s.clock.advance(time.Second)
	second.login("alice")
	first.do("GET", "/me").want(401, "unauthorised session_limit").clears(everything...)
	second.goesOn("alice")
}

func oneTooMany(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{MaxSessions: 1, OnLimit: session.LimitRefuse})
	first, second := s.browser(), s.browser()
	first.login("alice")
	second.do("POST", "/login?user=alice").want(409, "session_limit").quiet()
	first.do("POST", "/login?user=alice").want(409, "session_limit").quiet() // and keeps what it has
	first.goesOn("alice")
}

func keysCutOff(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	b := s.browser()
	b.login("alice")
	s.clock.advance(time.Second)
	if err := s.manager.RotateNow(t.Context(), session.PurposeAccess, "stolen", true); err != nil {
		t.Fatal(err)
	}
	b.goesOn("alice")
	if err := s.manager.RotateNow(t.Context(), session.PurposeRefresh, "stolen", true); err != nil {
		t.Fatal(err)
	}
	b.refreshFails(401, "unauthorised key_compromised")
	s.noAlarm()
}
