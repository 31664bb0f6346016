package model

import (
	"testing"
	"time"
)

func TestFeedByHand(t *testing.T) {
	t.Parallel()
	d := round()
	d.AccessLifetime, d.AccessJitter = 10*time.Minute, 0.2
	f := d.Feed()
	// Two a second, (1.5 + 0.25 + 2 × 0.125), twice that at the peak; for 30 s and an interval of two.
	if want := 4 * 32.0; !near(f.Entries, want, 1e-9) {
		t.Errorf("entries of a reading: got %g, want %g", f.Entries, want)
	}
	if want := 5 * 4 * 32.0; !near(f.Rows, want, 1e-9) {
		t.Errorf("entries of all readings: got %g, want %g", f.Rows, want)
	}
	// They are remembered for 12 min and 2, and an eighth of that until they are swept.
	if want := 4 * 14 * 60 * 1.125; !near(f.Held, want, 1e-9) {
		t.Errorf("entries in memory: got %g, want %g", f.Held, want)
	}
}

func TestShardsByHand(t *testing.T) {
	t.Parallel()
	d := round()
	d.Visits, d.Requests = 40, 40
	d.Limits = Limits{Reads: 100, Writes: 100, Bytes: 1 << 40, Headroom: 0.5, Memory: 1 << 30}
	d.ShardCount = 4
	s := d.Shards()
	cleanup := 10.0 / 900
	// At the peak by handle: 6 logins, 40 refreshes of two, 40 first uses, 4 + 2 of data, 3.5 ends.
	byHandle := 6 + 3*40 + 4 + 2 + 3.5
	// On each shard: a list, the two of a user's end, the feed, two of an idle cleanup, three and two of its batches.
	scattered := 1 + 2*0.25 + 5 + 2*cleanup + 3*0.001 + 2*0.003
	if want := byHandle/4 + scattered; !near(s.Each.Total(), want, 1e-9) {
		t.Errorf("statements at each of four shards: got %g, want %g", s.Each.Total(), want)
	}
	// The feed's two other tables, the keys, lock and unlock and revocations of a cleanup, revocations in a batch.
	unsharded := 2*5 + cleanup + 3*cleanup + 0.003
	if !near(s.Unsharded.Total(), unsharded, 1e-9) {
		t.Errorf("statements at the unsharded tables: got %g, want %g", s.Unsharded.Total(), unsharded)
	}
	if want := byHandle + 4*scattered + unsharded; !near(s.InAll, want, 1e-9) {
		t.Errorf("statements at all servers: got %g, want %g", s.InAll, want)
	}
	// Both limits are 100, so that 50 statements are half of the time. Processes are whole ones.
	if want := d.Sessions() * 50 / unsharded; !near(s.Ceiling, want, 0.03) {
		t.Errorf("ceiling: got %g sessions, want about %g", s.Ceiling, want)
	}
}

// As many shards as are needed, and not twice as many; and none where none will do.
func TestShardsThatAreNeeded(t *testing.T) {
	t.Parallel()
	d := Default()
	d.Users = 1e9
	s := d.Shards()
	if !s.enough(d.Limits) {
		t.Errorf("%d shards are said to be enough, and are not: %+v", s.Count, s)
	}
	if s.Count > 1 && d.on(s.Count/2).enough(d.Limits) {
		t.Errorf("%d shards would do, got %d", s.Count/2, s.Count)
	}
	d.FeedInterval = time.Millisecond
	if s := d.Shards(); s.Count != 0 || s.Ceiling >= d.Sessions() {
		t.Errorf("with a feed that is read every millisecond: got %d shards and a ceiling of %g sessions, want none, and less than there are", s.Count, s.Ceiling)
	}
}

// One server has everything, and a reading of the feed is one statement there.
func TestOneServer(t *testing.T) {
	t.Parallel()
	d := round()
	d.ShardCount = 1
	s := d.Shards()
	_, peak := d.Statements()
	if !near(s.Each.Total(), peak.Total(), 1e-9) || s.Unsharded.Total() != 0 || s.InAll != s.Each.Total() {
		t.Errorf("one server: got %g statements, %g at another, want %g and none", s.Each.Total(), s.Unsharded.Total(), peak.Total())
	}
}

// A reading of more entries than fit into a page takes a statement more.
func TestPages(t *testing.T) {
	t.Parallel()
	d := round()
	for revocations, want := range map[float64]float64{0: 1, 100: 1, 200: 2, 400: 3} { // in 32 s, and 1.75 others
		d.Revocations = revocations
		if got := d.pages(); got != want {
			t.Errorf("%g revocations a second: got %g pages, want %g", revocations, got, want)
		}
	}
}
