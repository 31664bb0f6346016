package limit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func TestBucket(t *testing.T) {
	t.Parallel()
	rate := Rate{Every: 10 * time.Second, Burst: 3}
	c := newClock()
	m := NewMemory(c.now)
	key := NewKey("test", "one")
	take := func(key Key, want time.Duration) {
		t.Helper()
		if got, err := m.Take(t.Context(), key, rate); got != want || err != nil {
			t.Errorf("got %v, %v; want %v", got, err, want)
		}
	}
	for range 3 {
		take(key, 0)
	}
	take(key, 10*time.Second)
	take(key, 10*time.Second) // a refused attempt counts nothing
	take(NewKey("test", "two"), 0)
	take(NewKey("other", "one"), 0)

	c.advance(9999 * time.Millisecond)
	take(key, time.Millisecond)
	c.advance(time.Millisecond)
	take(key, 0)
	take(key, 10*time.Second)

	if err := m.GiveBack(t.Context(), key, rate); err != nil {
		t.Error(err)
	}
	take(key, 0)
	take(key, 10*time.Second)

	c.advance(time.Hour) // a full bucket is no fuller after an hour
	for range 3 {
		take(key, 0)
	}
	take(key, 10*time.Second)
	c.advance(-time.Hour) // a clock that was set back locks nobody out for an hour
	take(key, 10*time.Second)
}

func TestGivingBackGivesNoCredit(t *testing.T) {
	t.Parallel()
	rate := Rate{Every: time.Second, Burst: 2}
	m := NewMemory(newClock().now)
	key := NewKey("test", "one")
	for range 10 {
		if err := m.GiveBack(t.Context(), key, rate); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []time.Duration{0, 0, time.Second} {
		if got, _ := m.Take(t.Context(), key, rate); got != want {
			t.Errorf("attempt %d: got %v, want %v", i, got, want)
		}
	}
}

func TestAttemptsAtOnce(t *testing.T) {
	t.Parallel()
	m := NewMemory(newClock().now)
	var (
		allowed atomic.Int64
		wg      sync.WaitGroup
	)
	for range 100 {
		wg.Go(func() {
			if wait, err := m.Take(t.Context(), NewKey("test", "one"), Rate{Every: time.Minute, Burst: 7}); wait == 0 && err == nil {
				allowed.Add(1)
			}
		})
	}
	wg.Wait()
	if allowed.Load() != 7 {
		t.Errorf("%d attempts were let through, want 7", allowed.Load())
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	c := newClock()
	m := NewMemory(c.now)
	for i := range 100 {
		_, _ = m.Take(t.Context(), NewKey("test", fmt.Sprint(i)), Rate{Every: time.Second, Burst: 5})
	}
	c.advance(time.Second)
	_, _ = m.Take(t.Context(), NewKey("test", "late"), Rate{Every: time.Second, Burst: 5})
	if err := m.Clean(t.Context()); err != nil || len(m.empty) != 1 {
		t.Errorf("%d keys are left, %v; want the late one", len(m.empty), err)
	}
}

func allow(t *testing.T, a *Attempts, kind Kind, address, account string) time.Duration {
	t.Helper()
	wait, err := a.Allow(t.Context(), kind, address, account)
	if err != nil {
		t.Fatal(err)
	}
	return wait
}

func TestAccountsHaveTheirOwnLimit(t *testing.T) {
	t.Parallel()
	c := newClock()
	a := NewAttempts(NewMemory(c.now))
	for i := range PerAccount.Burst { // from an address of its own each
		if wait := allow(t, a, Password, fmt.Sprint("192.0.2.", i), "ann"); wait != 0 {
			t.Fatalf("attempt %d has to wait %v", i, wait)
		}
	}
	if wait := allow(t, a, Password, "198.51.100.1", "ann"); wait != time.Minute {
		t.Errorf("one too many: got %v, want a minute", wait)
	}
	for _, account := range []string{"Ann", "ann ", "bob", ""} {
		if wait := allow(t, a, Password, "198.51.100.1", account); wait != 0 {
			t.Errorf("%q has to wait %v", account, wait)
		}
	}
	if wait := allow(t, a, Register, "198.51.100.1", "ann"); wait != 0 {
		t.Errorf("to register has to wait %v", wait)
	}
	if err := a.GiveBack(t.Context(), Password, "ann"); err != nil {
		t.Fatal(err)
	}
	if wait := allow(t, a, Password, "198.51.100.1", "ann"); wait != 0 {
		t.Errorf("after a success: got %v", wait)
	}
}

func TestAddressesHaveTheirOwnLimit(t *testing.T) {
	t.Parallel()
	for address, others := range map[string]struct{ same, different []string }{
		"192.0.2.1":              {[]string{"192.0.2.1", "::ffff:192.0.2.1"}, []string{"192.0.2.2"}},
		"2001:db8:1:2::1":        {[]string{"2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::1%eth0"}, []string{"2001:db8:1:3::1"}},
		"":                       {[]string{"@", "not an address"}, []string{"::"}},
		"2001:0db8:0:0:0:0:0:17": {[]string{"2001:db8::"}, []string{"2001:db9::"}},
	} {
		a := NewAttempts(NewMemory(newClock().now))
		for i := range PerAddress.Burst {
			if wait := allow(t, a, Password, address, fmt.Sprint("user", i)); wait != 0 {
				t.Fatalf("%s: attempt %d has to wait %v", address, i, wait)
			}
		}
		for _, same := range append(others.same, address) {
			if wait := allow(t, a, Register, same, "somebody"); wait != 5*time.Second {
				t.Errorf("%q after %q: got %v, want 5 s", same, address, wait)
			}
		}
		for _, different := range others.different {
			if wait := allow(t, a, Password, different, "somebody"); wait != 0 {
				t.Errorf("%q after %q: got %v", different, address, wait)
			}
		}
	}
}

// TestRefusedAddressesMakeNoKeys: nobody fills the store by naming accounts.
func TestRefusedAddressesMakeNoKeys(t *testing.T) {
	t.Parallel()
	m := NewMemory(newClock().now)
	a := NewAttempts(m)
	for i := range 10 * PerAddress.Burst {
		allow(t, a, Password, "192.0.2.1", fmt.Sprint("user", i))
	}
	if len(m.empty) != PerAddress.Burst+1 {
		t.Errorf("there are %d keys, want %d", len(m.empty), PerAddress.Burst+1)
	}
}

// away is a store that does not answer.
type away struct{ Store }

func (away) Take(context.Context, Key, Rate) (time.Duration, error) { return 0, session.ErrUnavailable }

func TestNothingIsAllowedWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	if _, err := NewAttempts(away{}).Allow(t.Context(), Password, "192.0.2.1", "ann"); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}

func TestRunCleansAndEnds(t *testing.T) {
	t.Parallel()
	c := newClock()
	m := NewMemory(c.now)
	_, _ = m.Take(t.Context(), NewKey("test", "one"), PerAccount)
	c.advance(time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	NewAttempts(m).Run(ctx) // once at least
	if len(m.empty) != 0 {
		t.Error("nothing was cleaned up")
	}
}
