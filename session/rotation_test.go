package session

import (
	"testing"
	"time"
)

var (
	tokC, tokP, tokV, tokX = Mark{'C'}, Mark{'P'}, Mark{'V'}, Mark{'X'}

	zero = time.Time{}
	base = time.UnixMicro(1_760_000_000_000_000).UTC()
)

const (
	tick = time.Microsecond
	g    = 10 * time.Second
)

// TestDecide goes through the rules of Refresh, each at its boundary: equal, one tick before, one tick after.
func TestDecide(t *testing.T) {
	t.Parallel()
	// fresh: current was minted at base and no refresh has happened.
	fresh := Row{Current: tokC, CurrentAt: base}
	// rotated: current was minted at base and confirmed a minute later.
	rotated := Row{Current: tokC, CurrentAt: base, Previous: tokV, RotatedAt: base.Add(time.Minute)}
	// offered: a successor was minted an hour after base, and last handed out 30 s later.
	offered := rotated
	offered.Pending, offered.PendingAt, offered.HandedAt, offered.Handed = tokP, base.Add(time.Hour), base.Add(time.Hour+30*time.Second), 3
	with := func(r Row, f func(*Row)) Row { f(&r); return r }
	exhausted := with(offered, func(r *Row) { r.Handed = DefaultMaxHandOuts })
	almost := with(offered, func(r *Row) { r.Handed = DefaultMaxHandOuts - 1 })
	unlucky := with(rotated, func(r *Row) { r.Handed = DefaultMaxHandOuts })
	// busy: handed out again and again, for longer than five graces.
	busy := with(offered, func(r *Row) { r.HandedAt = r.PendingAt.Add(5*g - tick) })

	keep, handOut, mint, newest := decision{action: actKeep}, decision{action: actHandOut, counts: true}, decision{action: actMint}, decision{action: actNewest}
	uncounted := decision{action: actHandOut}
	confirmKeep, confirmMint := decision{confirm: true, action: actKeep}, decision{confirm: true, action: actMint}
	reuse, shadow := decision{action: actTheft, kind: TheftReuse}, decision{action: actTheft, kind: TheftShadow}

	for _, test := range []struct {
		name  string
		row   Row
		token Mark
		now   time.Time
		grace time.Duration
		want  decision
	}{
		{"1 pending", offered, tokP, base.Add(2 * time.Hour), g, confirmKeep},
		{"1 pending, long after", offered, tokP, base.Add(1000 * time.Hour), g, confirmKeep},
		{"1 pending, hand-outs exhausted", exhausted, tokP, base.Add(2 * time.Hour), g, confirmKeep},
		{"1 pending, strict", offered, tokP, offered.PendingAt, NoGrace, confirmMint},

		{"2a at creation", fresh, tokC, base, g, keep},
		{"2a one tick before the end", fresh, tokC, base.Add(g - tick), g, keep},
		{"2a at the end", fresh, tokC, base.Add(g), g, keep},
		{"2c one tick after 2a", fresh, tokC, base.Add(g + tick), g, mint},
		{"2a since the confirmation, at the end", rotated, tokC, rotated.RotatedAt.Add(g), g, keep},
		{"2c one tick after 2a since the confirmation", rotated, tokC, rotated.RotatedAt.Add(g + tick), g, mint},
		{"2a in spite of exhausted hand-outs", unlucky, tokC, rotated.RotatedAt, g, keep},
		{"2a, strict", fresh, tokC, base, NoGrace, mint},

		{"2b, a parallel request", offered, tokC, offered.HandedAt, g, uncounted},
		{"2b, the last of the same quarter grace", offered, tokC, offered.HandedAt.Add(g/4 - tick), g, uncounted},
		{"2b, the first of the next one", offered, tokC, offered.HandedAt.Add(g / 4), g, handOut},
		{"2b one tick before the end", offered, tokC, offered.HandedAt.Add(g - tick), g, handOut},
		{"2b at the end", offered, tokC, offered.HandedAt.Add(g), g, handOut},
		{"2c one tick after 2b", offered, tokC, offered.HandedAt.Add(g + tick), g, mint},
		{"2b at the end of five graces", busy, tokC, busy.PendingAt.Add(5 * g), g, handOut},
		{"2b one tick after five graces: no replacement in flight", busy, tokC, busy.PendingAt.Add(5*g + tick), g, keep},
		{"2b after five graces, one grace after the last hand-out", busy, tokC, busy.HandedAt.Add(g), g, keep},
		{"2c one tick later", busy, tokC, busy.HandedAt.Add(g + tick), g, mint},
		{"2b, strict", offered, tokC, offered.HandedAt, NoGrace, mint},
		{"2b, the last hand-out", almost, tokC, offered.HandedAt, g, uncounted},
		{"2b, one hand-out too many", exhausted, tokC, offered.HandedAt, g, shadow},

		{"2c without pending", rotated, tokC, base.Add(time.Hour), g, mint},
		{"2c, the last hand-out", almost, tokC, base.Add(2 * time.Hour), g, mint},
		{"2c, one hand-out too many", exhausted, tokC, base.Add(2 * time.Hour), g, shadow},
		{"2c, one hand-out too many, strict", exhausted, tokC, base.Add(2 * time.Hour), NoGrace, shadow},

		{"3 at the confirmation", rotated, tokV, rotated.RotatedAt, g, newest},
		{"3 one tick before the end", rotated, tokV, rotated.RotatedAt.Add(g - tick), g, newest},
		{"3 at the end", rotated, tokV, rotated.RotatedAt.Add(g), g, newest},
		{"4 one tick after 3", rotated, tokV, rotated.RotatedAt.Add(g + tick), g, reuse},
		{"4 instead of 3, strict", rotated, tokV, rotated.RotatedAt, NoGrace, reuse},
		{"4 unknown token", offered, tokX, offered.HandedAt, g, reuse},
		{"4 unknown token within grace", rotated, tokX, rotated.RotatedAt, g, reuse},
		{"4 zero mark without pending and previous", fresh, Mark{}, base, g, reuse},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := (policy{grace: test.grace, handOuts: DefaultMaxHandOuts}).decide(test.row, test.token, test.now); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

// TestCrossed goes through what Verify makes of an unconfirmed token that could not confirm.
func TestCrossed(t *testing.T) {
	t.Parallel()
	row := Row{Current: tokC, Previous: tokV, RotatedAt: base}
	for _, test := range []struct {
		name  string
		row   Row
		mark  Mark
		now   time.Time
		grace time.Duration
		want  bool
	}{
		{"current", row, tokC, base.Add(time.Hour), g, true},
		{"current, strict", row, tokC, base.Add(time.Hour), NoGrace, true},
		{"previous at the end of grace", row, tokV, base.Add(g), g, true},
		{"previous one tick after", row, tokV, base.Add(g + tick), g, false},
		{"previous, strict", row, tokV, base, NoGrace, false},
		{"another", row, tokX, base, g, false},
		{"zero mark without previous", Row{Current: tokC, RotatedAt: zero}, Mark{}, zero, g, false},
	} {
		if got := (policy{grace: test.grace}).crossed(test.row, test.mark, test.now); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}
