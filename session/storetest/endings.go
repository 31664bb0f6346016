package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// However a session ends, it keeps what describes it, loses what it held, and is beyond the reach of every method.
func endedStaysEnded(t *testing.T, s suite) {
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			row, end, low, high := way.end(t, s)
			h := row.Handle
			check := func(after string) {
				t.Helper()
				ended := s.ended(t, h)
				sameKept(t, after, ended.Row, row)
				isEnd(t, "the ended after "+after, ended.End, end)
				within(t, "EndedAt after "+after, ended.EndedAt, low, high)
				equal(t, "EndedAt is UTC, to the microsecond", ended.EndedAt, ended.EndedAt.UTC().Truncate(time.Microsecond))
				equalBytes(t, "Payload after "+after, ended.Payload, nil)
				list, err := s.Endings(s.ctx, "user", session.EndingsPage{Limit: 1000})
				i := slices.Index(handlesOf(list), h)
				if err != nil || i < 0 {
					t.Fatalf("Endings after %s: got %v, %v, want %v among them", after, handlesOf(list), err, h)
				}
				sameKept(t, after, list[i].Row, row)
				isEnd(t, "the listed after "+after, list[i].End, end)
				equal(t, "EndedAt in the list", list[i].EndedAt, ended.EndedAt)
				equalBytes(t, "Payload in the list", list[i].Payload, nil)
			}
			check("the end")

			absent(t, s, row)
			again := session.NewRow{
				Handle: h, UserID: "thief", Current: mark("X"), Payload: []byte("1"), Data: []byte("1"), DataVersion: 1, Lifetimes: life,
			}
			if err := s.Insert(s.ctx, again); !errors.Is(err, session.ErrDuplicate) {
				t.Errorf("Insert of an ended session's handle: got %v, want ErrDuplicate", err)
			}
			absent(t, s, row)
			check("what came too late")

			no(t, "End again")(s.End(s.ctx, h, how(99)))
			if n, err := s.EndUser(s.ctx, "user", session.Handle{}, how(99), 10); err != nil || n != 0 {
				t.Errorf("EndUser without live sessions: got %d, %v, want 0", n, err)
			}
			none(t, "EndAll without live sessions")(s.EndAll(s.ctx, s.later(t), how(99), 10))
			none(t, "EndExpired of an ended session")(s.EndExpired(s.ctx, h, -time.Hour, 99, 1))
			expired, err := s.EndExpired(s.ctx, session.Handle{}, -time.Hour, 99, 100)
			if err != nil || slices.Contains(handlesOf(expired), h) {
				t.Errorf("EndExpired: got %v, %v, with an ended session", handlesOf(expired), err)
			}
			check("further endings")
		})
	}
}

// What is under way while a session ends neither hinders nor undoes that.
func endedInFlight(t *testing.T, s suite) {
	for range 8 {
		row, end := s.alive(t), how(1)
		h, next := row.Handle, session.Successor{Mark: mark("R3"), MintedAt: row.PendingAt}
		calls := []func() (bool, error){
			func() (bool, error) {
				ended, err := s.End(s.ctx, h, end)
				if err == nil {
					_, _, err := s.Get(s.ctx, h)
					notFound(t, "Get after End", err)
				}
				return ended, err
			},
			func() (bool, error) { return s.Confirm(s.ctx, h, row.Pending, nil, renewal) },
			func() (bool, error) { return s.Confirm(s.ctx, h, row.Pending, &next, renewal) },
			func() (bool, error) { return s.HandOut(s.ctx, h, row.Current, row.Pending, true, renewal) },
			func() (bool, error) { return s.Mint(s.ctx, h, row.Current, row.Pending, row.HandedAt, next, renewal) },
			func() (bool, error) { return s.SetData(s.ctx, h, 0, 8, []byte("2")) },
			func() (bool, error) { return s.SetPayload(s.ctx, h, []byte("2")) },
			func() (bool, error) { return s.SetLabel(s.ctx, h, "late") },
		}
		race(t, len(calls), func(i int) (bool, error) { return calls[i]() })
		ended := s.ended(t, h)
		isEnd(t, "the ended", ended.End, end)
		equalBytes(t, "Payload", ended.Payload, nil)
		absent(t, s, row)
	}
}

func endOne(t *testing.T, s suite) {
	h, other := s.insert(t), s.insert(t)
	yes(t, "End")(s.End(s.ctx, h, how(1)))
	no(t, "End again")(s.End(s.ctx, h, how(2)))
	equal(t, "ID", s.ended(t, h).ID, 1)
	s.get(t, other)
	unknown, dead := handle(), s.insert(t, expired)
	no(t, "End of an unknown session")(s.End(s.ctx, unknown, how(3)))
	no(t, "End of a dead session")(s.End(s.ctx, dead, how(3)))
	for what, h := range map[string]session.Handle{"live": other, "unknown": unknown, "dead": dead} {
		_, err := s.Ending(s.ctx, h)
		notFound(t, "Ending of the "+what+" session", err)
	}
	yes(t, "End of the other")(s.End(s.ctx, other, how(4)))
	equal(t, "ID", s.ended(t, other).ID, 4)
}

