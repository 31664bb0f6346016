package connectsession

import "github.com/watchword-dev/watchword/session/wire"

// Policy says what each procedure asks of its callers, by its name: "/package.Service/Method". A nil Policy asks for a good
// session everywhere. So does whatever a Policy returns the zero Rule for, such as a map of rules that has no entry.
type Policy func(procedure string) Rule

// Rule is what a procedure asks of its callers. The zero value is that of Require.
type Rule struct {
	access access
	want   wire.Requirements
}

type access int

const (
	required access = iota
	optional
	open
)

// Require asks for a good session.
func Require() Rule { return Rule{} }

// RequireWith asks for more than a good session; see also wire.PayloadAllows.
func RequireWith(want wire.Requirements) Rule { return Rule{want: want} }

// Optional takes a good session like Require, and calls without any session as they are. A session that needs a refresh, or fails
// the anti-CSRF check, is refused like by Require: the user is not anonymous.
func Optional() Rule { return Rule{access: optional} }

// Open takes every call, and does not look for a session.
func Open() Rule { return Rule{access: open} }
