package cleanup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/watchword-dev/watchword/integration/bench/sample"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

// site is a service of several processes over one database, each with a pool of its own, and its clients.
type site struct {
	plan     plan
	stores   [processes]*mysql.Store
	managers [processes]*session.Manager
	jars     []string // refresh tokens
	next     int
}

func openSite(ctx context.Context, dsn string, p plan) (*site, error) {
	s := &site{plan: p}
	for i := range s.stores {
		store, err := mysql.Open(ctx, dsn, mysql.Options{})
		if err == nil {
			s.stores[i] = store
			err = store.Migrate(ctx)
		}
		if err == nil {
			// Each refresh mints a successor: a read and a write.
			s.managers[i], err = session.New(ctx, store, session.Config{Grace: session.NoGrace, CleanupInterval: session.NoCleanup})
		}
		if err != nil {
			s.close()
			return nil, err
		}
	}
	for i := range jars {
		_, tokens, err := s.managers[i%processes].Create(ctx, fmt.Sprint("client-", i), sample.Options())
		if err != nil {
			s.close()
			return nil, err
		}
		s.jars = append(s.jars, tokens.RefreshToken)
	}
	return s, nil
}

func (s *site) close() {
	for _, store := range s.stores {
		if store != nil {
			_ = store.Close()
		}
	}
}

// kind is what becomes of the rows of fill.
type kind struct {
	begun time.Duration // how long ago the oldest began; the others between then and
	last  time.Duration // this
}

var (
	live = kind{20 * day, time.Hour}
	dead = kind{70 * day, 40 * day}
)

const (
	day      = 24 * time.Hour
	lifetime = 30 * day
	perFill  = 10_000
)

// fill adds sessions like those of the clients, of many users, in the order of their handles, as time would have.
func (s *site) fill(ctx context.Context, n int, k kind) error {
	db := s.stores[0].DB()
	rows, err := db.QueryContext(ctx, "SELECT column_name FROM information_schema.columns"+
		" WHERE table_schema = DATABASE() AND table_name = 'watchword_sessions' ORDER BY ordinal_position")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	var columns, values []string
	for rows.Next() {
		var column string
		if err := rows.Scan(&column); err != nil {
			return err
		}
		columns = append(columns, column)
		value := column
		switch column {
		case "handle": // a UUIDv7
			value = "UNHEX(CONCAT(LPAD(HEX(began DIV 1000), 12, '0'), '7', LEFT(HEX(RANDOM_BYTES(2)), 3), '8', LEFT(HEX(RANDOM_BYTES(8)), 15)))"
		case "user_id":
			value = "CONCAT('user-', FLOOR(RAND() * 1000000))"
		case "current_mark":
			value = "RANDOM_BYTES(32)"
		case "created_at", "current_at", "auth_at":
			value = "began"
		case "expires_at":
			value = fmt.Sprintf("began + %d", lifetime.Microseconds())
		}
		values = append(values, value)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	const digit = "(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4" +
		" UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)"
	//nolint:gosec // the names of columns, and constants
	statement := "INSERT INTO watchword_sessions (" + strings.Join(columns, ", ") + ") SELECT " + strings.Join(values, ", ") +
		" FROM (SELECT t.*, ? + ? * (a.d + 10 * b.d + 100 * c.d + 1000 * e.d) AS began FROM watchword_sessions t" +
		" CROSS JOIN " + digit + " a CROSS JOIN " + digit + " b CROSS JOIN " + digit + " c CROSS JOIN " + digit + " e" +
		" WHERE t.user_id = 'client-0') filled ORDER BY began LIMIT ?"
	now := time.Now()
	step := (k.begun - k.last) / time.Duration(n)
	for done := 0; done < n; done += perFill {
		first := now.Add(-k.begun + time.Duration(done)*step)
		if _, err := db.ExecContext(ctx, statement, first.UnixMicro(), step.Microseconds(), min(perFill, n-done)); err != nil {
			return fmt.Errorf("add sessions: %w", err)
		}
	}
	_, err = db.ExecContext(ctx, "ANALYZE TABLE watchword_sessions")
	return err
}

// settle waits until the server has removed what was deleted, which it does in the background.
func (s *site) settle(ctx context.Context) error {
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); {
		var length int
		err := s.stores[0].DB().QueryRowContext(ctx, "SELECT count FROM information_schema.innodb_metrics WHERE name = 'trx_rseg_history_len'").Scan(&length)
		if err != nil || length < 1000 {
			break // a server that does not say is taken to be ready
		}
		if err := wait(ctx, time.Second); err != nil {
			return err
		}
	}
	return wait(ctx, s.plan.apart/20)
}

// deadlocks is how many the server has seen; -1: it does not say.
func (s *site) deadlocks(ctx context.Context) (n int) {
	err := s.stores[0].DB().QueryRowContext(ctx, "SELECT count FROM information_schema.innodb_metrics WHERE name = 'lock_deadlocks' AND status = 'enabled'").Scan(&n)
	if err != nil {
		return -1
	}
	return n
}

// check asserts that nothing that has expired is left, and that nobody else's has gone.
func (s *site) check(ctx context.Context) error {
	var all, alive int
	err := s.stores[0].DB().QueryRowContext(ctx, "SELECT COUNT(*), COALESCE(SUM(ended_at IS NULL), 0) FROM watchword_sessions").Scan(&all, &alive)
	if want := s.plan.live + jars; err == nil && (all != want || alive != want) {
		err = fmt.Errorf("%d sessions are left, %d of them alive, want %d", all, alive, want)
	}
	return err
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// refresh is one of a client's.
type refresh struct {
	at   time.Time // when it was due
	took time.Duration
}

func (s *site) refreshFor(ctx context.Context, d time.Duration) ([]refresh, error) {
	until, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return s.refreshUntil(ctx, until)
}

// refreshUntil refreshes at a steady rate, whether or not those before have been answered, until the end. What a refresh takes is
// counted from when it was due. Any failure is an error.
func (s *site) refreshUntil(ctx, end context.Context) ([]refresh, error) {
	var (
		mu   sync.Mutex
		all  []refresh
		errs []error
		each sync.WaitGroup
	)
	begun := time.Now()
	for i := 0; end.Err() == nil; i++ {
		due := begun.Add(time.Duration(i) * time.Second / time.Duration(s.plan.rate))
		if time.Until(due) > 0 && wait(end, time.Until(due)) != nil {
			break
		}
		jar := s.next
		s.next = (s.next + 1) % len(s.jars)
		each.Go(func() {
			_, tokens, err := s.managers[jar%processes].Refresh(ctx, s.jars[jar], session.RefreshOptions{Device: sample.Device()})
			took := time.Since(due)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, fmt.Errorf("a refresh failed: %w", err))
				return
			}
			s.jars[jar] = tokens.RefreshToken
			all = append(all, refresh{due, took})
		})
	}
	each.Wait()
	slices.SortFunc(all, func(a, b refresh) int { return a.at.Compare(b.at) })
	return all, errors.Join(errs...)
}
