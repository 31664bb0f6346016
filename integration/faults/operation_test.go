package faults_test

import (
	"context"
	"strings"

	"github.com/watchword-dev/watchword/integration/mysqlproxy"
	"github.com/watchword-dev/watchword/session"
)

// operation is a row of the matrix.
type operation struct {
	name       string
	statements string // what it sends when nothing is wrong, by their first words
	waits      int    // how many StoreTimeouts it takes at most, when nothing answers
	config     func(*session.Config)
	own        func(mysqlproxy.Statement) bool // which statements are its own, where others run beside it; nil: all
	endsAll    bool                            // it ends everybody's sessions
	setup      func(*cell) scenario

	// What is promised, where it is not what most operations promise; see promise. One outcome for all statements, or one for each.
	once    string // one statement fails; default ✓: it is repeated, or the row tells
	stopped string // the caller's context ends; default R
	deaf    string // no change is acknowledged; default late, or R
	late    string // its change is carried out when nobody waits for it any more; default R
	outage  string // the store is away; default R
}

// changes reports whether the operation changes anything.
func (op operation) changes() bool {
	for s := range strings.FieldsSeq(op.statements) {
		if s != "SELECT" {
			return true
		}
	}
	return false
}

// scenario is an operation that is ready to be run, and run again.
type scenario struct {
	run   func(context.Context) (outcome, error)
	check func(first outcome) // after it was done: as if it had been done once; first is the outcome of the first run
}

// outcome is what a caller gets, as it stands in the table.
type outcome string

// The outcomes.
const (
	done        outcome = "✓" // as if nothing had been wrong
	unconfirmed outcome = "p" // the token passes, unconfirmed
	again       outcome = "R" // ErrUnavailable; once more gives the outcome of having been done once
	untold      outcome = "E" // as again, but of the theft tells only the record
	refreshThen outcome = "T" // as again, but once more gives ErrTryRefresh: refresh, and it is done after a grace
	conflict    outcome = "C" // as again, but once more gives ErrConflict because of its own first time
	orphan      outcome = "O" // as again, but a session is left over that nobody holds tokens of
)

// promise is what the table has to say. It is written down here, and not only in the documentation, since it is not for a run to
// find it out: what an outage does (I9), and what is left of a change that was carried out without an acknowledgement (I7).
func (op operation) promise(fault string) string {
	or := func(value, otherwise string) string {
		if value == "" {
			return otherwise
		}
		return value
	}
	outage := or(op.outage, string(again))
	late := or(op.late, outage)
	reading := !op.changes()
	changesFirst := !strings.HasPrefix(op.statements, "SELECT")
	if op.statements == "" {
		if fault == "cut before" || fault == "cut after" || fault == "cut within the answer" || strings.HasSuffix(fault, ", once") || strings.HasPrefix(fault, "cancelled") {
			return "–"
		}
		return string(done)
	}
	switch fault {
	case "connection refused", "pool exhausted", "deadlocks", "lock timeouts", "killed":
		return outage
	case "deadlock, once", "lock timeout, once":
		return string(done)
	case "cut before", "cut after", "cut within the answer":
		return or(op.once, string(done))
	case "all answers lost", "frozen for long, at the first statement":
		if changesFirst {
			return late
		}
		return outage
	case "frozen 5 s":
		return or(op.outage, string(done)) // a first use does not wait so long
	case "frozen for long, at the change", "killed after the change":
		return late
	case "all answers to changes lost":
		if reading {
			return string(done)
		}
		return or(op.deaf, late)
	case "super_read_only":
		if reading {
			return string(done)
		}
		return outage
	case "disk full":
		if reading {
			return string(done)
		}
		return late
	case "cancelled before":
		return or(op.stopped, string(again))
	case "cancelled, carried out later", "cancelled after":
		stopped := or(op.stopped, string(again))
		if op.late != "" && op.stopped == "" {
			if changesFirst {
				return op.late
			}
			return string(again) + op.late // the change is the second statement
		}
		return stopped
	}
	return "no promise for " + fault
}

var legend = []struct {
	outcome outcome
	text    string
}{
	{done, "done, as if nothing had been wrong"},
	{again, "`ErrUnavailable`; done once more, when the fault is over, it has the outcome of having been done once"},
	{unconfirmed, "the access token passes, as it was; a later request confirms it"},
	{untold, "as R, but the theft is told by the session's record (`Endings`) and not by `OnTheft`: the answers to the ending were lost"},
	{refreshThen, "as R, but once more gives `ErrTryRefresh`, since the first answer's token may be under way; after a refresh and a grace it is done"},
	{conflict, "as R, but once more gives `ErrConflict`: the caller's own first write is there"},
	{orphan, "as R, but a session may be left over of which nobody holds tokens; it expires"},
}
