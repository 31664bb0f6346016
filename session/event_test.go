package session_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchword-dev/watchword/session"
)

func kinds(events []session.Event) []session.EventKind {
	var kinds []session.EventKind
	for _, e := range events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// TestEventsComeInOrder goes through the life of a session: one event for each thing that happens, none for what does not.
func TestEventsComeInOrder(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		phone := session.Device{UserAgent: "Phone/1", Address: "192.0.2.1"}
		var (
			s      *session.Session
			tokens session.Tokens
		)
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, step := range []struct {
			name string
			do   func()
			want []session.EventKind
			by   session.Device
		}{
			{"login", func() {
				var err error
				s, tokens, err = a.Create(a.ctx, "user", session.CreateOptions{Device: ownersDevice})
				must(err)
			}, []session.EventKind{session.EventCreated}, ownersDevice},
			{"verification", func() { a.use(tokens.AccessToken) }, nil, session.Device{}},
			{"refresh of a brand-new token", func() { a.refreshFrom(tokens.RefreshToken, phone) }, nil, phone},
			{"refresh", func() { a.clock.advance(time.Minute); tokens = a.refreshFrom(tokens.RefreshToken, phone) },
				[]session.EventKind{session.EventRefreshed}, phone},
			{"first use", func() { a.use(tokens.AccessToken) }, []session.EventKind{session.EventConfirmed}, session.Device{}},
			{"second use", func() { a.use(tokens.AccessToken) }, nil, session.Device{}},
			{"refresh, without a use", func() { a.clock.advance(time.Minute); tokens = a.refreshFrom(tokens.RefreshToken, phone) },
				[]session.EventKind{session.EventRefreshed}, phone},
			{"refresh with the successor", func() { a.clock.advance(time.Minute); a.refreshFrom(tokens.RefreshToken, phone) },
				[]session.EventKind{session.EventConfirmed, session.EventRefreshed}, phone},
			{"new proof", func() {
				a.clock.advance(time.Minute)
				var err error
				_, tokens, err = a.Reauthenticated(a.ctx, a.use(tokens.AccessToken), session.RefreshOptions{Device: phone})
				must(err)
			}, []session.EventKind{session.EventReauthenticated}, phone},
			{"its first use", func() { a.use(tokens.AccessToken) }, []session.EventKind{session.EventConfirmed}, session.Device{}},
			{"reads and changes", func() {
				_, err := a.Sessions(a.ctx, "user", session.Page{})
				must(err)
				_, err = a.Endings(a.ctx, "user", session.EndingsPage{})
				must(err)
				_, err = s.SetData(a.ctx, 1)
				must(err)
				must(errors.Join(a.SetLabel(a.ctx, s.Handle(), "x"), s.SetPayload(a.ctx, 1)))
			}, nil, session.Device{}},
			{"logout", func() {
				_, err := s.Revoke(a.ctx, session.RevokeOptions{})
				must(err)
			}, []session.EventKind{session.EventEnded}, phone},
			{"refresh of the ended", func() {
				_, _, err := a.Refresh(a.ctx, tokens.RefreshToken, session.RefreshOptions{})
				a.refused(err, session.ErrUnauthorised)
			}, nil, session.Device{}},
			{"logout again", func() {
				_, err := s.Revoke(a.ctx, session.RevokeOptions{})
				must(err)
			}, nil, session.Device{}},
		} {
			step.do()
			told := a.told()
			if got := kinds(told); !slices.Equal(got, step.want) {
				t.Errorf("%s: got the events %v, want %v", step.name, got, step.want)
			}
			for _, e := range told {
				if e.Handle != s.Handle() || e.UserID != "user" || e.Device != step.by || !e.At.Equal(a.clock.Now()) || e.Dropped != 0 {
					t.Errorf("%s: got %+v, want it of the session, by %+v, now", step.name, e, step.by)
				}
			}
		}
	}, func(cfg *session.Config) { cfg.Revocation = session.RevocationOff })
}

func TestEventsOfKeys(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		for _, purpose := range []session.KeyPurpose{session.PurposeAccess, session.PurposeRefresh} {
			if err := a.RotateNow(a.ctx, purpose, "test", false); err != nil {
				t.Fatal(err)
			}
			told := a.told()
			if len(told) != 1 || told[0].Kind != session.EventKeyRotated || told[0].Purpose != purpose || told[0].KeyID == "" {
				t.Errorf("%s: got the events %+v, want one", purpose, told)
			}
		}
	})
}

