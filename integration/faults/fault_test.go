package faults_test

import (
	"context"
	"database/sql"
	"time"

	"github.com/watchword-dev/watchword/integration/mysqlproxy"
)

// fault is a column of the matrix whose fault the operation's own proxy and pool bring about.
type fault struct {
	name    string
	each    bool          // there is one for each statement of the operation
	timeout time.Duration // StoreTimeout; default 5 s
	// strike brings the fault about for the statements from the k-th on. cancel ends the caller's context. heal ends it; armed is nil
	// where no statement has to meet it.
	strike func(c *cell, op operation, k int, cancel context.CancelFunc) (heal func(), armed *mysqlproxy.Armed)
}

// at is a fault that one statement meets at a point of its course.
func at(name string, point mysqlproxy.Point, do func(x *mysqlproxy.Exchange)) fault {
	return fault{name: name, each: true, strike: func(c *cell, op operation, k int, _ context.CancelFunc) (func(), *mysqlproxy.Armed) {
		armed := c.proxy.Arm(mysqlproxy.Fault{Match: op.own, Skip: k, At: point, Do: do})
		return armed.Disarm, armed
	}}
}

// always is a fault that every statement meets.
func always(name string, point mysqlproxy.Point, do func(x *mysqlproxy.Exchange)) fault {
	return fault{name: name, strike: func(c *cell, op operation, _ int, _ context.CancelFunc) (func(), *mysqlproxy.Armed) {
		armed := c.proxy.Arm(mysqlproxy.Fault{Match: op.own, Times: mysqlproxy.Always, At: point, Do: do})
		return armed.Disarm, armed
	}}
}

// reads reports whether a statement changes nothing.
func reads(s mysqlproxy.Statement) bool { return words([]string{s.Text}) == "SELECT" }

// patience is how long the proxy waits for a client whose context has ended to leave. Those that stay do not heed it.
const patience = 300 * time.Millisecond

// cancelled is a fault in which the caller's context ends when one statement is at a point. then happens if the client has left.
func cancelled(name string, point mysqlproxy.Point, then func(x *mysqlproxy.Exchange)) fault {
	return fault{name: name, each: true, strike: func(c *cell, op operation, k int, cancel context.CancelFunc) (func(), *mysqlproxy.Armed) {
		armed := c.proxy.Arm(mysqlproxy.Fault{Match: op.own, Skip: k, At: point, Do: func(x *mysqlproxy.Exchange) {
			cancel()
			if x.ClientLeft(patience) {
				then(x)
			}
		}})
		return armed.Disarm, armed
	}}
}

func goesOn(*mysqlproxy.Exchange) {}

// The text of a server's error holds values of the statement. None may reach a caller.
var (
	deadlock = mysqlproxy.Refuse(1213, "40001", "Deadlock found: "+marker+"value, UPDATE `watchword_sessions`")
	lockWait = mysqlproxy.Refuse(1205, "HY000", "Lock wait timeout exceeded: "+marker+"value, UPDATE `watchword_sessions`")
)

var faults = []fault{
	{name: "connection refused", strike: func(c *cell, _ operation, _ int, _ context.CancelFunc) (func(), *mysqlproxy.Armed) {
		c.proxy.Refuse()
		return c.proxy.Accept, nil
	}},
	{name: "pool exhausted", timeout: time.Second, strike: func(c *cell, _ operation, _ int, _ context.CancelFunc) (func(), *mysqlproxy.Armed) {
		var held []*sql.Conn
		for range c.store.DB().Stats().MaxOpenConnections {
			conn, err := c.store.DB().Conn(c.t.Context())
			c.must(err)
			held = append(held, conn)
		}
		return func() {
			for _, conn := range held {
				_ = conn.Close()
			}
		}, nil
	}},
	at("cut before", mysqlproxy.Sent, mysqlproxy.Cut),
	at("cut after", mysqlproxy.Answered, mysqlproxy.Cut),
	at("cut within the answer", mysqlproxy.Halfway, mysqlproxy.Cut),
	always("all answers lost", mysqlproxy.Answered, mysqlproxy.Cut),
	{name: "all answers to changes lost", strike: func(c *cell, op operation, _ int, _ context.CancelFunc) (func(), *mysqlproxy.Armed) {
		armed := c.proxy.Arm(mysqlproxy.Fault{
			Match: func(s mysqlproxy.Statement) bool { return (op.own == nil || op.own(s)) && !reads(s) },
			Times: mysqlproxy.Always, At: mysqlproxy.Answered, Do: mysqlproxy.Cut,
		})
		return armed.Disarm, nil
	}},
	at("deadlock, once", mysqlproxy.Sent, deadlock),
	always("deadlocks", mysqlproxy.Sent, deadlock),
	at("lock timeout, once", mysqlproxy.Sent, lockWait),
	always("lock timeouts", mysqlproxy.Sent, lockWait),
	cancelled("cancelled before", mysqlproxy.Sent, mysqlproxy.Cut),
	cancelled("cancelled, carried out later", mysqlproxy.Sent, goesOn),
	cancelled("cancelled after", mysqlproxy.Answered, mysqlproxy.Cut),
}
