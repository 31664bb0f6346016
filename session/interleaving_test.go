package session_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// gates let operations go on one store call at a time, in every order there is.
type gates struct {
	mu      sync.Mutex
	waiting map[string]chan struct{} // operations that are about to call the store
}

type operationKey struct{}

// before is the store's fault hook: the operation waits until it is its turn.
func (g *gates) before(ctx context.Context) {
	name, ok := ctx.Value(operationKey{}).(string)
	if !ok {
		return
	}
	turn := make(chan struct{})
	g.mu.Lock()
	g.waiting[name] = turn
	g.mu.Unlock()
	<-turn
}

// gatedStore asks the gates before each call of an operation.
type gatedStore struct {
	session.Store
	gates *gates
}

func (s gatedStore) Get(ctx context.Context, h session.Handle) (session.Row, time.Time, error) {
	s.gates.before(ctx)
	return s.Store.Get(ctx, h)
}

func (s gatedStore) Confirm(ctx context.Context, h session.Handle, pending session.Mark, next *session.Successor, renewal session.Renewal) (bool, error) {
	s.gates.before(ctx)
	return s.Store.Confirm(ctx, h, pending, next, renewal)
}

func (s gatedStore) HandOut(ctx context.Context, h session.Handle, current, pending session.Mark, counts bool, renewal session.Renewal) (bool, error) {
	s.gates.before(ctx)
	return s.Store.HandOut(ctx, h, current, pending, counts, renewal)
}

func (s gatedStore) Mint(ctx context.Context, h session.Handle, current, pending session.Mark, handedAt time.Time, next session.Successor, renewal session.Renewal) (bool, error) {
	s.gates.before(ctx)
	return s.Store.Mint(ctx, h, current, pending, handedAt, next, renewal)
}

func (s gatedStore) End(ctx context.Context, h session.Handle, end session.End) (bool, error) {
	s.gates.before(ctx)
	return s.Store.End(ctx, h, end)
}

func (s gatedStore) EndUser(ctx context.Context, userID string, keep session.Handle, end session.End, limit int) (int, error) {
	s.gates.before(ctx)
	return s.Store.EndUser(ctx, userID, keep, end, limit)
}

func (s gatedStore) EndAll(ctx context.Context, before time.Time, end session.End, limit int) ([]session.Ended, error) {
	s.gates.before(ctx)
	return s.Store.EndAll(ctx, before, end, limit)
}

func (s gatedStore) Publish(ctx context.Context, r session.Revocation) error {
	s.gates.before(ctx)
	return s.Store.Publish(ctx, r)
}

func (s gatedStore) Revocations(ctx context.Context, since time.Time, limit int) ([]session.Revocation, time.Time, error) {
	s.gates.before(ctx)
	return s.Store.Revocations(ctx, since, limit)
}

// operation is one call of a Manager.
type operation struct {
	name string
	run  func(ctx context.Context)
}

// interleave runs operations in the order that choices give: at each step, which of those that wait goes on. It returns how
// many there were to choose from at each step.
func (g *gates) interleave(ctx context.Context, choices []int, operations []operation) (widths []int) {
	for _, op := range operations {
		go op.run(context.WithValue(ctx, operationKey{}, op.name))
	}
	for step := 0; ; step++ {
		synctest.Wait()
		g.mu.Lock()
		names := slices.Sorted(maps.Keys(g.waiting))
		g.mu.Unlock()
		if len(names) == 0 {
			return widths
		}
		widths = append(widths, len(names))
		choice := 0
		if step < len(choices) {
			choice = choices[step]
		}
		g.mu.Lock()
		turn := g.waiting[names[choice]]
		delete(g.waiting, names[choice])
		g.mu.Unlock()
		close(turn)
	}
}

// everyInterleaving calls run with the choices of every order there is; run returns how many there were at each step.
func everyInterleaving(run func(choices []int) (widths []int)) (runs int) {
	for choices := []int{}; choices != nil; runs++ {
		widths := run(choices)
		// The next one in lexical order: of the last step that has another choice.
		for len(choices) < len(widths) {
			choices = append(choices, 0)
		}
		choices = choices[:len(widths)]
		i := len(choices) - 1
		for i >= 0 && choices[i]+1 == widths[i] {
			i--
		}
		if i < 0 {
			return runs + 1
		}
		choices = append(slices.Clone(choices[:i]), choices[i]+1)
	}
	return runs
}

