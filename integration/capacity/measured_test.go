package main

import (
	"context"
	"database/sql"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/capacity/workload"
	"github.com/watchword-dev/watchword/integration/mysqltest"
	store "github.com/watchword-dev/watchword/store/mysql"
)

func TestMain(m *testing.M) { mysqltest.Main(m) }

// tolerance is by which part a prediction may be off.
const tolerance = 0.15

// compare reports whether a prediction is good. Of what happens seldom, a few more or less are no error of the model's.
func compare(t *testing.T, what string, predicted, measured, few float64) {
	t.Helper()
	t.Logf("%-45s predicted %9.0f, measured %9.0f: %+.1f %%", what, predicted, measured, 100*(predicted/measured-1))
	if math.Abs(predicted-measured) > tolerance*measured+few {
		t.Errorf("%s: the model predicts %.0f, measured were %.0f: want at most %.0f %% between them", what, predicted, measured, 100*tolerance)
	}
}

// habits of the users.
var habits = workload.Habits{Clients: 300, Between: 1200 * time.Millisecond, AccessLifetime: 3 * time.Second}

// TestPredictionOfStatements: clients use sessions through three Managers on a real server, as a Deployment describes them; what they send, by
// the names of statements, and the bytes that go over the wire are what the model says.
func TestPredictionOfStatements(t *testing.T) {
	const (
		settling = 8 * time.Second // until refreshes are spread evenly
		counted  = 16 * time.Second
	)
	db := workload.NewCounting(t, mysqltest.Database(t), store.Options{}, func(db *sql.DB) { mysqltest.Limit(db, 16) })
	w := workload.New(t, db, habits)
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	w.Begin(ctx)
	time.Sleep(settling)
	before := w.Until()
	time.Sleep(counted)
	spent := w.Until().Since(before)
	stop()
	w.Wait()

	d := w.Deployment(spent)
	seconds := spent.Time.Seconds()
	t.Logf("%d requests in %.1f s by %d clients", spent.Requests, seconds, habits.Clients)
	predicted := d.Sent()
	for name := range spent.Sent {
		predicted[name] += 0 // what the model does not know
	}
	for _, name := range slices.Sorted(maps.Keys(predicted)) {
		if predicted[name]*seconds < 1 && spent.Sent[name] == 0 {
			continue
		}
		compare(t, name, predicted[name]*seconds, float64(spent.Sent[name]), 12)
	}
	mean, _ := d.Statements()
	compare(t, "statements in all", mean.Total()*seconds, float64(spent.All()), 0)
	network, _ := d.Network()
	compare(t, "bytes to the server", network.Up*seconds, float64(spent.Up), 0)
	compare(t, "bytes from it", network.Down*seconds, float64(spent.Down), 0)
}
