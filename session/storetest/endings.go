package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// how is what a store is told of an ending by a caller of its own.
func how(id session.Version) session.End {
	return session.End{ID: id, Reason: session.ReasonRevokedByUser, Detail: []byte(" {\"kind\" : \"'\\\\ \\u00e9 🔑\"}\n")}
}

// fed is how for an ending that becomes part of the feed.
func fed(id session.Version) session.End {
	end := how(id)
	end.Fed = true
	return end
}

// versions returns 1 to n.
func versions(n int) []session.Version {
	var ids []session.Version
	for id := session.Version(1); len(ids) < n; id++ {
		ids = append(ids, id)
	}
	return ids
}

func (s suite) ended(t *testing.T, h session.Handle) session.Ended {
	t.Helper()
	ended, err := s.Ending(s.ctx, h)
	if err != nil {
		t.Fatalf("Ending(%v): %v", h, err)
	}
	return ended
}

// rotated inserts a session, with all that a row may have, and returns it as it was before it ends. It reports whether it was
// still alive when it was read.
func (s suite) rotated(t *testing.T, last session.Lifetimes) (session.Row, bool) {
	t.Helper()
	h := s.insert(t, func(r *session.NewRow) {
		r.Device, r.Label = session.Device{UserAgent: "agent", Address: "192.0.2.1"}, "label"
	})
	_, now := s.get(t, h)
	one := session.Successor{Mark: mark("R1"), MintedAt: now, AuthAt: now.Add(time.Second)}
	two := session.Successor{Mark: mark("R2"), MintedAt: now, AuthAt: now.Add(2 * time.Second)}
	yes(t, "Mint")(s.Mint(s.ctx, h, mark("R0"), session.Mark{}, time.Time{}, one, renewal))
	yes(t, "Confirm")(s.Confirm(s.ctx, h, mark("R1"), &two, session.Renewal{Lifetimes: last}))
	row, _, err := s.Get(s.ctx, h)
	if err != nil && !errors.Is(err, session.ErrNotFound) {
		t.Fatalf("Get(%v): %v", h, err)
	}
	return row, err == nil
}

// died returns a session that has expired since, as it was before.
func (s suite) died(t *testing.T) session.Row {
	t.Helper()
	// Where a store takes longer than the session lives, another one that lives longer is begun.
	for idle := 4 * time.Millisecond; idle < 10*time.Second; idle *= 2 {
		if row, alive := s.rotated(t, session.Lifetimes{Idle: idle, Absolute: time.Hour}); alive {
			s.pass(t, row.ExpiresAt)
			return row
		}
	}
	t.Fatal("the store takes seconds to read a session")
	return session.Row{}
}

// ways are all in which a session ends. Each makes and ends the only live session of the store, and returns how, and between
// which readings of the clock.
var ways = []struct {
	name string
	feed bool // whether it becomes an entry of the feed by that
	end  func(t *testing.T, s suite) (row session.Row, end session.End, low, high time.Time)
}{
	{"End", true, func(t *testing.T, s suite) (session.Row, session.End, time.Time, time.Time) {
		row, end := s.alive(t), fed(1)
		low := s.now(t)
		yes(t, "End")(s.End(s.ctx, row.Handle, end))
		return row, end, low, s.now(t)
	}},
	{"End without detail", false, func(t *testing.T, s suite) (session.Row, session.End, time.Time, time.Time) {
		row, end := s.alive(t), session.End{ID: 1<<62 + 1, Reason: session.ReasonLogout}
		low := s.now(t)
		yes(t, "End")(s.End(s.ctx, row.Handle, end))
		return row, end, low, s.now(t)
	}},
	{"EndUser", false, endingUser(how(2))},
	{"EndUser, fed", true, endingUser(fed(2))},
	{"EndAll", false, endingAll(how(1<<63 - 1))},
	{"EndAll, fed", true, endingAll(fed(1<<63 - 1))},
	{"EndExpired", false, func(t *testing.T, s suite) (session.Row, session.End, time.Time, time.Time) {
		row, end := s.died(t), session.End{ID: 3, Reason: session.ReasonIdle}
		only(t, "EndExpired", row.Handle)(s.EndExpired(s.ctx, row.Handle, time.Hour, end.ID, 1))
		return row, end, row.ExpiresAt, row.ExpiresAt
	}},
}

func endingUser(end session.End) func(*testing.T, suite) (session.Row, session.End, time.Time, time.Time) {
	return func(t *testing.T, s suite) (session.Row, session.End, time.Time, time.Time) {
		row, low := s.alive(t), s.now(t)
		if n, err := s.EndUser(s.ctx, "user", session.Handle{}, end, 10); err != nil || n != 1 {
			t.Fatalf("EndUser: got %d, %v, want 1", n, err)
		}
		return row, end, low, s.now(t)
	}
}

