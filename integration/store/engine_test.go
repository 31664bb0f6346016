package store_test

import (
	"database/sql"
	"strings"
	"sync"
	"testing"
	"time"
)

// isMariaDB reports whether the server is a MariaDB, for what tests ask it about itself: there MySQL and MariaDB differ.
func isMariaDB(t *testing.T, db *sql.DB) bool {
	t.Helper()
	var version string
	if err := db.QueryRowContext(t.Context(), "SELECT VERSION()").Scan(&version); err != nil {
		t.Fatal(err)
	}
	return strings.Contains(version, "MariaDB")
}

// lockWaits counts the statements on the connection's schema which wait for the lock of another.
func lockWaits(t *testing.T, db *sql.DB) (waiting int) {
	t.Helper()
	query := "SELECT COUNT(*) FROM performance_schema.data_lock_waits AS w" +
		" JOIN performance_schema.data_locks AS l ON l.engine_lock_id = w.requesting_engine_lock_id WHERE l.object_schema = DATABASE()"
	if isMariaDB(t, db) {
		query = "SELECT COUNT(*) FROM information_schema.INNODB_LOCK_WAITS AS w" +
			" JOIN information_schema.INNODB_LOCKS AS l ON l.lock_id = w.requested_lock_id WHERE l.lock_table LIKE CONCAT('`', DATABASE(), '`.%')"
		// What these tables show is renewed only when nobody has read them for a tenth of a second.
		innodbTables.Lock()
		defer innodbTables.Unlock()
		time.Sleep(150 * time.Millisecond)
	}
	if err := db.QueryRowContext(t.Context(), query).Scan(&waiting); err != nil {
		t.Fatal(err)
	}
	return waiting
}

// innodbTables keeps the tests off each other that read them.
var innodbTables sync.Mutex

// otherConnections is the query that lists the connections to the connection's schema but itself.
func otherConnections(t *testing.T, db *sql.DB) string {
	t.Helper()
	if isMariaDB(t, db) { // which has no performance_schema unless it is switched on
		return "SELECT GROUP_CONCAT(id) FROM information_schema.PROCESSLIST WHERE db = DATABASE() AND id <> CONNECTION_ID()"
	}
	// Not from information_schema.processlist, which fails on other tests' statements with bytes that are no text.
	return "SELECT GROUP_CONCAT(processlist_id) FROM performance_schema.threads" +
		" WHERE processlist_db = DATABASE() AND processlist_id <> CONNECTION_ID()"
}

// isolationVariable is the name of the session's isolation level. MariaDB has MySQL's name for it since 11.1 only, and MySQL has not MariaDB's.
func isolationVariable(t *testing.T, db *sql.DB) string {
	t.Helper()
	var name string
	err := db.QueryRowContext(t.Context(), "SHOW VARIABLES WHERE Variable_name IN ('transaction_isolation', 'tx_isolation')").Scan(&name, new(sql.NullString))
	if err != nil {
		t.Fatal(err)
	}
	return name
}
