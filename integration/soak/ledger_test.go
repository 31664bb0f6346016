package soak_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// keepEndings is how long the ledger remembers a session that was ended: longer than any record of it is in the store.
const keepEndings = 8 * time.Minute

// entry is a live session, and the jar of the client that it belongs to.
type entry struct {
	handle session.Handle
	user   string

	mu      sync.Mutex
	ending  session.Reason // why its client ends it; empty: it does not
	access  string
	refresh string
	renewed time.Time // before the last refresh that was acknowledged

	// One goroutine at a time uses these.
	data    int // the value that was last acknowledged, or read
	version session.Version
	unknown map[int]bool // values that were written later, with unknown outcome
}

// put takes an answer into the jar.
func (e *entry) put(tokens session.Tokens, asked time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.access = tokens.AccessToken
	if tokens.RefreshToken != "" {
		e.refresh = tokens.RefreshToken
	}
	if asked.After(e.renewed) {
		e.renewed = asked
	}
}

func (e *entry) tokens() (access, refresh string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.access, e.refresh
}

// idle says for how long at most nobody has refreshed it.
func (e *entry) idle() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return time.Since(e.renewed)
}

// end says that its client ends it from now on; its tabs see refusals.
func (e *entry) end(reason session.Reason) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ending = reason
}

func (e *entry) ended() session.Reason {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ending
}

// saw checks data that was read against what was acknowledged.
func (e *entry) saw(value int, version session.Version) error {
	switch {
	case value == e.data && (version == e.version || e.version == 0):
	case e.unknown[value]:
		e.data = value
	default:
		return fmt.Errorf("data is %d (version %d), want %d (version %d) or one of the unknown %v", value, version, e.data, e.version, e.unknown)
	}
	e.version = version
	return nil
}

// wrote notes an acknowledged write. What was pending before it can have no effect any more, as its condition is gone.
func (e *entry) wrote(value int, version session.Version) {
	e.data, e.version, e.unknown = value, version, nil
}

// gone is a session that has ended, with the tokens that its client had last.
type gone struct {
	at              time.Time
	dep             *deployment
	user            string
	reason          session.Reason
	instead         session.Reason // that a forgotten one may have ended for, if it had not yet expired; empty: none
	access, refresh string
	renewed         time.Time
}

// ledger knows every session that was acknowledged and is alive no more, until its record must have gone, too.
type ledger struct {
	mu      sync.Mutex
	gone    map[session.Handle]gone
	orphans map[string]int // by user: creations without an answer
	pruned  time.Time
	events  map[session.EventKind]int
	dropped int
}

func newLedger() *ledger {
	return &ledger{gone: map[session.Handle]gone{}, orphans: map[string]int{}, events: map[session.EventKind]int{}}
}

// heed is the event hook.
func (l *ledger) heed(e session.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events[e.Kind]++
	l.dropped += e.Dropped
}

func (l *ledger) add(e *entry, dep *deployment) {
	e.mu.Lock()
	g := gone{at: time.Now(), dep: dep, user: e.user, reason: e.ending, access: e.access, refresh: e.refresh, renewed: e.renewed}
	if g.at.Sub(e.renewed) > dep.cfg.IdleLifetime {
		g.instead = session.ReasonIdle // it may have expired before
	}
	e.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone[e.handle] = g
	if g.at.Sub(l.pruned) > keepEndings/16 {
		for h, old := range l.gone {
			if g.at.Sub(old.at) > keepEndings {
				delete(l.gone, h)
			}
		}
		l.pruned = g.at
	}
}

// because reports whether a reason is one that the client has given.
func (g gone) because(reason session.Reason) bool {
	return reason == g.reason || reason == g.instead && reason != ""
}

// reach notes that forgotten sessions end with their user's others, unless they have expired.
func (l *ledger) reach(forgotten []session.Handle, reason session.Reason) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range forgotten {
		if g, ok := l.gone[h]; ok {
			g.instead = reason
			l.gone[h] = g
		}
	}
}

// orphan notes a creation without an answer: it may have left a session that nobody has tokens of.
func (l *ledger) orphan(user string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.orphans[user]++
}

// some returns up to n of the sessions that are gone.
func (l *ledger) some(n int) map[session.Handle]gone {
	l.mu.Lock()
	defer l.mu.Unlock()
	chosen := map[session.Handle]gone{}
	for h, g := range l.gone { // in random order
		if len(chosen) == n {
			break
		}
		chosen[h] = g
	}
	return chosen
}

func (l *ledger) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("%d ended sessions known", len(l.gone))
}

// number draws a value for data.
func number() int { return rand.IntN(1 << 30) }

func decode(d session.Data) (int, error) { return strconv.Atoi(string(d.Raw)) }
