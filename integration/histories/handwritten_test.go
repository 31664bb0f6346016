package histories_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// The histories of this file are written by hand, to check the checker: those of a correct product are accepted, and each of the
// others is refused for the reason that it has. The grace is a second.

// script writes a history of one session, an operation a line.
type script struct {
	h  *history
	r  *record
	at time.Duration // the time of day
}

func newScript() *script {
	h := newHistory(time.Second, 250*time.Millisecond)
	return &script{h: h, r: h.newRecord(session.Handle{1}, "user")}
}

// op adds an operation that begins now and takes 10 ms.
func (s *script) op(o operation) *script { return s.during(10*time.Millisecond, o) }

// during adds one that takes a while, in which others may begin: time goes on by a millisecond only.
func (s *script) during(d time.Duration, o operation) *script {
	if o.Class == "" {
		o.Class = done
	}
	o.Call, o.Return = int64(s.at), int64(s.at+d)
	if o.Kind == refresh && o.Class == done && o.Next == noMark {
		o.Next = o.Token
	}
	s.r.add(&o)
	if d > 10*time.Millisecond {
		d = time.Millisecond
	}
	s.at += d + time.Millisecond
	return s
}

func (s *script) wait(d time.Duration) *script {
	s.at += d
	return s
}

// begun is a session whose owner holds R1, past the first grace; its data is 1.
func begun() *script {
	return newScript().op(operation{Kind: create, Next: 1, Value: 1}).wait(1100 * time.Millisecond)
}

// rotated is one whose owner has gone on to R2.
func rotated() *script {
	return begun().
		op(operation{Kind: refresh, Token: 1, Next: 2}).
		op(operation{Kind: verify, Token: 2, Unconfirmed: true, Confirmed: true})
}

func stolen(s *script) *script {
	s.r.thief = true
	return s
}

func (s *script) findings() []finding {
	invariants, _ := s.h.checkInvariants()
	return append(s.h.checkLinearizable(), invariants...)
}

// liveRow is a row of a live session, without its data.
func liveRow(current, pending, previous mark, generation int) *row {
	return &row{Current: current, Pending: pending, Previous: previous, Generation: generation}
}

func TestGoodHistoriesAreAccepted(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*script{
		"rotation": rotated().
			op(operation{Kind: readRow, Row: liveRow(2, noMark, 1, 1)}).
			op(operation{Kind: refresh, Token: 2}).wait(time.Second + 100*time.Millisecond).
			op(operation{Kind: refresh, Token: 2, Next: 3}).
			op(operation{Kind: refresh, Token: 3}),
		"two tabs get the same successor": begun().
			during(30*time.Millisecond, operation{Kind: refresh, Token: 1, Next: 2}).
			op(operation{Kind: refresh, Token: 1, Next: 2}),
		"a refresh that crosses with a confirmation": rotated().
			op(operation{Kind: refresh, Token: 1, Next: 2}),
		"a lost answer, and the same successor again": begun().
			op(operation{Kind: refresh, Token: 1, Class: unknown}).
			op(operation{Kind: refresh, Token: 1, Next: 2}),
		"a lost answer, and another successor later": begun().
			op(operation{Kind: refresh, Token: 1, Class: unknown}).wait(1100 * time.Millisecond).
			op(operation{Kind: refresh, Token: 1, Next: 2}),
		"theft": stolen(rotated()).wait(1100 * time.Millisecond).
			op(operation{Kind: refresh, Token: 1, Class: theft, TheftKind: "reuse", Thief: true}).
			op(operation{Kind: refresh, Token: 2, Class: ended, EndedFor: "theft"}),
		"a write that appears later": begun().
			op(operation{Kind: setData, Value: 2, Class: unknown}).
			op(operation{Kind: readData, Read: 1, Version: 10}).
			op(operation{Kind: setData, Value: 3, Version: 11}).
			op(operation{Kind: readData, Read: 2, Version: 12}),
		"a write that never appears": begun().
			op(operation{Kind: setData, Value: 2, Class: unknown}).
			op(operation{Kind: readData, Read: 1, Version: 10}),
		"of two updates one": begun().
			op(operation{Kind: readData, Read: 1, Version: 10}).
			during(30*time.Millisecond, operation{Kind: updateData, Old: 10, Value: 2, Class: conflict}).
			op(operation{Kind: updateData, Old: 10, Value: 3, Version: 11}),
		"revocation": begun().
			op(operation{Kind: revoke, Reason: "revoked", Count: 1}).
			op(operation{Kind: verify, Token: 1, Process: "p9"}). // which has not read the feed
			op(operation{Kind: refresh, Token: 1, Class: ended, EndedFor: "revoked"}).
			op(operation{Kind: revoke, Reason: "revoked"}),
		"a revocation whose answer is lost": begun().
			op(operation{Kind: revoke, Reason: "revoked", Class: unknown}).
			op(operation{Kind: refresh, Token: 1, Next: 2}).
			op(operation{Kind: refresh, Token: 2, Class: ended, EndedFor: "revoked"}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, f := range s.findings() {
				t.Errorf("refused: %s", f)
			}
		})
	}
}

func TestBadHistoriesAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		script *script
		want   []string // all of them
	}{
		{"lost update", begun().
			op(operation{Kind: readData, Read: 1, Version: 10}).
			during(30*time.Millisecond, operation{Kind: updateData, Old: 10, Value: 2, Version: 11}).
			op(operation{Kind: updateData, Old: 10, Value: 3, Version: 12}), []string{lostUpdate}},
		{"conflict with nobody", begun().
			op(operation{Kind: readData, Read: 1, Version: 10}).
			op(operation{Kind: updateData, Old: 10, Value: 2, Class: conflict}), []string{falseConflict}},
		{"stale read", begun().
			op(operation{Kind: setData, Value: 2, Version: 11}).
			op(operation{Kind: readData, Read: 1, Version: 10}), []string{staleRead}},
		{"data lost in a restart", begun().
			op(operation{Kind: setData, Value: 2, Version: 11}).
			op(operation{Kind: readRow, Row: &row{Current: 1, HasData: true, Value: 1, Version: 10}}), []string{staleRead}},
		{"write that comes and goes", begun().
			op(operation{Kind: setData, Value: 2, Class: unknown}).
			op(operation{Kind: readData, Read: 2, Version: 11}).
			op(operation{Kind: readData, Read: 1, Version: 10}), []string{staleRead}},
		{"forked successor", begun().
			during(30*time.Millisecond, operation{Kind: refresh, Token: 1, Next: 2}).
			op(operation{Kind: refresh, Token: 1, Next: 3}), []string{forked}},
		{"two lineages", rotated().
			op(operation{Kind: readRow, Row: liveRow(2, noMark, 1, 1)}).
			op(operation{Kind: readRow, Row: liveRow(3, noMark, 1, 1)}), []string{wrongRow, ruleI3}},
		{"successor within the grace", rotated().
			op(operation{Kind: refresh, Token: 2, Next: 3}), []string{wrongTime}},
		{"the same one for ever", begun().wait(time.Minute).
			op(operation{Kind: refresh, Token: 1}), []string{wrongTime}},
		{"confirmed twice over", rotated().
			op(operation{Kind: verify, Token: 3, Unconfirmed: true, Confirmed: true}), []string{falseConfirm}},
		{"refresh after revoke", begun().
			op(operation{Kind: revoke, Reason: "revoked", Count: 1}).
			op(operation{Kind: refresh, Token: 1, Next: 2}), []string{afterEnd, ruleI4Refuse}},
		{"access token long after revoke", begun().
			op(operation{Kind: revoke, Reason: "revoked", Count: 1}).wait(4 * time.Second).
			op(operation{Kind: verify, Token: 1, Process: "p9"}), []string{ruleI4Feed}},
		{"access token after the feed was read", begun().
			op(operation{Kind: revoke, Reason: "revoked", Count: 1}).wait(200 * time.Millisecond).
			op(operation{Kind: verify, Token: 1, Process: "p9", FeedRead: int64(1250 * time.Millisecond)}), []string{ruleI4Feed}},
		{"false theft", rotated().
			op(operation{Kind: refresh, Token: 1, Class: theft, TheftKind: "reuse"}), []string{falseTheft, ruleI1}},
		{"false theft of the newest", rotated().wait(time.Minute).
			op(operation{Kind: refresh, Token: 2, Class: theft, TheftKind: "reuse"}), []string{falseTheft, ruleI1}},
		{"false shadow", begun().
			op(operation{Kind: refresh, Token: 1, Class: theft, TheftKind: "shadow"}), []string{falseTheft, ruleI1}},
		{"logged out for nothing", begun().
			op(operation{Kind: refresh, Token: 1, Class: ended, EndedFor: "idle"}), []string{falseEnd, ruleI1}},
		{"good token refused", begun().
			op(operation{Kind: verify, Token: 1, Class: tryRefresh}), []string{refusedGood}},
		{"missed theft", stolen(rotated()).wait(100 * time.Millisecond).
			op(operation{Kind: readRow, Row: liveRow(2, noMark, 1, 1)}).wait(1100 * time.Millisecond).
			op(operation{Kind: refresh, Token: 1, Next: 2, Thief: true}), []string{missedTheft, ruleI2}},
		{"theft that ends nothing", stolen(rotated()).wait(1100 * time.Millisecond).
			op(operation{Kind: refresh, Token: 1, Class: theft, TheftKind: "reuse", Thief: true}).
			op(operation{Kind: refresh, Token: 2, Next: 3}), []string{afterEnd, ruleI4Refuse}},
		{"resurrected session", begun().
			op(operation{Kind: revoke, Reason: "revoked", Count: 1}).
			op(operation{Kind: readRow, Row: liveRow(1, noMark, noMark, 0)}), []string{resurrected}},
		{"ended twice", begun().
			op(operation{Kind: revoke, Reason: "revoked", Count: 1}).
			op(operation{Kind: revoke, Reason: "revoked", Count: 1}), []string{endedTwice}},
		{"revocation that finds nothing", begun().
			op(operation{Kind: revoke, Reason: "revoked"}), []string{notEnded}},
		{"another reason", begun().
			op(operation{Kind: revoke, Reason: "revoked", Count: 1}).
			op(operation{Kind: refresh, Token: 1, Class: ended, EndedFor: "theft"}), []string{wrongReason}},
		{"lost session", begun().
			op(operation{Kind: readRow, Row: &row{Missing: true}}), []string{wrongRow}},
		{"an error that nobody expects", begun().
			op(operation{Kind: readData, Class: failed}), []string{unexpectedAnswer}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			findings := c.script.findings()
			for _, want := range c.want {
				if !slices.ContainsFunc(findings, func(f finding) bool { return f.Rule == want }) {
					t.Errorf("not refused for %q; findings:\n%s", want, lines(findings))
				}
			}
			for _, f := range findings {
				if !slices.Contains(c.want, f.Rule) {
					t.Errorf("refused for another reason: %s", f)
				}
			}
		})
	}
}

