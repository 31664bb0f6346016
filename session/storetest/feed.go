package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// revocations reads the feed. It skips the rest of the test where the store has none.
func (s suite) revocations(t *testing.T, since time.Time, limit int) []session.Revocation {
	t.Helper()
	entries, now, err := s.Revocations(s.ctx, since, limit)
	if errors.Is(err, errors.ErrUnsupported) {
		if err := s.Publish(s.ctx, session.Revocation{Reason: session.ReasonRevoked}); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Publish of a store without a feed: got %v, want ErrUnsupported", err)
		}
		t.Skip("the store has no feed: Revocations answers ErrUnsupported")
	}
	if err != nil || len(entries) > limit || now.IsZero() {
		t.Fatalf("Revocations with limit %d: got %d entries, now %v, %v", limit, len(entries), now, err)
	}
	for i, e := range entries {
		if e.At.Before(since) || i > 0 && e.At.Before(entries[i-1].At) {
			t.Fatalf("Revocations since %v: entry %d of %v is out of order", since, i, entries)
		}
		equal(t, "At is UTC, to the microsecond", e.At, e.At.UTC().Truncate(time.Microsecond))
	}
	return entries
}

// lastOf returns the last entry of the feed since then of one session. A store may keep or replace the earlier ones.
func (s suite) lastOf(t *testing.T, since time.Time, h session.Handle) (session.Revocation, bool) {
	t.Helper()
	var last session.Revocation
	for _, e := range s.revocations(t, since, 1000) {
		if e.Handle == h {
			last = e
		}
	}
	return last, last.Handle == h
}

func (s suite) publish(t *testing.T, userID string, reason session.Reason) {
	t.Helper()
	if err := s.Publish(s.ctx, session.Revocation{UserID: userID, Reason: reason}); err != nil {
		t.Fatalf("Publish: %v", err)
	}
}

func feedOfEnd(t *testing.T, s suite) {
	begin := s.now(t)
	equal(t, "entries of an empty feed", len(s.revocations(t, begin, 10)), 0)
	reasons := []session.Reason{
		session.ReasonLogout, session.ReasonTheft, session.ReasonPasswordChange, session.ReasonKeyCompromise,
	}
	for _, reason := range reasons {
		h, low := s.insert(t), s.later(t)
		yes(t, "End")(s.End(s.ctx, h, session.End{ID: 1, Reason: reason, Fed: true}))
		high := s.now(t)
		entry, found := s.lastOf(t, begin, h)
		equal(t, "the ended session is in the feed", found, true)
		equal(t, "Reason", entry.Reason, reason)
		within(t, "At", entry.At, low, high)
		_, found = s.lastOf(t, entry.At, h)
		equal(t, "it is in the feed since its At", found, true)
		_, found = s.lastOf(t, entry.At.Add(time.Microsecond), h)
		equal(t, "it is in the feed since after its At", found, false)
	}
	no(t, "End of a dead session")(s.End(s.ctx, s.insert(t, expired), fed(1)))
	no(t, "End of an unknown session")(s.End(s.ctx, handle(), fed(1)))
	equal(t, "entries of the feed", len(s.revocations(t, begin, 10)), len(reasons))
}

// Whoever repeats a call whose answer was lost may rely on the feed as if it had not been.
func feedOfEndAgain(t *testing.T, s suite) {
	begin := s.now(t)
	s.revocations(t, begin, 10)
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			row, end, _, _ := way.end(t, s)
			for range 2 {
				low := s.later(t)
				_, found := s.lastOf(t, low, row.Handle)
				equal(t, "the session is in the feed as of now", found, false)
				no(t, "End again")(s.End(s.ctx, row.Handle, session.End{ID: 99, Reason: session.ReasonLimit, Fed: true}))
				high := s.now(t)
				entry, found := s.lastOf(t, low, row.Handle)
				equal(t, "the session that is ended again is in the feed", found, true)
				equal(t, "Reason", entry.Reason, end.Reason)
				within(t, "At", entry.At, low, high)
				equal(t, "ID of the ended", s.ended(t, row.Handle).ID, end.ID)
			}
		})
	}
}

// What becomes an entry at its end, and what does not.
func feedOfEachWay(t *testing.T, s suite) {
	begin := s.now(t)
	s.revocations(t, begin, 10)
	for _, way := range ways {
		row, end, _, _ := way.end(t, s)
		entry, found := s.lastOf(t, begin, row.Handle)
		equal(t, "the session is in the feed after "+way.name, found, way.feed)
		if found {
			equal(t, "Reason after "+way.name, entry.Reason, end.Reason)
		}
		no(t, "End again, not fed, after "+way.name)(s.End(s.ctx, row.Handle, how(99)))
		again, found := s.lastOf(t, begin, row.Handle)
		equal(t, "an ending that is not fed leaves the feed as it is, after "+way.name, again, entry)
		equal(t, "it is in the feed after that, too, after "+way.name, found, way.feed)
	}
}

