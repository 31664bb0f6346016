package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// someCall is a call of one method, which changes something where that is what the method is for.
type someCall struct {
	name string
	call func(context.Context) error
}

// everyCall makes a session of each state, and returns a call of each method, none of which has to do with another's session.
func (s suite) everyCall(t *testing.T) []someCall {
	t.Helper()
	h, dead, ended := s.insert(t), s.insert(t, user("dead"), expired), s.insert(t, user("ended"))
	yes(t, "End")(s.End(s.ctx, ended, how(1)))
	k := key("the-key-AAAAAAAA", session.PurposeAccess, 1)
	if err := s.InsertKey(s.ctx, k); err != nil && !errors.Is(err, session.ErrDuplicate) {
		t.Fatalf("InsertKey: %v", err)
	}
	_, now := s.get(t, h)
	next := session.Successor{Mark: mark("R1"), MintedAt: now}
	without := func(_ any, err error) error { return err }
	calls := []someCall{
		{"Insert", func(ctx context.Context) error {
			return s.Insert(ctx, session.NewRow{
				Handle: handle(), UserID: "user", Payload: []byte("1"), Data: []byte("1"), DataVersion: 1, Lifetimes: life,
			})
		}},
		{"Get", func(ctx context.Context) error { _, _, err := s.Get(ctx, h); return err }},
		{"Mint", func(ctx context.Context) error {
			return without(s.Mint(ctx, h, mark("R0"), session.Mark{}, time.Time{}, next, renewal))
		}},
		{"HandOut", func(ctx context.Context) error {
			return without(s.HandOut(ctx, h, mark("R0"), mark("R1"), true, renewal))
		}},
		{"Confirm", func(ctx context.Context) error { return without(s.Confirm(ctx, h, mark("R1"), nil, renewal)) }},
		{"List", func(ctx context.Context) error { return without(s.List(ctx, "user", session.Page{Limit: 9})) }},
		{"SetPayload", func(ctx context.Context) error { return without(s.SetPayload(ctx, h, []byte("2"))) }},
		{"SetLabel", func(ctx context.Context) error { return without(s.SetLabel(ctx, h, "late")) }},
		{"Data", func(ctx context.Context) error { _, _, err := s.Data(ctx, h); return err }},
		{"SetData", func(ctx context.Context) error { return without(s.SetData(ctx, h, 0, 8, []byte("2"))) }},
		{"Ending", func(ctx context.Context) error { return without(s.Ending(ctx, ended)) }},
		{"Endings", func(ctx context.Context) error {
			return without(s.Endings(ctx, "ended", session.EndingsPage{Limit: 9}))
		}},
		{"Keys", func(ctx context.Context) error { _, _, err := s.Keys(ctx); return err }},
		{"InsertKey", func(ctx context.Context) error {
			n := number()
			return s.InsertKey(ctx, key(fmt.Sprintf("another-%08d", n), session.PurposeRefresh, n))
		}},
		{"RetireKey", func(ctx context.Context) error { return without(s.RetireKey(ctx, k.ID)) }},
		{"SetKeyMaterial", func(ctx context.Context) error {
			return without(s.SetKeyMaterial(ctx, k.ID, k.Material, []byte("other")))
		}},
		{"DeleteKey", func(ctx context.Context) error { return without(s.DeleteKey(ctx, k.ID)) }},
		{"EndExpired of one", func(ctx context.Context) error { return without(s.EndExpired(ctx, dead, time.Hour, 1, 1)) }},
		{"EndExpired", func(ctx context.Context) error {
			return without(s.EndExpired(ctx, session.Handle{}, time.Hour, 1, 9))
		}},
		{"End", func(ctx context.Context) error { return without(s.End(ctx, h, fed(1))) }},
		{"EndUser", func(ctx context.Context) error {
			return without(s.EndUser(ctx, "user", session.Handle{}, fed(1), 9))
		}},
		{"EndAll", func(ctx context.Context) error {
			return without(s.EndAll(ctx, now.Add(time.Hour), fed(1), 9))
		}},
		{"Purge", func(ctx context.Context) error { return without(s.Purge(ctx, -time.Hour, -time.Hour, 9)) }},
	}
	if s.hasFeed(t) {
		calls = append(calls, someCall{"Publish", func(ctx context.Context) error {
			return s.Publish(ctx, session.Revocation{UserID: "user", Reason: session.ReasonRevoked})
		}}, someCall{"Revocations", func(ctx context.Context) error {
			_, _, err := s.Revocations(ctx, now, 9)
			return err
		}})
	}
	return calls
}

func (s suite) hasFeed(t *testing.T) bool {
	t.Helper()
	_, _, err := s.Revocations(s.ctx, s.now(t), 1)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		t.Fatalf("Revocations: %v", err)
	}
	return err == nil
}

// A context that is over ends every call, and nothing of it is done, not even later.
func cancelled(t *testing.T, s suite) {
	begin := s.now(t)
	calls := s.everyCall(t)
	before := s.visible(t, begin)
	cancelled, cancel := context.WithCancel(s.ctx)
	cancel()
	late, cancelLate := context.WithDeadline(s.ctx, time.Now().Add(-time.Second))
	defer cancelLate()
	for _, c := range calls {
		isOver(t, c.name+" with a cancelled context", c.call(cancelled), context.Canceled)
		isOver(t, c.name+" with a context that is past its deadline", c.call(late), context.DeadlineExceeded)
	}
	for range 2 {
		if after := s.visible(t, begin); after != before {
			t.Fatalf("calls whose context was over before have changed something: got\n%s, want\n%s", after, before)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func isOver(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, want) {
		t.Errorf("%s: got %v, want ErrUnavailable and %v", what, err, want)
	}
}

// visible is everything that there is to see in a store about the suite's usual users.
func (s suite) visible(t *testing.T, since time.Time) string {
	t.Helper()
	var text string
	add := func(what string, v any, err error) {
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		text += fmt.Sprintf("%s: %+v\n", what, v)
	}
	for _, id := range []string{"user", "dead", "ended"} {
		rows, err := s.List(s.ctx, id, session.Page{Limit: 1000})
		add("List", len(rows), err)
		for _, r := range rows {
			row, _, err := s.Get(s.ctx, r.Handle)
			add("Get", row, err)
			data, version, err := s.Data(s.ctx, r.Handle)
			add("Data", two[[]byte, session.Version]{data, version}, err)
		}
		ended, err := s.Endings(s.ctx, id, session.EndingsPage{Limit: 1000})
		add("Endings", ended, err)
	}
	keys, _, err := s.Keys(s.ctx)
	add("Keys", keys, err)
	entries, _, err := s.Revocations(s.ctx, since, 1000)
	if errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	add("Revocations", entries, err)
	return text
}

// Where more call at once than there are connections, each gets its turn: none holds one while it waits for another.
func oneConnection(t *testing.T, s suite) {
	const crowd = 24
	for _, c := range s.everyCall(t) {
		ends(t, fmt.Sprintf("%d calls of %s at once", crowd, c.name), func() {
			race(t, crowd, func(int) (bool, error) {
				err := c.call(s.ctx)
				if errors.Is(err, session.ErrNotFound) {
					err = nil
				}
				if err != nil {
					err = fmt.Errorf("%s among %d at once: %w", c.name, crowd, err)
				}
				return err == nil, err
			})
		})
		if t.Failed() {
			return
		}
	}
}

// ends runs f, and gives up where it hangs.
func ends(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("%s: hangs", what)
	}
}
