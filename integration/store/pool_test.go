package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/mysqltest"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

// patient waits for its turn on a small pool, on a busy machine too.
const patient = 2 * time.Minute

// lifetime is a session from its beginning to its end, with one of each operation. It returns the first error.
func lifetime(ctx context.Context, m *session.Manager, user string) error {
	s, tokens, err := m.Create(ctx, user, session.CreateOptions{Data: 1, Label: "phone"})
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	other, _, err := m.Create(ctx, user, session.CreateOptions{})
	if err != nil {
		return fmt.Errorf("create another: %w", err)
	}
	h := s.Handle()
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"refresh", func() error {
			_, next, err := m.Refresh(ctx, tokens.RefreshToken, session.RefreshOptions{})
			tokens = next
			return err
		}},
		{"first use", func() error {
			s, err = m.Verify(ctx, tokens.AccessToken, session.VerifyOptions{})
			return err
		}},
		{"confirming refresh", func() error {
			_, _, err := m.Refresh(ctx, tokens.RefreshToken, session.RefreshOptions{})
			return err
		}},
		{"update data", func() error {
			data, err := m.Data(ctx, h)
			if err != nil {
				return err
			}
			_, err = m.UpdateData(ctx, h, data.Version, 2)
			return err
		}},
		{"set payload", func() error { return m.SetPayload(ctx, h, 3, session.PayloadOptions{}) }},
		{"list", func() error {
			infos, err := m.Sessions(ctx, user, session.Page{})
			if err == nil && len(infos) != 2 {
				err = fmt.Errorf("got %d sessions, want 2", len(infos))
			}
			return err
		}},
		{"revoke the others", func() error {
			n, err := m.RevokeOthers(ctx, user, h, session.RevokeOptions{})
			if err == nil && n != 1 {
				err = fmt.Errorf("got %d, want 1", n)
			}
			return err
		}},
		{"revoke somebody's", func() error {
			_, err := m.RevokeOwned(ctx, user, other.Handle(), session.RevokeOptions{})
			return err
		}},
		{"endings", func() error {
			endings, err := m.Endings(ctx, user, session.EndingsPage{})
			if err == nil && len(endings) != 1 {
				err = fmt.Errorf("got %d, want 1", len(endings))
			}
			return err
		}},
		{"revoke", func() error {
			_, err := m.Revoke(ctx, h, session.RevokeOptions{})
			return err
		}},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

// No operation holds a connection while it waits for another: 200 at once on a pool of one come to their end, and well.
func TestManyShareOneConnection(t *testing.T) {
	t.Parallel()
	store := open(t, "", oneConnection)
	m := manager(t, store, session.Config{StoreTimeout: patient, Grace: session.NoGrace})
	begun := time.Now()
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i := range 200 {
		all.Go(func() {
			<-begin
			if err := lifetime(t.Context(), m, fmt.Sprint("user", i)); err != nil {
				t.Errorf("user %d, after %v: %v", i, time.Since(begun), err)
			}
		})
	}
	close(begin)
	all.Wait()
	took, stats := time.Since(begun), store.DB().Stats()
	t.Logf("200 lives took %v; statements waited for the connection %d times", took, stats.WaitCount)
	if took > patient {
		t.Errorf("they took %v, want at most %v", took, patient)
	}
	if stats.MaxOpenConnections != 1 || stats.WaitCount == 0 || stats.InUse != 0 {
		t.Errorf("got %d connections, %d waits, %d in use at the end, want 1, some and none", stats.MaxOpenConnections, stats.WaitCount, stats.InUse)
	}
}

// crowd has clients live one life after the other for a while, and returns how many a second had a good one, and how many in all were
// unavailable. Any other failure is the test's.
func crowd(t *testing.T, m *session.Manager, clients int, length time.Duration) (lived float64, unavailable int64) {
	t.Helper()
	var all sync.WaitGroup
	var good, bad atomic.Int64
	begun := time.Now()
	until := begun.Add(length)
	for i := range clients {
		all.Go(func() {
			for n := 0; time.Now().Before(until); n++ {
				switch err := lifetime(t.Context(), m, fmt.Sprintf("user%d.%d.%d", begun.UnixNano(), i, n)); {
				case errors.Is(err, session.ErrUnavailable):
					bad.Add(1)
				case err != nil:
					t.Error(err)
				default:
					good.Add(1)
				}
			}
		})
	}
	all.Wait()
	return float64(good.Load()) / time.Since(begun).Seconds(), bad.Load() // what has begun comes to its end
}