func endingAll(end session.End) func(*testing.T, suite) (session.Row, session.End, time.Time, time.Time) {
	return func(t *testing.T, s suite) (session.Row, session.End, time.Time, time.Time) {
		row, low := s.alive(t), s.later(t)
		only(t, "EndAll", row.Handle)(s.EndAll(s.ctx, low, end, 10))
		return row, end, low, s.now(t)
	}
}

func (s suite) alive(t *testing.T) session.Row {
	t.Helper()
	row, alive := s.rotated(t, life)
	if !alive {
		t.Fatal("a session with an hour to live is dead")
	}
	return row
}

// only asserts that exactly one session was ended.
func only(t *testing.T, what string, h session.Handle) func([]session.Ended, error) {
	t.Helper()
	return func(ended []session.Ended, err error) {
		t.Helper()
		if err != nil || len(ended) != 1 || ended[0].Handle != h {
			t.Fatalf("%s: got %v, %v, want session %v", what, handlesOf(ended), err, h)
		}
	}
}

// none asserts that no session was ended.
func none(t *testing.T, what string) func([]session.Ended, error) {
	t.Helper()
	return func(ended []session.Ended, err error) {
		t.Helper()
		if err != nil || len(ended) != 0 {
			t.Fatalf("%s: got %v, %v, want nothing", what, handlesOf(ended), err)
		}
	}
}

func handlesOf(ended []session.Ended) []session.Handle {
	handles := make([]session.Handle, len(ended))
	for i, e := range ended {
		handles[i] = e.Handle
	}
	return handles
}

func isEnd(t *testing.T, what string, got, want session.End) {
	t.Helper()
	equal(t, "ID of "+what, got.ID, want.ID)
	equal(t, "Reason of "+what, got.Reason, want.Reason)
	equalBytes(t, "Detail of "+what, got.Detail, want.Detail)
}

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

func endUser(t *testing.T, s suite) {
	a, b := s.insert(t, user("one")), s.insert(t, user("one"))
	dead := s.insert(t, user("one"), expired)
	other := s.insert(t, user("two"))
	end := how(5)
	for _, want := range []int{2, 0} {
		if n, err := s.EndUser(s.ctx, "one", session.Handle{}, end, 10); err != nil || n != want {
			t.Errorf("EndUser: got %d, %v, want %d", n, err, want)
		}
	}
	for _, h := range []session.Handle{a, b} {
		isEnd(t, "the ended", s.ended(t, h).End, end)
	}
	_, err := s.Ending(s.ctx, dead)
	notFound(t, "Ending of a session that was dead already", err)
	_, err = s.Ending(s.ctx, other)
	notFound(t, "Ending of another user's session", err)
	s.get(t, other)
	if n, err := s.EndUser(s.ctx, "nobody", session.Handle{}, end, 10); err != nil || n != 0 {
		t.Errorf("EndUser of nobody: got %d, %v, want 0", n, err)
	}
}

func endUserKeeps(t *testing.T, s suite) {
	a, kept, b, c := s.insert(t), s.insert(t), s.insert(t), s.insert(t)
	other := s.insert(t, user("other"))
	for _, want := range []int{2, 1, 0} { // a limit counts what was ended, not what was looked at
		if n, err := s.EndUser(s.ctx, "user", kept, how(1), 2); err != nil || n != want {
			t.Errorf("EndUser with one kept: got %d, %v, want %d", n, err, want)
		}
	}
	for _, h := range []session.Handle{a, b, c} {
		s.ended(t, h)
	}
	s.get(t, kept)
	if n, err := s.EndUser(s.ctx, "user", other, how(2), 10); err != nil || n != 1 {
		t.Errorf("EndUser with another's session kept: got %d, %v, want 1", n, err)
	}
	equal(t, "ID", s.ended(t, kept).ID, 2)
	s.get(t, other)
}

func endUserLimit(t *testing.T, s suite) {
	for range 5 {
		s.insert(t)
	}
	for _, want := range []int{2, 2, 1, 0} {
		if n, err := s.EndUser(s.ctx, "user", session.Handle{}, how(1), 2); err != nil || n != want {
			t.Errorf("EndUser with limit 2: got %d, %v, want %d", n, err, want)
		}
	}
}

