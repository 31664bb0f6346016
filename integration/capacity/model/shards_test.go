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
	// At the peak by handle: 6 logins, 40 refreshes of two, 40 first uses, 4 + 2 of data, 3.5 ends. And the clock of 5 readings of the feed, by chance.
	byHandle := 6 + 3*40 + 4 + 2 + 3.5 + 5.0
	// On each shard: a list, finding a user's sessions and telling their end, the feed, two of an idle cleanup, finding the batches.
	scattered := 1 + 2*0.25 + 5 + 2*cleanup + 0.001 + 0.003
	// By some handles: the two of a user's, and a thousand of each batch, which is changed, and told or removed.
	user, batch := 1-0.75*0.75, 1.0
	handles := 0.25*user + (2*0.001+0.003)*batch
	if want := byHandle/4 + scattered + handles; !near(s.Each.Total(), want, 1e-9) {
		t.Errorf("statements at each of four shards: got %g, want %g", s.Each.Total(), want)
	}
	if !near(s.Scattered.Total(), scattered, 1e-9) {
		t.Errorf("statements that go to every shard: got %g, want %g", s.Scattered.Total(), scattered)
	}
	// Every update but of users' ends is one of a handle: 40 refreshes, 40 first uses, 2 of data, 3.5 ends.
	if want := (2*40+2+3.5)/4 + 0.25*user + (0.001+0.003)*batch; !near(s.Transactions, want, 1e-9) {
		t.Errorf("transactions at each shard: got %g, want %g", s.Transactions, want)
	}
	// The feed's two other tables at once, the keys, revocations of a cleanup, revocations in a batch.
	unsharded := 5 + cleanup + cleanup + 0.003
	if !near(s.Unsharded.Total(), unsharded, 1e-9) {
		t.Errorf("statements at the unsharded tables: got %g, want %g", s.Unsharded.Total(), unsharded)
	}
	if want := 2 * cleanup; !near(s.First, want, 1e-9) { // lock and unlock
		t.Errorf("statements at the first shard, beside the others: got %g, want %g", s.First, want)
	}
	if want := byHandle + 4*(scattered+handles) + 2*cleanup + unsharded; !near(s.InAll, want, 1e-9) {
		t.Errorf("statements at all servers: got %g, want %g", s.InAll, want)
	}
	// Both limits are 100, so that 50 statements are half of the time. Processes are whole ones.
	if want := d.Sessions() * 50 / scattered; !near(s.Ceiling, want, 0.03) {
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
	if s.Count > 1 && d.asked(s.Count/2).enough(d.Limits) {
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

// What the servers see by name is what they are asked for in all.
func TestSeenIsWhatIsAsked(t *testing.T) {
	t.Parallel()
	d := round()
	d.Peak, d.ShardCount = 1, 2
	seen, asked := d.Seen(), d.Shards()
	sum := func(all map[string]float64) (n float64) {
		for _, rate := range all {
			n += rate
		}
		return n
	}
	if got := sum(seen.Shard); !near(got, asked.Each.Total(), 1e-9) {
		t.Errorf("at a shard: got %g statements, want %g", got, asked.Each.Total())
	}
	if got := sum(seen.Unsharded); !near(got, asked.Unsharded.Total(), 1e-9) {
		t.Errorf("at the other tables: got %g statements, want %g", got, asked.Unsharded.Total())
	}
	if !near(seen.ShardTransactions, asked.Transactions, 1e-9) {
		t.Errorf("transactions: got %g, want %g", seen.ShardTransactions, asked.Transactions)
	}
	// Where there are shards the end of a user's sessions is a statement more.
	one := d
	one.ShardCount = 1
	mean, _ := d.Statements()
	alone, _ := one.Statements()
	if got, want := mean.Total()-alone.Total(), d.UserRevocations; !near(got, want, 1e-9) {
		t.Errorf("with shards the processes send %g statements a second more, want %g", got, want)
	}
	if got := sum(d.Sent()); !near(got, mean.Total(), 1e-9) {
		t.Errorf("by name they send %g statements, want %g", got, mean.Total())
	}
}
