package session_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// damagedStore gives rows as somebody has left them who wrote to the tables by hand.
type damagedStore struct {
	session.Store
	damage func(*session.Row)
}

func (s *damagedStore) Get(ctx context.Context, h session.Handle) (session.Row, time.Time, error) {
	row, now, err := s.Store.Get(ctx, h)
	s.damage(&row)
	return row, now, err
}

// A damaged row gives no tokens, and is not taken for a theft, however often its client comes back.
func TestDamagedRowsAreNoTheft(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(*session.Row){
		"payload is cut off":   func(r *session.Row) { r.Payload = []byte(`{"a":`) },
		"payload is not UTF-8": func(r *session.Row) { r.Payload = []byte("\"\xff\"") },
		"user id is not UTF-8": func(r *session.Row) { r.UserID = "\xff" },
		"user id is gone":      func(r *session.Row) { r.UserID = "" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			store := &damagedStore{memstore.New(c.Now), func(*session.Row) {}}
			m, err := session.New(t.Context(), store, session.Config{Clock: c.Now})
			if err != nil {
				t.Fatal(err)
			}
			_, tokens, err := m.Create(t.Context(), "user", session.CreateOptions{Payload: 1})
			if err != nil {
				t.Fatal(err)
			}
			intact := store.damage
			store.damage = damage
			for n := range 3 * session.DefaultMaxHandOuts {
				c.advance(11 * time.Second)
				_, _, err := m.Refresh(t.Context(), tokens.RefreshToken, session.RefreshOptions{})
				if err == nil || errors.Is(err, session.ErrUnauthorised) || !strings.Contains(err.Error(), "corrupted") {
					t.Fatalf("refresh %d: got %v, want an error that says so and logs nobody out", n, err)
				}
			}
			store.damage = intact
			if _, _, err := m.Refresh(t.Context(), tokens.RefreshToken, session.RefreshOptions{}); err != nil {
				t.Errorf("mended: got %v, want new tokens", err)
			}
		})
	}
}
