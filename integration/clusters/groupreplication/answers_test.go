//go:build clusters

package groupreplication_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/integration/clusters/cluster"
	"github.com/watchword-dev/watchword/integration/clusters/failover"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

// What a server says to those who stay connected to it while it leaves the group: to a store each of these answers has to be an outage.
// The log shows them by number, and whether a row is there after all whose INSERT was refused.
func TestAnswersOfAServerThatLeavesTheGroup(t *testing.T) {
	for _, test := range []struct {
		name  string
		leave func(t *testing.T, primary *server, others []*server)
	}{
		{"it stood still", func(t *testing.T, primary *server, others []*server) {
			step(t, primary.Pause)
			defer step(t, primary.Unpause)
			if err := cluster.Await(t.Context(), "another primary", recovery, another(others)); err != nil {
				t.Error(err)
			}
		}},
		{"it is stopped", func(t *testing.T, primary *server, _ []*server) {
			step(t, func(ctx context.Context) error {
				_, err := primary.db.ExecContext(ctx, "STOP GROUP_REPLICATION")
				return err
			})
		}},
		{"it goes offline", func(t *testing.T, primary *server, _ []*server) {
			step(t, func(ctx context.Context) error {
				_, err := primary.db.ExecContext(ctx, "SET GLOBAL offline_mode = ON")
				return err
			})
			t.Cleanup(func() {
				step(t, func(ctx context.Context) error {
					_, err := primary.db.ExecContext(ctx, "SET GLOBAL offline_mode = OFF")
					return err
				})
			})
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := openGroup(t)
			t.Cleanup(func() { g.mend(t) })
			config := g.database(t)
			failover.EngineTable(t, failover.Bare(t, config.FormatDSN()))
			primary, others := g.primary(t)
			direct := config.Clone()
			direct.Addr = primary.Addr("3306")
			store, err := mysql.Open(t.Context(), direct.FormatDSN(), mysql.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = store.Close() })
			if err := store.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}

			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			w := writers{numbers: map[uint16]int{}, refused: map[int]uint16{}}
			const rows = 1 << 20 // of each writer
			var all sync.WaitGroup
			for i := range 16 {
				all.Go(func() { w.bare(ctx, t, direct, i*rows) })
			}
			for i := range 4 {
				all.Go(func() { insertUntil(ctx, t, store, byte(i)) })
			}
			time.Sleep(time.Second)
			test.leave(t, primary, others)
			time.Sleep(3 * time.Second)
			stop()
			all.Wait()
			g.mend(t)
			t.Logf("answers by number (0: no server's): %v", w.numbers)
			for id, number := range w.refused {
				var n int
				if err := g.admin.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+config.DBName+".engine WHERE id = ?", id).Scan(&n); err != nil {
					t.Fatal(err)
				}
				if n > 0 {
					t.Logf("row %d is there, although its INSERT was answered with %d", id, number)
				}
			}
		})
	}
}

// writers insert rows past any router, and note what they are told.
type writers struct {
	mu      sync.Mutex
	numbers map[uint16]int
	refused map[int]uint16 // rows whose INSERT met an error of the server's
}

// bare uses one connection after the other, and waits for long: it is to hear what the server has to say.
func (w *writers) bare(ctx context.Context, t *testing.T, config *driver.Config, from int) {
	config = config.Clone()
	config.Timeout, config.ReadTimeout, config.InterpolateParams = time.Second, recovery, true
	connector, err := driver.NewConnector(config)
	if err != nil {
		t.Error(err)
		return
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	defer func() { _ = db.Close() }()
	for id := from; ctx.Err() == nil; id++ {
		_, err := db.ExecContext(context.WithoutCancel(ctx), "INSERT INTO engine (id) VALUES (?)", id)
		if err == nil {
			continue
		}
		var answer *driver.MySQLError
		number := uint16(0)
		if errors.As(err, &answer) {
			number = answer.Number
		}
		w.mu.Lock()
		w.numbers[number]++
		if number != 0 {
			w.refused[id] = number
		}
		w.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
}

// insertUntil begins sessions in the store until ctx is done. Each is inserted, or the store is unavailable.
func insertUntil(ctx context.Context, t *testing.T, store *mysql.Store, writer byte) {
	life := session.Lifetimes{Idle: time.Hour, Absolute: time.Hour}
	for n := 0; ctx.Err() == nil; n++ {
		h := session.Handle{writer, byte(n >> 16), byte(n >> 8), byte(n)}
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), session.DefaultStoreTimeout)
		err := store.Insert(bounded, session.NewRow{Handle: h, UserID: fmt.Sprint(writer), Current: session.Mark{1}, Lifetimes: life})
		cancel()
		if err != nil && !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("insert of a new row: got %v, want success or ErrUnavailable", err)
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond)
		}
	}
}
