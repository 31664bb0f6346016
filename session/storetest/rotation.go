package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

func confirm(t *testing.T, s suite) {
	h := s.insert(t)
	minted := s.mint(t, h, "R0", "R1")
	row, _ := s.get(t, h)
	equal(t, "Current after Mint", row.Current, mark("R0"))
	equal(t, "Pending after Mint", row.Pending, mark("R1"))
	equal(t, "PendingAt after Mint", row.PendingAt, minted)
	equal(t, "Handed after Mint", row.Handed, 1)
	if row.HandedAt.Before(minted) {
		t.Errorf("HandedAt after Mint: got %v, before PendingAt %v", row.HandedAt, minted)
	}

	yes(t, "Confirm")(s.Confirm(s.ctx, h, mark("R1"), nil, renewal))
	row, now := s.get(t, h)
	equal(t, "Previous", row.Previous, mark("R0"))
	equal(t, "Current", row.Current, mark("R1"))
	equal(t, "CurrentAt", row.CurrentAt, minted)
	equal(t, "Pending", row.Pending, session.Mark{})
	equal(t, "PendingAt is zero", row.PendingAt.IsZero(), true)
	equal(t, "HandedAt is zero", row.HandedAt.IsZero(), true)
	equal(t, "Handed", row.Handed, 0)
	if row.RotatedAt.Before(minted) || row.RotatedAt.After(now) {
		t.Errorf("RotatedAt: got %v, want within [%v, %v]", row.RotatedAt, minted, now)
	}
	no(t, "Confirm again")(s.Confirm(s.ctx, h, mark("R1"), nil, renewal))
	no(t, "Confirm of the previous")(s.Confirm(s.ctx, h, mark("R0"), nil, renewal))
}

func confirmWithNext(t *testing.T, s suite) {
	h := s.insert(t)
	minted := s.mint(t, h, "R0", "R1")
	_, now := s.get(t, h)
	next := session.Successor{Mark: mark("R2"), MintedAt: now}
	yes(t, "Confirm with next")(s.Confirm(s.ctx, h, mark("R1"), &next, renewal))
	row, _ := s.get(t, h)
	equal(t, "Previous", row.Previous, mark("R0"))
	equal(t, "Current", row.Current, mark("R1"))
	equal(t, "CurrentAt", row.CurrentAt, minted)
	equal(t, "Pending", row.Pending, mark("R2"))
	equal(t, "PendingAt", row.PendingAt, now)
	equal(t, "Handed", row.Handed, 1)
	if row.HandedAt.Before(now) {
		t.Errorf("HandedAt: got %v, before %v", row.HandedAt, now)
	}
}

func confirmNeedsPending(t *testing.T, s suite) {
	h := s.insert(t)
	no(t, "Confirm of current")(s.Confirm(s.ctx, h, mark("R0"), nil, renewal))
	no(t, "Confirm of the zero mark without pending")(s.Confirm(s.ctx, h, session.Mark{}, nil, renewal))
	s.mint(t, h, "R0", "R1")
	no(t, "Confirm of another mark")(s.Confirm(s.ctx, h, mark("X"), nil, renewal))
	no(t, "Confirm of the zero mark")(s.Confirm(s.ctx, h, session.Mark{}, nil, renewal))
	other := s.insert(t)
	no(t, "Confirm in another session")(s.Confirm(s.ctx, other, mark("R1"), nil, renewal))
	row, _ := s.get(t, h)
	equal(t, "Pending", row.Pending, mark("R1"))
}

