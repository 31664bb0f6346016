package main

import (
	"database/sql"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/capacity/workload"
	"github.com/watchword-dev/watchword/integration/mysqltest"
	store "github.com/watchword-dev/watchword/store/mysql"
)

// TestPredictionOfDisk: what sessions take on disk after their logins, when each has been refreshed, and when each has ended and as many have begun anew,
// is what the model says.
func TestPredictionOfDisk(t *testing.T) {
	t.Parallel()
	const sessions = 40_000
	migrated, err := store.Open(t.Context(), mysqltest.Database(t), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = migrated.Close() })
	if err := migrated.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	db := migrated.DB()
	rows := workload.NewRows(func(statement string, args ...any) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
			t.Fatal(err)
		}
	}, store.DefaultTablePrefix, sessions)
	for _, stage := range rows.Stages() {
		stage.Do()
		primary, indexes := onDisk(t, db)
		predicted := stage.Predicted
		t.Logf("%s: rows of %.0f bytes and indexes of %.0f, by the model %.0f and %.0f", stage.Name, primary/sessions, indexes/sessions,
			predicted.Primary, predicted.Total()-predicted.Primary)
		compare(t, stage.Name+", bytes in all", predicted.Total(), (primary+indexes)/sessions, 0)
	}
}

// onDisk is what the table of sessions takes, and its indexes beside the primary key.
func onDisk(t *testing.T, db *sql.DB) (primary, indexes float64) {
	t.Helper()
	// What the table keeps of rows that have moved is purged a little later.
	for settled, last := 0, -1.0; settled < 3; {
		if _, err := db.ExecContext(t.Context(), "ANALYZE TABLE watchword_sessions"); err != nil {
			t.Fatal(err)
		}
		if err := db.QueryRowContext(t.Context(), "SELECT DATA_LENGTH, INDEX_LENGTH FROM information_schema.TABLES"+
			" WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'watchword_sessions'").Scan(&primary, &indexes); err != nil {
			t.Fatal(err)
		}
		if primary+indexes == last {
			settled++
		} else {
			settled, last = 0, primary+indexes
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
	return primary, indexes
}
