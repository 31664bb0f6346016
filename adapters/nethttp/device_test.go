package nethttp_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// loopback are the addresses from which the tests' browsers call.
var loopback = []string{"127.0.0.0/8", "::1"}

// device returns that of alice's newest session.
func (s *site) device() session.Device {
	s.t.Helper()
	info, err := s.manager.Lookup(s.t.Context(), s.newest())
	if err != nil {
		s.t.Fatal(err)
	}
	return info.Device
}

func TestDevices(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name              string
		proxies           []string
		forwarded         string
		login, afterwards string
	}{
		{"nobody is trusted", nil, "%", "127.0.0.1", "127.0.0.1"},
		{"another proxy is trusted", []string{"10.0.0.0/8"}, "%, 10.0.0.1", "127.0.0.1", "127.0.0.1"},
		{"a proxy", loopback, "%", "203.0.113.9", "198.51.100.9"},
		{"two proxies", append(loopback, "10.0.0.0/8"), "%, 10.0.0.1", "203.0.113.9", "198.51.100.9"},
		{"a client that pretends", loopback, "6.6.6.6, %", "203.0.113.9", "198.51.100.9"},
		{"a proxy that says nothing of use", loopback, "%, unknown", "127.0.0.1", "127.0.0.1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, wire.Config{TrustedProxies: test.proxies}, session.Config{})
			from := func(agent, address string) []string {
				return []string{"User-Agent", agent, "X-Forwarded-For", strings.ReplaceAll(test.forwarded, "%", address)}
			}
			is := func(when, agent, address string) {
				t.Helper()
				got := s.device()
				if got.Address == "::1" {
					got.Address = "127.0.0.1" // where the tests have no IPv4
				}
				if want := (session.Device{UserAgent: agent, Address: address}); got != want {
					t.Errorf("%s: got %+v, want %+v", when, got, want)
				}
			}
			s.expect(s.do("POST", "/login?user=alice", from("First", "203.0.113.9")...), 200, "")
			is("after the login", "First", test.login)
			stolen := s.jar(refresh)
			s.advance(time.Minute)
			s.expect(s.do("POST", refreshPath, from("Second", "198.51.100.9")...), 200, "{}\n")
			is("after a refresh", "Second", test.afterwards)
			s.expect(s.do("GET", "/me", from("Third", "192.0.2.9")...), 200, "alice")
			is("after a request", "Second", test.afterwards)
			s.advance(time.Minute)
			s.expect(s.do("POST", "/prove", from("Fourth", "203.0.113.9")...), 200, "alice 0s")
			is("after a proof", "Fourth", test.login)

			s.expect(s.do("GET", "/me"), 200, "alice")
			s.advance(time.Minute)
			thief := append(from("Thief", "198.51.100.9"), "Cookie", refresh+"="+stolen)
			s.expect(s.as(s.browser(), "POST", refreshPath, thief...), 401, "token_theft theft")
			if len(s.thefts) != 1 || s.thefts[0].Presenter.UserAgent != "Thief" || s.thefts[0].Device.UserAgent != "Fourth" {
				t.Fatalf("thefts: %+v", s.thefts)
			}
			if got := s.thefts[0].Presenter.Address; got != test.afterwards && got != "::1" {
				t.Errorf("the thief's address: got %s, want %s", got, test.afterwards)
			}
		})
	}
}

// What the application says of the device counts, and who calls over a Unix socket has no address to show.
func TestDeviceOfCreate(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		remote string
		given  session.Device
		want   session.Device
	}{
		{"the request's", "203.0.113.9:1", session.Device{}, session.Device{UserAgent: "A browser", Address: "203.0.113.9"}},
		{"the application's", "203.0.113.9:1", session.Device{UserAgent: "An app"}, session.Device{UserAgent: "An app"}},
		{"the application's address", "203.0.113.9:1", session.Device{Address: "192.0.2.9"}, session.Device{Address: "192.0.2.9"}},
		{"over a Unix socket", "@", session.Device{}, session.Device{UserAgent: "A browser"}},
		{"over nothing", "", session.Device{}, session.Device{UserAgent: "A browser"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, wire.Config{TrustedProxies: loopback}, session.Config{})
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/login", http.NoBody)
			r.RemoteAddr = test.remote
			r.Header = http.Header{"User-Agent": {"A browser"}, "X-Forwarded-For": {"6.6.6.6"}}
			if _, err := s.sessions.Create(httptest.NewRecorder(), r, "alice", session.CreateOptions{Device: test.given}); err != nil {
				t.Fatal(err)
			}
			if got := s.device(); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

// In a request that was verified a user's list shows which session is the client's own.
func TestTheOwnSessionIsMarked(t *testing.T) {
	t.Parallel()
	s := newSite(t, wire.Config{TrustedProxies: loopback}, session.Config{})
	from := func(agent string) []string { return []string{"User-Agent", agent, "X-Forwarded-For", "203.0.113.9"} }
	s.expect(s.do("POST", "/login?user=alice", from("First")...), 200, "")
	s.advance(time.Second) // handles are ordered by time
	other := s.browser()
	s.expect(s.as(other, "POST", "/login?user=alice", from("Second")...), 200, "")
	s.expect(s.do("GET", "/sessions?user=alice"), 200, "other Second 203.0.113.9;own First 203.0.113.9;")
	s.expect(s.as(other, "GET", "/sessions?user=alice"), 200, "own Second 203.0.113.9;other First 203.0.113.9;")
	s.expect(s.as(s.browser(), "GET", "/sessions?user=alice"), 200, "other Second 203.0.113.9;other First 203.0.113.9;")
	s.expect(s.do("GET", "/sessions?user=bob"), 200, "")
	s.expect(s.do("GET", "/sessions"), 400, "invalid_request")
}
