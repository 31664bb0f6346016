package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// attempted is a changing call that can be tried again.
type attempted struct {
	name string
	// begin makes what the call changes. The call says whether it did; seen says whether that is to be seen, and fails where
	// only a part of it is.
	begin func(t *testing.T, s suite) (call func(context.Context) (bool, error), seen func(*testing.T) bool)
	// often: a repetition changes something again, and nothing is wrong with that.
	often bool
}

func attempts(feed bool) []attempted {
	return []attempted{
		{name: "Insert", begin: func(_ *testing.T, s suite) (func(context.Context) (bool, error), func(*testing.T) bool) {
			h := handle()
			return func(ctx context.Context) (bool, error) {
					err := s.Insert(ctx, session.NewRow{
						Handle: h, UserID: "user", Current: mark("R0"), Payload: []byte("1"), Data: []byte("2"), DataVersion: 1, Lifetimes: life,
					})
					if errors.Is(err, session.ErrDuplicate) {
						return false, nil
					}
					return err == nil, err
				}, func(t *testing.T) bool {
					row, now, err := s.Get(s.ctx, h)
					if errors.Is(err, session.ErrNotFound) {
						return false
					}
					whole(t, "the inserted row", row, now)
					data, _, err := s.Data(s.ctx, h)
					if err != nil || string(data) != "2" || string(row.Payload) != "1" {
						t.Errorf("half a session was inserted: data %q, payload %q, %v", data, row.Payload, err)
					}
					return true
				}
		}},
		{name: "Mint", begin: func(t *testing.T, s suite) (func(context.Context) (bool, error), func(*testing.T) bool) {
			h := s.insert(t)
			next := session.Successor{Mark: mark("R1"), MintedAt: s.now(t)}
			return func(ctx context.Context) (bool, error) {
				return s.Mint(ctx, h, mark("R0"), session.Mark{}, time.Time{}, next, renewal)
			}, s.rowHas(h, func(r session.Row) bool { return r.Pending == mark("R1") })
		}},
		{name: "Confirm", begin: func(t *testing.T, s suite) (func(context.Context) (bool, error), func(*testing.T) bool) {
			h := s.insert(t)
			next := session.Successor{Mark: mark("R2"), MintedAt: s.mint(t, h, "R0", "R1")}
			return func(ctx context.Context) (bool, error) { return s.Confirm(ctx, h, mark("R1"), &next, renewal) },
				s.rowHas(h, func(r session.Row) bool {
					if confirmed := r.Current == mark("R1"); confirmed != (r.Pending == mark("R2")) {
						t.Errorf("half a Confirm with next: %+v", r)
					}
					return r.Current == mark("R1")
				})
		}},
		{name: "HandOut", often: true, begin: func(t *testing.T, s suite) (func(context.Context) (bool, error), func(*testing.T) bool) {
			h := s.insert(t)
			s.mint(t, h, "R0", "R1")
			return func(ctx context.Context) (bool, error) {
				return s.HandOut(ctx, h, mark("R0"), mark("R1"), true, renewal)
			}, s.rowHas(h, func(r session.Row) bool { return r.Handed > 1 })
		}},
		{name: "SetData", begin: func(t *testing.T, s suite) (func(context.Context) (bool, error), func(*testing.T) bool) {
			h := s.insert(t)
			return func(ctx context.Context) (bool, error) { return s.SetData(ctx, h, 7, 8, []byte("2")) },
				func(t *testing.T) bool {
					data, version, err := s.Data(s.ctx, h)
					if err != nil || (version == 8) != (string(data) == "2") {
						t.Errorf("half a SetData: version %d with %q, %v", version, data, err)
					}
					return version == 8
				}
		}},
		{name: "SetLabel", often: true, begin: func(t *testing.T, s suite) (func(context.Context) (bool, error), func(*testing.T) bool) {
			h := s.insert(t)
			return func(ctx context.Context) (bool, error) { return s.SetLabel(ctx, h, "label") },
				s.rowHas(h, func(r session.Row) bool { return r.Label == "label" })
		}},
		{name: "End", begin: func(t *testing.T, s suite) (func(context.Context) (bool, error), func(*testing.T) bool) {
			begin, h := s.now(t), s.insert(t)
			return func(ctx context.Context) (bool, error) { return s.End(ctx, h, fed(1)) },
				func(t *testing.T) bool { return s.haveEnded(t, begin, feed, h) }
		}},
		{name: "EndUser", begin: func(t *testing.T, s suite) (func(context.Context) (bool, error), func(*testing.T) bool) {
			id, begin := fmt.Sprint("user ", serial.Add(1)), s.now(t)
			all := []session.Handle{s.insert(t, user(id)), s.insert(t, user(id)), s.insert(t, user(id))}
			return func(ctx context.Context) (bool, error) {
				n, err := s.EndUser(ctx, id, session.Handle{}, fed(1), 3)
				if err == nil && n != 0 && n != 3 {
					t.Errorf("EndUser of three sessions: got %d", n)
				}
				return n == 3, err
			}, func(t *testing.T) bool { return s.haveEnded(t, begin, feed, all...) }
		}},
		{name: "EndAll", begin: func(t *testing.T, s suite) (func(context.Context) (bool, error), func(*testing.T) bool) {
			begin := s.later(t)
			if _, err := s.EndAll(s.ctx, begin, how(9), 1000); err != nil {
				t.Fatalf("EndAll: %v", err)
			}
			all := []session.Handle{s.insert(t), s.insert(t, user("other")), s.insert(t)}
			before := s.later(t)
			return func(ctx context.Context) (bool, error) {
				ended, err := s.EndAll(ctx, before, fed(1), 3)
				return len(ended) == 3, err
			}, func(t *testing.T) bool { return s.haveEnded(t, begin, feed, all...) }
		}},
		{name: "EndExpired", begin: func(t *testing.T, s suite) (func(context.Context) (bool, error), func(*testing.T) bool) {
			all := []session.Handle{s.insert(t, expired), s.insert(t, user("other"), expired), s.insert(t, expired)}
			return func(ctx context.Context) (bool, error) {
				ended, err := s.EndExpired(ctx, session.Handle{}, time.Hour, 1, 3)
				return len(ended) == 3, err
			}, func(t *testing.T) bool { return s.haveEnded(t, time.Time{}, false, all...) }
		}},
		{name: "RetireKey", begin: func(t *testing.T, s suite) (func(context.Context) (bool, error), func(*testing.T) bool) {
			n := number()
			k := key(fmt.Sprintf("retiring%08d", n), session.PurposeAccess, n)
			if err := s.InsertKey(s.ctx, k); err != nil {
				t.Fatalf("InsertKey: %v", err)
			}
			return func(ctx context.Context) (bool, error) { return s.RetireKey(ctx, k.ID) }, func(t *testing.T) bool {
				keys, _, err := s.Keys(s.ctx)
				if err != nil {
					t.Fatalf("Keys: %v", err)
				}
				i := slices.IndexFunc(keys, func(o session.Key) bool { return o.ID == k.ID })
				return i >= 0 && !keys[i].RetiresAt.IsZero()
			}
		}},
	}
}

