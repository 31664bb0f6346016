package mysql

import (
	"context"
	"errors"
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
