package wire

import (
	"net/http"

	"github.com/watchword-dev/watchword/session"
)

// Policy says what each procedure of an RPC service asks of its callers, by its full name: "/package.Service/Method". A nil Policy
// asks for a good session everywhere. So does whatever a Policy returns the zero Rule for, such as a map of rules that has no entry.
type Policy func(procedure string) Rule

// Rule is what a procedure asks of its callers. The zero value is that of Require.
type Rule struct {
	access access
	want   Requirements
}

type access int

const (
	required access = iota
	optional
	open
)

// Require asks for a good session.
func Require() Rule { return Rule{} }

// RequireWith asks for more than a good session; see also PayloadAllows.
func RequireWith(want Requirements) Rule { return Rule{want: want} }

// Optional takes a good session like Require, and calls without any session as they are. A session that needs a refresh, or fails
// the anti-CSRF check, is refused like by Require: the user is not anonymous.
func Optional() Rule { return Rule{access: optional} }

// Open takes every call, and does not look for a session.
func Open() Rule { return Rule{access: open} }

// Requirements returns what a procedure asks for beside a good session.
func (p Policy) Requirements(procedure string) Requirements { return p.rule(procedure).want }

func (p Policy) rule(procedure string) Rule {
	if p == nil {
		return Require()
	}
	return p(procedure)
}

// Admit does what a Policy asks of a call, whose procedure is the request's path, and returns its session, or nil where it need not
// have one. The errors are those of Verify.
func (s *Server) Admit(h http.Header, r *http.Request, p Policy) (*session.Session, error) {
	switch rule := p.rule(r.URL.Path); rule.access {
	case open:
		return nil, nil
	case optional:
		return s.VerifyOptional(h, r)
	default:
		return s.Verify(h, r, rule.want)
	}
}
