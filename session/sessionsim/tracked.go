package sessionsim

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// tracked is what the simulation knows of one session, beside what the Managers are told.
type tracked struct {
	handle session.Handle
	user   string
	number int // in the order of their beginnings
	lineage
	createdAt  time.Time // by the store's clock
	lastChange time.Time
	ended      bool // in the store
	reason     session.Reason
	unfed      bool // it did not become an entry of the feed when it ended
	revoking   bool // a call that ends it has begun
	revoked    []*revocation
}

// expired reports whether its idle or absolute end has come.
func (s *simulation) expired(x *tracked) bool { return !s.clock().Before(s.end(x)) }

func (s *simulation) end(x *tracked) time.Time {
	idle, absolute := x.lastChange.Add(s.IdleLifetime), x.createdAt.Add(s.AbsoluteLifetime)
	if idle.Before(absolute) {
		return idle
	}
	return absolute
}

// inserted notes a session that is there now.
func (s *simulation) inserted(row session.NewRow) {
	x := &tracked{
		handle: row.Handle, user: row.UserID, number: len(s.known), lineage: newLineage(row.Current),
		createdAt: s.clock(), lastChange: s.clock(),
	}
	s.sessions[row.Handle] = x
	s.known = append(s.known, x)
	s.christen(row.Current)
}

// minted notes a successor that is there now.
func (s *simulation) minted(h session.Handle, parent, child session.Mark) {
	s.christen(child)
	if x := s.sessions[h]; x != nil {
		x.parent[child] = parent
	}
}

// observe looks at the row after a change. good says what it has to be like.
func (s *simulation) observe(what string, h session.Handle, good func(session.Row) bool) {
	x := s.sessions[h]
	row, _, err := s.store.Get(background, h)
	if err != nil || x == nil {
		return // it was deleted
	}
	x.lastChange = s.clock()
	if !good(row) {
		s.violated("I3", "%s was acknowledged, but the row is not what it leaves", what)
	}
	rotated, wrong := x.follow(row, s.name)
	if rotated {
		s.report.Rotations++
	}
	if wrong != "" {
		s.violated("I3", "%s", wrong)
	}
}

// ended notes a session that the store has ended.
func (s *simulation) ended(h session.Handle, end session.End) {
	x := s.sessions[h]
	if x == nil || x.ended {
		return
	}
	x.ended, x.reason, x.unfed = true, end.Reason, !end.Fed
	s.tracef("  store: session %d has ended (%s)", x.number, end.Reason)
	var theft session.Theft
	if end.Reason == session.ReasonTheft && s.thief == nil && json.Unmarshal(end.Detail, &theft) == nil && theft.Kind != session.TheftShadow {
		s.violated("I1", "the owner was taken for a thief")
	}
}

// christen gives a refresh token the name that it has in the trace, in the order of minting.
func (s *simulation) christen(m session.Mark) {
	if s.Trace && s.names[m] == "" {
		s.names[m] = fmt.Sprintf("R%d", len(s.names))
	}
}

// name is what the trace calls a refresh token.
func (s *simulation) name(m session.Mark) string {
	if m.IsZero() {
		return "-"
	}
	if n := s.names[m]; n != "" {
		return n
	}
	return "unknown"
}
