package storetest

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

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
