package histories_test

import (
	"fmt"
	"strings"
	"time"
)

// kind is what was asked for.
type kind string

const (
	create     kind = "create"
	refresh    kind = "refresh"
	verify     kind = "verify"
	readData   kind = "read data"
	setData    kind = "set data"
	updateData kind = "update data"
	revoke     kind = "revoke"
	revokeUser kind = "revoke user"
	readRow    kind = "row" // by the observer, of the table itself
)

// class is what was answered.
type class string

const (
	done       class = "done"
	theft      class = "theft"
	ended      class = "ended" // ErrUnauthorised without theft
	tryRefresh class = "try refresh"
	conflict   class = "conflict"
	unknown    class = "unknown" // ErrUnavailable, or no answer: it may have happened, or still happen
	failed     class = "failed"  // an error that no caller is prepared for
)

// mark stands for a refresh token within its session: numbered as they were first seen.
type mark uint8

const (
	noMark mark = 0
	unseen mark = 255 // a token that nobody has been given yet
)

// operation is one call and its answer. Times are nanoseconds since the history began, by one monotonic clock.
type operation struct {
	Client  int
	Process string // that was asked
	Thief   bool   // the caller got its tokens from outside the jar
	Kind    kind

	Token       mark   // refresh: what was presented; verify: what the access token came with
	Unconfirmed bool   // verify: the access token says so
	Old         uint64 // update data: the version that was read
	Value       int    // of a write; every write of a history has its own
	Reason      string // of a revocation

	Class     class
	Next      mark // create, refresh: the token to hold from now on
	TheftKind string
	EndedFor  string // ended: why, if it was said
	Confirmed bool   // verify: the token is confirmed now
	Version   uint64 // of what was read or written
	Read      int
	Count     int // revocations: how many sessions there were
	Row       *row
	Text      string // failed: the error

	Call, Return int64
	FeedRead     int64 // verify: when the last reading of the feed that this process had completed was begun
	Hung         bool  // the caller hung up: the process may have gone on for a little
	Lost         bool  // the answer reached the history, but not the client
	Doubtful     bool  // an outage or a broken connection was going on
	UserRevoked  bool  // verify: a RevokeUser for the session's user had been called

	// The checker sets these.
	until int64 // when it has had its effect at the latest
	given int64 // without an answer: when the last process had given it up
	place int   // without an answer: its place among those
}

// row is what the sessions table says.
type row struct {
	Missing    bool
	Dead       bool   // missing or ended, where nobody can tell
	Ended      string // the reason; empty: alive
	Current    mark
	Pending    mark
	Previous   mark
	Generation int
	HasData    bool // Version and Value were read
	Version    uint64
	Value      int
}

// open reports whether nobody knows what became of it.
func (o *operation) open() bool {
	// A good but unconfirmed access token that is not renewed: either it crossed, or the confirmation got no answer.
	return o.Class == unknown || o.Kind == verify && o.Class == done && o.Unconfirmed && !o.Confirmed
}

func name(m mark) string {
	switch m {
	case noMark:
		return "none"
	case unseen:
		return "unseen"
	default:
		return fmt.Sprintf("R%d", m)
	}
}

func seconds(ns int64) string { return fmt.Sprintf("%8.4f", time.Duration(ns).Seconds()) }

// question and answer are the two halves of an operation, for readers.
func (o *operation) question() string {
	switch o.Kind {
	case refresh:
		return "refresh " + name(o.Token)
	case verify:
		if o.Unconfirmed {
			return "verify " + name(o.Token) + " unconfirmed"
		}
		return "verify " + name(o.Token)
	case setData:
		return fmt.Sprintf("set data %d", o.Value)
	case updateData:
		return fmt.Sprintf("update data %d if version %x", o.Value, o.Old)
	default:
		return string(o.Kind)
	}
}

func (o *operation) answer() string {
	if o.Class != done {
		return strings.TrimSpace(fmt.Sprintf("%s %s%s%s", o.Class, o.TheftKind, o.EndedFor, o.Text))
	}
	switch o.Kind {
	case create, refresh:
		return name(o.Next)
	case verify:
		if o.Confirmed {
			return "good, confirmed"
		}
		return "good"
	case readData:
		return fmt.Sprintf("%d version %x", o.Read, o.Version)
	case setData, updateData:
		return fmt.Sprintf("version %x", o.Version)
	case revoke, revokeUser:
		return fmt.Sprintf("%d ended", o.Count)
	default:
		return o.Row.String()
	}
}

func (r *row) String() string {
	switch {
	case r.Missing:
		return "missing"
	case r.Dead:
		return "not alive"
	case r.Ended != "":
		return "ended: " + r.Ended
	}
	text := fmt.Sprintf("generation %d: current %s, pending %s, previous %s", r.Generation, name(r.Current), name(r.Pending), name(r.Previous))
	if r.HasData {
		text += fmt.Sprintf(", data %d version %x", r.Value, r.Version)
	}
	return text
}

// String is one line of a printed history.
func (o *operation) String() string {
	who := fmt.Sprintf("client %d", o.Client)
	switch {
	case o.Kind == readRow:
		who = "observer"
	case o.Thief:
		who = fmt.Sprintf("THIEF %d", o.Client)
	}
	line := fmt.Sprintf("%s – %s  %-10s %-6s %s -> %s", seconds(o.Call), seconds(o.Return), who, o.Process, o.question(), o.answer())
	if o.Lost {
		line += " (lost on the way)"
	}
	return line
}
