package lab

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
	"github.com/watchword-dev/watchword/session/storetest"
)

// TestARecordedStoreIsAStore: to be watched changes nothing.
func TestARecordedStoreIsAStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) session.Store {
		return NewRecorder(nil, session.DefaultGrace).Store(memstore.New(nil), nil)
	})
}

func TestAStoreThatIsAwayAnswersNothing(t *testing.T) {
	t.Parallel()
	outage := NewOutage(nil, nil)
	s := NewRecorder(nil, 0).Store(memstore.New(nil), outage.Down)
	outage.Begin(time.Minute)
	defer outage.End()
	ctx, h := t.Context(), session.Handle{1}
	for name, call := range map[string]func() error{
		"Insert":  func() error { return s.Insert(ctx, session.NewRow{Handle: h}) },
		"Get":     func() error { _, _, err := s.Get(ctx, h); return err },
		"Confirm": func() error { _, err := s.Confirm(ctx, h, session.Mark{1}, nil, session.Renewal{}); return err },
		"HandOut": func() error {
			_, err := s.HandOut(ctx, h, session.Mark{1}, session.Mark{2}, true, session.Renewal{})
			return err
		},
		"Mint":           func() error { return mint(ctx, s, h) },
		"List":           func() error { _, err := s.List(ctx, "ann", session.Page{Limit: 1}); return err },
		"SetPayload":     func() error { _, err := s.SetPayload(ctx, h, nil); return err },
		"SetLabel":       func() error { _, err := s.SetLabel(ctx, h, ""); return err },
		"Data":           func() error { _, _, err := s.Data(ctx, h); return err },
		"SetData":        func() error { _, err := s.SetData(ctx, h, 0, 1, nil); return err },
		"End":            func() error { _, err := s.End(ctx, h, session.End{}); return err },
		"EndUser":        func() error { _, err := s.EndUser(ctx, "ann", session.Handle{}, session.End{}, 1); return err },
		"EndAll":         func() error { _, err := s.EndAll(ctx, time.Now(), session.End{}, 1); return err },
		"EndExpired":     func() error { _, err := s.EndExpired(ctx, h, time.Hour, 1, 1); return err },
		"Ending":         func() error { _, err := s.Ending(ctx, h); return err },
		"Endings":        func() error { _, err := s.Endings(ctx, "ann", session.EndingsPage{Limit: 1}); return err },
		"Purge":          func() error { _, err := s.Purge(ctx, time.Hour, time.Hour, 1); return err },
		"Publish":        func() error { return s.Publish(ctx, session.Revocation{}) },
		"Revocations":    func() error { _, _, err := s.Revocations(ctx, time.Now(), 1); return err },
		"Keys":           func() error { _, _, err := s.Keys(ctx); return err },
		"InsertKey":      func() error { return s.InsertKey(ctx, session.Key{}) },
		"RetireKey":      func() error { _, err := s.RetireKey(ctx, "x"); return err },
		"SetKeyMaterial": func() error { _, err := s.SetKeyMaterial(ctx, "x", nil, nil); return err },
		"DeleteKey":      func() error { _, err := s.DeleteKey(ctx, "x"); return err },
	} {
		trace := &trace{}
		ctx = withTrace(t.Context(), trace)
		if err := call(); !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("%s: got %v, want ErrUnavailable", name, err)
		}
		if statements, _, _ := trace.seen(); fmt.Sprint(statements) != "["+name+"]" {
			t.Errorf("%s was counted as %v", name, statements)
		}
	}
}

func mint(ctx context.Context, s session.Store, h session.Handle) error {
	_, err := s.Mint(ctx, h, session.Mark{1}, session.Mark{}, time.Time{}, session.Successor{Mark: session.Mark{2}}, session.Renewal{})
	return err
}

// TestJournalsAreBounded: sessions that nobody watches are forgotten, the ones of long ago first.
func TestJournalsAreBounded(t *testing.T) {
	t.Parallel()
	r := NewRecorder(nil, 0)
	handle := func(i int) session.Handle { return session.Handle{1, byte(i >> 8), byte(i)} }
	r.journal(handle(0)).watched.Add(1)
	for i := range 2 * maxJournals {
		r.journal(handle(i))
		r.journal(handle(1))
	}
	if len(r.journals) != maxJournals || r.known(handle(0)) == nil || r.known(handle(1)) == nil || r.known(handle(2)) != nil || r.known(handle(2*maxJournals-1)) == nil {
		t.Errorf("%d journals are kept, or the wrong ones", len(r.journals))
	}
}

// TestLineageIsBounded: a session that is refreshed for days shows its last tokens, and what its clients hold.
func TestLineageIsBounded(t *testing.T) {
	t.Parallel()
	l := newLineage(time.Second)
	at := time.UnixMicro(1_000_000).UTC()
	mark := func(i int) session.Mark { return session.Mark{1, byte(i >> 8), byte(i)} }
	for i := range 500 {
		row := session.Row{Current: mark(i), Generation: i, CurrentAt: at, RotatedAt: at}
		if i > 0 {
			row.Previous = mark(i - 1)
		}
		l.learn(row)
		l.confirm(mark(i), at, you)
		if i == 0 {
			l.holders["thief 1"] = mark(0)
		}
	}
	shown := l.show(session.Handle{1})
	if len(shown.Nodes) != maxNodes || len(shown.Edges) > maxEdges {
		t.Errorf("%d tokens and %d edges are shown", len(shown.Nodes), len(shown.Edges))
	}
	ids := map[string]bool{}
	for _, n := range shown.Nodes {
		ids[n.ID] = true
	}
	if first, last := shown.Nodes[0], shown.Nodes[maxNodes-1]; first.ID != shortID(mark(0)) || last.ID != shortID(mark(499)) || last.Class != current {
		t.Errorf("got %+v to %+v, want what the thief holds, and what is current", first, last)
	}
	for _, e := range shown.Edges {
		if !ids[e.From] || !ids[e.To] {
			t.Errorf("edge %+v leads nowhere", e)
		}
	}
}

// TestRowsThatComeLate do not turn the picture back.
func TestRowsThatComeLate(t *testing.T) {
	t.Parallel()
	at := time.UnixMicro(1_000_000).UTC()
	old, next := session.Mark{1}, session.Mark{2}
	rows := []session.Row{
		{Current: old, CurrentAt: at},
		{Current: old, CurrentAt: at, Pending: next, PendingAt: at, HandedAt: at},
		{Current: old, CurrentAt: at, Pending: next, PendingAt: at, HandedAt: at.Add(time.Second)},
		{Current: next, CurrentAt: at, Previous: old, RotatedAt: at.Add(2 * time.Second), Generation: 1},
	}
	l := newLineage(time.Second)
	for i, row := range rows {
		l.learn(row)
		for _, late := range rows[:i] {
			l.learn(late)
		}
		if l.row.Current != row.Current || l.row.Pending != row.Pending || !l.row.HandedAt.Equal(row.HandedAt) {
			t.Errorf("after row %d: got %+v", i, l.row)
		}
	}
}

// TestClocks: a difference that the time of the call explains is none.
func TestClocks(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := NewRecorder(func() time.Time { return now.Add(time.Second) }, 0) // the call has ended a second after it began
	for said, want := range map[time.Duration]time.Duration{
		0: 0, time.Second: 0, 300 * time.Millisecond: 0, -time.Hour: -time.Hour, time.Hour: time.Hour - time.Second,
	} {
		r.compare(now, now.Add(said))
		if got := r.storeTime(now).Sub(now); got != want {
			t.Errorf("a clock that says %v: got %v, want %v", said, got, want)
		}
	}
}
