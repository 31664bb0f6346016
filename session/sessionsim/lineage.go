package sessionsim

import (
	"fmt"

	"github.com/watchword-dev/watchword/session"
)

// lineage is the history of current in the store (I3).
type lineage struct {
	current session.Mark
	names   map[session.Mark]string
	parent  map[session.Mark]session.Mark // of every successor that was ever minted
	heir    map[session.Mark]session.Mark // the successor that was confirmed
	born    int
}

func newLineage() lineage {
	return lineage{
		names:  map[session.Mark]string{},
		parent: map[session.Mark]session.Mark{},
		heir:   map[session.Mark]session.Mark{},
	}
}

func (l *lineage) minted(parent, child session.Mark) {
	l.parent[child] = parent
	if l.names[child] == "" {
		l.names[child] = fmt.Sprintf("R%d", l.born)
		l.born++
	}
}

// name is what the trace calls a refresh token, in the order of minting.
func (l *lineage) name(m session.Mark) string {
	if m.IsZero() {
		return "-"
	}
	if n := l.names[m]; n != "" {
		return n
	}
	return "unknown"
}

// follow notes a row as it is after a change. It reports whether the row has rotated, and what is wrong about that.
func (l *lineage) follow(row session.Row) (rotated bool, wrong string) {
	old := l.current
	if row.Current == old {
		return false, ""
	}
	l.current = row.Current
	if l.parent[row.Current] != old {
		return true, fmt.Sprintf("current went from %s to %s, which is not its successor", l.name(old), l.name(row.Current))
	}
	if heir, ok := l.heir[old]; ok {
		return true, fmt.Sprintf("two successors of %s were confirmed: %s and %s", l.name(old), l.name(heir), l.name(row.Current))
	}
	if row.Previous != old {
		return true, fmt.Sprintf("previous is %s after %s was replaced", l.name(row.Previous), l.name(old))
	}
	l.heir[old] = row.Current
	return true, ""
}