func feedOfPublish(t *testing.T, s suite) {
	begin := s.now(t)
	s.revocations(t, begin, 10)
	everybody := ""
	ids := append([]string{everybody}, awkward...)
	low := begin
	for _, id := range ids {
		low = s.later(t)
		entry := session.Revocation{UserID: id, At: low.Add(-time.Hour), Reason: session.ReasonPasswordChange}
		if err := s.Publish(s.ctx, entry); err != nil { // as of now, whatever At says
			t.Fatalf("Publish: %v", err)
		}
	}
	entries := s.revocations(t, begin, 1000)
	if len(entries) != len(ids) {
		t.Fatalf("the feed: got %d entries, want %d", len(entries), len(ids))
	}
	for i, e := range entries {
		equal(t, "UserID", e.UserID, ids[i])
		equal(t, "Handle", e.Handle, session.Handle{})
		equal(t, "Reason", e.Reason, session.ReasonPasswordChange)
	}
	within(t, "At of the last", entries[len(entries)-1].At, low, s.now(t))

	s.later(t)
	s.publish(t, "user", session.ReasonRevoked)
	entries = s.revocations(t, begin, 1000)
	if last := entries[len(entries)-1]; last.UserID != "user" || last.Reason != session.ReasonRevoked {
		t.Errorf("the feed after a user was published again: its last entry is %v", last)
	}
}

