package mysqlproxy

import (
	"encoding/binary"
	"strings"
	"sync"
	"testing"
	"time"
)

// Statement is a command that a client has sent.
type Statement struct {
	Conn    int    // which of the proxy's connections, from 1 on
	Command string // QUERY, PREPARE, EXECUTE, PING …
	Text    string // of QUERY and PREPARE, and of what is executed
	Setup   bool   // the driver sets its connection up with it; faults leave it alone
}

// Point is a point in the course of a statement.
type Point int

// The points.
const (
	Sent      Point = iota // the client has sent it, and the server has not seen it
	Answered               // the server has answered whole, so it has carried it out; the client has seen nothing
	Halfway                // the client has got half of the answer's bytes
	Delivered              // the client has got the answer
)

// Always is a Fault.Times: for every statement that matches.
const Always = -1

// Fault is what statements are to meet.
type Fault struct {
	Match func(Statement) bool // which statements; nil: every one
	Skip  int                  // let so many of them pass first
	Times int                  // so many meet it then; default 1
	At    Point
	Do    func(*Exchange) // what happens there; nil: nothing, as when only its count matters
}

// Contains matches statements by a part of their text.
func Contains(part string) func(Statement) bool {
	return func(s Statement) bool { return strings.Contains(s.Text, part) }
}

// Begins matches statements by how their text begins.
func Begins(part string) func(Statement) bool {
	return func(s Statement) bool { return strings.HasPrefix(s.Text, part) }
}

// Cut cuts the connection, towards both sides.
func Cut(x *Exchange) { x.Cut() }

// Refuse has the client get an error of the server's. At Sent the server never sees the statement.
func Refuse(number uint16, state, text string) func(*Exchange) {
	return func(x *Exchange) { x.Refuse(number, state, text) }
}

// Armed is a fault that waits for its statements.
type Armed struct {
	Fault

	mu      sync.Mutex
	skipped int
	met     int
	retired bool
	fired   chan struct{} // one for each statement that has met it
}

// Arm sets a fault up. Of several that match, a statement meets the one that was armed first.
func (p *Proxy) Arm(f Fault) *Armed {
	if f.Times == 0 {
		f.Times = 1
	}
	a := &Armed{Fault: f, fired: make(chan struct{}, 1024)}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, a)
	return a
}

// Disarm has no further statement meet the fault.
func (a *Armed) Disarm() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.retired = true
}

// Fired is how many statements have met the fault.
func (a *Armed) Fired() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.met
}

// Wait waits until a statement has met the fault and what happens there is done; each call for one more. It fails the test when
// that takes longer than a limit.
func (a *Armed) Wait(t testing.TB, limit time.Duration) {
	t.Helper()
	select {
	case <-a.fired:
	case <-time.After(limit):
		t.Fatalf("mysqlproxy: no statement has met the fault within %v", limit)
	}
}

// takes reports whether a statement is to meet the fault.
func (a *Armed) takes(s Statement) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.retired || a.Match != nil && !a.Match(s) {
		return false
	}
	if a.skipped < a.Skip {
		a.skipped++
		return false
	}
	if a.Times != Always && a.met >= a.Times {
		return false
	}
	a.met++
	return true
}

// Exchange is a statement on its way, as what a Fault does sees it.
type Exchange struct {
	Statement Statement

	conn    *conn
	answer  []byte
	cut     bool
	refusal []byte
}

// Refusal is the number of the error that the server has answered with; 0: none, or it has not answered.
func (x *Exchange) Refusal() uint16 {
	const header = 4
	if len(x.answer) < header+3 || x.answer[header] != headErr {
		return 0
	}
	return binary.LittleEndian.Uint16(x.answer[header+1:])
}

// Cut cuts the connection.
func (x *Exchange) Cut() { x.cut = true }

// Refuse has the client get an error of the server's.
func (x *Exchange) Refuse(number uint16, state, text string) {
	x.refusal = errorPacket(1, number, state, text)
}

// ClientLeft waits until the client has closed its connection, as the driver does when a context ends, and reports whether it has
// within a limit.
func (x *Exchange) ClientLeft(limit time.Duration) bool {
	select {
	case <-x.conn.left:
		return true
	case <-time.After(limit):
		return false
	}
}
