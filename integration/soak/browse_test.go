package soak_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// browse is what a page does: some requests that are only verified, and one that needs the store.
func (c *client) browse(ctx context.Context, e *entry, writes bool) error {
	for range 4 {
		if _, err := c.verify(ctx, e); err != nil {
			return err
		}
	}
	s, err := c.verify(ctx, e)
	if err != nil {
		return err
	}
	switch dice := rand.N(1000); {
	case dice < 150:
		return c.list(ctx, e)
	case !writes:
		return c.explain(e, c.ask("read data", func(m *session.Manager) error {
			_, err := m.Data(ctx, e.handle)
			return err
		}))
	case dice < 400:
		return c.readData(ctx, e)
	case dice < 900:
		return c.update(ctx, e)
	case dice < 996:
		return c.ask("set payload", func(m *session.Manager) error {
			return m.SetPayload(ctx, e.handle, map[string]int{"n": number()}, session.PayloadOptions{})
		})
	default:
		return c.stepUp(ctx, e, s)
	}
}

func (c *client) list(ctx context.Context, e *entry) error {
	var infos []session.Info
	err := c.ask("list", func(m *session.Manager) (err error) {
		infos, err = m.Sessions(ctx, c.user, session.Page{Limit: session.DefaultPage})
		return err
	})
	if err != nil {
		return err
	}
	if len(infos) < session.DefaultPage && e.ended() == "" && !slices.ContainsFunc(infos, func(i session.Info) bool { return i.Handle == e.handle }) {
		return fmt.Errorf("the list of %d sessions does not have it", len(infos))
	}
	return nil
}

// readData checks that what was acknowledged last is there.
func (c *client) readData(ctx context.Context, e *entry) error {
	var got session.Data
	err := c.ask("read data", func(m *session.Manager) (err error) {
		got, err = m.Data(ctx, e.handle)
		return err
	})
	if err != nil {
		return err
	}
	value, err := decode(got)
	if err != nil {
		return fmt.Errorf("data is %q: %w", got.Raw, err)
	}
	return e.saw(value, got.Version)
}

// update replaces the data under the version that was read.
func (c *client) update(ctx context.Context, e *entry) error {
	if e.version == 0 {
		if err := c.readData(ctx, e); err != nil {
			return err
		}
	}
	for try := range 20 {
		value := number()
		asked := time.Now()
		version, err := c.dep.any().UpdateData(ctx, e.handle, e.version, value)
		c.w.meter.waited(asked)
		switch {
		case err == nil:
			c.w.meter.count()
			e.wrote(value, version)
			return nil
		case errors.Is(err, session.ErrUnavailable):
			c.w.meter.refuse(c.w.down.Load())
			if e.unknown == nil {
				e.unknown = map[int]bool{}
			}
			e.unknown[value] = true
			backOff(try)
		case errors.Is(err, session.ErrConflict) && len(e.unknown) > 0:
			c.w.meter.conflicts.Add(1) // with a write of its own
		default:
			return fmt.Errorf("update data: %w", err)
		}
		if err := c.readData(ctx, e); err != nil {
			return err
		}
	}
	return fmt.Errorf("update data: %w", errStuck)
}

// stepUp has the user prove again who they are.
func (c *client) stepUp(ctx context.Context, e *entry, s *session.Session) error {
	err := c.ask(proof, func(m *session.Manager) error {
		asked := time.Now()
		_, tokens, err := m.Reauthenticated(ctx, s, session.RefreshOptions{})
		if err == nil {
			e.put(tokens, asked)
		}
		return err
	})
	if errors.Is(err, session.ErrTryRefresh) {
		return c.refresh(ctx, e) // and the user is asked once more, on another day
	}
	return err
}

