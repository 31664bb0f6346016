package histories_test

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/mysqltest"
	"github.com/watchword-dev/watchword/session"
)

// server is the only database server that there is.
type server struct {
	breakage
	dsn       string
	container *container
	db        *sql.DB // past the product
}

// startServer starts a server that has written what it acknowledges, and a schema in it.
func startServer(t *testing.T, h *history) *server {
	t.Helper()
	own := mysqltest.StartServer(t, "--innodb-flush-log-at-trx-commit=1", "--sync-binlog=1", "--max-connections=500")
	dsn := own.Database(t)
	return &server{
		breakage: newBreakage(t, h), dsn: dsn, container: attach(t, own.Container.GetContainerID()),
		db: openPool(t, dsn, "", 2*time.Second, nil),
	}
}

func (s *server) dsns() []string { return []string{s.dsn} }

func (s *server) copies() []table { return []table{s} }

// rows implements table.
func (s *server) rows(ctx context.Context, handles []session.Handle) (map[session.Handle]tableRow, error) {
	return rowsOf(ctx, s.db, handles)
}

func (s *server) faults(ctx context.Context, w *world) {
	var both sync.WaitGroup
	both.Go(func() {
		w.every(ctx, 2, 2*time.Second, 6*time.Second, func(rng *rand.Rand) {
			s.freeze(w.all, time.Duration(100+rng.IntN(600))*time.Millisecond)
		})
	})
	both.Go(func() {
		w.every(ctx, 3, 5*time.Second, 14*time.Second, func(*rand.Rand) { s.restart(w.all) })
	})
	both.Wait()
}

func (s *server) unseen() []string {
	none := s.missing(killedServer, frozenServer, killedConnections)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts[killedServer] == 1 { // that of the end
		none = append(none, killedServer)
	}
	return none
}

// restart ends the server as a power cut does, and starts it again.
func (s *server) restart(ctx context.Context) {
	s.broke(killedServer, func(o *outage) bool {
		if err := s.container.kill(ctx); err != nil {
			s.t.Errorf("kill the server: %v", err)
			return false
		}
		o.DeadFrom = s.history.now()
		pause(ctx, 300*time.Millisecond) // for everybody to notice
		o.DeadTo = s.history.now()
		if err := s.container.start(ctx); err != nil {
			s.t.Errorf("start the server again: %v", err)
			return false
		}
		s.await(ctx)
		return true
	})
}

// await waits until the server answers.
func (s *server) await(ctx context.Context) {
	for {
		bounded, cancel := context.WithTimeout(ctx, time.Second)
		err := s.db.PingContext(bounded)
		cancel()
		if err == nil {
			return
		}
		if !pause(ctx, 20*time.Millisecond) {
			s.t.Errorf("the server does not come back: %v", err)
			return
		}
	}
}

// freeze stops all of the server's threads for a while.
func (s *server) freeze(ctx context.Context, d time.Duration) {
	s.broke(frozenServer, func(*outage) bool {
		if err := s.container.freeze(ctx); err != nil {
			s.t.Errorf("freeze the server: %v", err)
			return false
		}
		begun := time.Now()
		bounded, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		frozen := s.db.PingContext(bounded) != nil // on a busy machine the signal may be late
		cancel()
		pause(ctx, d-time.Since(begun))
		if err := s.container.thaw(context.WithoutCancel(ctx)); err != nil {
			s.t.Errorf("thaw the server: %v", err)
		}
		s.await(ctx)
		return frozen
	})
}

func (s *server) killConnections(ctx context.Context, rng *rand.Rand) {
	s.broke(killedConnections, func(*outage) bool { return killSome(ctx, s.db, rng) })
}
