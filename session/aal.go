package session

import (
	"fmt"
	"time"
)

// AAL is an authentication assurance level of NIST SP 800-63B-4, as far as it says how long a session may last before the user has to
// prove again who they are (sections 2.1.3, 2.2.3, 2.3.3 and 5.2). With which authenticators they do that is the application's.
type AAL int

// The levels, each with the lifetimes that it recommends at most, or at AAL3 in all requires. They count in all from the login, also
// where Manager.Reauthenticated was called, which NIST would let them begin anew; and of inactivity from the last refresh, so that
// a user who is away may be logged out earlier by as much as AccessLifetime.
const (
	AAL1 AAL = 1 + iota // 30 days in all. It names no inactivity timeout; here it is half of that
	AAL2                // 24 hours in all, 1 hour of inactivity
	AAL3                // 12 hours in all, 15 minutes of inactivity
)

// String returns "AAL1", "AAL2" or "AAL3".
func (a AAL) String() string { return fmt.Sprintf("AAL%d", int(a)) }

// lifetimes are the defaults at a level; zero: those of a Config that has none.
func (a AAL) lifetimes() Lifetimes {
	switch a {
	case AAL1:
		return Lifetimes{Idle: 15 * 24 * time.Hour, Absolute: 30 * 24 * time.Hour}
	case AAL2:
		return Lifetimes{Idle: time.Hour, Absolute: 24 * time.Hour}
	case AAL3:
		return Lifetimes{Idle: 15 * time.Minute, Absolute: 12 * time.Hour}
	default:
		return Lifetimes{Idle: DefaultIdleLifetime, Absolute: DefaultAbsoluteLifetime}
	}
}

// longestLifetime is what the audit takes for a limit where no level is chosen, since ASVS leaves the figures to the application: what
// browsers keep of a cookie at most (RFC 6265bis, section 5.5).
const longestLifetime = 400 * 24 * time.Hour

// limits are the longest lifetimes that a level allows.
func (a AAL) limits() Lifetimes {
	switch a {
	case AAL1:
		return Lifetimes{Idle: a.lifetimes().Absolute, Absolute: a.lifetimes().Absolute}
	case AAL2, AAL3:
		return a.lifetimes()
	default:
		return Lifetimes{Idle: longestLifetime, Absolute: longestLifetime}
	}
}

// levelOf returns the highest level whose limits lifetimes keep; zero: they keep none's.
func levelOf(l Lifetimes) AAL {
	for a := AAL3; a > 0; a-- {
		if limits := a.limits(); l.Idle <= limits.Idle && l.Absolute <= limits.Absolute {
			return a
		}
	}
	return 0
}