func endOnce(t *testing.T, s suite) {
	h := s.insert(t)
	kinds := []session.Reason{session.ReasonLogout, session.ReasonRevoked, session.ReasonTheft}
	ends := make([]session.End, 64)
	for i, id := range versions(len(ends)) {
		ends[i] = session.End{ID: id, Reason: kinds[i%3], Detail: fmt.Append(nil, i)}
	}
	var winner atomic.Int64
	wins := race(t, len(ends), func(i int) (bool, error) {
		ended, err := s.End(s.ctx, h, ends[i])
		if ended {
			winner.Store(int64(i))
		}
		return ended, err
	})
	equal(t, "winners among 64 endings of one session", wins, 1)
	isEnd(t, "the ended", s.ended(t, h).End, ends[winner.Load()])
}

func endingOfEnded(t *testing.T, s suite) {
	live, dead, ended := s.insert(t), s.insert(t, expired), s.insert(t)
	yes(t, "End")(s.End(s.ctx, ended, how(1)))
	for what, h := range map[string]session.Handle{"live": live, "expired": dead, "missing": handle(), "zero": {}} {
		_, err := s.Ending(s.ctx, h)
		notFound(t, "Ending of a session that is "+what, err)
	}
	equal(t, "Handle", s.ended(t, ended).Handle, ended)
}

func endings(t *testing.T, s suite) {
	var want []session.Ended
	keep := func(handles ...session.Handle) {
		for _, h := range handles {
			want = append(want, s.ended(t, h))
		}
	}
	last := s.insert(t) // ended last, though its handle is the lowest
	many := []session.Handle{s.insert(t), s.insert(t), s.insert(t), s.insert(t)}
	live, early := s.insert(t), s.insert(t, expired) // ended an hour ago, with the highest handle but one
	s.insert(t, expired)                             // but was not ended yet
	other := s.insert(t, user("other"))
	if n, err := s.EndUser(s.ctx, "user", last, how(1), 10); err != nil || n != 5 {
		t.Fatalf("EndUser: got %d, %v, want 5", n, err)
	}
	keep(append(many, live)...)
	only(t, "EndExpired", early)(s.EndExpired(s.ctx, early, time.Hour, 1, 1))
	keep(early)
	s.later(t)
	yes(t, "End of the last")(s.End(s.ctx, last, how(1)))
	keep(last)
	yes(t, "End of another user's")(s.End(s.ctx, other, how(1)))
	s.insert(t) // is alive

	slices.SortFunc(want, func(a, b session.Ended) int {
		return cmp.Or(b.EndedAt.Compare(a.EndedAt), slices.Compare(b.Handle[:], a.Handle[:]))
	})
	equal(t, "the newest ending", want[0].Handle, last)
	equal(t, "the oldest ending", want[len(want)-1].Handle, early)
	page := func(p session.EndingsPage, want []session.Ended) []session.Ended {
		t.Helper()
		got, err := s.Endings(s.ctx, "user", p)
		if err != nil || !slices.Equal(handlesOf(got), handlesOf(want)) {
			t.Fatalf("Endings(%v): got %v, %v, want %v", p, handlesOf(got), err, handlesOf(want))
		}
		return got
	}
	for limit := 1; limit <= len(want)+1; limit++ {
		p := session.EndingsPage{Limit: limit}
		for from := 0; from <= len(want); from += limit {
			got := page(p, want[from:min(from+limit, len(want))])
			if len(got) > 0 {
				p.EndedAt, p.Handle = got[len(got)-1].EndedAt, got[len(got)-1].Handle
			}
		}
	}
	// A cursor is a position, whether or not there is such an ending (any more).
	for i, e := range want {
		after := slices.IndexFunc(want, func(o session.Ended) bool { return o.EndedAt.Before(e.EndedAt) })
		if after < 0 {
			after = len(want)
		}
		page(session.EndingsPage{EndedAt: e.EndedAt, Limit: 10}, want[after:])
		page(session.EndingsPage{EndedAt: e.EndedAt.Add(-time.Microsecond), Handle: handle(), Limit: 10}, want[after:])
		above := e.Handle
		above[15], above[14] = 0, 1 // handles of the suite end with 0, 255
		page(session.EndingsPage{EndedAt: e.EndedAt, Handle: above, Limit: 10}, want[i:])
	}
	for id, want := range map[string][]session.Handle{"other": {other}, "nobody": {}} {
		got, err := s.Endings(s.ctx, id, session.EndingsPage{Limit: 10})
		if err != nil || !slices.Equal(handlesOf(got), want) {
			t.Errorf("Endings of %s: got %v, %v, want %v", id, handlesOf(got), err, want)
		}
	}
}
