package session

import (
	"testing"
	"time"
)

// TestDue goes through when the successor of a key is published, and for when.
func TestDue(t *testing.T) {
	t.Parallel()
	cfg, err := Config{AccessKeyRotation: 24 * time.Hour, RefreshKeyRotation: 720 * time.Hour, KeyPropagation: 5 * time.Minute, Algorithm: ES256}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	access := Key{Purpose: PurposeAccess, Algorithm: "ES256", ActivatesAt: base}
	refresh := Key{Purpose: PurposeRefresh, Algorithm: refreshAlgorithm, ActivatesAt: base}
	old := access
	old.Algorithm = "HS256"
	cut := access
	cut.RetiresAt = base.Add(time.Hour)
	never := cfg
	never.AccessKeyRotation = NoRotation
	day, month, soon := base.Add(24*time.Hour), base.Add(720*time.Hour), 5*time.Minute
	for _, test := range []struct {
		name string
		cfg  Config
		key  Key
		now  time.Time
		want time.Time // zero: not due
	}{
		{"fresh", cfg, access, base, zero},
		{"one tick before it is published", cfg, access, day.Add(-soon - tick), zero},
		{"published", cfg, access, day.Add(-soon), day},
		{"late, but in time to sign", cfg, access, day.Add(-soon + time.Second), day.Add(time.Second)},
		{"long overdue: a propagation delay all the same", cfg, access, day.Add(100 * time.Hour), day.Add(100*time.Hour + soon)},
		{"its own successor is on its way", cfg, access, base.Add(-time.Second), zero},
		{"refresh key, one tick before", cfg, refresh, month.Add(-soon - tick), zero},
		{"refresh key", cfg, refresh, month.Add(-soon), month},
		{"another algorithm", cfg, old, base, base.Add(soon)},
		{"another algorithm, whose key is not active yet", cfg, old, base.Add(-tick), zero},
		{"cut off without a successor", cfg, cut, base.Add(2 * time.Hour), base.Add(2 * time.Hour)},
		{"no rotation", never, access, day.Add(1000 * time.Hour), zero},
	} {
		got, due := test.cfg.due(test.key, test.now)
		if due != !test.want.IsZero() || due && !got.Equal(test.want) {
			t.Errorf("%s: got %v, %v, want %v", test.name, got, due, test.want)
		}
	}
}

func TestSignerAt(t *testing.T) {
	t.Parallel()
	key := func(name string, from, cutOff time.Duration) *ringKey[string] {
		k := &ringKey[string]{key: name, from: base.Add(from)}
		if cutOff > 0 {
			k.cutOff = base.Add(cutOff)
		}
		return k
	}
	keys := []*ringKey[string]{key("one", 0, 0), key("two", time.Hour, 3*time.Hour), key("three", 3*time.Hour, 0), key("four", 5*time.Hour, 0)}
	for at, want := range map[time.Duration]string{
		-time.Minute: "one", 0: "one", time.Hour - tick: "one", time.Hour: "two", 3*time.Hour - tick: "two",
		3 * time.Hour: "three", 5*time.Hour - tick: "three", 5 * time.Hour: "four", 500 * time.Hour: "four",
	} {
		if got := signerAt(keys, base.Add(at)).key; got != want {
			t.Errorf("at %v: got %s, want %s", at, got, want)
		}
	}
}

func TestKeysLiveAsLongAsTheirTokens(t *testing.T) {
	t.Parallel()
	next := &ringKey[string]{from: base}
	keys := succeedBy([]*ringKey[string]{{from: base.Add(-time.Hour)}}, next, 15*time.Minute)
	for _, test := range []struct {
		name string
		key  *ringKey[string]
		at   time.Duration
		want bool
	}{
		{"before it signs", keys[1], -30 * time.Minute, true},
		{"succeeded, its tokens live", keys[0], 15*time.Minute - tick, true},
		{"its last token has expired", keys[0], 15 * time.Minute, false},
		{"the newest lives on", keys[1], 1000 * time.Hour, true},
		{"cut off", &ringKey[string]{cutOff: base}, 0, false},
		{"to be cut off", &ringKey[string]{cutOff: base}, -tick, true},
	} {
		if got := test.key.good(base.Add(test.at)); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}
