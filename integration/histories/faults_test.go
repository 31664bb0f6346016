package histories_test

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	engine "github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"

	"github.com/watchword-dev/watchword/integration/mysqlproxy"
	"github.com/watchword-dev/watchword/integration/mysqltest"
	"github.com/watchword-dev/watchword/session"
)

// The faults, as outages are called by them.
const (
	killedConnections = "connections killed"
	killedProcess     = "process killed"
	frozenServer      = "server frozen"
	killedServer      = "server killed"
)

// server is the database server, with what it takes to break it.
type server struct {
	t         *testing.T
	history   *history
	container string
	docker    *testcontainers.DockerClient
	db        *sql.DB // past the product

	mu     sync.Mutex // one breakage at a time
	counts map[string]int
}

// startServer starts a server that has written what it acknowledges, and a schema in it.
func startServer(t *testing.T, h *history) (*server, string) {
	t.Helper()
	const flush, sync, many = "--innodb-flush-log-at-trx-commit=1", "--sync-binlog=1", "--max-connections=500"
	own := mysqltest.StartServer(t, flush, sync, many)
	dsn := own.Database(t)
	docker, err := testcontainers.NewDockerClientWithOpts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = docker.Close() })
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	config.Timeout, config.ReadTimeout, config.WriteTimeout = time.Second, 2*time.Second, 2*time.Second
	config.InterpolateParams = true
	config.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	return &server{
		t: t, history: h, container: own.Container.GetContainerID(), docker: docker, db: db, counts: map[string]int{},
	}, dsn
}

// broke notes an outage that begins with f and ends when the server answers again. f reports whether it broke anything.
func (s *server) broke(what string, f func(o *outage) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := outage{What: what, From: s.history.now()}
	if f(&o) {
		s.counts[what]++
	}
	o.To = s.history.now()
	s.history.addOutage(o)
}

