package mysql

import (
	"maps"
	"strings"
	"sync/atomic"
)

// clock is the server's, in microseconds since 1970. It does not depend on the time zone of server or connection, as
// UNIX_TIMESTAMP(NOW()) does, which takes two hours for one when daylight saving ends. It stands still within a
// statement.
const clock = `TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))`

// names are what stands for something else in the texts of statements: {{prefix}}, with which the names of tables begin, and {{now}},
// the clock.
type names struct {
	replacer *strings.Replacer
	known    atomic.Pointer[map[string]string] // texts that were replaced before
}

func newNames(prefix string) *names {
	return &names{replacer: strings.NewReplacer("{{prefix}}", prefix, "{{now}}", clock)}
}

// Replace makes the text of a statement that is sent. It remembers what it has made, since that takes longer than the rest of what this
// package does for a statement; but no lists of handles, which come in a thousand lengths.
func (n *names) Replace(statement string) string {
	known := n.known.Load()
	if known != nil {
		if text, ok := (*known)[statement]; ok {
			return text
		}
	}
	text := n.replacer.Replace(statement)
	if strings.Contains(statement, " IN (") {
		return text
	}
	more := map[string]string{statement: text}
	if known != nil {
		maps.Copy(more, *known)
	}
	n.known.CompareAndSwap(known, &more) // where another was faster, this one's turn comes the next time
	return text
}
