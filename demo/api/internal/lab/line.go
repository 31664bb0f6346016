package lab

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"sync"
	"syscall"

	"github.com/go-sql-driver/mysql"
)

// Line is a network of the MySQL driver's, all of whose connections can be cut at once. Make one with NewLine.
type Line struct {
	name string
	dial net.Dialer

	mu    sync.Mutex
	down  bool
	conns map[*conn]struct{}
}

// NewLine makes a Line for connections to the server that a DSN names, and returns the DSN with which they go over it. Close gives it back.
func NewLine(dsn string) (*Line, string, error) {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, "", fmt.Errorf("read the DSN: %w", err) // the driver does not repeat it
	}
	l := &Line{name: "lab-" + rand.Text(), conns: map[*conn]struct{}{}}
	network := cfg.Net
	// The driver knows networks by their names, in one table for the whole process.
	mysql.RegisterDialContext(l.name, func(ctx context.Context, addr string) (net.Conn, error) { return l.connect(ctx, network, addr) })
	cfg.Net = l.name
	return l, cfg.FormatDSN(), nil
}

// Close takes the network out of the driver's table. There is nothing to do for a nil Line.
func (l *Line) Close() {
	if l != nil {
		mysql.DeregisterDialContext(l.name)
	}
}

// conn is a connection that can be cut. The driver asks it for its file descriptor, to see whether the server has closed it.
type conn struct {
	cable
	line *Line
}

// cable is what TCP and Unix connections are.
type cable interface {
	net.Conn
	syscall.Conn
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.line.mu.Lock()
	delete(c.line.conns, c)
	c.line.mu.Unlock()
	return c.cable.Close()
}

func (l *Line) connect(ctx context.Context, network, addr string) (net.Conn, error) {
	if l.isDown() {
		return nil, refused(network)
	}
	raw, err := l.dial.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	link, ok := raw.(cable)
	if !ok {
		_ = raw.Close()
		return nil, fmt.Errorf("a connection of network %q cannot be cut", network)
	}
	c := &conn{cable: link, line: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down { // since it was asked for
		_ = raw.Close()
		return nil, refused(network)
	}
	l.conns[c] = struct{}{}
	return c, nil
}

func refused(network string) error {
	return &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
}

func (l *Line) isDown() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.down
}

// cut breaks every connection and lets no new one be made. A nil Line has none.
func (l *Line) cut() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = true
	for c := range l.conns {
		_ = c.cable.Close() // its owner, who closes it once more, finds out
	}
	clear(l.conns)
}

// mend lets connections be made again.
func (l *Line) mend() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = false
}
