package sessionsim

import (
	"time"

	"github.com/watchword-dev/watchword/session"
)

// Report is what happened in a run.
type Report struct {
	Steps     int
	Calls     int // API requests that were sent
	Refreshes int // refresh requests that were sent
	StepUps   int // requests that were sent with a new proof of who the user is
	Minted    int
	HandOuts  int // of a successor that had been handed out before
	Rotations int
	Elapsed   time.Duration // virtual

	Logins       int
	Crashes      int // of processes
	CutOff       int // of these, right after a change in the store
	StoreCrashes int
	ClockSteps   int
	KeyRotations int // successors that were published
	Revocations  int // calls that ended sessions, and have returned
	Polls        int // readings of the feed
	Refused      int // verifications that told a client that its session has ended
	Doubted      int // verifications that asked for a refresh because many had been revoked

	Expired bool // the session came to its idle or absolute end

	Theft      session.TheftKind // of the alarm, if there was one
	TheftAfter time.Duration     // since the token was stolen; without a thief, since the login

	// Untold: the session was ended because of a theft, but the store's answers were lost, and so nobody was told.
	Untold bool

	// Violations name the invariants that did not hold, and how. An alarm by the limit of hand-outs (TheftShadow) is not
	// among them: it strikes, on purpose, a client that asks for so many successors and uses none.
	Violations []Violation
	Trace      []string
}

// Violation is an invariant that did not hold.
type Violation struct {
	Invariant string // I1, I2, …
	Text      string
}