// A crowd gets done on one connection about as much as a few, with nothing but ErrUnavailable for those whose turn did not come. It is
// not parallel, since it compares times.
func TestThroughputOfACrowdOnOneConnection(t *testing.T) {
	const length = 3 * time.Second
	store := open(t, "", oneConnection)
	m := manager(t, store, session.Config{Grace: session.NoGrace}) // with the default timeout
	few, failed := crowd(t, m, 4, length)
	if few == 0 || failed > 0 {
		t.Fatalf("4 clients: got %.1f lives a second and %d failures, want some and none", few, failed)
	}
	many, late := crowd(t, m, 200, length)
	again, _ := crowd(t, m, 4, length) // the machine may have become busier
	t.Logf("with 4 clients %.1f and %.1f lives a second, with 200 %.1f, and %d were unavailable", few, again, many, late)
	if least := min(few, again) / 5; many < least {
		t.Errorf("with 200 clients there were %.1f lives a second, want at least %.1f: a fifth of what there were with 4", many, least)
	}
}

// Where the crowd is so large, or the timeout so short, that most turns come too late, what fails is unavailable and nothing else, and
// the pool is good afterwards.
func TestTurnsThatComeTooLate(t *testing.T) {
	t.Parallel()
	store := open(t, "", oneConnection)
	calm := manager(t, store, session.Config{Grace: session.NoGrace, StoreTimeout: patient})
	var hurried *session.Manager
	for deadline := time.Now().Add(patient); hurried == nil; { // on a busy machine this, too, may come too late
		var err error
		hurried, err = session.New(t.Context(), store, session.Config{Grace: session.NoGrace, StoreTimeout: 40 * time.Millisecond})
		if err != nil && (!errors.Is(err, session.ErrUnavailable) || time.Now().After(deadline)) {
			t.Fatal(err)
		}
	}
	var late, done atomic.Int64
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			for n := range 5 {
				switch err := lifetime(t.Context(), hurried, fmt.Sprint("user", i, ".", n)); {
				case errors.Is(err, session.ErrUnavailable):
					late.Add(1)
				case err != nil:
					t.Errorf("user %d: %v", i, err)
				default:
					done.Add(1)
				}
			}
		})
	}
	all.Wait()
	t.Logf("%d lives were unavailable somewhere, %d were not", late.Load(), done.Load())
	if late.Load() == 0 {
		t.Error("nobody was too late: the test shows nothing")
	}
	if err := lifetime(t.Context(), calm, "afterwards"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if n := store.DB().Stats().InUse; n != 0 {
		t.Errorf("%d connections are still in use", n)
	}
}

// As many refreshes at once as the pool has connections: none may need a second one.
func TestAsManyRefreshesAsConnections(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 8} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			store := open(t, "", func(db *sql.DB) { mysqltest.Limit(db, n) })
			m := manager(t, store, session.Config{Grace: session.NoGrace, StoreTimeout: patient})
			jars := make([]string, n)
			for i := range jars {
				_, tokens, err := m.Create(t.Context(), fmt.Sprint("user", i), session.CreateOptions{})
				if err != nil {
					t.Fatal(err)
				}
				jars[i] = tokens.RefreshToken
			}
			ctx, cancel := context.WithTimeout(t.Context(), patient)
			defer cancel()
			for round := range 25 {
				var all sync.WaitGroup
				begin := make(chan struct{})
				for i := range jars {
					all.Go(func() {
						<-begin
						s, tokens, err := m.Refresh(ctx, jars[i], session.RefreshOptions{})
						if err != nil {
							t.Errorf("round %d, refresh %d of %d: %v", round, i, n, err)
							return
						}
						if tokens.RefreshToken == jars[i] || s == nil {
							t.Errorf("round %d, refresh %d of %d gave the token back that it replaces", round, i, n)
						}
						jars[i] = tokens.RefreshToken
					})
				}
				close(begin)
				all.Wait()
				if t.Failed() {
					return
				}
			}
		})
	}
}

