package histories_test

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// checkTimeout bounds the search for an order of one session's operations. Seconds are a sign of a session with too many
// unanswered calls; that it is exceeded counts as a failure, since nothing was shown then.
const checkTimeout = time.Minute

// maxLurkers is how many calls without an answer the model has room for.
const maxLurkers = 64 * len(set{})

// hungFor is how long a process may go on with a request whose caller has hung up.
const hungFor = time.Second

// notLinearizable is the rule of a finding that no single step explains, and undecided of a search that took too long.
const undecided = "no order of the operations was found in time"

// linearize prepares a session's operations for the search: until when each has taken effect, without those that say nothing.
func (h *history) linearize(ops []*operation) (linear []porcupine.Operation, r rules) {
	var last int64
	for _, o := range ops {
		last = max(last, o.Return)
	}
	h.mu.Lock()
	outages := slices.Clone(h.outages)
	h.mu.Unlock()
	slices.SortFunc(outages, func(a, b outage) int { return int(a.From - b.From) })
	r = h.rules
	for _, o := range ops {
		if o.Class == unknown && (o.Kind == readData || o.Kind == verify && !o.Unconfirmed) ||
			o.Kind == verify && o.Class == done && !o.Unconfirmed {
			continue
		}
		o.until = o.Return
		if o.open() {
			var none bool
			if o.until, none = latest(o, outages, last+1); none {
				continue
			}
			o.place = len(r.lurkers)
			r.lurkers = append(r.lurkers, o)
		}
		linear = append(linear, porcupine.Operation{ClientId: o.Client, Input: o, Output: o, Call: o.Call, Return: o.Return})
	}
	return linear, r
}

// latest is when an operation that got no answer has taken effect at the latest. A statement may wait in a server, but does not
// outlive it. None: there was no server at all from the call until nobody waited any more.
func latest(o *operation, outages []outage, end int64) (until int64, none bool) {
	o.given = o.Return
	if o.Hung {
		o.given += int64(hungFor)
	}
	for _, out := range outages {
		switch {
		case out.DeadFrom == 0:
		case out.DeadFrom <= o.Call && o.given <= out.DeadTo:
			return 0, true
		case o.given <= out.DeadFrom:
			return out.DeadFrom, false
		}
	}
	return end, false
}

// checkLinearizable looks for orders of all sessions' operations, and says where there is none.
func (h *history) checkLinearizable() []finding {
	h.mu.Lock()
	sessions := slices.Clone(h.sessions)
	h.mu.Unlock()
	var (
		mu       sync.Mutex
		findings []finding
		workers  sync.WaitGroup
	)
	work := make(chan *record)
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for r := range work {
				if f, bad := h.checkOne(r); bad {
					mu.Lock()
					findings = append(findings, f)
					mu.Unlock()
				}
			}
		})
	}
	for _, r := range sessions {
		work <- r
	}
	close(work)
	workers.Wait()
	slices.SortFunc(findings, func(a, b finding) int { return a.Session.Number - b.Session.Number })
	return findings
}

func (h *history) checkOne(r *record) (finding, bool) {
	ops, rules := h.linearize(h.operations(r))
	begun := time.Now()
	defer func() { h.noteSearch(r, len(ops), len(rules.lurkers), time.Since(begun)) }()
	if len(rules.lurkers) > maxLurkers {
		return finding{Rule: undecided, Session: r, Text: fmt.Sprintf("%d calls without an answer", len(rules.lurkers))}, true
	}
	model := rules.model()
	switch porcupine.CheckOperationsTimeout(model, ops, checkTimeout) {
	case porcupine.Ok:
		return finding{}, false
	case porcupine.Unknown:
		return finding{Rule: undecided, Session: r, Text: fmt.Sprintf("%d operations", len(ops))}, true
	case porcupine.Illegal:
	}
	_, info := porcupine.CheckOperationsVerbose(model, ops, checkTimeout)
	rule, text := rules.explain(ops, info)
	return finding{Rule: rule, Session: r, Text: text, draw: func(dir string) string { return draw(dir, model, info, r) }}, true
}

// search is how long it took to find an order.
type search struct {
	session, operations, unanswered int
	took                            time.Duration
}

// noteSearch remembers the longest.
func (h *history) noteSearch(r *record, operations, unanswered int, took time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if took > h.longest.took {
		h.longest = search{r.Number, operations, unanswered, took}
	}
}

// draw writes a page that shows the history and how far an order was found, and returns its path.
func draw(dir string, model porcupine.Model, info porcupine.LinearizationInfo, r *record) string {
	file, err := os.CreateTemp(dir, fmt.Sprintf("watchword-history-%d-*.html", r.Number))
	if err != nil {
		return err.Error()
	}
	defer func() { _ = file.Close() }()
	if err := porcupine.Visualize(model, info, file); err != nil {
		return err.Error()
	}
	return file.Name()
}

// explain names the operation at which the longest order ends, and why it cannot go on: of those that could come next, the one
// that has to be the first.
func (r rules) explain(ops []porcupine.Operation, info porcupine.LinearizationInfo) (rule, text string) {
	var longest []porcupine.Operation
	for _, partition := range info.PartialLinearizationsOperations() {
		for _, order := range partition {
			if len(order) > len(longest) {
				longest = order
			}
		}
	}
	placed := map[*operation]bool{}
	now := states{{}}
	for _, p := range longest {
		o := p.Input.(*operation)
		placed[o] = true
		now, _ = r.stepAll(now, o)
	}
	var left []*operation
	for _, p := range ops {
		if o := p.Input.(*operation); !placed[o] {
			left = append(left, o)
		}
	}
	if len(left) == 0 {
		return undecided, "every operation has its place"
	}
	slices.SortFunc(left, func(a, b *operation) int { return int(a.Return - b.Return) })
	var out strings.Builder
	for _, o := range left {
		if o.Call > left[0].Return {
			continue
		}
		_, why := r.stepAll(now, o)
		if why == "" {
			continue
		}
		if rule == "" {
			rule = why
		}
		fmt.Fprintf(&out, "\n  %s: %s", why, o)
	}
	return rule, fmt.Sprintf("%d of %d operations in order; then\n  %s%s", len(longest), len(ops), now[0], out.String())
}
