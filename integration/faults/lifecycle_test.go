package faults_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/watchword-dev/watchword/session"
)

// creating is an operation that starts a session.
func creating(name, statements string, waits int, config func(*session.Config), before int) operation {
	late := orphan
	if before > 0 { // what is left over is one too many
		late = ""
	}
	return operation{name: name, statements: statements, waits: waits, config: config, late: string(late), setup: func(c *cell) scenario {
		for range before {
			c.create()
		}
		var (
			got session.Tokens
			s   *session.Session
		)
		return scenario{
			run: func(ctx context.Context) (outcome, error) {
				var err error
				s, got, err = c.m.Create(ctx, c.user, session.CreateOptions{Payload: marker + "payload", Data: marker + "data"})
				c.issued(got)
				return done, err
			},
			check: func(first outcome) {
				c.wantAlive(s.Handle(), got.RefreshToken, got, 0)
				switch n := c.live(); {
				case first == orphan && before == 0 && n == 2:
				case n == 1:
				default:
					c.errorf("got %d live sessions, want 1", n)
				}
			},
		}
	}}
}

var lifecycle = []operation{
	creating("create", "INSERT", 1, nil, 0),
	creating("create, one too many", "INSERT SELECT UPDATE", 3, func(cfg *session.Config) { cfg.MaxSessions = 1 }, 1),
	{name: "verify", statements: "", setup: func(c *cell) scenario {
		_, tokens := c.create()
		return scenario{
			run: func(ctx context.Context) (outcome, error) {
				_, err := c.m.Verify(ctx, tokens.AccessToken, session.VerifyOptions{})
				return done, err
			},
			check: func(outcome) {},
		}
	}},
	{name: "verify, first use after a refresh", statements: "UPDATE", waits: 1, outage: "p", once: "p", stopped: "✓", setup: func(c *cell) scenario {
		s, first := c.create()
		c.age(s.Handle())
		second := c.refresh(first.RefreshToken)
		return scenario{
			run: func(ctx context.Context) (outcome, error) {
				s, err := c.m.Verify(ctx, second.AccessToken, session.VerifyOptions{})
				if err != nil {
					return done, err
				}
				if _, renewed := s.Renewed(); !renewed {
					return unconfirmed, nil
				}
				return done, nil
			},
			check: func(outcome) {
				c.wantAlive(s.Handle(), "", second, 1)
				c.wantThefts(0)
			},
		}
	}},
	{name: "update of data", statements: "UPDATE", waits: 1, late: "C", deaf: "✓", setup: func(c *cell) scenario {
		s, _ := c.create()
		before, err := s.Data(c.t.Context())
		c.must(err)
		return scenario{
			run: func(ctx context.Context) (outcome, error) {
				_, err := s.UpdateData(ctx, before.Version, marker+"new")
				if errors.Is(err, session.ErrConflict) {
					now, err := s.Data(ctx)
					if string(now.Raw) != `"`+marker+`new"` {
						c.errorf("a conflict with nobody: the data is %s", now.Raw)
					}
					return conflict, err
				}
				return done, err
			},
			check: func(outcome) {
				now, err := s.Data(c.t.Context())
				if err != nil || now.Version == before.Version || string(now.Raw) != `"`+marker+`new"` {
					c.errorf("then the data is %s, version new: %v, %v", now.Raw, now.Version != before.Version, err)
				}
			},
		}
	}},
	{name: "SetPayload", statements: "SELECT UPDATE", waits: 1, once: "✓R", setup: func(c *cell) scenario {
		s, _ := c.create()
		return scenario{
			run: func(ctx context.Context) (outcome, error) { return done, s.SetPayload(ctx, marker+"new") },
			check: func(outcome) {
				if r := c.row(s.Handle()); string(r.payload) != `"`+marker+`new"` {
					c.errorf("then the payload is %s", r.payload)
				}
			},
		}
	}},
	{name: "SetLabel", statements: "UPDATE", waits: 1, once: "R", setup: func(c *cell) scenario {
		s, _ := c.create()
		return scenario{
			run: func(ctx context.Context) (outcome, error) { return done, c.m.SetLabel(ctx, s.Handle(), marker+"new") },
			check: func(outcome) {
				if r := c.row(s.Handle()); r.label != marker+"new" {
					c.errorf("then the label is %q", r.label)
				}
			},
		}
	}},
	reading("read data", func(ctx context.Context, c *cell, s *session.Session) (any, error) { return s.Data(ctx) }),
	reading("list", func(ctx context.Context, c *cell, s *session.Session) (any, error) {
		return c.m.Sessions(ctx, c.user, session.Page{})
	}),
	reading("Endings", func(ctx context.Context, c *cell, s *session.Session) (any, error) {
		return c.m.Endings(ctx, c.user, session.EndingsPage{})
	}),
}

// reading is an operation that changes nothing.
func reading(name string, read func(context.Context, *cell, *session.Session) (any, error)) operation {
	return operation{name: name, statements: "SELECT", waits: 1, setup: func(c *cell) scenario {
		s, _ := c.create()
		other, _ := c.create()
		_, err := other.Revoke(c.t.Context(), session.RevokeOptions{})
		c.must(err)
		want, err := read(c.t.Context(), c, s)
		c.must(err)
		return scenario{
			run: func(ctx context.Context) (outcome, error) {
				got, err := read(ctx, c, s)
				if err == nil && fmt.Sprint(got) != fmt.Sprint(want) {
					c.errorf("got %v, want %v", got, want)
				}
				return done, err
			},
			check: func(outcome) {},
		}
	}}
}

// words returns the first words of statements.
func words(statements []string) string {
	for i, s := range statements {
		for strings.HasPrefix(s, "--") { // a comment in front of it
			_, s, _ = strings.Cut(s, "\n")
		}
		statements[i], _, _ = strings.Cut(strings.TrimLeft(s, "("), " ")
	}
	return strings.Join(statements, " ")
}
