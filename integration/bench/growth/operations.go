package growth

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/watchword-dev/watchword/integration/bench/sample"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

// subject is a table with what works on it.
type subject struct {
	*table

	store   *mysql.Store
	manager *session.Manager
	held    []held // sessions whose tokens are known, in no order
	next    int    // of the users who are revoked as a whole
}

// held is what a client holds of its session.
type held struct {
	handle          session.Handle
	access, refresh string
}

// newSubject fills a table and adds sessions, all over it, whose tokens are known.
func newSubject(ctx context.Context, store *mysql.Store, t *table, known int) (*subject, error) {
	s := &subject{table: t, store: store, next: 0}
	if err := t.fill(ctx, store.DB()); err != nil {
		return nil, err
	}
	var err error
	// Without a grace a session can be refreshed at once. What is sent is the same.
	if s.manager, err = session.New(ctx, store, session.Config{Grace: session.NoGrace}); err != nil {
		return nil, err
	}
	// A handle begins with the time by this process's clock, so that this one's begin anywhere in the table.
	seeder, err := session.New(ctx, store, session.Config{Clock: func() time.Time { return time.Now().Add(-rand.N(span)) }, Grace: session.NoGrace}) //nolint:gosec // no secret
	if err != nil {
		return nil, err
	}
	for i := range known {
		created, tokens, err := seeder.Create(ctx, s.user(rand.N(t.users())), sample.Options()) //nolint:gosec // no secret
		if err != nil {
			return nil, fmt.Errorf("session %d: %w", i, err)
		}
		s.held = append(s.held, held{handle: created.Handle(), refresh: tokens.RefreshToken})
	}
	return s, nil
}

// operation is one whose latency is measured. It is given a number that is another one each time.
type operation struct {
	name string
	n    int // how often, on each table
	do   func(ctx context.Context, s *subject, i int) error
}

// often and seldom are how often short and long operations are measured.
func operations(often, seldom int) []operation {
	return []operation{
		{"create", often, func(ctx context.Context, s *subject, i int) error {
			_, _, err := s.manager.Create(ctx, s.anyone(), sample.Options())
			return err
		}},
		{"refresh", often, func(ctx context.Context, s *subject, i int) error {
			h := &s.held[i]
			_, tokens, err := s.manager.Refresh(ctx, h.refresh, session.RefreshOptions{Device: sample.Device()})
			h.access = tokens.AccessToken
			return err
		}},
		{"first verify", often, func(ctx context.Context, s *subject, i int) error {
			verified, err := s.manager.Verify(ctx, s.held[i].access, session.VerifyOptions{})
			if err != nil {
				return err
			}
			if _, renewed := verified.Renewed(); !renewed {
				err = errors.New("nothing was confirmed")
			}
			return err
		}},
		{"get data", often, func(ctx context.Context, s *subject, i int) error {
			_, err := s.manager.Data(ctx, s.held[i].handle)
			return err
		}},
		{"list of an ordinary user", often, func(ctx context.Context, s *subject, _ int) error { return s.list(ctx, s.anyone()) }},
		{"first page of the big user", seldom, func(ctx context.Context, s *subject, _ int) error { return s.list(ctx, bigUser) }},
		{"revoke", often, func(ctx context.Context, s *subject, i int) error {
			ended, err := s.manager.Revoke(ctx, s.held[i].handle, session.RevokeOptions{})
			if err == nil && !ended {
				err = errors.New("it had ended")
			}
			return err
		}},
		{"feed poll", seldom, func(ctx context.Context, s *subject, _ int) error {
			entries, _, err := s.store.Revocations(ctx, time.Now().Add(-time.Minute), polled)
			if err == nil && len(entries) != polled {
				err = fmt.Errorf("%d entries", len(entries))
			}
			return err
		}},
		{"revoke all of an ordinary user", seldom, func(ctx context.Context, s *subject, _ int) error {
			user := s.user(s.next)
			s.next++
			n, err := s.manager.RevokeUser(ctx, user, session.RevokeOptions{})
			if err == nil && n == 0 {
				err = fmt.Errorf("%s had none", user)
			}
			return err
		}},
		{"cleanup: end a batch of 25", batches, func(ctx context.Context, s *subject, i int) error {
			ended, err := s.store.EndExpired(ctx, session.Handle{}, 24*time.Hour, session.Version(i)+1, batch) //nolint:gosec // it is not negative
			if err == nil && len(ended) != batch {
				err = fmt.Errorf("%d ended", len(ended))
			}
			return err
		}},
		{"cleanup: purge a batch of 25", batches, func(ctx context.Context, s *subject, _ int) error {
			n, err := s.store.Purge(ctx, time.Millisecond, time.Hour, batch)
			if err == nil && n < batch {
				err = fmt.Errorf("%d purged", n)
			}
			return err
		}},
	}
}

const (
	// polled is how many entries of the feed are read at once; more have been made before.
	polled = 40
	// batches is how many batches of cleanup there are rows for.
	batch   = 25
	batches = dead / batch
)

func (s *subject) anyone() string { return s.user(s.users()/2 + rand.N(s.users()/2)) } //nolint:gosec // no secret

func (s *subject) list(ctx context.Context, user string) error {
	sessions, err := s.manager.Sessions(ctx, user, session.Page{})
	if err == nil && len(sessions) == 0 {
		err = fmt.Errorf("%s has none", user)
	}
	return err
}