func (s suite) rowHas(h session.Handle, has func(session.Row) bool) func(*testing.T) bool {
	return func(t *testing.T) bool {
		t.Helper()
		row, now := s.get(t, h)
		whole(t, "the row", row, now)
		return has(row)
	}
}

// haveEnded says whether sessions were ended by one call, which is one for all of them, their records and their entries of the feed.
func (s suite) haveEnded(t *testing.T, begin time.Time, isFed bool, handles ...session.Handle) bool {
	t.Helper()
	ended := func() (n int) {
		for _, h := range handles {
			_, err := s.Ending(s.ctx, h)
			if err != nil && !errors.Is(err, session.ErrNotFound) {
				t.Fatalf("Ending: %v", err)
			}
			n += toInt(err == nil)
		}
		return n
	}
	n := ended()
	if n == 0 {
		return false
	}
	if n = ended(); n < len(handles) { // once more, since it may have happened while they were looked at
		t.Errorf("of %d sessions that one call ends %d have ended", len(handles), n)
		return true
	}
	for _, h := range handles {
		_, _, err := s.Get(s.ctx, h)
		notFound(t, "Get of an ended session", err)
	}
	if isFed {
		s.inFeed(t, begin, handles...)
	}
	return true
}

// inFeed asserts that sessions are in the feed.
func (s suite) inFeed(t *testing.T, begin time.Time, handles ...session.Handle) {
	t.Helper()
	entries := s.revocations(t, begin, 1000)
	for _, h := range handles {
		if !slices.ContainsFunc(entries, func(e session.Revocation) bool { return e.Handle == h }) {
			t.Error("a session has ended, and the feed does not have it")
		}
	}
}
