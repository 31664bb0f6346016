package session_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// operations notes what Config.OnOperation is told.
type operations struct {
	mu    sync.Mutex
	ended []session.Operation
	errs  []error
	open  int
}

type inOperation struct{}

func (o *operations) begin(ctx context.Context, op session.Operation) (context.Context, func(error)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open++
	return context.WithValue(ctx, inOperation{}, op), func(err error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.open--
		o.ended, o.errs = append(o.ended, op), append(o.errs, err)
	}
}

// take returns the operations that have ended since the last call.
func (o *operations) take() []session.Operation {
	o.mu.Lock()
	defer o.mu.Unlock()
	ended := o.ended
	o.ended = nil
	return ended
}

func TestOperationsAreTold(t *testing.T) {
	t.Parallel()
	var o operations
	w := newWorld(t, func(cfg *session.Config) { cfg.OnOperation = o.begin })
	all := map[session.Operation]bool{}
	expect := func(want ...session.Operation) {
		t.Helper()
		got := o.take()
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		for _, op := range got {
			all[op] = true
		}
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	tokens := w.login()
	expect(session.OpCreate)
	w.use(tokens.AccessToken)
	w.use(tokens.AccessToken)
	expect()
	w.clock.advance(time.Minute)
	tokens = w.refresh(tokens.RefreshToken)
	expect(session.OpRefresh)
	s := w.use(tokens.AccessToken)
	expect(session.OpVerify)
	w.use(tokens.AccessToken) // the confirmation is remembered
	expect()
	w.clock.advance(time.Minute)
	_, _, err := w.Reauthenticated(w.ctx, s, session.RefreshOptions{})
	check(err)
	expect(session.OpReauthenticate)
	_, err = s.Data(w.ctx)
	check(err)
	_, err = s.SetData(w.ctx, 1)
	check(err)
	check(s.SetPayload(w.ctx, 1))
	check(w.SetLabel(w.ctx, s.Handle(), "label"))
	_, err = w.Sessions(w.ctx, "user", session.Page{})
	check(err)
	_, err = w.Lookup(w.ctx, s.Handle())
	check(err)
	_, err = w.Endings(w.ctx, "user", session.EndingsPage{})
	check(err)
	expect(session.OpData, session.OpSetData, session.OpSetPayload, session.OpSetLabel, session.OpSessions, session.OpLookup, session.OpEndings)
	_, err = w.RevokeOwned(w.ctx, "user", s.Handle(), session.RevokeOptions{})
	check(err)
	_, err = w.Revoke(w.ctx, s.Handle(), session.RevokeOptions{})
	check(err)
	_, err = w.RevokeUser(w.ctx, "user", session.RevokeOptions{})
	check(err)
	_, err = w.RevokeAll(w.ctx, session.RevokeOptions{})
	check(err)
	check(w.RotateNow(w.ctx, session.PurposeAccess, "test", false))
	expect(session.OpRevoke, session.OpRevoke, session.OpRevokeUser, session.OpRevokeAll, session.OpRotateKeys)
	for _, op := range session.Operations() {
		if !all[op] {
			t.Errorf("%s was never told", op)
		}
	}
	if o.open != 0 {
		t.Errorf("%d operations have not ended", o.open)
	}
}

// TestOperationsCarryTheirContextAndError: the store is called with the hook's context, and the hook is told what the caller is.
func TestOperationsCarryTheirContextAndError(t *testing.T) {
	t.Parallel()
	var o operations
	w := newWorld(t, func(cfg *session.Config) { cfg.OnOperation = o.begin })
	tokens := w.login()
	seen := &contextStore{Store: w.store}
	m, err := session.New(w.ctx, seen, w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.clock.advance(time.Minute)
	w.store.setFault(func(string, bool) error { return session.ErrUnavailable })
	_, _, err = m.Refresh(w.ctx, tokens.RefreshToken, session.RefreshOptions{})
	if told := o.errs[len(o.errs)-1]; !errors.Is(told, session.ErrUnavailable) || !errors.Is(err, told) {
		t.Errorf("the hook was told %v, the caller %v", told, err)
	}
	if want := []any{session.OpRefresh}; !reflect.DeepEqual(seen.values, want) {
		t.Errorf("the store's contexts have %v, want %v", seen.values, want)
	}
}

// contextStore notes the operations that it is called for by Get.
type contextStore struct {
	session.Store
	values []any
}

func (s *contextStore) Get(ctx context.Context, h session.Handle) (session.Row, time.Time, error) {
	s.values = append(s.values, ctx.Value(inOperation{}))
	return s.Store.Get(ctx, h)
}