// leave ends the session in one of the ways that there are.
func (c *client) leave(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.current
	switch dice := rand.N(100); {
	case dice < 40:
		return c.end(ctx, session.ReasonLogout, e)
	case dice < 60: // it goes on, elsewhere
		c.parked = append(c.parked, e)
		if len(c.parked) <= maxParked {
			return nil
		}
		oldest := c.parked[0]
		c.parked = c.parked[1:]
		if err := c.inspect(ctx, oldest); err != nil {
			return c.expired(oldest, err)
		}
		return c.end(ctx, session.ReasonRevokedByUser, oldest)
	case dice < 75 && c.dep.cfg.IdleLifetime < startTimeout: // it is forgotten
		e.end(session.ReasonIdle)
		c.forget(e)
		return nil
	case dice < 85:
		return c.endMany(ctx, session.ReasonPasswordChange, session.Handle{}, append(c.parked, e)...)
	default:
		if err := c.endMany(ctx, session.ReasonRevokedByUser, e.handle, c.parked...); err != nil {
			return err
		}
		return c.end(ctx, session.ReasonLogout, e)
	}
}

// visit uses the parked sessions often enough that they do not expire.
func (c *client) visit(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := 0; i < len(c.parked); i++ {
		e := c.parked[i]
		if e.idle() < min(c.dep.cfg.IdleLifetime/4, 15*time.Second) {
			continue
		}
		if err := c.inspect(ctx, e); err != nil {
			c.parked = slices.Delete(c.parked, i, i+1)
			return c.expired(e, err)
		}
	}
	return nil
}

// expired forgives that a session is over which nobody could refresh for its idle lifetime, since the server was away or the machine
// busy.
func (c *client) expired(e *entry, err error) error {
	var ended *session.EndedError
	if !errors.As(err, &ended) || ended.Reason != session.ReasonIdle || e.idle() <= c.dep.cfg.IdleLifetime {
		return err
	}
	e.end(session.ReasonIdle)
	c.forget(e)
	return nil
}

func (c *client) forget(e *entry) {
	c.w.ledger.add(e, c.dep)
	c.left = append(c.left, e.handle)
}

// end revokes a session. The lock is held, as in endMany.
func (c *client) end(ctx context.Context, reason session.Reason, e *entry) error {
	e.end(reason)
	err := c.ask("revoke", func(m *session.Manager) error {
		_, err := m.Revoke(ctx, e.handle, session.RevokeOptions{Reason: reason})
		return err
	})
	if err != nil {
		return err
	}
	c.w.ledger.add(e, c.dep)
	return c.dead(ctx, e)
}

func (c *client) endMany(ctx context.Context, reason session.Reason, keep session.Handle, all ...*entry) error {
	for _, e := range all {
		e.end(reason)
	}
	c.w.ledger.reach(c.left, reason)
	c.left = nil
	err := c.ask("revoke the user's", func(m *session.Manager) error {
		_, err := m.RevokeOthers(ctx, c.user, keep, session.RevokeOptions{Reason: reason})
		return err
	})
	if err != nil {
		return err
	}
	c.parked = nil
	for _, e := range all {
		c.w.ledger.add(e, c.dep)
		if err := c.dead(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// dead checks that no process refreshes a session whose end was acknowledged (I4).
func (c *client) dead(ctx context.Context, e *entry) error {
	if err := c.refresh(ctx, e); !errors.Is(err, errEnded) {
		return fmt.Errorf("session %s was revoked, and a refresh gave %w, want a refusal with its reason", e.handle, orNil(err))
	}
	return nil
}

func orNil(err error) error {
	if err == nil {
		return errors.New("new tokens")
	}
	return err
}

// inspect checks a live session: its data is what was acknowledged last, and it can be refreshed (I1).
func (c *client) inspect(ctx context.Context, e *entry) error {
	if err := c.refresh(ctx, e); err != nil {
		return fmt.Errorf("inspect %s, refreshed %v ago: %w", e.handle, e.idle().Round(time.Millisecond), err)
	}
	if _, err := c.verify(ctx, e); err != nil {
		return fmt.Errorf("inspect %s: %w", e.handle, err)
	}
	return c.readData(ctx, e)
}
