package histories_test

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/mysqlproxy"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

// TestHistories is the run on real processes and a real server.
func TestHistories(t *testing.T) {
	t.Parallel()
	if *defective != "" && defects[*defective] == nil {
		t.Fatalf("there is no -defect=%s; there are %q", *defective, slices.Sorted(maps.Keys(defects)))
	}
	s := settingsFor(*grace)
	h := newHistory(s.Grace, s.FeedInterval)
	db, dsn := startServer(t, h)
	migrate(t, dsn)
	proxy := mysqlproxy.Start(t, dsn)
	ctx, cancel := context.WithTimeout(t.Context(), *duration+5*time.Minute)
	defer cancel()
	all := make([]*process, *processes)
	for i := range all {
		all[i] = startProcess(t, i, order{DSN: proxy.DSN(), Defect: *defective, Settings: s})
	}

	loading, stopLoading := context.WithTimeout(ctx, *duration)
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
	cuts := w.cutConnections(proxy)
	background.Go(func() { w.wreak(loading, db, all) })
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

	// The last restart: of the server, and of all processes, so that nobody remembers anything.
	restarted := h.now()
	db.killAndStart(ctx)
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
	if err := w.observe(ctx, w.records()); err != nil {
		t.Fatal(err)
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
	case tallied.caught == 0, tallied.refusedAfterEnd == 0, db.counts[killedServer] < 2, db.counts[frozenServer] == 0, db.counts[killedConnections] == 0, cut == 0:
		t.Errorf("the run was not long enough to show anything: %+v %v", tallied, db.counts)
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

func migrate(t *testing.T, dsn string) {
	t.Helper()
	store, err := mysql.Open(t.Context(), dsn, mysql.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
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