// After the last restart what was acknowledged before has to be there.
func TestLostAcknowledgementsAreFound(t *testing.T) {
	t.Parallel()
	write := begun().op(operation{Kind: setData, Value: 2, Version: 11}).op(operation{Kind: setData, Value: 3, Version: 12})
	for _, c := range []struct {
		name   string
		script *script
		last   *row
		want   int
	}{
		{"all there", write, &row{Value: 3}, 0},
		{"older data", write, &row{Value: 2}, 1},
		{"data that nobody wrote", write, &row{Value: 9}, 2},
		{"no session", write, &row{Missing: true}, 1},
		{"no row at all", write, nil, 1},
		{"revoked", begun().op(operation{Kind: revoke, Count: 1}), &row{Ended: "revoked"}, 0},
		{"alive again", begun().op(operation{Kind: revoke, Count: 1}), &row{Value: 1}, 1},
		{"perhaps revoked", begun().op(operation{Kind: revoke, Class: unknown}), &row{Value: 1}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			findings := c.script.h.checkNothingLost(int64(time.Hour), func(session.Handle) (*row, bool) { return c.last, c.last != nil })
			if len(findings) != c.want {
				t.Errorf("%d findings, want %d:\n%s", len(findings), c.want, lines(findings))
			}
		})
	}
}

// A call without an answer cannot take effect once the server that may have had it is dead.
func TestNothingOutlivesTheServer(t *testing.T) {
	t.Parallel()
	s := begun().op(operation{Kind: setData, Value: 2, Class: unknown})
	s.wait(100 * time.Millisecond)
	s.h.addOutage(outage{What: killedServer, From: int64(s.at), DeadFrom: int64(s.at), DeadTo: int64(s.at + 50*time.Millisecond), To: int64(s.at + 50*time.Millisecond)})
	s.wait(100 * time.Millisecond).op(operation{Kind: readData, Read: 1, Version: 10}).op(operation{Kind: readData, Read: 2, Version: 11})
	if findings := s.findings(); len(findings) != 1 || findings[0].Rule != staleRead {
		t.Errorf("got %q, want one %q", lines(findings), staleRead)
	}
}

// What a failure prints can be read.
func TestFindingsAreReadable(t *testing.T) {
	t.Parallel()
	findings := begun().
		op(operation{Kind: revoke, Reason: "revoked", Count: 1, Process: "p1.2"}).
		op(operation{Kind: refresh, Token: 1, Next: 2, Client: 3, Process: "p0.1"}).findings()
	text := lines(findings)
	for _, want := range []string{
		"session 1: success after the end: 2 of 3 operations in order", "client 3", "p0.1", "refresh R1 -> R2", "ended: revoked",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	path := findings[0].draw(t.TempDir())
	page, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(page), "refresh R1 -\\u003e R2") {
		t.Errorf("%s does not show the refresh: %v", path, err)
	}
}

func lines(findings []finding) string {
	var out strings.Builder
	for _, f := range findings {
		fmt.Fprintln(&out, f)
	}
	return out.String()
}