// A signing key is in the feed by when it begins to sign, be that to come, and from when it is cut off on by that.
func feedOfKeys(t *testing.T, s suite) {
	begin := s.now(t)
	s.revocations(t, begin, 10)
	old, coming := key("old-AAAAAAAAAAAA", session.PurposeAccess, 1), key("coming-AAAAAAAAA", session.PurposeAccess, 2)
	coming.ActivatesAt = begin.Add(time.Hour)
	for _, k := range []session.Key{old, coming} {
		if err := s.InsertKey(s.ctx, k); err != nil {
			t.Fatalf("InsertKey: %v", err)
		}
	}
	of := func(since time.Time, want ...session.Revocation) {
		t.Helper()
		var got []session.Revocation
		for _, e := range s.revocations(t, since, 10) {
			if e.KeyID != "" {
				got = append(got, e)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("keys in the feed since %v: got %v, want %v", since, got, want)
		}
	}
	comes := session.Revocation{KeyID: coming.ID, At: coming.ActivatesAt}
	of(old.ActivatesAt, session.Revocation{KeyID: old.ID, At: old.ActivatesAt}, comes)
	of(begin, comes)
	of(comes.At, comes)
	of(comes.At.Add(time.Microsecond))

	h := s.insert(t)
	yes(t, "End")(s.End(s.ctx, h, fed(1)))
	equal(t, "entries, of which a limit of one leaves the first", s.revocations(t, begin, 1)[0].Handle, h)
	low := s.later(t)
	yes(t, "RetireKey")(s.RetireKey(s.ctx, old.ID))
	kept, _, err := s.Keys(s.ctx)
	if err != nil || len(kept) != 2 {
		t.Fatalf("Keys: got %d, %v", len(kept), err)
	}
	within(t, "RetiresAt", kept[0].RetiresAt, low, s.now(t))
	cutOff := session.Revocation{KeyID: old.ID, At: kept[0].RetiresAt}
	of(old.ActivatesAt, cutOff, comes)
	of(cutOff.At, cutOff, comes)
	of(cutOff.At.Add(time.Microsecond), comes)
	yes(t, "RetireKey")(s.RetireKey(s.ctx, coming.ID)) // before it has signed
	kept, _, err = s.Keys(s.ctx)
	if err != nil || len(kept) != 2 {
		t.Fatalf("Keys: got %d, %v", len(kept), err)
	}
	of(cutOff.At, cutOff, session.Revocation{KeyID: coming.ID, At: kept[1].RetiresAt})
	yes(t, "DeleteKey")(s.DeleteKey(s.ctx, old.ID))
	of(cutOff.At, session.Revocation{KeyID: coming.ID, At: kept[1].RetiresAt})
}

func feedOrderAndLimit(t *testing.T, s suite) {
	begin := s.now(t)
	s.revocations(t, begin, 10)
	ends := func(userID string) func() {
		h := s.insert(t, user(userID))
		return func() { yes(t, "End")(s.End(s.ctx, h, fed(1))) }
	}
	second, fourth := ends("x"), ends("y")
	for _, entry := range []func(){
		func() { s.publish(t, "one", session.ReasonRevoked) }, fourth,
		func() { s.publish(t, "", session.ReasonRevoked) }, second,
		func() { s.publish(t, "one", session.ReasonRevoked) },
		func() { s.publish(t, "two", session.ReasonRevoked) },
	} {
		s.later(t)
		entry()
	}
	all := s.revocations(t, begin, 1000)
	if len(all) != 6 {
		t.Fatalf("the feed: got %v, want 6 entries", all)
	}
	for i := range all {
		for limit := 1; limit <= len(all)+1; limit++ {
			got, want := s.revocations(t, all[i].At, limit), all[i:min(i+limit, len(all))]
			if !slices.Equal(got, want) {
				t.Errorf("Revocations since entry %d with limit %d: got %v, want %v", i, limit, got, want)
			}
		}
	}
	equal(t, "entries after the last", len(s.revocations(t, all[5].At.Add(time.Microsecond), 10)), 0)
}

// An entry is there when the call that made it returns, whatever else is under way.
func feedSeenAtOnce(t *testing.T, s suite) {
	begin := s.now(t)
	s.revocations(t, begin, 10)
	handles := make([]session.Handle, 16)
	for i := range handles {
		handles[i] = s.insert(t, user(fmt.Sprint("ended ", i)))
	}
	race(t, 2*len(handles), func(i int) (bool, error) {
		entry := session.Revocation{UserID: fmt.Sprint("published ", i), Reason: session.ReasonRevoked}
		var err error
		if i < len(handles) {
			entry = session.Revocation{Handle: handles[i]}
			_, err = s.End(s.ctx, handles[i], fed(1))
		} else {
			err = s.Publish(s.ctx, entry)
		}
		if err != nil {
			return false, err
		}
		entries, _, err := s.Revocations(s.ctx, begin, 1000)
		if err == nil && !slices.ContainsFunc(entries, func(e session.Revocation) bool {
			return e.Handle == entry.Handle && (e.UserID == entry.UserID || !e.Handle.IsZero())
		}) {
			t.Errorf("goroutine %d: its entry is not among the %d of the feed", i, len(entries))
		}
		return true, err
	})
	equal(t, "entries", len(s.revocations(t, begin, 1000)), 2*len(handles))
}

func feedClock(t *testing.T, s suite) {
	last := s.now(t)
	s.revocations(t, last, 10)
	h := s.insert(t)
	for range 20 {
		_, now, err := s.Revocations(s.ctx, last, 10)
		if err != nil || now.Before(last) || now.Location() != time.UTC || now.Nanosecond()%1000 != 0 {
			t.Fatalf("Revocations: got now %v, %v, after %v", now, err, last)
		}
		if _, last = s.get(t, h); last.Before(now) {
			t.Fatalf("the store's clock went back from %v to %v", now, last)
		}
	}
}

func feedPurge(t *testing.T, s suite) {
	begin := s.now(t)
	s.revocations(t, begin, 10)
	for range 3 {
		s.insert(t)
	}
	if n, err := s.EndUser(s.ctx, "user", session.Handle{}, how(1), 10); err != nil || n != 3 {
		t.Fatalf("EndUser: got %d, %v, want 3", n, err)
	}
	for i := range 5 {
		s.publish(t, fmt.Sprint("user ", i), session.ReasonRevoked)
	}
	s.purge(t, long, long, 2, 0)
	s.purge(t, long, time.Hour, 2, 0)
	equal(t, "entries before they are old", len(s.revocations(t, begin, 10)), 5)
	s.purge(t, -time.Hour, time.Hour, 2, 3)
	equal(t, "entries after endings were purged", len(s.revocations(t, begin, 10)), 5)

	h := s.insert(t)
	if n, err := s.EndUser(s.ctx, "user", session.Handle{}, how(1), 10); err != nil || n != 1 {
		t.Fatalf("EndUser: got %d, %v, want 1", n, err)
	}
	s.purge(t, long, -time.Hour, 2, 5)
	equal(t, "entries after all were purged", len(s.revocations(t, begin, 10)), 0)
	s.ended(t, h)
	s.publish(t, "user", session.ReasonRevoked)
	equal(t, "entries of what was published since", len(s.revocations(t, begin, 10)), 1)
	s.purge(t, -time.Hour, -time.Hour, 1, 2)
}
