//go:build clusters

package vitess_test

import (
	"context"
	"database/sql"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/capacity/workload"
	"github.com/watchword-dev/watchword/store/mysql"
)

const shards = 2

// tolerance is by which part a prediction of the capacity model may be off.
const tolerance = 0.15

// compare reports whether a prediction is good. Of what happens seldom, a few more or less are no error of the model's.
func compare(t *testing.T, what string, predicted, measured, few float64) {
	t.Helper()
	t.Logf("%-45s predicted %9.0f, measured %9.0f: %+.1f %%", what, predicted, measured, 100*(predicted/measured-1))
	if math.Abs(predicted-measured) > tolerance*measured+few {
		t.Errorf("%s: the model predicts %.0f, measured were %.0f: want at most %.0f %% between them", what, predicted, measured, 100*tolerance)
	}
}

// few is how many statements of one name may be missing or too many, of hundreds.
const few = 12

// compareNames compares statements by their names, and returns how many there were in all.
func compareNames(t *testing.T, where string, perSecond map[string]float64, seconds float64, measured map[string]int64) (predicted, all float64) {
	t.Helper()
	perSecond = maps.Clone(perSecond)
	for name := range measured {
		perSecond[name] += 0 // what the model does not know
	}
	for _, name := range slices.Sorted(maps.Keys(perSecond)) {
		if perSecond[name]*seconds < 1 && measured[name] == 0 {
			continue
		}
		compare(t, where+": "+name, perSecond[name]*seconds, float64(measured[name]), few)
		predicted += perSecond[name] * seconds
		all += float64(measured[name])
	}
	return predicted, all
}

// TestCapacityOfShards: clients use sessions through three Managers on vtgate, as a Deployment of the capacity model describes them. What they
// send to vtgate, and what comes of that to each shard's mysqld and to the other tables', is what the model says of two shards.
//
// It is not parallel, since mysqld counts what all do.
func TestCapacityOfShards(t *testing.T) {
	const (
		settling = 15 * time.Second // until refreshes are spread evenly
		counted  = 40 * time.Second
	)
	habits := workload.Habits{Clients: 500, Between: 5 * time.Second, AccessLifetime: 7 * time.Second}
	mysqld := behind(t)
	prefix := tables(t)
	_, dsn := on(t)
	db := workload.NewCounting(t, dsn+"&transaction_mode=%27single%27", mysql.Options{TablePrefix: prefix, Vitess: true}, func(db *sql.DB) {
		db.SetMaxOpenConns(16)
		db.SetMaxIdleConns(16)
	})
	w := workload.New(t, db, habits)
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Minute)
	defer stop()
	w.Begin(ctx)
	time.Sleep(settling)
	before, atServers := w.Until(), mysqld.statements(prefix)
	time.Sleep(counted)
	spent, reached := w.Until().Since(before), mysqld.statements(prefix).since(atServers)
	stop()
	w.Wait()

	d := w.Deployment(spent)
	d.ShardCount = shards
	seconds := spent.Time.Seconds()
	t.Logf("%d requests in %.1f s by %d clients", spent.Requests, seconds, habits.Clients)
	predicted, all := compareNames(t, "vtgate", d.Sent(), seconds, spent.Sent)
	compare(t, "vtgate: statements in all", predicted, all, 0)
	network, _ := d.Network()
	t.Logf("%.0f bytes to vtgate, by the model %.0f; from it %.0f, by the model %.0f", float64(spent.Up), network.Up*seconds, float64(spent.Down), network.Down*seconds)

	model := d.Seen()
	var most, hottest, inAll, predictedInAll float64
	for _, shard := range []string{firstShard, secondShard} {
		got := reached[shard]
		compare(t, shard+": transactions", model.ShardTransactions*seconds, float64(got[begin]), few)
		compare(t, shard+": their ends", model.ShardTransactions*seconds, float64(got[commit]), few)
		delete(got, begin)
		delete(got, commit)
		want := maps.Clone(model.Shard)
		if shard == firstShard {
			for name, rate := range model.First {
				want[name] += rate
			}
		}
		predicted, all := compareNames(t, shard, want, seconds, got)
		compare(t, shard+": statements in all", predicted, all, 0)
		most, hottest = max(most, predicted), max(hottest, all)
		inAll += all
		predictedInAll += predicted
	}
	t.Logf("the shards got %.0f and %.0f statements", hottest, inAll-hottest)
	compare(t, "the hottest shard", most*(1+d.Shards().Hottest), hottest, 0)
	got := reached[otherTables]
	compare(t, otherTables+": transactions", model.UnshardedTransactions*seconds, float64(got[begin]), few)
	delete(got, begin)
	delete(got, commit)
	predicted, all = compareNames(t, otherTables, model.Unsharded, seconds, got)
	compare(t, otherTables+": statements in all", predicted, all, 0)
	compare(t, "statements at all servers", predictedInAll+predicted, inAll+all, 0)
}

// TestCapacityOfTables: what sessions take on the disk of each shard after their logins, when each has been refreshed, and when each has ended and as
// many have begun anew, is what the model says; and a shard has half of them.
func TestCapacityOfTables(t *testing.T) {
	const (
		sessions = 40_000
		megabyte = 1 << 20 // by which InnoDB gives space to an index
	)
	mysqld := behind(t)
	prefix := tables(t)
	store := open(t, prefix, "", 1)
	rows := workload.NewRows(func(statement string, args ...any) {
		t.Helper()
		if _, err := store.DB().ExecContext(t.Context(), statement, args...); err != nil {
			t.Fatal(err)
		}
	}, prefix, sessions)
	for _, stage := range rows.Stages() {
		stage.Do()
		primary, indexes := stage.Predicted.Primary*sessions/shards, (stage.Predicted.Total()-stage.Predicted.Primary)*sessions/shards
		for _, shard := range []string{firstShard, secondShard} {
			rowBytes, indexBytes := mysqld.bytes(shard, prefix)
			t.Logf("%s: %s, %d rows in all", shard, stage.Name, mysqld.rows(shard, prefix))
			compare(t, shard+": bytes of rows", primary, float64(rowBytes), 0)
			compare(t, shard+": bytes of indexes", indexes, float64(indexBytes), megabyte)
			compare(t, shard+": bytes in all", primary+indexes, float64(rowBytes+indexBytes), 0)
		}
	}
	if n := mysqld.rows(firstShard, prefix) + mysqld.rows(secondShard, prefix); n != 2*sessions {
		t.Errorf("got %d rows, want %d, those of ended sessions among them", n, 2*sessions)
	}
	// They are too many for the DELETE that empties the tables for the next test.
	if _, err := store.DB().ExecContext(t.Context(), "TRUNCATE TABLE "+prefix+"sessions"); err != nil {
		t.Error(err)
	}
}