// TestEventsOfManyAreInOrder: from one goroutine, they are told in the order in which they happened, none twice.
func TestEventsOfManyAreInOrder(t *testing.T) {
	t.Parallel()
	inAudit(t, func(t *testing.T, a *audit) {
		var want []session.Handle
		for i := range 1000 {
			a.clock.advance(time.Millisecond)
			want = append(want, a.handle(a.login().AccessToken))
			if i%100 == 0 {
				synctest.Wait() // the goroutine that tells has ended
			}
		}
		var got []session.Handle
		for _, e := range a.told() {
			got = append(got, e.Handle)
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %d events in another order than the %d logins", len(got), len(want))
		}
	})
}

// TestEventHookThatNeverReturns holds up nobody; what is lost is counted and told.
func TestEventHookThatNeverReturns(t *testing.T) {
	t.Parallel()
	const waiting, lost = 4096 * 3 / 4, 100 // a quarter is kept for what clients cannot bring about
	var (
		told    []session.Event
		release = func() {}
	)
	inBubble(t, func(b *bubble) {
		m := b.manager()
		b.login(m, "user")
		synctest.Wait() // the hook has been called, and hangs
		for range waiting {
			b.login(m, "user")
		}
		if dropped := m.Health().EventsDropped; dropped != 0 {
			b.t.Errorf("%d events wait and %d were lost already", waiting, dropped)
		}
		for range lost {
			b.login(m, "user")
		}
		if dropped := m.Health().EventsDropped; dropped != lost {
			b.t.Errorf("Health: got %d events dropped, want %d", dropped, lost)
		}
		// Run does not wait for ever either.
		ctx, cancel := context.WithCancel(b.ctx)
		cancel()
		began := time.Now()
		m.Run(ctx)
		if took := time.Since(began); took != session.DefaultStoreTimeout {
			b.t.Errorf("Run took %v to end, want %v", took, session.DefaultStoreTimeout)
		}
		release()
		synctest.Wait()
		b.login(m, "user")
		synctest.Wait()
		b.login(m, "user")
		synctest.Wait()
		created := ofKind(told, session.EventCreated)
		if n := len(created); n != 1+waiting+2 {
			b.t.Fatalf("got %d events, want %d", n, 1+waiting+2)
		}
		for i, e := range created {
			want := 0
			if i == 1+waiting {
				want = lost
			}
			if e.Dropped != want {
				b.t.Errorf("event %d of %d says that %d were dropped, want %d", i, len(created), e.Dropped, want)
			}
		}
		if dropped := m.Health().EventsDropped; dropped != lost {
			b.t.Errorf("Health afterwards: got %d events dropped, want %d", dropped, lost)
		}
	}, func(cfg *session.Config) {
		hang := make(chan struct{})
		release = func() { close(hang) }
		cfg.OnEvent = func(e session.Event) {
			if e.Kind == session.EventCreated {
				<-hang
			}
			told = append(told, e)
		}
	})
}

// Whoever floods the hook with what any client can bring about does not keep an end from being told.
func TestEventsOfEndsAreKeptInAFlood(t *testing.T) {
	t.Parallel()
	const ends = 900
	var told []session.Event
	hang := make(chan struct{})
	inBubble(t, func(b *bubble) {
		hang = make(chan struct{})
		m := b.manager()
		b.login(m, "user")
		synctest.Wait() // the hook has been called, and hangs
		var handles []session.Handle
		for range ends {
			h, _ := b.login(m, "user")
			handles = append(handles, h)
		}
		for range 4000 {
			b.login(m, "flood")
		}
		flooded := m.Health().EventsDropped
		for _, h := range handles {
			if _, err := m.Revoke(b.ctx, h, session.RevokeOptions{}); err != nil {
				b.t.Fatal(err)
			}
		}
		if dropped := m.Health().EventsDropped; flooded == 0 || dropped != flooded {
			b.t.Errorf("%d events were dropped in the flood, and %d after it", flooded, dropped-flooded)
		}
		close(hang)
		synctest.Wait()
		if n := len(ofKind(told, session.EventEnded)); n != ends {
			b.t.Errorf("%d ends were told, want %d", n, ends)
		}
		dropped := 0
		for _, e := range told {
			dropped += e.Dropped
		}
		if dropped != flooded {
			b.t.Errorf("the events tell of %d that were dropped, want %d", dropped, flooded)
		}
	}, func(cfg *session.Config) {
		cfg.OnEvent = func(e session.Event) {
			if e.Kind == session.EventCreated {
				<-hang
			}
			told = append(told, e)
		}
	})
}

