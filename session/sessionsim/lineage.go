package sessionsim

import (
	"fmt"

	"github.com/watchword-dev/watchword/session"
)

// lineage is the history of one session's current in the store (I3).
type lineage struct {
	current session.Mark
	parent  map[session.Mark]session.Mark // of every successor that was ever minted
	heir    map[session.Mark]session.Mark // the successor that was confirmed
}

func newLineage(first session.Mark) lineage {
	return lineage{current: first, parent: map[session.Mark]session.Mark{}, heir: map[session.Mark]session.Mark{}}
}

// follow notes a row as it is after a change. It reports whether the row has rotated, and what is wrong about that.
func (l *lineage) follow(row session.Row, name func(session.Mark) string) (rotated bool, wrong string) {
	old := l.current
	if row.Current == old {
		return false, ""
	}
	l.current = row.Current
	if l.parent[row.Current] != old {
		return true, fmt.Sprintf("current went from %s to %s, which is not its successor", name(old), name(row.Current))
	}
	if heir, ok := l.heir[old]; ok {
		return true, fmt.Sprintf("two successors of %s were confirmed: %s and %s", name(old), name(heir), name(row.Current))
	}
	if row.Previous != old {
		return true, fmt.Sprintf("previous is %s after %s was replaced", name(row.Previous), name(old))
	}
	l.heir[old] = row.Current
	return true, ""
}
