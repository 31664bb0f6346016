package memstore_test

import (
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
	"github.com/watchword-dev/watchword/session/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) session.Store { return memstore.New(nil) })
}

// What a caller gave or got is the caller's to change.
func TestStoreKeepsCopies(t *testing.T) {
	s, ctx, h := memstore.New(nil), t.Context(), session.Handle{1}
	bytes := []byte("kept")
	scribble := func(b []byte) {
		t.Helper()
		if string(b) != "kept" {
			t.Errorf("got %q", b)
		}
		copy(b, "XXXX")
	}
	row := session.NewRow{
		Handle: h, UserID: "user", Payload: bytes, Data: bytes, DataVersion: 1,
		Lifetimes: session.Lifetimes{Idle: time.Hour, Absolute: time.Hour},
	}
	if err := s.Insert(ctx, row); err != nil {
		t.Fatal(err)
	}
	scribble(bytes)
	for range 2 {
		row, _, err := s.Get(ctx, h)
		if err != nil {
			t.Fatal(err)
		}
		scribble(row.Payload)
		data, _, err := s.Data(ctx, h)
		if err != nil {
			t.Fatal(err)
		}
		scribble(data)
	}

	copy(bytes, "kept")
	ended, err := s.EndAll(ctx, time.Now().Add(time.Hour), session.End{ID: 1, Reason: session.ReasonRevoked, Detail: bytes}, 1)
	if err != nil || len(ended) != 1 {
		t.Fatal(len(ended), err)
	}
	scribble(bytes)
	scribble(ended[0].Detail)
	for range 2 {
		ended, err := s.Ending(ctx, h)
		if err != nil {
			t.Fatal(err)
		}
		scribble(ended.Detail)
		list, err := s.Endings(ctx, "user", session.EndingsPage{Limit: 1})
		if err != nil || len(list) != 1 {
			t.Fatal(len(list), err)
		}
		scribble(list[0].Detail)
	}
}

// The clock of a machine may be set back. The feed is ordered by its times all the same.
func TestFeedWhenTheClockIsSetBack(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s, ctx := memstore.New(func() time.Time { return now }), t.Context()
	publish := func(userID string, after time.Duration) {
		t.Helper()
		now = now.Add(after)
		if err := s.Publish(ctx, session.Revocation{UserID: userID, Reason: session.ReasonRevoked}); err != nil {
			t.Fatal(err)
		}
	}
	since := now
	publish("first", 0)
	publish("fourth", 2*time.Second)
	publish("second", -time.Second)
	publish("third", 0)
	entries, _, err := s.Revocations(ctx, since, 10)
	if err != nil || len(entries) != 4 {
		t.Fatal(len(entries), err)
	}
	for i, want := range []string{"first", "second", "third", "fourth"} {
		if entries[i].UserID != want {
			t.Errorf("entry %d: got %q, want %q", i, entries[i].UserID, want)
		}
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	storetest.RunFaults(t, func(*testing.T) session.Store { return memstore.New(nil) })
}
