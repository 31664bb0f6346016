// Package mysql keeps sessions, how they ended, the feed of revocations and signing keys in MySQL (8.0 to 9.x) or MariaDB (10.6
// and later), for any number of processes. It is held to the contract of session.Store by package storetest.
//
// Start with Open, which makes a connection pool with safe settings, or with New over a *sql.DB of your own; then
// Migrate, then session.New:
//
//	store, err := mysql.Open(ctx, "app:secret@tcp(db.internal:3306)/app", mysql.Options{})
//	defer store.Close()
//	err = store.Migrate(ctx)
//	manager, err := session.New(ctx, store, session.Config{})
//
// Every operation is one statement in autocommit mode, by an index, and one that changes something is atomic by that. There
// are three exceptions, none of which needs a transaction: ending everybody's sessions, or those that have expired, and
// purging take up to three statements for each batch; to end a session that has ended already takes a second one, for the
// feed; and so does an update that finds nothing to change, to tell a value that is there already from a session that is not.
//
// Nothing locks rows to decide something later: a change names the state that it starts from, and reports whether it found
// that. The clock is the database server's.
//
// Never point it at a replica: a session that was revoked on the primary must not be read as alive. On a cluster that
// writes on several nodes, a node has to catch up with what others have acknowledged before it answers:
// group_replication_consistency = 'BEFORE' on Group Replication; on Galera wsrep_sync_wait = 3, which
// "&wsrep_sync_wait=3" in the DSN sets (with 1 reads catch up, but a change is decided on what the node has, so that a
// session which has just begun on another node is not there to be ended); and the clocks of the nodes have to agree to
// well within session.Config.Grace. On Vitess, see package vschema. Never let anything else write to its tables. Never
// share a table prefix between deployments that are not to accept each other's tokens.
package mysql
