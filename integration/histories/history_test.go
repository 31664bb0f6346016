package histories_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// history is everything that was called and answered, by one clock.
type history struct {
	begun time.Time
	rules rules
	feed  time.Duration // how long after a revocation an access token may pass, when nothing is broken

	mu       sync.Mutex
	sessions []*record
	byUser   map[string][]*operation // RevokeUser
	outages  []outage
	longest  search

	calls atomic.Int64 // that were made, those that nothing is concluded from included
}

// outage is a time during which something was broken.
type outage struct {
	What     string
	From, To int64
	// While mysqld is dead, between these, no statement begins, goes on or takes effect. Both zero: it was not.
	DeadFrom, DeadTo int64
}

func newHistory(grace, feed time.Duration) *history {
	return &history{begun: time.Now(), rules: newRules(grace), feed: feed, byUser: map[string][]*operation{}}
}

func (h *history) now() int64 { return int64(time.Since(h.begun)) }

// wall turns a moment of another process's clock into one of the history's.
func (h *history) wall(unixNano int64) int64 { return unixNano - h.begun.UnixNano() }

func (h *history) addOutage(o outage) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.outages = append(h.outages, o)
}

func (h *history) addUserRevocation(user string, o *operation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.byUser[user] = append(h.byUser[user], o)
}

// record is the history of one session, whose creation was answered.
type record struct {
	Number int
	Handle session.Handle
	User   string

	mu    sync.Mutex
	marks map[session.Mark]mark
	names []session.Mark // by mark; the first is none
	ops   []*operation
	thief bool
	// tried is whether the owner had confirmed a newer token, and the thief used his after the grace, and both got answers.
	tried bool
}

// newRecord begins the history of a session.
func (h *history) newRecord(handle session.Handle, user string) *record {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := &record{
		Number: len(h.sessions) + 1, Handle: handle, User: user,
		marks: map[session.Mark]mark{{}: noMark}, names: make([]session.Mark, 1),
	}
	h.sessions = append(h.sessions, r)
	return r
}

// mark numbers a token's mark.
func (r *record) mark(m session.Mark) mark {
	r.mu.Lock()
	defer r.mu.Unlock()
	number, ok := r.marks[m]
	if !ok {
		number = mark(len(r.names))
		if number == unseen {
			panic("a session with 254 refresh tokens: let it live shorter")
		}
		r.marks[m] = number
		r.names = append(r.names, m)
	}
	return number
}

// token numbers a refresh token; an empty one is none.
func (r *record) token(refresh string) mark {
	if refresh == "" {
		return noMark
	}
	return r.mark(sha256.Sum256([]byte(refresh)))
}

// access numbers the refresh token that an access token came with, and says whether it is marked as unconfirmed.
func (r *record) access(token string) (mark, bool) {
	_, rest, _ := strings.Cut(token, ".")
	body, _, _ := strings.Cut(rest, ".")
	raw, err := base64.RawURLEncoding.DecodeString(body)
	var claims struct {
		Mark        string `json:"rt"`
		Unconfirmed bool   `json:"unc"`
	}
	if err == nil {
		err = json.Unmarshal(raw, &claims)
	}
	of, decodeErr := base64.RawURLEncoding.DecodeString(claims.Mark)
	if err != nil || decodeErr != nil || len(of) != len(session.Mark{}) {
		panic(fmt.Sprintf("not an access token: %v %v", err, decodeErr))
	}
	return r.mark(session.Mark(of)), claims.Unconfirmed
}

func (r *record) add(o *operation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ops = append(r.ops, o)
}

// operations returns what concerns a session, by the time of the call, with what only the whole history knows filled in.
func (h *history) operations(r *record) []*operation {
	h.mu.Lock()
	defer h.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	ops := slices.Clone(r.ops)
	var created int64
	for _, o := range ops {
		if o.Kind == create {
			created = o.Call
		}
	}
	for _, o := range h.byUser[r.User] {
		if o.Return >= created {
			copied := *o
			ops = append(ops, &copied)
		}
	}
	slices.SortStableFunc(ops, func(a, b *operation) int { return int(a.Call - b.Call) })
	for _, o := range ops {
		o.Doubtful = h.disturbed(o.Call, o.Return)
		if o.Kind == verify {
			o.UserRevoked = slices.ContainsFunc(h.byUser[r.User], func(all *operation) bool { return all.Call < o.Return })
		}
	}
	return ops
}

// disturbed reports whether something was broken at some time between. The lock is held.
func (h *history) disturbed(from, to int64) bool {
	return slices.ContainsFunc(h.outages, func(o outage) bool { return o.From <= to && from <= o.To })
}

// undisturbed reports whether nothing was broken between. KILLed connections do not count as broken here.
func (h *history) undisturbed(from, to int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !slices.ContainsFunc(h.outages, func(o outage) bool {
		return o.What != killedConnections && o.From <= to && from <= o.To
	})
}

// finding is what is wrong with a history.
type finding struct {
	Rule    string
	Session *record
	Text    string

	draw func(dir string) (path string) // nil: there is nothing to draw
}

func (f finding) String() string {
	return fmt.Sprintf("session %d: %s: %s", f.Session.Number, f.Rule, f.Text)
}
