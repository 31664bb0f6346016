package histories_test

import (
	"slices"
	"sync"
	"testing"
	"time"
)

// Without a defect a run over a store in memory is accepted.
func TestHistoriesInMemory(t *testing.T) {
	t.Parallel()
	w, findings, tallied := runInMemory(t, "", chosenSeed(t), 4*time.Second)
	w.report(t, findings)
	t.Logf("%d calls, %d sessions, %+v", w.history.calls.Load(), len(w.history.sessions), tallied)
	if tallied.caught == 0 || tallied.refusedAfterEnd == 0 || tallied.rows == 0 {
		t.Errorf("the run was not long enough to show anything: %+v", tallied)
	}
}

// Each defect is found, and called by one of its names.
func TestDefectsAreRefused(t *testing.T) {
	t.Parallel()
	cases := map[string][]string{
		"lost-update":         {lostUpdate, staleRead},
		"revoke-undone":       {ruleI4Refuse, afterEnd, resurrected, falseEnd, notEnded},
		"theft-undone":        {ruleI4Refuse, afterEnd, resurrected},
		"confirm-anything":    {ruleI3, falseConfirm, wrongRow, brokenLineage},
		"mint-over":           {forked, falseTheft, ruleI1},
		"stale-row":           {falseTheft, ruleI1, ruleI4Refuse, afterEnd, missedTheft},
		"stale-data":          {staleRead},
		"create-undone":       {falseEnd, ruleI1},
		"write-undone":        {staleRead, lostUpdate, falseConflict},
		"deaf-feed":           {ruleI4Feed},
		"clock-ahead":         {falseTheft, wrongTime, ruleI1},
		"confirmation-undone": {wrongRow, falseTheft, forked, wrongTime},
	}
	s := chosenSeed(t)
	// All at once: they mostly wait.
	var runs sync.WaitGroup
	results := map[string]map[string]int{}
	var mu sync.Mutex
	for defect, names := range cases {
		runs.Go(func() {
			found := map[string]int{}
			// On a busy machine few things happen at once; then another run may have more luck.
			for round := uint64(0); round < 3 && !oneOf(found, names); round++ {
				_, findings, _ := runInMemory(t, defect, s+round, 4*time.Second)
				for _, f := range findings {
					found[f.Rule]++
				}
			}
			mu.Lock()
			results[defect] = found
			mu.Unlock()
		})
	}
	runs.Wait()
	for defect, names := range cases {
		found := results[defect]
		t.Logf("%s: found %v", defect, found)
		if !oneOf(found, names) {
			t.Errorf("%s: found %v, want one of %q", defect, found, names)
		}
	}
}

// oneOf reports whether something was found under one of the names.
func oneOf(found map[string]int, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return found[name] > 0 })
}