func endUserOnce(t *testing.T, s suite) {
	var handles []session.Handle
	for range 20 {
		handles = append(handles, s.insert(t))
	}
	ids, counts := versions(8), make([]int, 8)
	race(t, len(counts), func(i int) (bool, error) {
		for range rounds {
			n, err := s.EndUser(s.ctx, "user", session.Handle{}, how(ids[i]), 3)
			counts[i] += n
			if err != nil || n < 3 {
				return err == nil, err
			}
		}
		return false, errEndless
	})
	for _, h := range handles {
		counts[s.ended(t, h).ID-1]--
	}
	for i, n := range counts { // less what each has ended
		if n != 0 {
			t.Errorf("caller %d counted %d sessions more than it ended", i, n)
		}
	}
}

func endAll(t *testing.T, s suite) {
	first, second := s.insert(t, user("one")), s.insert(t, user("two"))
	dead := s.insert(t, expired)
	s.later(t)
	after := s.insert(t, user("one"))
	row, _ := s.get(t, after)
	end := how(1)
	ended, err := s.EndAll(s.ctx, row.CreatedAt, end, 10)
	if err != nil || len(ended) != 2 {
		t.Fatalf("EndAll: got %v, %v, want the two sessions from before", handlesOf(ended), err)
	}
	for h, id := range map[session.Handle]string{first: "one", second: "two"} {
		i := slices.Index(handlesOf(ended), h)
		if i < 0 {
			t.Fatalf("EndAll: got %v, want %v among them", handlesOf(ended), h)
		}
		equal(t, "UserID", ended[i].UserID, id)
		isEnd(t, "the returned", ended[i].End, end)
		equal(t, "EndedAt", ended[i].EndedAt, s.ended(t, h).EndedAt)
	}
	s.get(t, after) // created at the moment, not before it
	none(t, "EndAll again")(s.EndAll(s.ctx, row.CreatedAt, end, 10))
	_, err = s.Ending(s.ctx, dead)
	notFound(t, "Ending of a session that was dead already", err)
	only(t, "EndAll a microsecond on", after)(s.EndAll(s.ctx, row.CreatedAt.Add(time.Microsecond), end, 10))
}

func endAllLimit(t *testing.T, s suite) {
	for _, id := range []string{"a", "b", "c", "a", "b"} {
		s.insert(t, user(id))
	}
	moment := s.later(t)
	batches(t, "EndAll", func() ([]session.Ended, error) { return s.EndAll(s.ctx, moment, how(1), 2) })
}

// batches asserts that five sessions are ended two by two at most, until an empty batch says that none are left.
func batches(t *testing.T, what string, end func() ([]session.Ended, error)) {
	t.Helper()
	for left := 5; left > 0; {
		ended, err := end()
		if err != nil || len(ended) == 0 || len(ended) > min(2, left) {
			t.Fatalf("%s with limit 2 and %d left: got %d, %v", what, left, len(ended), err)
		}
		left -= len(ended)
	}
	none(t, what+" when none are left")(end())
}

func endAllOnce(t *testing.T, s suite) {
	var handles []session.Handle
	for range 20 {
		handles = append(handles, s.insert(t))
	}
	moment := s.later(t)
	s.eachOnce(t, handles, func(_ int, id session.Version, add func([]session.Ended)) error {
		for range rounds {
			ended, err := s.EndAll(s.ctx, moment, how(id), 3)
			add(ended)
			if err != nil || len(ended) == 0 {
				return err
			}
		}
		return errEndless
	})
}

// rounds are more than anybody needs who ends or purges batch by batch what a test has made.
const rounds = 100

var errEndless = errors.New("there is always another batch")

// caller ends sessions, gives what was returned to add, and stops when none are left.
type caller func(i int, id session.Version, add func([]session.Ended)) error

// eachOnce runs f as eight callers at once, who end all of the sessions, and asserts that each session was returned to exactly
// one of them, with that caller's ID.
func (s suite) eachOnce(t *testing.T, handles []session.Handle, f caller) {
	t.Helper()
	var (
		ids      = versions(8)
		mu       sync.Mutex
		returned = map[session.Handle][]session.Ended{}
	)
	race(t, len(ids), func(i int) (bool, error) {
		err := f(i, ids[i], func(ended []session.Ended) {
			mu.Lock()
			defer mu.Unlock()
			for _, e := range ended {
				equal(t, "ID", e.ID, ids[i])
				returned[e.Handle] = append(returned[e.Handle], e)
			}
		})
		return err == nil, err
	})
	equal(t, "sessions returned", len(returned), len(handles))
	for _, h := range handles {
		if len(returned[h]) != 1 {
			t.Errorf("session %v was returned %d times", h, len(returned[h]))
			continue
		}
		got, kept := returned[h][0], s.ended(t, h)
		equal(t, "UserID", got.UserID, "user")
		isEnd(t, "the returned", got.End, kept.End)
		equal(t, "EndedAt", got.EndedAt, kept.EndedAt)
	}
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
