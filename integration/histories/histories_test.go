package histories_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/mysqlproxy"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

// TestHistories is the run on real processes and a real server, or a cluster.
func TestHistories(t *testing.T) {
	t.Parallel()
	if *defective != "" && defects[*defective] == nil {
		t.Fatalf("there is no -defect=%s; there are %q", *defective, slices.Sorted(maps.Keys(defects)))
	}
	s := settingsFor(chosenGrace())
	h := newHistory(s.Grace, s.FeedInterval)
	db := openSite(t, h)
	ctx, cancel := context.WithTimeout(t.Context(), *duration+6*time.Minute)
	defer cancel()
	migrate(ctx, t, db.dsns())
	var proxies []*mysqlproxy.Proxy
	for _, dsn := range db.dsns() {
		proxies = append(proxies, mysqlproxy.Start(t, dsn))
	}
	all := make([]*process, *processes)
	for i := range all {
		all[i] = startProcess(t, i, order{DSN: proxies[i%len(proxies)].DSN(), Defect: *defective, Settings: s})
	}

	loading, stopLoading := context.WithCancel(ctx)
	defer stopLoading()
	w := &world{
		history: h, settings: s, table: db, seed: chosenSeed(t), thinking: thinking(*processes * *clients),
		load: loading, all: ctx, watched: map[session.Handle]*record{},
	}
	for _, p := range all {
		w.targets = append(w.targets, p)
	}
	observing, stopObserving := context.WithCancel(ctx)
	var background sync.WaitGroup
	background.Go(func() { w.observeUntil(observing) })
	cuts := w.cutConnections(proxies)
	background.Go(func() {
		defer stopLoading()
		breaking, stopBreaking := context.WithTimeout(ctx, *duration)
		defer stopBreaking()
		w.wreak(breaking, db, all)
	})
	began := time.Now()
	w.haveCrews(*processes * *clients)
	stopObserving()
	background.Wait()
	cut := 0
	for _, fault := range cuts {
		fault.Disarm()
		cut += fault.Fired()
	}
	took := time.Since(began)

	// The last restart: of all servers, and of all processes, so that nobody remembers anything.
	restarted := h.now()
	db.restart(ctx)
	var restarts sync.WaitGroup
	for _, p := range all {
		restarts.Go(func() {
			p.kill()
			if err := p.start(); err != nil {
				t.Error(err)
			}
		})
	}
	restarts.Wait()
	w.lookAround()
	for _, everywhere := range db.copies() {
		if err := w.observe(ctx, everywhere, w.records()); err != nil {
			t.Fatal(err)
		}
	}

	checking := time.Now()
	findings := h.checkLinearizable()
	searched := time.Since(checking)
	more, tallied := h.checkInvariants()
	findings = append(findings, more...)
	last := map[session.Handle]*row{}
	for _, r := range w.records() {
		last[r.Handle] = r.ops[len(r.ops)-1].Row
	}
	findings = append(findings, h.checkNothingLost(restarted, func(handle session.Handle) (*row, bool) {
		r, ok := last[handle]
		return r, ok && r != nil
	})...)
	t.Logf("%d statements were cut off before they reached the server, before their answer was sent, or within that", cut)
	w.summarise(t, took, searched, tallied)
	if *defective != "" {
		refused(t, findings)
		return
	}
	w.report(t, findings)
	switch {
	case tallied.slow*4 > tallied.honest*3:
		t.Errorf("%d of %d sessions had a request that took a quarter of the grace: this machine needs a longer -grace", tallied.slow, tallied.honest)
	case tallied.caught == 0, tallied.refusedAfterEnd == 0, cut == 0, len(db.unseen()) > 0:
		t.Errorf("the run was not long enough to show anything: %+v, %d cuts, none or too few of %q", tallied, cut, db.unseen())
	}
}

// thinking is how long clients wait between their calls, so that all of them together make some 300 a second: two cores bear that.
func thinking(clients int) time.Duration {
	return max(100*time.Millisecond, time.Duration(clients)*3*time.Millisecond)
}

// refused expects findings, and names their rules.
func refused(t *testing.T, findings []finding) {
	t.Helper()
	found := map[string]int{}
	for _, f := range findings {
		found[f.Rule]++
	}
	if len(found) == 0 {
		t.Errorf("with -defect=%s nothing was found", *defective)
	}
	t.Logf("found %v", found)
}

// chosenGrace is the one that was asked for, or one that a usual machine bears: of a cluster also while it changes its members.
func chosenGrace() time.Duration {
	switch {
	case *grace != 0:
		return *grace
	case onCluster():
		return 3 * time.Second
	default:
		return 1600 * time.Millisecond
	}
}

// migrate makes the tables, and waits until they are there for everybody.
func migrate(ctx context.Context, t *testing.T, dsns []string) {
	t.Helper()
	bounded, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for i, dsn := range dsns {
		for {
			err := prepare(bounded, dsn, i == 0)
			if err == nil {
				break
			}
			if !pause(bounded, 100*time.Millisecond) {
				t.Fatal(err)
			}
		}
	}
}

// prepare makes the tables, or looks whether they are there.
func prepare(ctx context.Context, dsn string, first bool) error {
	store, err := mysql.Open(ctx, dsn, mysql.Options{})
	if err != nil {
		return err
	}
	if first {
		err = store.Migrate(ctx)
	} else {
		_, _, err = store.Revocations(ctx, time.Now(), 1)
	}
	return errors.Join(err, store.Close())
}

// lookAround has every session used once more.
func (w *world) lookAround() {
	w.mu.Lock()
	browsers := slices.Clone(w.browsers)
	w.mu.Unlock()
	work := make(chan *browser)
	var lookers sync.WaitGroup
	for i := range 16 {
		c := w.client(1<<21+i, 0)
		c.sure = true
		lookers.Go(func() {
			for b := range work {
				until := time.Now().Add(3 * time.Second)
				for _, look := range []func() bool{
					func() bool {
						_, ok := c.ask(inquiry{Kind: readData, Handle: b.record.Handle}, &operation{}, b.note)
						return ok
					},
					func() bool { _, ok := b.verify(c, b.jar); return ok },
					func() bool { _, ok := b.refresh(c, b.jar); return ok },
					func() bool { _, ok := b.verify(c, b.jar); return ok },
				} {
					for !look() && time.Now().Before(until) {
						continue
					}
				}
			}
		})
	}
	for _, b := range browsers {
		work <- b
	}
	close(work)
	lookers.Wait()
}