func handOut(t *testing.T, s suite) {
	h := s.insert(t)
	no(t, "HandOut without pending")(s.HandOut(s.ctx, h, mark("R0"), mark("R1"), true, renewal))
	no(t, "HandOut of the zero mark without pending")(s.HandOut(s.ctx, h, mark("R0"), session.Mark{}, true, renewal))
	minted := s.mint(t, h, "R0", "R1")
	before, _ := s.get(t, h)
	no(t, "HandOut with another current")(s.HandOut(s.ctx, h, mark("X"), mark("R1"), true, renewal))
	no(t, "HandOut with another pending")(s.HandOut(s.ctx, h, mark("R0"), mark("X"), true, renewal))
	yes(t, "HandOut")(s.HandOut(s.ctx, h, mark("R0"), mark("R1"), true, renewal))
	row, _ := s.get(t, h)
	equal(t, "Handed", row.Handed, 2)
	equal(t, "Pending", row.Pending, mark("R1"))
	equal(t, "PendingAt", row.PendingAt, minted)
	if row.HandedAt.Before(before.HandedAt) {
		t.Errorf("HandedAt went back from %v to %v", before.HandedAt, row.HandedAt)
	}
	yes(t, "HandOut that does not count")(s.HandOut(s.ctx, h, mark("R0"), mark("R1"), false, renewal))
	uncounted, _ := s.get(t, h)
	equal(t, "Handed after a hand-out that does not count", uncounted.Handed, 2)
	if !uncounted.HandedAt.After(row.HandedAt) {
		t.Errorf("HandedAt stayed %v", uncounted.HandedAt)
	}
}

func mint(t *testing.T, s suite) {
	h := s.insert(t)
	_, now := s.get(t, h)
	one, two := session.Successor{Mark: mark("R1"), MintedAt: now}, session.Successor{Mark: mark("R1b"), MintedAt: now}
	no(t, "Mint with another current")(s.Mint(s.ctx, h, mark("X"), session.Mark{}, time.Time{}, one, renewal))
	no(t, "Mint with a pending that is not there")(s.Mint(s.ctx, h, mark("R0"), mark("X"), time.Time{}, one, renewal))
	no(t, "Mint with another time of the last hand-out")(s.Mint(s.ctx, h, mark("R0"), session.Mark{}, now, one, renewal))
	yes(t, "Mint")(s.Mint(s.ctx, h, mark("R0"), session.Mark{}, time.Time{}, one, renewal))
	first, _ := s.get(t, h)
	no(t, "Mint over a pending that was not read")(s.Mint(s.ctx, h, mark("R0"), session.Mark{}, first.HandedAt, two, renewal))
	yes(t, "HandOut")(s.HandOut(s.ctx, h, mark("R0"), mark("R1"), true, renewal))
	no(t, "Mint over a pending that was handed out since it was read")(s.Mint(s.ctx, h, mark("R0"), mark("R1"), first.HandedAt, two, renewal))
	row, _ := s.get(t, h)
	yes(t, "Mint over the pending that was read")(s.Mint(s.ctx, h, mark("R0"), mark("R1"), row.HandedAt, two, renewal))
	row, _ = s.get(t, h)
	equal(t, "Pending", row.Pending, mark("R1b"))
	equal(t, "Handed", row.Handed, 3)
	no(t, "Confirm of the replaced")(s.Confirm(s.ctx, h, mark("R1"), nil, renewal))
	yes(t, "Confirm of the newest")(s.Confirm(s.ctx, h, mark("R1b"), nil, renewal))
}

func confirmOnce(t *testing.T, s suite) {
	h := s.insert(t)
	s.mint(t, h, "R0", "R1")
	wins := race(t, 64, func(int) (bool, error) { return s.Confirm(s.ctx, h, mark("R1"), nil, renewal) })
	equal(t, "winners among 64 confirmations of one pending", wins, 1)
	row, _ := s.get(t, h)
	equal(t, "Previous", row.Previous, mark("R0"))
	equal(t, "Current", row.Current, mark("R1"))
}

func mintOnce(t *testing.T, s suite) {
	h := s.insert(t)
	_, now := s.get(t, h)
	wins := race(t, 64, func(i int) (bool, error) {
		next := session.Successor{Mark: mark(fmt.Sprint("R1-", i)), MintedAt: now}
		return s.Mint(s.ctx, h, mark("R0"), session.Mark{}, time.Time{}, next, renewal)
	})
	equal(t, "winners among 64 successors of one current", wins, 1)
}

