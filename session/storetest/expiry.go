package storetest

import (
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

func endExpired(t *testing.T, s suite) {
	live, dead, other := s.insert(t), s.insert(t, expired), s.insert(t, user("other"), expired)
	ended := s.insert(t)
	yes(t, "End")(s.End(s.ctx, ended, how(1)))
	for what, h := range map[string]session.Handle{"live": live, "ended": ended, "unknown": handle()} {
		none(t, "EndExpired of a session that is "+what)(s.EndExpired(s.ctx, h, time.Hour, 2, 1))
	}
	one, err := s.EndExpired(s.ctx, other, time.Hour, 2, 1)
	only(t, "EndExpired of one", other)(one, err)
	equal(t, "UserID", one[0].UserID, "other")
	isEnd(t, "the returned", one[0].End, session.End{ID: 2, Reason: session.ReasonIdle})
	equal(t, "EndedAt", one[0].EndedAt, s.ended(t, other).EndedAt)
	_, err = s.Ending(s.ctx, dead)
	notFound(t, "Ending of the other that is expired", err)
	only(t, "EndExpired of all", dead)(s.EndExpired(s.ctx, session.Handle{}, time.Hour, 3, 10))
	for h, id := range map[session.Handle]session.Version{other: 2, dead: 3} {
		e := s.ended(t, h)
		isEnd(t, "the ended", e.End, session.End{ID: id, Reason: session.ReasonIdle})
		equal(t, "EndedAt", e.EndedAt, e.ExpiresAt)
		equal(t, "EndedAt, an hour before the beginning", e.EndedAt, e.CreatedAt.Add(-time.Hour))
	}
	none(t, "EndExpired of nothing")(s.EndExpired(s.ctx, session.Handle{}, time.Hour, 4, 10))
	s.get(t, live)
	equal(t, "ID of the one ended before", s.ended(t, ended).ID, 1)
}

func endExpiredReasons(t *testing.T, s suite) {
	const past = -time.Second
	for _, test := range []struct {
		life     session.Lifetimes
		absolute time.Duration // as it is when the session is ended
		reason   session.Reason
		after    time.Duration // from beginning to end
	}{
		{session.Lifetimes{Idle: past, Absolute: time.Hour}, time.Hour, session.ReasonIdle, past},
		{session.Lifetimes{Idle: time.Hour, Absolute: past}, past, session.ReasonAbsolute, past},
		{session.Lifetimes{Idle: past, Absolute: past}, past, session.ReasonAbsolute, past},
		{session.Lifetimes{Idle: time.Hour, Absolute: past}, past + time.Microsecond, session.ReasonIdle, past},
		{session.Lifetimes{Idle: time.Hour, Absolute: past}, past - time.Microsecond, session.ReasonAbsolute, past},
		{session.Lifetimes{Idle: time.Hour, Absolute: past}, -time.Hour, session.ReasonAbsolute, past},
		{session.Lifetimes{Idle: time.Hour, Absolute: past}, time.Hour, session.ReasonIdle, past},
		// Less than a microsecond does not matter: a lifetime that was reached must not become one that was not.
		{session.Lifetimes{Idle: time.Hour, Absolute: 500}, 500, session.ReasonAbsolute, 0},
	} {
		h := s.insert(t, func(r *session.NewRow) { r.Lifetimes = test.life })
		s.later(t)
		ended, err := s.EndExpired(s.ctx, h, test.absolute, 1, 1)
		only(t, "EndExpired", h)(ended, err)
		e := s.ended(t, h)
		if ended[0].Reason != test.reason || e.Reason != test.reason {
			t.Errorf("%v, ended with absolute %v: got reason %q, and keeps %q, want %q",
				test.life, test.absolute, ended[0].Reason, e.Reason, test.reason)
		}
		equal(t, "EndedAt", e.EndedAt, e.CreatedAt.Add(test.after))
		equal(t, "EndedAt of the returned", ended[0].EndedAt, e.EndedAt)
	}
}

func endExpiredLimit(t *testing.T, s suite) {
	live := s.insert(t)
	for range 5 {
		s.insert(t, expired)
	}
	batches(t, "EndExpired", func() ([]session.Ended, error) { return s.EndExpired(s.ctx, session.Handle{}, time.Hour, 1, 2) })
	s.get(t, live)
}

// One who looks a session up, and those who clean up, may end the same one: it is told once.
func endExpiredOnce(t *testing.T, s suite) {
	var handles []session.Handle
	for range 20 {
		handles = append(handles, s.insert(t, expired))
	}
	s.eachOnce(t, handles, func(i int, id session.Version, add func([]session.Ended)) error {
		if i%2 == 0 {
			for _, h := range handles {
				ended, err := s.EndExpired(s.ctx, h, time.Hour, id, 1)
				add(ended)
				if err != nil {
					return err
				}
			}
			return nil
		}
		for range rounds {
			ended, err := s.EndExpired(s.ctx, session.Handle{}, time.Hour, id, 3)
			add(ended)
			if err != nil || len(ended) == 0 {
				return err
			}
		}
		return errEndless
	})
}

// long is an age that nothing in a test has.
const long = 1000 * time.Hour

// purge calls Purge until nothing is left, and asserts how many there were.
func (s suite) purge(t *testing.T, endings, revocations time.Duration, limit, want int) {
	t.Helper()
	total := 0
	for range rounds {
		n, err := s.Purge(s.ctx, endings, revocations, limit)
		if err != nil || n > 2*limit {
			t.Fatalf("Purge with limit %d: got %d, %v", limit, n, err)
		}
		if total += n; n > 0 {
			continue
		}
		if total != want {
			t.Fatalf("Purge(%v, %v): got %d, want %d", endings, revocations, total, want)
		}
		return
	}
	t.Fatalf("Purge(%v, %v): %v", endings, revocations, errEndless)
}

func purgeByAge(t *testing.T, s suite) {
	live, dead := s.insert(t), s.insert(t, expired)
	hourAgo := s.insert(t, expired)
	twoHoursAgo := s.insert(t, user("other"), func(r *session.NewRow) { r.Lifetimes.Idle = -2 * time.Hour })
	for _, h := range []session.Handle{hourAgo, twoHoursAgo} {
		only(t, "EndExpired", h)(s.EndExpired(s.ctx, h, time.Hour, 1, 1))
	}
	now := s.insert(t)
	if n, err := s.EndUser(s.ctx, "user", live, how(1), 10); err != nil || n != 1 {
		t.Fatalf("EndUser: got %d, %v, want 1", n, err)
	}

	left := []session.Handle{now, hourAgo, twoHoursAgo}
	for _, step := range []struct {
		age  time.Duration
		left int // of the above
	}{
		{3 * time.Hour, 3}, {90 * time.Minute, 2}, {30 * time.Minute, 1}, {-time.Hour, 0},
	} {
		s.purge(t, step.age, long, 10, len(left)-step.left)
		for _, h := range left[step.left:] {
			_, err := s.Ending(s.ctx, h)
			notFound(t, "Ending of a purged session", err)
			absent(t, s, unread(h))
		}
		left = left[:step.left]
		for _, h := range left {
			s.ended(t, h)
		}
	}
	for _, id := range []string{"user", "other"} {
		if ended, err := s.Endings(s.ctx, id, session.EndingsPage{Limit: 10}); err != nil || len(ended) != 0 {
			t.Errorf("Endings of %s after all were purged: got %v, %v", id, handlesOf(ended), err)
		}
	}
	s.get(t, live)
	only(t, "EndExpired of what was not ended when the others were purged", dead)(
		s.EndExpired(s.ctx, session.Handle{}, time.Hour, 1, 10))
}

func purgeLimit(t *testing.T, s suite) {
	for range 5 {
		s.insert(t)
	}
	if n, err := s.EndUser(s.ctx, "user", session.Handle{}, how(1), 10); err != nil || n != 5 {
		t.Fatalf("EndUser: got %d, %v, want 5", n, err)
	}
	for left := 5; left > 0; {
		n, err := s.Purge(s.ctx, -time.Hour, long, 2)
		if err != nil || n < 1 || n > min(2, left) {
			t.Fatalf("Purge with limit 2 and %d left: got %d, %v", left, n, err)
		}
		left -= n
		if ended, err := s.Endings(s.ctx, "user", session.EndingsPage{Limit: 10}); err != nil || len(ended) != left {
			t.Fatalf("Endings after Purge: got %d, %v, want %d", len(ended), err, left)
		}
	}
	s.purge(t, -time.Hour, long, 2, 0)
}