// A hook that panics is told of the next event all the same, and the log says so.
func TestEventHookThatPanics(t *testing.T) {
	t.Parallel()
	n := 0
	inBubble(t, func(b *bubble) {
		m := b.manager()
		for range 10 {
			b.login(m, "user")
		}
		synctest.Wait()
		b.login(m, "user")
		synctest.Wait()
		if n != 2+11 { // two keys, too
			b.t.Errorf("the hook was called %d times, want 13", n)
		}
		if lines := strings.Count(b.log.String(), "OnEvent panicked"); lines != n || !strings.Contains(b.log.String(), "the hook's own fault") {
			b.t.Errorf("%d lines for %d panics:\n%s", lines, n, b.log.String())
		}
		if dropped := m.Health().EventsDropped; dropped != 0 {
			b.t.Errorf("%d events count as dropped", dropped)
		}
	}, func(cfg *session.Config) {
		cfg.OnEvent = func(session.Event) { n++; panic("the hook's own fault") }
	})
}

// TestEventHookMayCallTheManager: an audit trail may want to look something up.
func TestEventHookMayCallTheManager(t *testing.T) {
	t.Parallel()
	var (
		m     *session.Manager
		found int
	)
	inBubble(t, func(b *bubble) {
		m = b.manager()
		b.login(m, "user")
		synctest.Wait()
		if found != 1 {
			b.t.Errorf("the hook found %d sessions, want 1", found)
		}
	}, func(cfg *session.Config) {
		cfg.OnEvent = func(e session.Event) {
			if e.Kind != session.EventCreated {
				return
			}
			if _, err := m.Lookup(context.Background(), e.Handle); err == nil {
				found++
			}
			m.Health()
		}
	})
}

// TestEventsLeaveNoGoroutineBehind: the bubble would not end otherwise. Without a hook there is none at any time.
func TestEventsLeaveNoGoroutineBehind(t *testing.T) {
	t.Parallel()
	for _, hook := range []func(session.Event){nil, func(session.Event) { time.Sleep(time.Minute) }} {
		inBubble(t, func(b *bubble) {
			m := b.manager()
			for range 10 {
				b.login(m, "user")
			}
			if dropped := m.Health().EventsDropped; dropped != 0 {
				b.t.Errorf("%d events dropped", dropped)
			}
			time.Sleep(time.Hour) // as long as the hook needs
		}, func(cfg *session.Config) { cfg.OnEvent = hook })
	}
}

