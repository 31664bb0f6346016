package histories_test

import (
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"
)

// states are what a session can be, as far as the answers tell: porcupine's state. Those are left out that allow nothing which
// another does not allow, too; without that the number would double with each call that got no answer.
type states []state

// model is the specification as the checker takes it.
func (r rules) model() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return states{{}} },
		Step: func(before, _, o any) (bool, any) {
			next, _ := r.stepAll(before.(states), o.(*operation))
			return len(next) > 0, next
		},
		Equal:             func(a, b any) bool { return a.(states).equal(b.(states)) },
		Hash:              func(s any) uint64 { return s.(states).hash() },
		DescribeOperation: func(o, _ any) string { return o.(*operation).question() + " -> " + o.(*operation).answer() },
		DescribeState: func(s any) string {
			var lines []string
			for _, one := range s.(states) {
				lines = append(lines, one.String())
			}
			return strings.Join(lines, "; or\n")
		},
	}
}

// stepAll takes a step from each state. None: it is refused from everywhere; why is the reason in the first.
func (r rules) stepAll(before states, o *operation) (next states, why string) {
	for i, s := range before {
		after, refused := r.step(s, o)
		for _, a := range after {
			next, _ = next.with(a)
		}
		if i == 0 {
			why = refused
		}
	}
	if len(next) > 0 {
		why = ""
	}
	return next, why
}

// with adds a state, unless another covers it, and drops those that it covers.
func (all states) with(s state) (more states, added bool) {
	for _, known := range all {
		if known.covers(s) {
			return all, false
		}
	}
	return append(slices.DeleteFunc(all, s.covers), s), true
}

// covers reports whether whatever is allowed in b is allowed in a, too: they differ in nothing but that a leaves more open.
func (a state) covers(b state) bool {
	for i := range a.lurking {
		if b.lurking[i]&^a.lurking[i] != 0 {
			return false
		}
	}
	if !a.fresh.covers(b.fresh) || !a.mintedAt.covers(b.mintedAt) || !a.handedAt.covers(b.handedAt) || !a.endedAt.covers(b.endedAt) || a.handed < b.handed {
		return false
	}
	b.lurking, b.handed = a.lurking, a.handed
	b.fresh, b.mintedAt, b.handedAt, b.endedAt = a.fresh, a.mintedAt, a.handedAt, a.endedAt
	return a == b
}

func (a span) covers(b span) bool { return a.from <= b.from && b.to <= a.to }

func (all states) equal(other states) bool {
	if len(all) != len(other) {
		return false
	}
	for _, s := range all {
		if !slices.Contains(other, s) {
			return false
		}
	}
	return true
}

// hash does not depend on the order.
func (all states) hash() (sum uint64) {
	for _, s := range all {
		hash := uint64(s.life)
		for _, n := range []uint64{
			uint64(s.current), uint64(s.pending), uint64(s.previous), uint64(s.value), s.version, s.lurking[0],
			uint64(s.fresh.from), uint64(s.handedAt.from), uint64(s.handedAt.to),
		} {
			hash = (hash ^ n) * 1099511628211
		}
		sum ^= hash
	}
	return sum
}
