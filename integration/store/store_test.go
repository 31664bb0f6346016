// Package store_test holds store/mysql to the contract of session.Store, on a real server.
package store_test

import (
	"database/sql"
	"strings"
	"sync"
	"testing"

	"github.com/watchword-dev/watchword/integration/mysqltest"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/storetest"
	"github.com/watchword-dev/watchword/store/mysql"
)

func TestMain(m *testing.M) { mysqltest.Main(m) }

// open makes a migrated store in a schema of its own. params are added to the DSN.
func open(t *testing.T, params string, limit func(*sql.DB)) *mysql.Store {
	t.Helper()
	return openAt(t, mysqltest.Database(t)+params, limit)
}

func openAt(t *testing.T, dsn string, limit func(*sql.DB)) *mysql.Store {
	t.Helper()
	store, err := mysql.Open(t.Context(), dsn, mysql.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	limit(store.DB())
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return store
}

func unlimited(db *sql.DB)     { mysqltest.Limit(db, 16) }
func oneConnection(db *sql.DB) { db.SetMaxOpenConns(1) }

func TestContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) session.Store { return open(t, "", unlimited) })
}

// Each operation holds one connection at the most: with a pool of one the whole suite still ends.
func TestContractOnOneConnection(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) session.Store { return open(t, "", oneConnection) })
}

// What a caller's pool may be set to must not matter.
func TestContractWhateverThePoolIsSetTo(t *testing.T) {
	t.Parallel()
	for name, params := range map[string]string{
		"server-side statements": "&interpolateParams=false&clientFoundRows=true&parseTime=true",
		"no backslash escapes":   "&interpolateParams=true&sql_mode=%27NO_BACKSLASH_ESCAPES%2CANSI_QUOTES%27&time_zone=%27%2B05%3A30%27",
		"serializable":           "&interpolateParams=true&{{isolation}}=%27SERIALIZABLE%27&sql_mode=%27%27",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, func(t *testing.T) session.Store {
				dsn := mysqltest.Database(t)
				isolation := isolationVariable(t, openAt(t, dsn, oneConnection).DB()) // migrates
				db := mysqltest.Open(t, dsn+strings.ReplaceAll(params, "{{isolation}}", isolation))
				unlimited(db)
				store, err := mysql.New(db, mysql.Options{})
				if err != nil {
					t.Fatal(err)
				}
				return store
			})
		})
	}
}

// Ten processes that start at once on an empty database all start, and share one key of each purpose. The original dies
// of deadlock there.
func TestTenProcessesStartAtOnce(t *testing.T) {
	t.Parallel()
	for range 10 {
		dsn := mysqltest.Database(t)
		var (
			wg       sync.WaitGroup
			managers = make([]*session.Manager, 10)
			begin    = make(chan struct{})
		)
		for i := range managers {
			wg.Go(func() {
				<-begin
				store, err := mysql.Open(t.Context(), dsn, mysql.Options{})
				if err != nil {
					t.Errorf("process %d: %v", i, err)
					return
				}
				t.Cleanup(func() { _ = store.Close() })
				unlimited(store.DB())
				if err := store.Migrate(t.Context()); err != nil {
					t.Errorf("process %d: migrate: %v", i, err)
					return
				}
				if managers[i], err = session.New(t.Context(), store, session.Config{}); err != nil {
					t.Errorf("process %d: %v", i, err)
				}
			})
		}
		close(begin)
		wg.Wait()
		if t.Failed() {
			return
		}
		_, tokens, err := managers[0].Create(t.Context(), "user", session.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range managers {
			if _, err := m.Verify(t.Context(), tokens.AccessToken, session.VerifyOptions{}); err != nil {
				t.Errorf("process %d refuses a token of process 0: %v", i, err)
			}
			if _, _, err := m.Refresh(t.Context(), tokens.RefreshToken, session.RefreshOptions{}); err != nil {
				t.Errorf("process %d refuses to refresh a token of process 0: %v", i, err)
			}
		}
		keys, _, err := openAt(t, dsn, unlimited).Keys(t.Context())
		if err != nil || len(keys) != 2 {
			t.Errorf("got %d keys, %v, want one of each purpose", len(keys), err)
		}
	}
}

// What a Manager relies on when calls fail, their answers are lost or their callers hang up.
func TestFaults(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		params string
		limit  func(*sql.DB)
	}{
		"pool":                                   {"", unlimited},
		"one connection, server-side statements": {"&interpolateParams=false", oneConnection},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.RunFaults(t, func(t *testing.T) session.Store { return open(t, test.params, test.limit) })
		})
	}
}
