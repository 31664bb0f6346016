//go:build clusters

package galera_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	store "github.com/watchword-dev/watchword/store/mysql"
)

// A node that has not applied yet what another has acknowledged waits for that before it answers a read, where wsrep_sync_wait says so, and
// by the engine's default it does not. The node is held up by a lock, so that nothing is left to chance.
func TestReadSeesWhatAnotherNodeAcknowledged(t *testing.T) {
	c := theCluster(t)
	name := schema(t, c)
	writer := storesIn(t, c, name, synced)[0]
	for syncWait, want := range map[string]bool{synced: true, onlyRead: true, unsynced: false} {
		t.Run("wsrep_sync_wait="+syncWait, func(t *testing.T) {
			reader := storesIn(t, c, name, syncWait)[1]
			r := row(t, "user")
			release := holdUp(t, c.Nodes[1].DSN)
			defer release()
			if err := writer.Insert(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			answered := make(chan error, 1)
			go func() {
				_, _, err := reader.Get(t.Context(), r.Handle)
				answered <- err
			}()
			var err error
			select {
			case err = <-answered:
				if want {
					t.Errorf("it answered while it could not know: %v", err)
				}
			case <-time.After(time.Second): // it waits
				release()
				err = <-answered
			}
			if want && err != nil || !want && !errors.Is(err, session.ErrNotFound) {
				t.Errorf("read of a session that another node has acknowledged: got %v; want it to be seen: %v", err, want)
			}
		})
	}
}

// holdUp keeps the node from applying what others write, until release is called. It goes on answering reads.
func holdUp(t *testing.T, dsn string) (release func()) {
	t.Helper()
	conn, err := pool(t, dsn).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), "FLUSH TABLES WITH READ LOCK"); err != nil {
		t.Fatal(err)
	}
	return sync.OnceFunc(func() {
		if _, err := conn.ExecContext(t.Context(), "UNLOCK TABLES"); err != nil {
			t.Errorf("let the node go on: %v", err)
		}
		_ = conn.Close()
	})
}

// measured is what one value of wsrep_sync_wait comes to.
type measured struct {
	inserts, reads, own, changes []time.Duration
	staleReads, staleChanges     int
}

// round writes on one node, and reads and changes on another right after.
func (m *measured) round(t *testing.T, a, b session.Store) {
	t.Helper()
	timed := func(into *[]time.Duration, f func() error) error {
		begin := time.Now()
		err := f()
		*into = append(*into, time.Since(begin))
		return err
	}
	insert := func() session.Handle {
		t.Helper()
		r := row(t, "user")
		if err := timed(&m.inserts, func() error { return a.Insert(t.Context(), r) }); err != nil {
			t.Fatal(err)
		}
		return r.Handle
	}
	get := func(from session.Store, h session.Handle) func() error {
		return func() error {
			_, _, err := from.Get(t.Context(), h)
			return err
		}
	}
	h := insert()
	if err := timed(&m.reads, get(b, h)); errors.Is(err, session.ErrNotFound) {
		m.staleReads++
	} else if err != nil {
		t.Fatal(err)
	}
	if err := timed(&m.own, get(a, h)); err != nil {
		t.Fatalf("read what this very node has acknowledged: %v", err)
	}
	h = insert()
	var changed bool
	err := timed(&m.changes, func() (err error) {
		changed, err = b.End(t.Context(), h, session.End{ID: 1, Reason: session.ReasonRevoked, Fed: true})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !changed {
		m.staleChanges++
	}
}

// What catching up costs, and how often a read or a change goes wrong without it. The times are for the log; what is demanded is that none
// does with it. The values take turns, so that each has its share of what else the machine does.
func TestCostOfCatchingUp(t *testing.T) {
	const rounds = 500
	c := theCluster(t)
	name, values := schema(t, c), []string{unsynced, onlyRead, synced}
	all, results := map[string][]*store.Store{}, map[string]*measured{}
	for _, syncWait := range values {
		all[syncWait], results[syncWait] = storesIn(t, c, name, syncWait), &measured{}
	}
	for i := range rounds {
		for _, syncWait := range values {
			results[syncWait].round(t, all[syncWait][i%3], all[syncWait][(i+1)%3])
		}
	}
	for _, syncWait := range values {
		m := results[syncWait]
		t.Logf("wsrep_sync_wait=%s: insert: %s", syncWait, percentiles(m.inserts))
		t.Logf("wsrep_sync_wait=%s: read on another node right after: %s; %d stale", syncWait, percentiles(m.reads), m.staleReads)
		t.Logf("wsrep_sync_wait=%s: read on the same node: %s", syncWait, percentiles(m.own))
		t.Logf("wsrep_sync_wait=%s: change on another node right after: %s; %d stale", syncWait, percentiles(m.changes), m.staleChanges)
		if syncWait != unsynced && m.staleReads > 0 || syncWait == synced && m.staleChanges > 0 {
			t.Errorf("wsrep_sync_wait=%s: %d reads and %d changes were stale, want none", syncWait, m.staleReads, m.staleChanges)
		}
	}
}
