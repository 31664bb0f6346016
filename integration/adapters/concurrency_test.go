package adapters_test

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// concurrency is what becomes of a browser whose tabs do everything at once.
var concurrency = cases{
	"forty refreshes of one jar":            fortyRefreshes,
	"forty refreshes of a jar with doubles": fortyOfDoubles,
	"forty refreshes of a native client":    fortyNative,
	"refreshes and first uses":              refreshesAndFirstUses,
	"refreshes and logouts":                 refreshesAndLogouts,
}

// crowd is how many requests are sent at once.
const crowd = 40

// atOnce sends requests at the same time, and returns their answers in an order of their own.
func atOnce(send func(i int) answer) []answer {
	answers := make([]answer, crowd)
	start, all := make(chan struct{}), sync.WaitGroup{}
	for i := range answers {
		all.Go(func() {
			<-start
			answers[i] = send(i)
		})
	}
	close(start)
	all.Wait()
	rand.Shuffle(crowd, func(i, j int) { answers[i], answers[j] = answers[j], answers[i] })
	return answers
}

// take gives answers to the browser, in the order in which they arrived.
func (b *browser) take(path string, answers []answer) {
	b.t.Helper()
	for _, a := range answers {
		b.jar.SetCookies(b.url(path), a.cookies)
	}
}

func fortyRefreshes(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	b := s.browser()
	b.login("alice")
	for range 4 {
		answers := atOnce(func(int) answer { return b.held("POST", refreshPath).want(200, "{}\n") })
		b.take(refreshPath, answers)
		b.holds(wire.Cookies{}, true)
		b.goesOn("alice")
	}
}

func fortyOfDoubles(t *testing.T, mount mounter) {
	former := wire.Cookies{Domain: "example.test"}
	s := open(t, mount, wire.Config{Former: []wire.Cookies{former}}, session.Config{})
	b := s.browser()
	first := s.create("alice", session.CreateOptions{})
	b.plant(former, first)
	b.plant(wire.Cookies{}, s.rotate(first))
	answers := atOnce(func(int) answer { return b.held("POST", refreshPath).want(200, "{}\n") })
	b.take(refreshPath, answers)
	b.holds(wire.Cookies{}, true)
	b.goesOn("alice")
}

func fortyNative(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	c := s.nativeLogin("alice")
	for range 3 {
		s.clock.advance(time.Hour)
		answers := atOnce(func(int) answer { return s.call("POST", refreshPath, refreshHeader, c.refresh) })
		for _, a := range answers {
			if a.status != 200 {
				t.Fatalf("got %d %s", a.status, a.body)
			}
			c.takes(a)
		}
		c.do("GET", "/me").want(200, "alice")
	}
	s.noAlarm()
}

func refreshesAndFirstUses(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	b := s.browser()
	b.login("alice")
	for range 4 {
		s.clock.advance(session.DefaultAccessLifetime)
		b.refresh()
		answers := atOnce(func(i int) answer {
			if i%4 == 0 {
				return b.held("POST", refreshPath).want(200, "{}\n")
			}
			return b.held("GET", "/me").want(200, "alice")
		})
		b.take(refreshPath, answers)
		b.holds(wire.Cookies{}, true)
		b.goesOn("alice")
	}
}

// I4: whatever crosses with a logout, nobody is logged in afterwards.
func refreshesAndLogouts(t *testing.T, mount mounter) {
	s := open(t, mount, wire.Config{}, session.Config{})
	b := s.browser()
	b.login("alice")
	s.clock.advance(time.Minute)
	answers := atOnce(func(i int) answer {
		if i%2 == 0 {
			return b.held("POST", "/logout").want(200, "{}\n")
		}
		return b.held("POST", refreshPath)
	})
	for _, a := range answers {
		if a.status != 200 {
			a.want(401, "unauthorised logout")
		}
	}
	b.take(refreshPath, answers)
	if b.cookie(refresh) != "" {
		b.refreshFails(401, "unauthorised logout")
	}
	if left := s.sessions("alice"); len(left) != 0 {
		t.Errorf("left are %v", left)
	}
	s.noAlarm()
}
