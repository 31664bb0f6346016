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
// # The schema, and upgrades
//
// Migrate makes the tables and changes them; Pending says what it would do; Migrations, and the files of sql/, are for those who have a tool of
// their own for that. sql/grants_migrate.sql has the rights of a user who migrates, and sql/grants_api.sql those of one who does all the
// rest and cannot change the schema. A migration makes a table, or changes one while others read and write it; the server refuses what would
// copy a table or lock it (see Way).
//
// Processes with an older version of this library and with a newer one work side by side on one schema. So an upgrade is: migrate, with
// the new version, then replace the processes one after the other. To go back is to replace them again: the schema stays as it is. What that rests on:
//
//   - A library works on the schema that its own migrations make. Behind that it does not: Migrate says so, or the first statement that misses
//     a table or a column does.
//   - It works on a later schema, too, unless that says otherwise: the table of versions has, for each migration, the oldest version that a library
//     has to know ("needs"). Migrate and Pending refuse a schema that needs more than they know.
//   - The migrations of a release never need more than the release before it knows. Whoever skips releases has the schema tell.
//
// # Clusters and replicas
//
// Never point it at a replica: a session that was revoked on the primary must not be read as alive. On a cluster that
// writes on several nodes, a node has to catch up with what others have acknowledged before it answers:
// group_replication_consistency = 'BEFORE' on Group Replication; on Galera wsrep_sync_wait = 3, which
// "&wsrep_sync_wait=3" in the DSN sets (with 1 reads catch up, but a change is decided on what the node has, so that a
// session which has just begun on another node is not there to be ended); and the clocks of the nodes have to agree to
// well within session.Config.Grace. On Vitess, see package vschema. Never let anything else write to its tables. Never
// share a table prefix between deployments that are not to accept each other's tokens.
package mysql
