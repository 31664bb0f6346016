package histories_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/watchword-dev/watchword/session"
)

// This file looks for the invariants of the protocol in the bare history, without the model. The names of the rules are those
// of the design.

const (
	ruleI1       = "I1 false alarm"
	ruleI2       = "I2 missed theft"
	ruleI3       = "I3 two lineages"
	ruleI4Refuse = "I4 refreshed after the end"
	ruleI4Feed   = "I4 access token passed beyond the feed's bound"
	ruleLost     = "lost after the restart"
)

// slackI4 is what is granted beyond an interval of the feed before a token has to be refused, to busy machines. A reading that
// fails, as where its connection is killed twice, is made up for by the next one.
const slackI4 = 3 * time.Second

// tally says how much the invariants were put to the test.
type tally struct {
	honest, slow    int // sessions without a thief; of them, those that the machine was too slow for, for a part of their life
	thieves, caught int // sessions with one; those whose thief was found out
	judged          int // stolen tokens that were presented after the grace, and had to be refused
	refusedAfterEnd int // calls after an acknowledged end
	rows            int
}

// checkInvariants evaluates I1 to I4.
func (h *history) checkInvariants() (findings []finding, t tally) {
	h.mu.Lock()
	sessions := slices.Clone(h.sessions)
	h.mu.Unlock()
	for _, r := range sessions {
		ops := h.operations(r)
		add := func(rule string, o *operation, why string) {
			findings = append(findings, finding{Rule: rule, Session: r, Text: why + "\n  " + o.String()})
		}
		if r.thief {
			h.checkI2(r, ops, &t, add)
		} else {
			h.checkI1(ops, &t, add)
		}
		checkI3(ops, &t, add)
		h.checkI4(ops, &t, add)
	}
	return findings, t
}

type report func(rule string, o *operation, why string)

// checkI1: a client that is alone with its jar is not taken for a thief, nor logged out before somebody ends the session, for
// as long as its requests take less than a quarter of the grace.
func (h *history) checkI1(ops []*operation, t *tally, add report) {
	t.honest++
	for _, o := range ops {
		switch {
		case o.Kind == readRow:
			continue
		case o.Return-o.Call >= h.rules.grace/4:
			t.slow++
			return
		case o.Class == theft:
			add(ruleI1, o, "theft without a thief")
		case o.Kind == refresh && o.Class == tryRefresh:
			add(ruleI1, o, "a refresh that sends the client refreshing")
		case o.Class == ended && !slices.ContainsFunc(ops, func(end *operation) bool {
			return (end.Kind == revoke || end.Kind == revokeUser) && end.Call < o.Return
		}):
			add(ruleI1, o, "logged out, but nobody ended the session")
		}
	}
}

// checkI2: who presents a token for which the client had confirmed another more than a grace ago is found out.
func (h *history) checkI2(r *record, ops []*operation, t *tally, add report) {
	t.thieves++
	replaced := map[mark]int64{} // since when a token is known not to be current any more
	before := func(m mark, at int64) {
		if known, ok := replaced[m]; m != noMark && (!ok || at < known) {
			replaced[m] = at
		}
	}
	was := map[mark]bool{}
	for _, o := range ops {
		if o.Kind == readRow && o.Row.Ended == "" && !o.Row.Missing && !o.Row.Dead {
			for m := range was {
				if m != o.Row.Current {
					before(m, o.Return)
				}
			}
			before(o.Row.Previous, o.Return)
			was[o.Row.Current] = true
		}
	}
	var caught, revoked bool
	judged := 0
	for _, o := range ops {
		revoked = revoked || o.Kind == revoke || o.Kind == revokeUser
		// If the answer of the refresh that found it was lost, the record tells.
		caught = caught || o.Class == theft || o.EndedFor == string(session.ReasonTheft) || o.Kind == readRow && o.Row.Ended == string(session.ReasonTheft)
		since, known := replaced[o.Token]
		if o.Kind != refresh || o.Class == unknown || !known || o.Call <= since+h.rules.grace+h.rules.slack {
			continue
		}
		judged++
		if o.Class == done {
			add(ruleI2, o, "this token was replaced and its successor used by "+seconds(since))
		}
	}
	t.judged += judged
	switch {
	case caught:
		t.caught++
	case judged > 0 && !revoked, r.tried && !revoked:
		add(ruleI2, ops[len(ops)-1], "owner and thief both went on, and neither was told")
	}
}

