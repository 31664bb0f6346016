package faults_test

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"

	"github.com/watchword-dev/watchword/integration/mysqlproxy"
	"github.com/watchword-dev/watchword/integration/mysqltest"
	"github.com/watchword-dev/watchword/session"
)

// when is how far the operations have come when a fault of the whole server strikes.
type when int

const (
	beforehand when = iota // they have not begun
	atFirst                // each has sent its first statement, which the server has not seen
	atChange               // each has sent the first statement that changes something, or its first
	changed                // that one has been carried out and acknowledged, to nobody
)

// serverFault is a column whose fault is the server's, for all operations at once.
type serverFault struct {
	name    string
	when    when
	timeout time.Duration // StoreTimeout
	lasts   time.Duration // at least
	ends    bool          // after that time, though operations may still wait; else when all have ended
	reads   bool          // the server goes on answering reads
	strike  func(*testing.T)
	heal    func(*testing.T)
}

// breakable is a server with a world for each operation.
type breakable struct {
	worlds map[string]*world
}

func newBreakable(t *testing.T, database func() string) *breakable {
	t.Helper()
	b := &breakable{worlds: map[string]*world{}}
	for _, op := range operations {
		b.worlds[op.name] = newWorld(t, database())
	}
	return b
}

// waiting is an operation under a fault of the server.
type waiting struct {
	*cell
	op       operation
	scenario scenario
	armed    *mysqlproxy.Armed
	outcome  outcome
}

// column runs all operations under one fault, at the same time.
func (b *breakable) column(t *testing.T, m *matrix, f serverFault) {
	t.Helper()
	var (
		all     []*waiting
		reached sync.WaitGroup
		gate    = make(chan struct{})
		release = sync.OnceFunc(func() { close(gate) })
		ended   sync.WaitGroup
	)
	defer release() // also where the fault cannot be brought about: nobody is to wait then
	for _, op := range operations {
		w := &waiting{cell: newCell(t, b.worlds[op.name], op.name+", "+f.name, f.timeout, op.config), op: op}
		w.scenario = op.setup(w.cell)
		w.meetBystander()
		if f.when != beforehand && op.statements != "" {
			reached.Add(1)
			w.armed = w.hold(f.when, &reached, gate)
		}
		all = append(all, w)
	}
	run := func() {
		for _, w := range all {
			ended.Go(func() { w.outcome = w.attempt(t.Context(), w.op, w.scenario) })
		}
	}
	if f.when == beforehand {
		f.strike(t)
		run()
	} else {
		run()
		await(t, &reached, f.name+": the operations have not sent their statements")
		f.strike(t)
	}
	begin := time.Now()
	release()
	for _, w := range all {
		ended.Go(func() { w.bystands(t.Context(), f) })
	}
	if !f.ends {
		await(t, &ended, f.name+": the operations do not end")
	}
	time.Sleep(f.lasts - time.Since(begin))
	f.heal(t)
	await(t, &ended, f.name+": the operations do not end")
	for _, w := range all {
		if w.armed != nil {
			w.armed.Disarm()
		}
		w.proxy.Settle(3 * limit)
	}
	for _, w := range all {
		w.bystoodWell()
		m.put(t, w.op, f.name, string(w.repeat(w.outcome, w.op, w.scenario)))
	}
}

// hold stops the operation at one of its statements until it is released, and then what when says.
func (w *waiting) hold(at when, reached *sync.WaitGroup, release <-chan struct{}) *mysqlproxy.Armed {
	changes := at != atFirst && w.op.changes()
	fault := mysqlproxy.Fault{
		Match: func(s mysqlproxy.Statement) bool {
			return (w.op.own == nil || w.op.own(s)) && (!changes || !reads(s))
		},
		Do: func(x *mysqlproxy.Exchange) {
			reached.Done()
			<-release
			if at == changed {
				x.Cut()
			}
		},
	}
	if at == changed {
		fault.At = mysqlproxy.Answered
	}
	return w.proxy.Arm(fault)
}

// meetBystander starts a session that the operation has nothing to do with.
func (c *cell) meetBystander() {
	c.t.Helper()
	if c.withoutTables {
		return
	}
	s, tokens, err := c.m.Create(c.t.Context(), marker+"bystander", session.CreateOptions{})
	c.must(err)
	c.age(s.Handle())
	c.bystander = c.issued(tokens)
}

