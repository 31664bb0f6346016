package mysql_test

import (
	"context"
	"fmt"
	"log"

	"github.com/watchword-dev/watchword/store/mysql"
)

// What a rehearsal prints: the statements that Migrate would run.
func ExampleStore_Pending() {
	ctx := context.Background()
	store, err := mysql.Open(ctx, "migrations:secret@tcp(db.internal:3306)/app?tls=true&lock_wait_timeout=5", mysql.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	pending, err := store.Pending(ctx)
	if err != nil {
		log.Print(err)
		return
	}
	for _, m := range pending {
		fmt.Printf("-- %s (%s)\n%s\n", m.Name, m.Way, m.SQL())
	}
}

// The history of the schema, as a tool of one's own applies it.
func ExampleMigrations() {
	all, err := mysql.Migrations(mysql.Options{})
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range all {
		fmt.Println(m.Version, m.Name, m.Way)
	}
	// Output:
	// 1 0001_sessions CREATE
	// 2 0002_signing_keys CREATE
	// 3 0003_revocations CREATE
	// 4 0004_needs INSTANT
}