// TestRunWaitsForTheLastEvents that are told slowly, but no longer than a call of the store may take.
func TestRunWaitsForTheLastEvents(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		each time.Duration // that an event takes
		want int           // how many of ten are told when Run returns
		took time.Duration
	}{
		{0, 10, 0}, {100 * time.Millisecond, 10, time.Second}, {time.Second, 5, session.DefaultStoreTimeout},
	} {
		var told atomic.Int64
		inBubble(t, func(b *bubble) {
			m := b.manager()
			ctx, cancel := context.WithCancel(b.ctx)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				m.Run(ctx)
			}()
			time.Sleep(time.Minute)
			for range 10 {
				b.login(m, "user")
			}
			began := time.Now()
			cancel()
			<-ended
			if got, took := int(told.Load()), time.Since(began); got != test.want && got != test.want-1 || took != test.took {
				b.t.Errorf("%v each: %d events were told after %v, want %d after %v", test.each, got, took, test.want, test.took)
			}
			time.Sleep(time.Minute)
		}, func(cfg *session.Config) {
			cfg.OnEvent = func(e session.Event) {
				if e.Kind == session.EventCreated {
					time.Sleep(test.each)
					told.Add(1)
				}
			}
		})
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	for _, mode := range []session.RevocationMode{"", session.RevocationFeed, session.RevocationStrict, session.RevocationOff} {
		inAudit(t, func(t *testing.T, a *audit) {
			d := a.doom() // takes a while
			want := session.Health{Feed: session.FeedHealth{Mode: mode}, KeysAge: a.Health().KeysAge}
			if mode == "" || mode == session.RevocationFeed {
				want.Feed = session.FeedHealth{Mode: session.RevocationFeed, Age: 2*time.Minute + time.Second, Stale: true}
			}
			if got := a.Health(); got != want {
				t.Errorf("%q: got %+v, want %+v", mode, got, want)
			}
			if _, err := a.Revoke(a.ctx, d.info.Handle, session.RevokeOptions{}); err != nil {
				t.Fatal(err)
			}
			a.clock.advance(time.Hour)
			a.readFeeds()
			want.KeysAge = 0
			if want.Feed.Mode == session.RevocationFeed {
				want.Feed = session.FeedHealth{Mode: session.RevocationFeed}
			}
			if got := a.Health(); got != want {
				t.Errorf("%q, when keys and feed have been read, long after a revocation: got %+v, want %+v", mode, got, want)
			}
			if _, err := a.Revoke(a.ctx, d.keep, session.RevokeOptions{}); err != nil {
				t.Fatal(err)
			}
			a.clock.advance(time.Second)
			a.store.total()
			want.KeysAge = time.Second
			if want.Feed.Mode == session.RevocationFeed {
				want.Feed.Age, want.Feed.Known = time.Second, 1
			}
			if got := a.Health(); got != want {
				t.Errorf("%q, after another one: got %+v, want %+v", mode, got, want)
			}
			noCalls(t, a.store.total())
		}, func(cfg *session.Config) { cfg.Revocation = mode })
	}
}

// secrets collects everything that must not be told.
type secrets map[string]string

func (s secrets) add(what string, tokens session.Tokens) {
	for name, token := range map[string]string{"access": tokens.AccessToken, "refresh": tokens.RefreshToken, "csrf": tokens.AntiCSRF} {
		if token == "" {
			continue
		}
		s[what+": "+name+" token"] = token
		if name == "refresh" {
			mark := sha256.Sum256([]byte(token))
			s[what+": mark in hex"] = hex.EncodeToString(mark[:])
			s[what+": mark in base64url"] = base64.RawURLEncoding.EncodeToString(mark[:])
			s[what+": mark in base64"] = base64.RawStdEncoding.EncodeToString(mark[:])
			s[what+": mark as a list"] = strings.Trim(fmt.Sprint(mark), "[]")
			s[what+": mark in Go"] = strings.Trim(strings.TrimPrefix(fmt.Sprintf("%#v", mark), "[32]uint8"), "{}")
		}
		// Parts of it, too: a signature, a secret.
		s[what+": end of the "+name+" token"] = token[len(token)-16:]
	}
}

