package mysql

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/session"
)

// What was found may have been changed by other processes before this one came to it. That is no reason to say that nothing
// is left.
func TestSweepLooksAgain(t *testing.T) {
	t.Parallel()
	expired := func(ctx context.Context, s *Store) (int, error) {
		ended, err := s.EndExpired(ctx, session.Handle{}, time.Hour, 1, 5000)
		return len(ended), err
	}
	all := func(ctx context.Context, s *Store) (int, error) {
		ended, err := s.EndAll(ctx, time.Now(), session.End{ID: 1}, 5000)
		return len(ended), err
	}
	purge := func(ctx context.Context, s *Store) (int, error) { return s.Purge(ctx, time.Hour, time.Hour, 5000) }
	for name, test := range map[string]struct {
		call func(context.Context, *Store) (int, error)
		rows []int
		want string // first words of the statements
		n    int
	}{
		"expired, nothing found":      {expired, []int{0}, "SELECT", 0},
		"expired, others were faster": {expired, []int{3, 0, 2, 0, 0}, "SELECT UPDATE SELECT UPDATE SELECT", 0},
		"all, nothing found":          {all, []int{0}, "SELECT", 0},
		"all, others were faster":     {all, []int{1000, 0, 1, 0, 0}, "SELECT UPDATE SELECT UPDATE SELECT", 0},
		"purge, nothing found":        {purge, []int{0, 0}, "SELECT DELETE", 0},
		"purge, others were faster":   {purge, []int{2, 0, 2, 1, 3}, "SELECT DELETE SELECT DELETE DELETE", 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{rows: test.rows}
			n, err := test.call(t.Context(), f.store(t))
			var verbs []string
			for _, s := range f.statements {
				verbs = append(verbs, s[:6])
			}
			if got := strings.Join(verbs, " "); err != nil || n != test.n || got != test.want {
				t.Errorf("got %d, %v, by %s, want %d, by %s", n, err, got, test.n, test.want)
			}
		})
	}
}

// Each batch begins where the one before has ended, so as not to read over what that has left in the index. Only where nothing is found from
// the beginning on, nothing is left.
func TestSweepGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]func(context.Context, *Store) (int, error){
		"expired": func(ctx context.Context, s *Store) (int, error) {
			ended, err := s.EndExpired(ctx, session.Handle{}, time.Hour, 1, 10)
			return len(ended), err
		},
		"purge": func(ctx context.Context, s *Store) (int, error) { return s.Purge(ctx, time.Hour, time.Hour, 10) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{}
			store := f.store(t)
			step := func(what string, rows []int, want ...int64) {
				t.Helper()
				f.rows, f.first = rows, nil
				if _, err := call(t.Context(), store); err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				var from []int64
				for _, v := range f.first {
					if at, ok := v.(int64); ok && at != 1 { // which is the ending's id
						from = append(from, at)
					}
				}
				if !slices.Equal(from, want) {
					t.Errorf("%s: it began from %v, want %v", what, from, want)
				}
			}
			step("at first", []int{3, 3, 0}, 0)
			step("others were faster", []int{3, 0, 2, 2, 0}, 1000, 1000)
			step("after that", []int{5, 5, 0}, 1000)
			step("nothing is left there", []int{0, 2, 2, 0}, 1000, 0)
			step("nothing is left", []int{0, 0, 0}, 1000, 0)
			step("nothing to do", []int{0, 0}, 0)
		})
	}
}

// A change whose answer was lost is not made again: what to do about it is the Manager's to know.
func TestSweepEndsWithALostAnswer(t *testing.T) {
	t.Parallel()
	f := &fake{rows: []int{2}, errs: []error{nil, mysql.ErrInvalidConn}}
	_, err := f.store(t).EndExpired(t.Context(), session.Handle{}, time.Hour, 1, 10)
	if !errors.Is(err, session.ErrUnavailable) || len(f.statements) != 2 {
		t.Errorf("got %v after %d statements, want ErrUnavailable after 2", err, len(f.statements))
	}
}

func TestBatchesAreBounded(t *testing.T) {
	t.Parallel()
	f := &fake{rows: []int{maxBatch, maxBatch, 0}}
	n, err := f.store(t).Purge(t.Context(), time.Hour, time.Hour, 5*maxBatch)
	if err != nil || n != maxBatch {
		t.Fatalf("got %d, %v, want %d", n, err, maxBatch)
	}
	if got := strings.Count(f.statements[1], "UNHEX(?)"); got != maxBatch {
		t.Errorf("the change has %d handles, want %d", got, maxBatch)
	}
}
