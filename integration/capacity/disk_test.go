package main

import (
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/capacity/model"
	"github.com/watchword-dev/watchword/integration/mysqltest"
	store "github.com/watchword-dev/watchword/store/mysql"
)

// TestPredictionOfDisk: what sessions take on disk after their logins, when each has been refreshed, and when each has ended and as many have begun anew,
// is what the model says. The space that an ending frees is seen only in that later sessions need less. The rows are written in bulk, in the order in which
// logins, refreshes and logouts would write them.
func TestPredictionOfDisk(t *testing.T) {
	t.Parallel()
	const (
		sessions = 40_000
		batch    = 1000
	)
	dsn := mysqltest.Database(t)
	migrated, err := store.Open(t.Context(), dsn, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = migrated.Close() })
	if err := migrated.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	db := migrated.DB()
	exec := func(statement string, args ...any) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
			t.Fatal(err)
		}
	}
	handles := make([]string, sessions)
	began, logins := time.Now().UnixMicro(), int64(0)
	login := func() {
		t.Helper()
		for from := 0; from < sessions; from += batch {
			rows := make([]string, batch)
			for i := range rows {
				logins++
				at := began + 1000*logins
				handles[from+i] = handleAt(at / 1000)
				rows[i] = fmt.Sprintf("(UNHEX('%s'), 'user-%08d', UNHEX('%s'), %d, 0, 0, %[4]d, '%s', '%s', '', '%s', '%s', %[4]d, %[4]d, %[4]d)",
					handles[from+i], mathrand.IntN(1e8), random(32), at, device.UserAgent, device.Address, payload, data)
			}
			exec("INSERT INTO watchword_sessions (handle, user_id, current_mark, current_at, generation, handed, auth_at, user_agent, address, label," +
				" payload, data, data_version, created_at, expires_at) VALUES " + strings.Join(rows, ", "))
		}
	}
	login()
	d := model.Default()
	d.UserID, d.Device, d.Payload, d.Data = len(userName(1)), len(device.UserAgent+device.Address), len(payload), len(data)
	check := func(what string, predicted model.Storage) {
		t.Helper()
		primary, indexes := onDisk(t, db)
		t.Logf("%s: rows of %.0f bytes and indexes of %.0f, by the model %.0f and %.0f", what, primary/sessions, indexes/sessions,
			predicted.Primary, predicted.Total()-predicted.Primary)
		compare(t, what+", bytes in all", predicted.Total(), (primary+indexes)/sessions, 0)
	}
	check("a new session", d.Live(model.Row{}))

	each := func(set string) {
		t.Helper()
		mathrand.Shuffle(len(handles), func(i, j int) { handles[i], handles[j] = handles[j], handles[i] })
		for from := 0; from < sessions; from += batch {
			exec("UPDATE watchword_sessions SET "+set+" WHERE handle IN (UNHEX('"+strings.Join(handles[from:from+batch], "'), UNHEX('")+"'))",
				began+int64(sessions*1000+from))
		}
	}
	each("previous_mark = current_mark, rotated_at = current_at, generation = 1, expires_at = ?")
	check("a session that was refreshed", d.Live(model.Row{Refreshed: 1, Grown: true}))
	each("ended_at = ?, ending_id = generation, ending_reason = 'logout', fed_at = ended_at, payload = NULL, data = NULL")
	login()
	fresh, ended := d.Live(model.Row{}), d.Ended(model.Row{Refreshed: 1}, true)
	check("a session that was ended, and a new one", model.Storage{
		Primary: fresh.Primary + ended.Primary, ByUser: fresh.ByUser + ended.ByUser, ByEnd: fresh.ByEnd + ended.ByEnd, ByFeed: fresh.ByFeed + ended.ByFeed,
	})
}

func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails
	return hex.EncodeToString(b)
}

// handleAt is a handle that begins with a time.
func handleAt(millis int64) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(millis)<<16|0x7000)
	return hex.EncodeToString(b[:]) + "80" + random(7)
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