// killAndStart ends the server as a power cut does, and starts it again.
func (s *server) killAndStart(ctx context.Context) {
	s.broke(killedServer, func(o *outage) bool {
		if err := s.signal(ctx, "SIGKILL"); err != nil {
			s.t.Errorf("kill the server: %v", err)
			return false
		}
		// Docker has sent the signal. The server has ended when its container has.
		for {
			state, err := s.docker.ContainerInspect(ctx, s.container, engine.ContainerInspectOptions{})
			if err != nil {
				s.t.Errorf("look at the server: %v", err)
				return false
			}
			if !state.Container.State.Running {
				break
			}
			pause(ctx, 5*time.Millisecond)
		}
		o.DeadFrom = s.history.now()
		pause(ctx, 300*time.Millisecond) // for everybody to notice
		o.DeadTo = s.history.now()
		if _, err := s.docker.ContainerStart(ctx, s.container, engine.ContainerStartOptions{}); err != nil {
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

// freeze stops all of the server's threads for a while. By signals, since pausing a container fails on busy machines.
func (s *server) freeze(ctx context.Context, d time.Duration) {
	s.broke(frozenServer, func(*outage) bool {
		if err := s.signal(ctx, "SIGSTOP"); err != nil {
			s.t.Errorf("freeze the server: %v", err)
			return false
		}
		begun := time.Now()
		bounded, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		frozen := s.db.PingContext(bounded) != nil // on a busy machine the signal may be late
		cancel()
		pause(ctx, d-time.Since(begun))
		if err := s.signal(context.WithoutCancel(ctx), "SIGCONT"); err != nil {
			s.t.Errorf("thaw the server: %v", err)
		}
		s.await(ctx)
		return frozen
	})
}

func (s *server) signal(ctx context.Context, name string) error {
	_, err := s.docker.ContainerKill(ctx, s.container, engine.ContainerKillOptions{Signal: name})
	return err
}

// killConnections ends some connections of the product's, in the middle of whatever they are doing.
func (s *server) killConnections(ctx context.Context, rng *rand.Rand) {
	s.broke(killedConnections, func(*outage) (killed bool) {
		var ids sql.NullString
		if err := s.db.QueryRowContext(ctx, "SELECT GROUP_CONCAT(processlist_id) FROM performance_schema.threads"+
			" WHERE processlist_db = DATABASE() AND processlist_id <> CONNECTION_ID()").Scan(&ids); err != nil || !ids.Valid {
			return false
		}
		all := strings.Split(ids.String, ",")
		for range 1 + rng.IntN(4) {
			if id, err := strconv.Atoi(all[rng.IntN(len(all))]); err == nil {
				_, err = s.db.ExecContext(ctx, "KILL "+strconv.Itoa(id)) // it may be gone already
				killed = killed || err == nil
			}
		}
		return killed
	})
}

// wreak breaks something at random moments, until ctx is done.
func (w *world) wreak(ctx context.Context, s *server, all []*process) {
	var faults sync.WaitGroup
	defer faults.Wait()
	every := func(stream uint64, from, to time.Duration, f func(rng *rand.Rand)) {
		c := w.client(1<<20, stream)
		faults.Go(func() {
			for pause(ctx, c.between(from, to)) {
				f(c.rng)
			}
		})
	}
	every(1, 100*time.Millisecond, 700*time.Millisecond, func(rng *rand.Rand) { s.killConnections(w.all, rng) })
	every(2, 2*time.Second, 6*time.Second, func(rng *rand.Rand) {
		s.freeze(w.all, time.Duration(100+rng.IntN(600))*time.Millisecond)
	})
	every(3, 5*time.Second, 14*time.Second, func(*rand.Rand) { s.killAndStart(w.all) })
	every(4, 500*time.Millisecond, 3*time.Second, func(rng *rand.Rand) {
		p := all[rng.IntN(len(all))]
		o := outage{What: killedProcess, From: w.history.now()}
		p.kill()
		if err := p.start(); err != nil {
			s.t.Error(err)
		}
		o.To = w.history.now()
		w.history.addOutage(o)
	})
}

// cutConnections breaks connections of the product's at the points that matter: before the server has a statement, after it has
// carried one out, and in the middle of its answer.
func (w *world) cutConnections(p *mysqlproxy.Proxy) (faults []*mysqlproxy.Armed) {
	for i, at := range []mysqlproxy.Point{mysqlproxy.Sent, mysqlproxy.Answered, mysqlproxy.Halfway} {
		c := &chance{rng: w.client(1<<20, uint64(10+i)).rng}
		faults = append(faults, p.Arm(mysqlproxy.Fault{
			At: at, Times: mysqlproxy.Always, Do: mysqlproxy.Cut, Match: func(mysqlproxy.Statement) bool { return c.in(250) },
		}))
	}
	return faults
}

// rows implements table.
func (s *server) rows(ctx context.Context, handles []session.Handle) (map[session.Handle]tableRow, error) {
	found := map[session.Handle]tableRow{}
	for len(handles) > 0 {
		some := handles[:min(len(handles), 200)]
		handles = handles[len(some):]
		if err := s.someRows(ctx, some, found); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (s *server) someRows(ctx context.Context, handles []session.Handle, found map[session.Handle]tableRow) error {
	args := make([]any, len(handles))
	for i, h := range handles {
		args[i] = h[:]
	}
	rows, err := s.db.QueryContext(ctx, "SELECT handle, current_mark, pending_mark, previous_mark, generation, data_version, data,"+
		" IF(ended_at IS NULL, '', ending_reason) FROM watchword_sessions WHERE handle IN (?"+strings.Repeat(", ?", len(args)-1)+")", args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var (
			r                                  tableRow
			handle, current, pending, previous []byte
			data                               sql.NullString
		)
		if err := rows.Scan(&handle, &current, &pending, &previous, &r.Generation, &r.Version, &data, &r.Ended); err != nil {
			return err
		}
		copy(r.current[:], current)
		copy(r.pending[:], pending)
		copy(r.previous[:], previous)
		if r.HasData = r.Ended == ""; r.HasData {
			if r.Value, err = strconv.Atoi(data.String); err != nil {
				return err
			}
		}
		found[session.Handle(handle)] = r
	}
	return rows.Err()
}
