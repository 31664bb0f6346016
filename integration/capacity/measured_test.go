package main

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/capacity/model"
	"github.com/watchword-dev/watchword/integration/mysqltest"
)

func TestMain(m *testing.M) { mysqltest.Main(m) }

// tolerance is by which part a prediction may be off.
const tolerance = 0.15

// kinds of statements, by what their texts show, and the operations of the model that send them.
var kinds = []struct {
	name  string
	shows []string // all of them; the first kind that fits counts
	sent  map[string]float64
}{
	{"feed", []string{"UNION ALL"}, map[string]float64{model.ReadFeed.Name: 1}},
	{"keys", []string{"SELECT", "signing_keys"}, map[string]float64{model.ReadKeys.Name: 1}},
	{"login", []string{"INSERT", "sessions"}, map[string]float64{model.Create.Name: 1}},
	{"read of a session", []string{"SELECT payload"}, map[string]float64{model.Refresh.Name: 1}},
	{"new refresh token", []string{"UPDATE", "SET pending_mark"}, map[string]float64{model.Refresh.Name: 1}},
	{"confirmation", []string{"UPDATE", "SET previous_mark"}, map[string]float64{model.FirstUse.Name: 1}},
	{"end of a session", []string{"UPDATE", "ending_detail = ?", "WHERE handle"}, map[string]float64{model.Revoke.Name: 1}},
	{"end of a user's sessions", []string{"UPDATE", "ending_detail = ?", "WHERE user_id"}, map[string]float64{model.RevokeUser.Name: 1}},
	{"endings", []string{"SELECT", "ORDER BY ended_at DESC"}, map[string]float64{model.RevokeUser.Name: 1}},
	{"list", []string{"SELECT", "ORDER BY handle DESC"}, map[string]float64{model.List.Name: 1}},
	{"read of data", []string{"SELECT data"}, map[string]float64{model.ReadData.Name: 1}},
	{"write of data", []string{"UPDATE", "SET data"}, map[string]float64{model.WriteData.Name: 1}},
	{"cleanup", nil, map[string]float64{model.CleanNothing.Name: 5, model.CleanExpired.Name: 3, model.CleanEnded.Name: 3}},
}

func kindOf(text string) int {
	for i, k := range kinds {
		fits := true
		for _, part := range k.shows {
			fits = fits && strings.Contains(text, part)
		}
		if fits {
			return i
		}
	}
	return len(kinds) - 1
}

// compare reports whether a prediction is good. Of what happens seldom, a few more or less are no error of the model's.
func compare(t *testing.T, what string, predicted, measured, few float64) {
	t.Helper()
	t.Logf("%-45s predicted %9.0f, measured %9.0f: %+.1f %%", what, predicted, measured, 100*(predicted/measured-1))
	if math.Abs(predicted-measured) > tolerance*measured+few {
		t.Errorf("%s: the model predicts %.0f, measured were %.0f: want at most %.0f %% between them", what, predicted, measured, 100*tolerance)
	}
}

// TestPredictionOfStatements: clients use sessions through three Managers on a real server, as a Deployment describes them; what they send, by
// kinds, and the bytes that go over the wire are what the model says.
func TestPredictionOfStatements(t *testing.T) {
	const (
		settling = 8 * time.Second // until refreshes are spread evenly
		counted  = 16 * time.Second
	)
	w := newWorkload(t)
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	w.begin(ctx)
	time.Sleep(settling)
	before := w.counted()
	time.Sleep(counted)
	after := w.counted()
	stop()
	w.all.Wait()

	spent := after.minus(before)
	d := w.deployment(spent)
	seconds := spent.time.Seconds()
	t.Logf("%d requests in %.1f s by %d clients", spent.requests, seconds, clients)
	loads := map[string]float64{}
	for _, l := range d.Loads() {
		loads[l.Operation.Name] = l.Mean
	}
	for i, k := range kinds {
		predicted := 0.0
		for operation, times := range k.sent {
			predicted += loads[operation] * times * seconds
		}
		compare(t, k.name, predicted, float64(spent.statements[i]), 12)
	}
	mean, _ := d.Statements()
	all := int64(0)
	for _, n := range spent.statements {
		all += n
	}
	compare(t, "statements in all", mean.Total()*seconds, float64(all), 0)
	network, _ := d.Network()
	compare(t, "bytes to the server", network.Up*seconds, float64(spent.up), 0)
	compare(t, "bytes from it", network.Down*seconds, float64(spent.down), 0)
}
