package mysql

import (
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

const directed = "/*vt+ CONSOLIDATOR=disabled */"

// On Vitess every reading statement asks not to share another's result. Elsewhere there is nothing to ask for.
func TestReadsAreTheirOwnOnVitess(t *testing.T) {
	t.Parallel()
	for _, vitess := range []bool{true, false} {
		f := &fake{}
		store := f.store(t)
		store.vitess = vitess
		_, _, _ = store.Get(t.Context(), session.Handle{1})
		_, _, _ = store.Keys(t.Context())
		_, _, _ = store.Revocations(t.Context(), time.Now(), 1)
		_, _ = store.List(t.Context(), "user", session.Page{Limit: 1})
		if len(f.statements) != 4 {
			t.Fatalf("got %d statements, want 4", len(f.statements))
		}
		for _, s := range f.statements {
			if strings.HasPrefix(s, "SELECT "+directed+" ") != vitess || strings.Count(s, directed) > 1 {
				t.Errorf("Vitess %v: got %.100q", vitess, s)
			}
		}
	}
}

// A user's sessions are found first on Vitess, and ended by their handles, on each shard by itself. What others ended meanwhile does not
// count, and is no reason to say that nothing is left.
func TestEndUserOnVitess(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rows       []int // found, ended, found, ended …
		limit      int
		want       int
		statements int
	}{
		"none":                      {[]int{0}, 10, 0, 1},
		"fewer than the limit":      {[]int{3, 3}, 10, 3, 2},
		"as many as the limit":      {[]int{3, 3}, 3, 3, 2},
		"others were faster":        {[]int{3, 1, 2, 2}, 3, 3, 4},
		"others ended them all":     {[]int{3, 0, 0}, 3, 0, 3},
		"more than one statement's": {[]int{maxBatch, maxBatch, 1, 1}, maxBatch + 5, maxBatch + 1, 4},
		"no limit":                  {[]int{0}, 0, 0, 1},
	} {
		f := &fake{rows: test.rows}
		store := f.store(t)
		store.vitess = true
		n, err := store.EndUser(t.Context(), "user", session.Handle{}, session.End{ID: 1}, test.limit)
		if err != nil || n != test.want || len(f.statements) != test.statements {
			t.Errorf("%s: got %d, %v, by %d statements, want %d by %d", name, n, err, len(f.statements), test.want, test.statements)
		}
		for i, s := range f.statements {
			want := "SELECT " + directed + " handle FROM"
			if i%2 == 1 {
				want = "UPDATE /*vt+ MULTI_SHARD_AUTOCOMMIT=1 */ `"
			}
			if !strings.HasPrefix(s, want) {
				t.Errorf("%s, statement %d: got %.100q, want it to begin with %q", name, i, s, want)
			}
		}
	}
}

// Open knows Vitess by the DSN, and asks for no transactions over shards unless the DSN does.
func TestDSNOfVitess(t *testing.T) {
	t.Parallel()
	for dsn, want := range map[string]string{
		"u:p@tcp(h:1)/@primary":                                 "'single'",
		"u:p@tcp(h:1)/@primary?transaction_mode=%27multi%27":    "'multi'",
		"u:p@tcp(h:1)/@primary?sql_mode=%27%27":                 "'single'",
		"u:p@tcp(h:1)/app":                                      "",
		"u:p@tcp(h:1)/app@primary?transaction_mode=%27twopc%27": "'twopc'",
	} {
		cfg, err := parseDSN(dsn)
		if err != nil {
			t.Errorf("%s: %v", dsn, err)
			continue
		}
		if got := cfg.Params["transaction_mode"]; got != want {
			t.Errorf("%s: got transaction_mode %q, want %q", dsn, got, want)
		}
	}
}