// TestI4EveryInterleavingWithRevoke: whatever a revocation crosses with, once it has returned nothing of the session is good:
// no refresh token that anybody holds, no access token in this process, and none in another that has read the feed since.
func TestI4EveryInterleavingWithRevoke(t *testing.T) {
	t.Parallel()
	revocations := map[string]func(context.Context, *session.Manager, session.Handle) error{
		"revoke": func(ctx context.Context, m *session.Manager, h session.Handle) error {
			_, err := m.Revoke(ctx, h, session.RevokeOptions{})
			return err
		},
		"revoke user": func(ctx context.Context, m *session.Manager, _ session.Handle) error {
			_, err := m.RevokeUser(ctx, "user", session.RevokeOptions{})
			return err
		},
		"revoke others": func(ctx context.Context, m *session.Manager, _ session.Handle) error {
			_, err := m.RevokeOthers(ctx, "user", session.Handle{1}, session.RevokeOptions{})
			return err
		},
		"revoke all": func(ctx context.Context, m *session.Manager, _ session.Handle) error {
			_, err := m.RevokeAll(ctx, session.RevokeOptions{})
			return err
		},
	}
	// What the client has in hand, and what it does at the same time; by the states that rotation.go tells apart.
	states := map[string]func(w *world, s *crossing){
		"brand-new": func(w *world, s *crossing) { s.does(w.login()) },
		"current":   func(w *world, s *crossing) { first := w.login(); w.clock.advance(time.Minute); s.does(first) },
		"pending": func(w *world, s *crossing) {
			first := w.login()
			w.clock.advance(time.Minute)
			s.does(w.refresh(first.RefreshToken))
		},
		"handed out": func(w *world, s *crossing) {
			first := w.login()
			w.clock.advance(time.Minute)
			s.holds(w.refresh(first.RefreshToken))
			s.does(first)
		},
		"previous": func(w *world, s *crossing) {
			first := w.login()
			w.clock.advance(time.Minute)
			second := w.refresh(first.RefreshToken)
			w.use(second.AccessToken)
			s.holds(second)
			s.does(first)
		},
	}
	total := 0
	for how, revoke := range revocations {
		for state, prepare := range states {
			for _, act := range []string{"refresh", "verify", "reauthenticate", "refresh twice"} {
				for _, mode := range []session.RevocationMode{session.RevocationFeed, session.RevocationStrict, session.RevocationOff} {
					name := fmt.Sprintf("%s, %s of %s, %s", how, act, state, mode)
					total += everyInterleaving(func(choices []int) (widths []int) {
						synctest.Test(t, func(t *testing.T) {
							s := newCrossing(t, mode)
							prepare(s.world, s)
							widths = s.run(choices, act, revoke)
							s.check(fmt.Sprintf("%s, order %v", name, choices))
						})
						return widths
					})
					if t.Failed() {
						return
					}
				}
			}
		}
	}
	t.Logf("%d interleavings", total)
}

// crossing is a world in which operations of two processes cross.
type crossing struct {
	*world
	gates *gates
	other *session.Manager // a second process
	own   session.Tokens   // what the client acts with
	held  []session.Tokens // everything that was ever handed out
}

func newCrossing(t *testing.T, mode session.RevocationMode) *crossing {
	s := &crossing{gates: &gates{waiting: map[string]chan struct{}{}}}
	s.world = newWorld(t, func(cfg *session.Config) {
		cfg.Revocation = mode
		cfg.Sleep = func(_ context.Context, d time.Duration) error { s.clock.advance(d); return nil }
	})
	s.store.Store = gatedStore{s.store.Store, s.gates}
	s.other = s.process()
	return s
}

func (s *crossing) holds(tokens session.Tokens) {
	s.gates.mu.Lock()
	defer s.gates.mu.Unlock()
	s.held = append(s.held, tokens)
}

func (s *crossing) does(tokens session.Tokens) { s.own = tokens; s.holds(tokens) }

func (s *crossing) run(choices []int, act string, revoke func(context.Context, *session.Manager, session.Handle) error) []int {
	own := s.ownSession()
	refresh := func(m *session.Manager) func(context.Context) {
		return func(ctx context.Context) {
			if _, tokens, err := m.Refresh(ctx, s.own.RefreshToken, session.RefreshOptions{}); err == nil {
				s.holds(tokens)
			}
		}
	}
	operations := []operation{{"revoke", func(ctx context.Context) {
		if err := revoke(ctx, s.Manager, own.Handle()); err != nil {
			s.t.Errorf("revoke: %v", err)
		}
	}}}
	switch act {
	case "refresh":
		operations = append(operations, operation{act, refresh(s.other)})
	case "refresh twice":
		operations = append(operations, operation{"one", refresh(s.other)}, operation{"two", refresh(s.Manager)})
	case "verify":
		operations = append(operations, operation{act, func(ctx context.Context) {
			if verified, err := s.other.Verify(ctx, s.own.AccessToken, session.VerifyOptions{}); err == nil {
				if renewed, ok := verified.Renewed(); ok {
					s.holds(renewed)
				}
			}
		}})
	case "reauthenticate":
		operations = append(operations, operation{act, func(ctx context.Context) {
			if _, tokens, err := s.other.Reauthenticated(ctx, own, session.RefreshOptions{}); err == nil {
				s.holds(tokens)
			}
		}})
	}
	return s.gates.interleave(s.ctx, choices, operations)
}

// ownSession is the client's session without the store's being asked.
func (s *crossing) ownSession() *session.Session {
	v, err := s.Verify(s.ctx, s.own.AccessToken, session.VerifyOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

func (s *crossing) check(what string) {
	s.t.Helper()
	s.clock.advance(time.Second)
	if s.cfg.Revocation == session.RevocationFeed {
		ctx, cancel := context.WithCancel(s.ctx)
		go s.other.Run(ctx) // reads the feed
		synctest.Wait()
		defer func() { cancel(); synctest.Wait() }()
	}
	for i, tokens := range s.held {
		for name, m := range map[string]*session.Manager{"the process that revoked": s.Manager, "another": s.other} {
			if tokens.RefreshToken != "" {
				if _, _, err := m.Refresh(s.ctx, tokens.RefreshToken, session.RefreshOptions{}); err == nil || isTheft(err) {
					s.t.Errorf("%s: refresh token %d at %s: got %v, want a refusal", what, i, name, err)
				}
			}
			_, err := m.Verify(s.ctx, tokens.AccessToken, session.VerifyOptions{})
			if good := err == nil; good && s.cfg.Revocation != session.RevocationOff {
				s.t.Errorf("%s: access token %d passes at %s", what, i, name)
			}
		}
	}
	// Without feed and check none lives longer than it would have anyway.
	s.clock.advance(session.DefaultAccessLifetime + session.DefaultAccessLifetime/20)
	for i, tokens := range s.held {
		if _, err := s.other.Verify(s.ctx, tokens.AccessToken, session.VerifyOptions{}); err == nil {
			s.t.Errorf("%s: access token %d passes for longer than an access lifetime", what, i)
		}
	}
}
