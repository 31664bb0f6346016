// Package mysqlproxy breaks connections between go-sql-driver/mysql and a MySQL server at exact points of their protocol:
//
//	p := mysqlproxy.Start(t, dsn)
//	db := mysqltest.Open(t, p.DSN())
//	p.Arm(mysqlproxy.Fault{At: mysqlproxy.Answered, Match: mysqlproxy.Contains("INSERT"), Do: mysqlproxy.Cut})
//	_, err := db.ExecContext(ctx, "INSERT …") // the row is there, and err says that the connection broke
//
// It listens on loopback, frames the packets of both sides, knows statements from the set-up of a connection, and an answer's last
// packet from those before it. It speaks the protocol without TLS and without compression.
package mysqlproxy

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// dialTimeout bounds the connection to the server.
const dialTimeout = 10 * time.Second

// Proxy stands between a client and a server until its test ends. It is safe for concurrent use.
type Proxy struct {
	t      testing.TB
	config *mysql.Config // the client's: with the proxy's address
	server string
	closed chan struct{}
	work   sync.WaitGroup
	gate   gate

	mu         sync.Mutex
	listener   net.Listener // nil while connections are refused
	conns      map[*conn]struct{}
	opened     int
	faults     []*Armed
	statements []Statement
	running    int
	idle       chan struct{} // is closed while no statement runs
}

// Start makes a proxy before the server of a DSN, and closes it when the test ends.
func Start(t testing.TB, dsn string) *Proxy {
	t.Helper()
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatalf("mysqlproxy: %v", err)
	}
	p := &Proxy{
		t: t, server: config.Addr, closed: make(chan struct{}), conns: map[*conn]struct{}{},
		idle: make(chan struct{}), gate: newGate(),
	}
	close(p.idle)
	config.Addr = "127.0.0.1:0"
	config.Net = "tcp"
	config.TLSConfig = ""
	if config.MaxAllowedPacket == 0 {
		config.MaxAllowedPacket = 64 << 20 // the driver asks the server otherwise, on each new connection
	}
	p.config = config
	if err := p.listen(); err != nil {
		t.Fatalf("mysqlproxy: listen: %v", err)
	}
	t.Cleanup(p.close)
	return p
}

// DSN returns the DSN with the proxy's address. That stays the same while connections are refused, and after.
func (p *Proxy) DSN() string { return p.config.FormatDSN() }

// listen opens the listener, at the address that it had before.
func (p *Proxy) listen() error {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp4", p.config.Addr)
	if err != nil {
		return err
	}
	p.config.Addr = l.Addr().String()
	p.mu.Lock()
	p.listener = l
	p.mu.Unlock()
	p.work.Go(func() { p.accept(l) })
	return nil
}

func (p *Proxy) accept(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return // it was closed
		}
		p.work.Go(func() { p.serve(client) })
	}
}

// serve brings a client to the server.
func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(context.Background(), "tcp", p.server)
	if err != nil {
		return // the client finds its connection closed, as it would with a server that just died
	}
	defer server.Close()
	c := newConn(p, client, server)
	if !p.add(c) {
		return
	}
	defer p.remove(c)
	c.run()
}

func (p *Proxy) add(c *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.closed:
		return false
	default:
	}
	if p.listener == nil {
		return false
	}
	p.opened++
	c.id = p.opened
	p.conns[c] = struct{}{}
	return true
}

func (p *Proxy) remove(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// Refuse refuses new connections, and cuts those that there are.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
	}
	for c := range p.conns {
		c.cut()
	}
}

// Accept takes connections again.
func (p *Proxy) Accept() {
	p.t.Helper()
	p.mu.Lock()
	listening := p.listener != nil
	p.mu.Unlock()
	if listening {
		return
	}
	var err error
	for range 100 { // somebody's outgoing connection may have the port for a moment
		if err = p.listen(); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	p.t.Errorf("mysqlproxy: listen again: %v", err)
}

// CutAll cuts the connections that there are. New ones are taken.
func (p *Proxy) CutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.cut()
	}
}

// Freeze lets nothing pass any more, either way, and no connection be closed by the other side. As with a server that was stopped,
// what was sent meanwhile arrives when it thaws, though its sender may have gone.
func (p *Proxy) Freeze() { p.gate.shut() }

// Thaw lets everything pass again.
func (p *Proxy) Thaw() { p.gate.open() }

// Statements returns what clients have sent since the last Reset, in order, without what the driver sets a connection up with.
func (p *Proxy) Statements() []Statement {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.statements)
}

// Reset forgets the statements.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.statements = nil
}

// Settle waits until no statement is under way: those whose client has gone may still be carried out by the server. It fails the
// test when that takes longer than a limit.
func (p *Proxy) Settle(limit time.Duration) {
	p.t.Helper()
	p.mu.Lock()
	idle := p.idle
	p.mu.Unlock()
	select {
	case <-idle:
	case <-time.After(limit):
		p.t.Errorf("mysqlproxy: a statement is under way for more than %v", limit)
	}
}

// begin notes a statement, and returns the fault that it meets, if any.
func (p *Proxy) begin(s Statement) *Armed {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running++; p.running == 1 {
		p.idle = make(chan struct{})
	}
	if s.Setup {
		return nil
	}
	p.statements = append(p.statements, s)
	for _, f := range p.faults {
		if f.takes(s) {
			return f
		}
	}
	return nil
}

func (p *Proxy) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running--; p.running == 0 {
		close(p.idle)
	}
}

func (p *Proxy) close() {
	close(p.closed)
	p.gate.open()
	p.Refuse()
	ended := make(chan struct{})
	go func() { p.work.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		p.t.Error("mysqlproxy: connections are still served after the test")
	}
}

// gate holds up whoever passes while it is shut.
type gate struct {
	mu   *sync.Mutex
	pass *chan struct{}
}

func newGate() gate {
	open := make(chan struct{})
	close(open)
	return gate{mu: new(sync.Mutex), pass: &open}
}

func (g gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-*g.pass:
		*g.pass = make(chan struct{})
	default:
	}
}

func (g gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-*g.pass:
	default:
		close(*g.pass)
	}
}

func (g gate) wait() {
	g.mu.Lock()
	pass := *g.pass
	g.mu.Unlock()
	<-pass
}

// errUnsupported ends a connection that asks for more than the proxy knows.
var errUnsupported = errors.New("the proxy does not know this part of the protocol")