func handOutCounts(t *testing.T, s suite) {
	h := s.insert(t)
	s.mint(t, h, "R0", "R1")
	wins := race(t, 16, func(int) (bool, error) { return s.HandOut(s.ctx, h, mark("R0"), mark("R1"), true, renewal) })
	equal(t, "hand-outs", wins, 16)
	row, _ := s.get(t, h)
	equal(t, "Handed", row.Handed, 17)
}

// The time of a new proof waits with the successor, and takes effect or goes with it.
func generationAndAuthAt(t *testing.T, s suite) {
	h := s.insert(t)
	row, _ := s.get(t, h)
	created := row.CreatedAt
	var none, one, two, three time.Time // zero, and three distinct times of proofs
	one, two, three = created.Add(time.Second), created.Add(2*time.Second), created.Add(-time.Minute-time.Microsecond)
	successor := func(name string, authAt time.Time) session.Successor {
		return session.Successor{Mark: mark(name), MintedAt: created, AuthAt: authAt}
	}
	mint := func(name string, authAt time.Time) (bool, error) {
		return s.Mint(s.ctx, h, row.Current, row.Pending, row.HandedAt, successor(name, authAt), renewal)
	}
	for _, step := range []struct {
		what                  string
		change                func() (bool, error)
		ok                    bool
		authAt, pendingAuthAt time.Time
		generation            int
	}{
		{"Mint", func() (bool, error) { return mint("R1", none) }, true, created, none, 0},
		{"Confirm", func() (bool, error) { return s.Confirm(s.ctx, h, mark("R1"), nil, renewal) }, true, created, none, 1},
		{"Mint after a proof", func() (bool, error) { return mint("R2", one) }, true, created, one, 1},
		{"HandOut", func() (bool, error) {
			return s.HandOut(s.ctx, h, row.Current, row.Pending, true, renewal)
		}, true, created, one, 1},
		{"Confirm of another", func() (bool, error) { return s.Confirm(s.ctx, h, mark("X"), nil, renewal) }, false, created, one, 1},
		{"Mint of another with a later proof", func() (bool, error) { return mint("R2b", two) }, true, created, two, 1},
		{"Mint of another without one", func() (bool, error) { return mint("R2c", none) }, true, created, none, 1},
		{"Confirm without a proof", func() (bool, error) {
			return s.Confirm(s.ctx, h, mark("R2c"), nil, renewal)
		}, true, created, none, 2},
		{"Mint after a third proof", func() (bool, error) { return mint("R3", one) }, true, created, one, 2},
		{"Confirm of it", func() (bool, error) { return s.Confirm(s.ctx, h, mark("R3"), nil, renewal) }, true, one, none, 3},
		{"Mint after one more", func() (bool, error) { return mint("R4", two) }, true, one, two, 3},
		{"Confirm with a proven successor", func() (bool, error) {
			next := successor("R5", three)
			return s.Confirm(s.ctx, h, mark("R4"), &next, renewal)
		}, true, two, three, 4},
		{"Confirm with a successor", func() (bool, error) {
			next := successor("R6", none)
			return s.Confirm(s.ctx, h, mark("R5"), &next, renewal)
		}, true, three, none, 5},
		{"the last Confirm", func() (bool, error) { return s.Confirm(s.ctx, h, mark("R6"), nil, renewal) }, true, three, none, 6},
	} {
		verdict(t, step.what, step.ok)(step.change())
		row, _ = s.get(t, h)
		equal(t, "AuthAt after "+step.what, row.AuthAt, step.authAt)
		equal(t, "PendingAuthAt after "+step.what, row.PendingAuthAt, step.pendingAuthAt)
		equal(t, "Generation after "+step.what, row.Generation, step.generation)
	}
}
