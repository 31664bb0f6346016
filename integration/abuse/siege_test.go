package abuse_test

import (
	"bytes"
	"database/sql"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/mysqltest"
)

// site is a demo, its database and its public.
type site struct {
	*server
	dsn    string
	db     *sql.DB
	public *public
}

func newSite(t *testing.T, settings ...string) *site {
	t.Helper()
	dsn := mysqltest.Database(t)
	s := startDemo(t, dsn, settings...)
	return &site{server: s, dsn: dsn, db: mysqltest.Open(t, dsn), public: newPublic(t, s)}
}

// costs is what an attack has cost the site.
type costs struct {
	tally
	took       time.Duration
	idle, peak int            // resident memory in KiB before the connections were opened, and the most since
	statements map[string]int // by what they are about
	info       int            // lines of the log
	louder     [][]byte       // lines above info
	refreshes  int            // the public's
	requests   int
}

// siege attacks the site while its public goes on, and compares how that fares with and without. It asserts what holds for every attack:
// nobody of the public is refused, enough of it is served in time, and afterwards nothing is left.
func (s *site) siege(t *testing.T, attack flood) costs {
	t.Helper()
	attack.addr, attack.lasts = s.Addr, *duration
	var (
		c           costs
		quiet, hard served
		files       = s.quietFiles()
	)
	c.idle, _ = s.memory()
	c.status = map[int]int{}
	c.statements = map[string]int{}
	s.resetPeak()
	for range *pairs {
		quiet.add(s.public.visit(*duration))
		before, mark, began := s.statements(t), s.Log.Size(), time.Now()
		refreshes, requests := s.public.refreshes.Load(), s.public.requests.Load()
		attack.run(t, func(strike func() tally) {
			var both sync.WaitGroup
			both.Go(func() { c.add(strike()) })
			hard.add(s.public.visit(*duration))
			both.Wait()
		})
		c.took += time.Since(began)
		c.refreshes += int(s.public.refreshes.Load() - refreshes)
		c.requests += int(s.public.requests.Load() - requests)
		for about, n := range s.statements(t) {
			c.statements[about] += n - before[about]
		}
		c.read(s.Log.Since(mark))
	}
	maps.DeleteFunc(c.statements, func(_ string, n int) bool { return n == 0 })
	_, c.peak = s.memory()
	t.Logf("attack: %v", c.tally)
	t.Logf("public: without %v; during %v", quiet, hard)
	t.Logf("statements in %v: %v, of which the public's %d refreshes", c.took.Round(time.Millisecond), c.statements, c.refreshes)
	t.Logf("memory: %d KiB before, %d KiB at most; log: %d lines at info, %d above", c.idle, c.peak, c.info, len(c.louder))

	if hard.lost > 0 && *share > 0.5 {
		t.Errorf("the public lost %d requests", hard.lost)
	}
	if float64(hard.inTime) < *share*float64(quiet.inTime) {
		t.Errorf("the public: %d answers within %v during the attack, %d without: want %.0f %%", hard.inTime, *deadline, quiet.inTime, *share*100)
	}
	if len(c.louder) > 0 {
		t.Errorf("%d lines of the log are above info, the first: %s", len(c.louder), c.louder[0])
	}
	if c.sent == 0 {
		t.Error("nothing was sent: this was no attack")
	}
	s.public.hangUp()
	s.settles(files + poolSize)
	return c
}

// quietFiles is how many files the server has open while nobody asks for anything.
func (s *site) quietFiles() int {
	s.t.Helper()
	s.public.hangUp()
	s.settles(16 + poolSize)
	return s.files()
}

func (s *served) add(o served) {
	s.inTime += o.inTime
	s.late += o.late
	s.lost += o.lost
	s.slowest = max(s.slowest, o.slowest)
}

// read looks at what was logged meanwhile.
func (c *costs) read(log []byte) {
	for l := range bytes.Lines(log) {
		switch {
		case bytes.Contains(l, []byte(`"level":"info"`)):
			c.info++
		case !bytes.Contains(l, []byte(`"level":"debug"`)):
			c.louder = append(c.louder, bytes.TrimSpace(l))
		}
	}
}

// isFree asserts that garbage cost the store nothing and the log no line (invariant I8): what there was is what the public, the feed and
// the keys have had.
func (c costs) isFree(t *testing.T) {
	t.Helper()
	seconds := int(c.took/time.Second) + *pairs
	for about, n := range c.statements {
		most := 0
		switch about {
		case "sessions":
			most = 3 * c.refreshes // a SELECT and an UPDATE, and one for the first use of the tokens
		case "feed":
			most = 2 * seconds
		case "keys": // by a poll, or since a token named an unknown one
			most = seconds + 1
		case "attempts": // the demo looks for old ones once a minute, which may be in each of the windows
			most = seconds/60 + *pairs
		case "connections": // of the pool, which opens them as the public needs them
			most = 32
		}
		if n > most {
			t.Errorf("%d requests of garbage in %v: %d statements about %s, want %d at most", c.sent, c.took, n, about, most)
		}
	}
	// A request of the public has a line, and a refresh two events.
	if most := c.requests + 2*c.refreshes; c.info > most {
		t.Errorf("%d requests of garbage: %d lines in the log at info, want %d at most", c.sent, c.info, most)
	}
}

// statements is how many statements the server has executed in the site's schema, by what they are about.
func (s *site) statements(t *testing.T) map[string]int {
	t.Helper()
	rows, err := s.db.QueryContext(t.Context(), "SELECT DIGEST_TEXT, COUNT_STAR FROM performance_schema.events_statements_summary_by_digest"+
		" WHERE SCHEMA_NAME = DATABASE()")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	counts := map[string]int{}
	for rows.Next() {
		var (
			text sql.NullString
			n    int
		)
		if err := rows.Scan(&text, &n); err != nil {
			t.Fatal(err)
		}
		about := "others"
		for _, known := range []struct{ part, about string }{
			{"performance_schema", ""}, {"revocations", "feed"}, {"signing_keys", "keys"}, {"demo_attempts", "attempts"},
			{"demo_users", "users"}, {"sessions", "sessions"},
		} {
			if strings.Contains(text.String, known.part) {
				about = known.about
				break
			}
		}
		if strings.HasPrefix(text.String, "SET ") {
			about = "connections"
		}
		if about != "" {
			counts[about] += n
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if counts["sessions"] == 0 {
		t.Fatal("the server counts no statements: it needs performance_schema = ON")
	}
	return counts
}

var aloneHere sync.Mutex

// exclusive lets a test measure: beside it run only those that wait for time to pass.
func exclusive(t *testing.T) {
	t.Helper()
	t.Parallel()
	aloneHere.Lock()
	t.Cleanup(aloneHere.Unlock)
}