// A refresh that has to wait in the server holds one connection, however many the pool would give it.
func TestWaitingRefreshHoldsOneConnection(t *testing.T) {
	t.Parallel()
	const clients = 5
	dsn := mysqltest.Database(t)
	store := openAt(t, dsn, func(db *sql.DB) { db.SetMaxOpenConns(3 * clients) }) // whatever the suite's limit is
	m := manager(t, store, session.Config{Grace: session.NoGrace, StoreTimeout: patient})
	var jars [clients]string
	for i := range jars {
		_, tokens, err := m.Create(t.Context(), fmt.Sprint("user", i), session.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		jars[i] = tokens.RefreshToken
	}
	lock, err := mysqltest.Open(t, dsn).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock.ExecContext(t.Context(), "UPDATE watchword_sessions SET label = 'locked'"); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range jars {
		all.Go(func() {
			if _, _, err := m.Refresh(t.Context(), jars[i], session.RefreshOptions{}); err != nil {
				t.Errorf("refresh %d: %v", i, err)
			}
		})
	}
	for deadline := time.Now().Add(20 * time.Second); store.DB().Stats().InUse < clients && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	most := 0
	for range 40 { // some of them may read still, and would take a second connection to write
		time.Sleep(5 * time.Millisecond)
		most = max(most, store.DB().Stats().InUse)
	}
	if err := lock.Rollback(); err != nil {
		t.Error(err)
	}
	all.Wait()
	if most != clients {
		t.Errorf("%d refreshes that waited held %d connections, want one each", clients, most)
	}
}

// log collects lines of a Manager.
type log struct {
	mu    sync.Mutex
	lines strings.Builder
}

func (l *log) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.Write(line)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.String()
}

// Five processes that share one connection start at once, make the schema, and do everything that Run does while clients come and go.
func TestEverythingOnOneSharedConnection(t *testing.T) {
	t.Parallel()
	db := mysqltest.Open(t, mysqltest.Database(t)+"&interpolateParams=true")
	db.SetMaxOpenConns(1)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var (
		warnings      log
		polls         atomic.Int64
		started, runs sync.WaitGroup
		managers      [5]*session.Manager
	)
	for i := range managers {
		started.Go(func() {
			store, err := mysql.New(db, mysql.Options{})
			if err != nil {
				t.Errorf("process %d: %v", i, err)
				return
			}
			if err := store.Migrate(ctx); err != nil {
				t.Errorf("process %d: migrate: %v", i, err)
				return
			}
			managers[i], err = session.New(ctx, store, session.Config{
				StoreTimeout: patient, Grace: session.NoGrace,
				FeedInterval: 50 * time.Millisecond, CleanupInterval: 50 * time.Millisecond, EndingRetention: session.NoEndings,
				KeyPollInterval: 50 * time.Millisecond, KeyPropagation: 100 * time.Millisecond,
				AccessKeyRotation: 200 * time.Millisecond, RefreshKeyRotation: 300 * time.Millisecond,
				Logger: slog.New(slog.NewTextHandler(&warnings, &slog.HandlerOptions{Level: slog.LevelWarn})), OnFeedPoll: func(p session.FeedPoll) {
					if p.Err == nil {
						polls.Add(1)
					}
				},
			})
			if err != nil {
				t.Errorf("process %d: new: %v", i, err)
			}
		})
	}
	started.Wait()
	if t.Failed() {
		return
	}
	for _, m := range managers {
		runs.Go(func() { m.Run(ctx) })
	}
	var clients sync.WaitGroup
	until := time.Now().Add(3 * time.Second)
	for i, m := range managers {
		clients.Go(func() {
			for n := 0; time.Now().Before(until); n++ {
				if _, _, err := m.Create(ctx, "gone", session.CreateOptions{}); err != nil {
					t.Errorf("process %d: create: %v", i, err)
				}
				if _, err := db.ExecContext(ctx, "UPDATE watchword_sessions SET expires_at = created_at WHERE user_id = 'gone' AND ended_at IS NULL"); err != nil {
					t.Errorf("process %d: let sessions expire: %v", i, err)
				}
				if _, err := m.Cleanup(ctx); err != nil {
					t.Errorf("process %d: clean up: %v", i, err)
				}
				if err := lifetime(ctx, m, fmt.Sprint("user", i, ".", n)); err != nil {
					t.Errorf("process %d: %v", i, err)
				}
			}
		})
	}
	clients.Wait()
	complaints := warnings.String()
	if err := managers[0].RotateNow(ctx, session.PurposeRefresh, "a test", true); err != nil { // which warns, and ends all sessions
		t.Errorf("rotate now: %v", err)
	}
	stop()
	runs.Wait()
	var keys, idle int
	if err := db.QueryRowContext(t.Context(), "SELECT (SELECT COUNT(*) FROM watchword_signing_keys), (SELECT COUNT(*) FROM watchword_sessions WHERE ending_reason = 'idle')").
		Scan(&keys, &idle); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d keys, %d sessions ended by cleanup, %d readings of the feed", keys, idle, polls.Load())
	if keys < 6 || idle == 0 || polls.Load() < 10 {
		t.Errorf("got %d keys, %d expired sessions, %d readings of the feed: Run did not do its work", keys, idle, polls.Load())
	}
	if complaints != "" {
		t.Errorf("what Run had to say:\n%s", complaints)
	}
	if n := db.Stats().InUse; n != 0 {
		t.Errorf("%d connections are still in use", n)
	}
}
