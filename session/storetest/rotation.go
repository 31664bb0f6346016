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

	yes(t, "Confirm")(s.Confirm(s.ctx, h, mark("R1"), nil, life))
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
	no(t, "Confirm again")(s.Confirm(s.ctx, h, mark("R1"), nil, life))
	no(t, "Confirm of the previous")(s.Confirm(s.ctx, h, mark("R0"), nil, life))
}

func confirmWithNext(t *testing.T, s suite) {
	h := s.insert(t)
	minted := s.mint(t, h, "R0", "R1")
	_, now := s.get(t, h)
	next := session.Successor{Mark: mark("R2"), MintedAt: now}
	yes(t, "Confirm with next")(s.Confirm(s.ctx, h, mark("R1"), &next, life))
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
	no(t, "Confirm of current")(s.Confirm(s.ctx, h, mark("R0"), nil, life))
	no(t, "Confirm of the zero mark without pending")(s.Confirm(s.ctx, h, session.Mark{}, nil, life))
	s.mint(t, h, "R0", "R1")
	no(t, "Confirm of another mark")(s.Confirm(s.ctx, h, mark("X"), nil, life))
	no(t, "Confirm of the zero mark")(s.Confirm(s.ctx, h, session.Mark{}, nil, life))
	other := s.insert(t)
	no(t, "Confirm in another session")(s.Confirm(s.ctx, other, mark("R1"), nil, life))
	row, _ := s.get(t, h)
	equal(t, "Pending", row.Pending, mark("R1"))
}

func handOut(t *testing.T, s suite) {
	h := s.insert(t)
	no(t, "HandOut without pending")(s.HandOut(s.ctx, h, mark("R0"), mark("R1"), true, life))
	no(t, "HandOut of the zero mark without pending")(s.HandOut(s.ctx, h, mark("R0"), session.Mark{}, true, life))
	minted := s.mint(t, h, "R0", "R1")
	before, _ := s.get(t, h)
	no(t, "HandOut with another current")(s.HandOut(s.ctx, h, mark("X"), mark("R1"), true, life))
	no(t, "HandOut with another pending")(s.HandOut(s.ctx, h, mark("R0"), mark("X"), true, life))
	yes(t, "HandOut")(s.HandOut(s.ctx, h, mark("R0"), mark("R1"), true, life))
	row, _ := s.get(t, h)
	equal(t, "Handed", row.Handed, 2)
	equal(t, "Pending", row.Pending, mark("R1"))
	equal(t, "PendingAt", row.PendingAt, minted)
	if row.HandedAt.Before(before.HandedAt) {
		t.Errorf("HandedAt went back from %v to %v", before.HandedAt, row.HandedAt)
	}
	yes(t, "HandOut that does not count")(s.HandOut(s.ctx, h, mark("R0"), mark("R1"), false, life))
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
	no(t, "Mint with another current")(s.Mint(s.ctx, h, mark("X"), session.Mark{}, time.Time{}, one, life))
	no(t, "Mint with a pending that is not there")(s.Mint(s.ctx, h, mark("R0"), mark("X"), time.Time{}, one, life))
	no(t, "Mint with another time of the last hand-out")(s.Mint(s.ctx, h, mark("R0"), session.Mark{}, now, one, life))
	yes(t, "Mint")(s.Mint(s.ctx, h, mark("R0"), session.Mark{}, time.Time{}, one, life))
	first, _ := s.get(t, h)
	no(t, "Mint over a pending that was not read")(s.Mint(s.ctx, h, mark("R0"), session.Mark{}, first.HandedAt, two, life))
	yes(t, "HandOut")(s.HandOut(s.ctx, h, mark("R0"), mark("R1"), true, life))
	no(t, "Mint over a pending that was handed out since it was read")(s.Mint(s.ctx, h, mark("R0"), mark("R1"), first.HandedAt, two, life))
	row, _ := s.get(t, h)
	yes(t, "Mint over the pending that was read")(s.Mint(s.ctx, h, mark("R0"), mark("R1"), row.HandedAt, two, life))
	row, _ = s.get(t, h)
	equal(t, "Pending", row.Pending, mark("R1b"))
	equal(t, "Handed", row.Handed, 3)
	no(t, "Confirm of the replaced")(s.Confirm(s.ctx, h, mark("R1"), nil, life))
	yes(t, "Confirm of the newest")(s.Confirm(s.ctx, h, mark("R1b"), nil, life))
}

func confirmOnce(t *testing.T, s suite) {
	h := s.insert(t)
	s.mint(t, h, "R0", "R1")
	wins := race(t, 64, func(int) (bool, error) { return s.Confirm(s.ctx, h, mark("R1"), nil, life) })
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
		return s.Mint(s.ctx, h, mark("R0"), session.Mark{}, time.Time{}, next, life)
	})
	equal(t, "winners among 64 successors of one current", wins, 1)
}

func handOutCounts(t *testing.T, s suite) {
	h := s.insert(t)
	s.mint(t, h, "R0", "R1")
	wins := race(t, 16, func(int) (bool, error) { return s.HandOut(s.ctx, h, mark("R0"), mark("R1"), true, life) })
	equal(t, "hand-outs", wins, 16)
	row, _ := s.get(t, h)
	equal(t, "Handed", row.Handed, 17)
}
