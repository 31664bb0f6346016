package session_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// lagging is a replica: it shows what its primary had when it followed last.
type lagging struct {
	rows  []session.Row
	ended []session.Ended
	err   error
	asked int
}

func (l *lagging) follow(t *testing.T, primary session.Store, user string) {
	t.Helper()
	var err error
	if l.rows, err = primary.List(t.Context(), user, session.Page{Limit: 1000}); err != nil {
		t.Fatal(err)
	}
	if l.ended, err = primary.Endings(t.Context(), user, session.EndingsPage{Limit: 1000}); err != nil {
		t.Fatal(err)
	}
}

func (l *lagging) List(_ context.Context, _ string, page session.Page) ([]session.Row, error) {
	l.asked++
	rows := slices.Clone(l.rows)
	if !page.Before.IsZero() {
		rows = slices.DeleteFunc(rows, func(r session.Row) bool { return slices.Compare(r.Handle[:], page.Before[:]) >= 0 })
	}
	return rows[:min(page.Limit, len(rows))], l.err
}

func (l *lagging) Endings(_ context.Context, _ string, page session.EndingsPage) ([]session.Ended, error) {
	l.asked++
	return l.ended[:min(page.Limit, len(l.ended))], l.err
}

// TestListsMayBeBehind: what a replica answers shows in lists, but for sessions that this process knows to have ended; and in nothing else.
func TestListsMayBeBehind(t *testing.T) {
	t.Parallel()
	replica := &lagging{}
	w := newWorld(t, func(cfg *session.Config) { cfg.Lists, cfg.MaxSessions = replica, 6 })
	elsewhere, err := session.New(w.ctx, w.store, session.Config{Clock: w.cfg.Clock, Sleep: w.cfg.Sleep, Lists: replica})
	if err != nil {
		t.Fatal(err)
	}
	var handles []session.Handle // newest first
	for range 6 {
		handles = append([]session.Handle{w.handle(w.login().AccessToken)}, handles...)
		w.clock.advance(time.Second)
	}
	replica.follow(t, w.store, "user")
	lists := func(m *session.Manager, page session.Page, want ...session.Handle) {
		t.Helper()
		infos, err := m.Sessions(w.ctx, "user", page)
		var got []session.Handle
		for _, info := range infos {
			got = append(got, info.Handle)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("Sessions %+v: got %v, %v, want %v", page, got, err, want)
		}
	}
	lists(w.Manager, session.Page{}, handles...)
	lists(w.Manager, session.Page{Limit: 2, Before: handles[1]}, handles[2:4]...)

	for _, i := range []int{1, 2, 5} {
		if _, err := w.Revoke(w.ctx, handles[i], session.RevokeOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	lists(w.Manager, session.Page{}, handles[0], handles[3], handles[4])
	lists(w.Manager, session.Page{Limit: 2}, handles[0], handles[3])
	lists(w.Manager, session.Page{Limit: 2, Before: handles[3]}, handles[4])
	lists(elsewhere, session.Page{}, handles...) // it has not read its feed since, and a list is nothing to decide by
	if endings, err := w.Endings(w.ctx, "user", session.EndingsPage{}); err != nil || len(endings) != 0 {
		t.Errorf("Endings: got %v, %v, want what the replica has: none", endings, err)
	}

	// Everything that decides asks the store: three are alive, so that three more may begin, and the fourth ends the oldest.
	asked := replica.asked
	for range 4 {
		w.login()
		w.clock.advance(time.Second)
	}
	if _, err := w.RevokeOthers(w.ctx, "user", handles[3], session.RevokeOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Lookup(w.ctx, handles[3]); err != nil {
		t.Errorf("Lookup of what is alive: %v", err)
	}
	if _, err := w.Lookup(w.ctx, handles[4]); !errors.Is(err, session.ErrUnauthorised) {
		t.Errorf("Lookup of what the replica alone has for alive: got %v, want ErrUnauthorised", err)
	}
	if replica.asked != asked {
		t.Errorf("the replica was asked %d times for what is no list", replica.asked-asked)
	}
	replica.follow(t, w.store, "user")
	lists(elsewhere, session.Page{}, handles[3])
	if endings, err := w.Endings(w.ctx, "user", session.EndingsPage{}); err != nil || len(endings) != 9 {
		t.Errorf("Endings, when the replica has caught up: got %d, %v, want 9", len(endings), err)
	}
}

// TestListsFallBack: while the replica is away the store answers, and what the caller has got wrong stays wrong.
func TestListsFallBack(t *testing.T) {
	t.Parallel()
	replica := &lagging{err: fmt.Errorf("%w: a fault of the test", session.ErrUnavailable)}
	w := newWorld(t, func(cfg *session.Config) { cfg.Lists = replica })
	h := w.handle(w.login().AccessToken)
	if infos, err := w.Sessions(w.ctx, "user", session.Page{}); err != nil || len(infos) != 1 || infos[0].Handle != h {
		t.Errorf("Sessions: got %v, %v, want %v", infos, err, h)
	}
	if _, err := w.Revoke(w.ctx, h, session.RevokeOptions{}); err != nil {
		t.Fatal(err)
	}
	if endings, err := w.Endings(w.ctx, "user", session.EndingsPage{}); err != nil || len(endings) != 1 {
		t.Errorf("Endings: got %v, %v, want one", endings, err)
	}
	w.store.setFault(func(string, bool) error { return fmt.Errorf("%w: a fault of the test", session.ErrUnavailable) })
	w.store.Store = watchedRest{w.store.Store, w.store}
	if _, err := w.Sessions(w.ctx, "user", session.Page{}); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("without the store: got %v, want ErrUnavailable", err)
	}
	cancelled, cancel := context.WithCancel(w.ctx)
	cancel()
	if _, err := w.Sessions(cancelled, "user", session.Page{}); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("for a caller who has gone: got %v, want ErrUnavailable", err)
	}
}

var _ session.Lister = (*memstore.Store)(nil)