// bystands is what an outage is to the users of other sessions: requests go on, nobody is judged.
func (w *waiting) bystands(ctx context.Context, f serverFault) {
	if w.bystander.AccessToken == "" {
		return
	}
	if _, err := w.m.Verify(ctx, w.bystander.AccessToken, session.VerifyOptions{}); err != nil {
		w.errorf("meanwhile the access token of another session gets %v", err)
	}
	if f.ends {
		return
	}
	begin := time.Now()
	_, _, err := w.m.Refresh(ctx, w.bystander.RefreshToken, session.RefreshOptions{})
	if !errors.Is(err, session.ErrUnavailable) {
		w.errorf("meanwhile the refresh of another session gets %v, want ErrUnavailable", err)
	} else {
		w.tellsNothing(err)
	}
	if took := time.Since(begin); took > f.timeout+slack {
		w.errorf("meanwhile the refresh of another session takes %v, StoreTimeout being %v", took, f.timeout)
	}
}

// bystoodWell checks that they go on afterwards.
func (w *waiting) bystoodWell() {
	w.t.Helper()
	if w.bystander.AccessToken == "" || w.op.endsAll {
		return
	}
	_, next, err := w.m.Refresh(w.t.Context(), w.bystander.RefreshToken, session.RefreshOptions{})
	if err != nil {
		w.errorf("afterwards the refresh of another session gets %v", err)
	} else if _, err := w.m.Verify(w.t.Context(), next.AccessToken, session.VerifyOptions{}); err != nil {
		w.errorf("afterwards the new access token of another session gets %v", err)
	}
}

func await(t *testing.T, group *sync.WaitGroup, what string) {
	t.Helper()
	ended := make(chan struct{})
	go func() { group.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(limit):
		t.Fatal(what)
	}
}

// serverFaults are those of a server in a container.
func serverFaults(t *testing.T, server *mysqltest.Server, admin *sql.DB) []serverFault {
	t.Helper()
	docker, err := testcontainers.NewDockerClientWithOpts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = docker.Close() })
	id := server.Container.GetContainerID()
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	pause := func(t *testing.T) {
		t.Helper()
		// Not by the engine's own pause, which fails now and then on a busy machine.
		_, err := docker.ContainerKill(t.Context(), id, client.ContainerKillOptions{Signal: "STOP"})
		must(t, err)
		for frozen := false; !frozen; { // a busy machine takes a while to stop all threads; until then they answer
			ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
			frozen = admin.PingContext(ctx) != nil
			cancel()
		}
	}
	unpause := func(t *testing.T) {
		t.Helper()
		_, err := docker.ContainerKill(t.Context(), id, client.ContainerKillOptions{Signal: "CONT"})
		must(t, err)
	}
	kill := func(t *testing.T) {
		t.Helper()
		_, err := docker.ContainerKill(t.Context(), id, client.ContainerKillOptions{Signal: "KILL"})
		must(t, err)
	}
	restart := func(t *testing.T) {
		t.Helper()
		must(t, server.Container.Start(t.Context()))
	}
	readOnly := func(on string) func(*testing.T) {
		return func(t *testing.T) {
			t.Helper()
			_, err := admin.ExecContext(t.Context(), "SET GLOBAL super_read_only = "+on)
			if err == nil && on == "0" {
				_, err = admin.ExecContext(t.Context(), "SET GLOBAL read_only = 0")
			}
			must(t, err)
		}
	}
	return []serverFault{
		{name: "frozen 5 s", when: atFirst, timeout: 4 * storeTimeout, lasts: 5 * time.Second, ends: true, strike: pause, heal: unpause},
		{name: "frozen for long, at the first statement", when: atFirst, timeout: 1500 * time.Millisecond, lasts: 5 * time.Second, strike: pause, heal: unpause},
		{name: "frozen for long, at the change", when: atChange, timeout: 1500 * time.Millisecond, lasts: 5 * time.Second, strike: pause, heal: unpause},
		{name: "killed", when: beforehand, timeout: storeTimeout, strike: kill, heal: restart},
		{name: "killed after the change", when: changed, timeout: storeTimeout, strike: kill, heal: restart},
		{name: "super_read_only", when: beforehand, timeout: storeTimeout, reads: true, strike: readOnly("1"), heal: readOnly("0")},
	}
}