// checkI3: generations follow each other, and each has one current token, whose predecessor is that of the one before.
func checkI3(ops []*operation, t *tally, add report) {
	current := map[int]mark{}
	var newest int
	var at int64
	for _, o := range ops {
		if o.Kind != readRow || o.Row.Ended != "" || o.Row.Missing || o.Row.Dead {
			continue
		}
		t.rows++
		g := o.Row.Generation
		if known, ok := current[g]; ok && known != o.Row.Current {
			add(ruleI3, o, fmt.Sprintf("generation %d was %s", g, name(known)))
		}
		if known, ok := current[g-1]; ok && known != o.Row.Previous {
			add(ruleI3, o, fmt.Sprintf("generation %d was %s", g-1, name(known)))
		}
		if g < newest && o.Call > at {
			add(ruleI3, o, fmt.Sprintf("generation %d was there before", newest))
		}
		current[g] = o.Row.Current
		if g > 0 {
			current[g-1] = o.Row.Previous
		}
		if g >= newest {
			newest, at = g, o.Return
		}
	}
}

// checkI4: once an end is acknowledged no refresh succeeds, and no access token passes beyond the feed's bound.
func (h *history) checkI4(ops []*operation, t *tally, add report) {
	var (
		acknowledged *operation
		here         = map[string]int64{} // by processes that ended it themselves, when they said so
	)
	for _, o := range ops {
		ends := o.Class == done && (o.Kind == revoke || o.Kind == revokeUser) || o.Class == theft ||
			o.Class == ended || o.Kind == readRow && o.Row.Ended != ""
		if o.Kind == revokeUser && created(ops) >= o.Call {
			ends = false // of the sessions that there were when it was called
		}
		if ends && (acknowledged == nil || o.Return < acknowledged.Return) {
			acknowledged = o
		}
		if o.Kind == revoke && o.Class == done && o.Count == 1 && !o.Doubtful {
			here[o.Process] = o.Return
		}
	}
	if acknowledged == nil {
		return
	}
	end := acknowledged.Return
	for _, o := range ops {
		if o.Call <= end || o.Kind == readRow {
			continue
		}
		t.refusedAfterEnd++
		switch {
		case o.Class != done:
		case o.Kind == refresh:
			add(ruleI4Refuse, o, "ended by "+acknowledged.String())
		case o.Kind != verify:
		case here[o.Process] != 0 && o.Call > here[o.Process]:
			add(ruleI4Feed, o, "this very process had ended it: "+acknowledged.String())
		case o.FeedRead > end+h.rules.slack:
			add(ruleI4Feed, o, fmt.Sprintf("this process had begun its last reading at %s, after %s", seconds(o.FeedRead), acknowledged))
		case o.Call > end+int64(h.feed+slackI4) && h.undisturbed(o.Call-int64(h.feed+slackI4), o.Call):
			add(ruleI4Feed, o, "ended by "+acknowledged.String())
		}
	}
}

// created is when the session's creation had returned.
func created(ops []*operation) int64 {
	for _, o := range ops {
		if o.Kind == create {
			return o.Return
		}
	}
	return 0
}

// checkNothingLost compares the last rows, after the last restart, with what was acknowledged before.
func (h *history) checkNothingLost(restarted int64, alive func(session.Handle) (*row, bool)) (findings []finding) {
	h.mu.Lock()
	sessions := slices.Clone(h.sessions)
	h.mu.Unlock()
	for _, r := range sessions {
		add := func(what string, o *operation) {
			findings = append(findings, finding{Rule: ruleLost, Session: r, Text: what + "\n  " + o.String()})
		}
		ops := h.operations(r)
		last, ok := alive(r.Handle)
		switch {
		case !ok || last.Missing:
			add("the session was acknowledged, and is not there", ops[0])
			continue
		case last.Ended != "":
			continue
		}
		var written *operation
		for _, o := range ops {
			if o.Value == last.Value && (o.Kind == create || o.Kind == setData || o.Kind == updateData) {
				written = o
			}
		}
		for _, o := range ops {
			switch {
			case o.Call > restarted || o.Class != done:
			case o.Kind == revoke, o.Kind == revokeUser && created(ops) < o.Call:
				add("this revocation was acknowledged, and the session lives", o)
			case o.Kind != setData && o.Kind != updateData:
			case written == nil:
				add(fmt.Sprintf("nobody wrote %d, which is there now", last.Value), o)
			case written.Class == done && written.Return < o.Call:
				add(fmt.Sprintf("this write was acknowledged, but %d is there, which is older", last.Value), o)
			}
		}
	}
	return findings
}