// TestNothingToldHoldsAToken: neither an event, nor an error, nor a line of the log, nor a record.
func TestNothingToldHoldsAToken(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	inAudit(t, func(t *testing.T, a *audit) {
		known := secrets{}
		var told []any
		create := func(m *session.Manager, what string) (*session.Session, session.Tokens) {
			t.Helper()
			a.clock.advance(time.Millisecond) // the limit is told by it which one is the newest
			s, tokens, err := m.Create(a.ctx, "user", session.CreateOptions{Device: ownersDevice, Label: "laptop", Payload: what, AntiCSRF: true})
			if err != nil {
				t.Fatal(err)
			}
			known.add(what, tokens)
			return s, tokens
		}
		refresh := func(m *session.Manager, token, what string) session.Tokens {
			_, tokens, err := m.Refresh(a.ctx, token, session.RefreshOptions{Device: thiefsDevice, AntiCSRF: true})
			if err != nil {
				told = append(told, err, errorChain(err))
			}
			known.add(what, tokens)
			return tokens
		}
		verify := func(m *session.Manager, token, what string) *session.Session {
			s, err := m.Verify(a.ctx, token, session.VerifyOptions{MaxAuthAge: 24 * time.Hour})
			if err != nil {
				told = append(told, err)
				return nil
			}
			if renewed, ok := s.Renewed(); ok {
				known.add(what, renewed)
			}
			return s
		}
		// A theft of each kind.
		for _, kind := range []string{"reuse", "shadow"} {
			_, first := create(a.Manager, kind)
			a.clock.advance(time.Minute)
			for i := range 5 {
				second := refresh(a.Manager, first.RefreshToken, fmt.Sprint(kind, i))
				if kind == "reuse" {
					verify(a.other, second.AccessToken, fmt.Sprint(kind, i, " renewed"))
				}
				a.clock.advance(time.Minute)
			}
			verify(a.Manager, first.AccessToken, "old")
		}
		// A new proof, lost keys, an end of each other kind.
		_, tokens := create(a.Manager, "proof")
		a.clock.advance(time.Minute)
		tokens = refresh(a.Manager, tokens.RefreshToken, "proof 1")
		s := verify(a.Manager, tokens.AccessToken, "proof 2")
		a.clock.advance(time.Minute)
		_, again, err := a.Reauthenticated(a.ctx, s, session.RefreshOptions{Device: ownersDevice})
		if err != nil {
			t.Fatal(err)
		}
		known.add("proof 3", again)
		refresh(a.other, tokens.RefreshToken, "proof 4")
		_, _, err = a.other.Reauthenticated(a.ctx, s, session.RefreshOptions{})
		told = append(told, err)
		verify(a.Manager, again.AccessToken, "proof 5")
		if _, err := s.Revoke(a.ctx, session.RevokeOptions{}); err != nil {
			t.Fatal(err)
		}
		for range 4 { // one too many
			_, tokens = create(a.other, "many")
		}
		a.store.setFault(func(string, bool) error { return errCut })
		refresh(a.Manager, tokens.RefreshToken, "outage")
		if _, _, err := a.Create(a.ctx, "user", session.CreateOptions{}); err != nil {
			told = append(told, err)
		}
		a.clock.advance(time.Minute)
		verify(a.Manager, tokens.AccessToken, "outage")
		a.store.setFault(nil)
		if err := a.RotateNow(a.ctx, session.PurposeRefresh, "test", true); err != nil {
			t.Fatal(err)
		}
		refresh(a.Manager, tokens.RefreshToken, "lost key")
		create(a.Manager, "idle")
		a.clock.advance(session.DefaultIdleLifetime)
		if _, err := a.Cleanup(a.ctx); err != nil {
			t.Fatal(err)
		}

		events := a.told()
		got := map[session.EventKind]bool{}
		for _, e := range events {
			got[e.Kind] = true
			told = append(told, e)
			if e.Theft != nil {
				told = append(told, *e.Theft)
			}
		}
		for _, kind := range []session.EventKind{
			session.EventCreated, session.EventRefreshed, session.EventConfirmed, session.EventReauthenticated, session.EventEnded, session.EventTheft,
			session.EventKeyRotated, session.EventFeedStale,
		} {
			if !got[kind] {
				t.Errorf("there was no event of kind %s to search", kind)
			}
		}
		endings, err := a.Endings(a.ctx, "user", session.EndingsPage{})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range endings {
			told = append(told, e)
			if e.Theft != nil {
				told = append(told, *e.Theft)
			}
		}
		for _, theft := range a.thefts {
			told = append(told, theft, &theft)
		}
		told = append(told, log.String(), a.Health())
		if log.String() == "" || len(a.thefts) != 2 || len(endings) < 8 {
			t.Errorf("there is too little to search: %d bytes of log, %d thefts, %d records", len(log.String()), len(a.thefts), len(endings))
		}
		for _, v := range told {
			texts := []string{fmt.Sprintf("%+v", v), fmt.Sprintf("%#v", v), fmt.Sprint(v)}
			if raw, err := json.Marshal(v); err == nil {
				texts = append(texts, string(raw))
			}
			for _, text := range texts {
				for what, secret := range known {
					if strings.Contains(text, secret) {
						t.Errorf("%T tells %s", v, what)
					}
				}
			}
		}
	}, func(cfg *session.Config) {
		cfg.MaxHandOuts, cfg.MaxSessions = 3, 3
		cfg.EndingRetention, cfg.Logger = 60*24*time.Hour, loggerTo(&log)
	})
}

// errorChain is an error with all that it wraps.
func errorChain(err error) []error {
	chain := []error{err}
	for err = errors.Unwrap(err); err != nil; err = errors.Unwrap(err) {
		chain = append(chain, err)
	}
	return chain
}

func loggerTo(log *lockedBuffer) *slog.Logger {
	return slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
