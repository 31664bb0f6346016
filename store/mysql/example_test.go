package mysql_test

import (
	"context"
	"database/sql"
	"log"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

func Example() {
	ctx := context.Background()
	store, err := mysql.Open(ctx, "app:secret@tcp(db.internal:3306)/app?tls=true", mysql.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	if err := store.Migrate(ctx); err != nil {
		log.Print(err)
		return
	}
	manager, err := session.New(ctx, store, session.Config{})
	if err != nil {
		log.Print(err)
		return
	}
	_, tokens, err := manager.Create(ctx, "user-1", session.CreateOptions{})
	if err != nil {
		log.Print(err)
		return
	}
	log.Print("logged in until ", tokens.RefreshExpires)
}

// A service that has a pool already gives that to New, and goes on owning it.
func ExampleNew() {
	db, err := sql.Open("mysql", "app:secret@tcp(db.internal:3306)/app?tls=true"+
		"&timeout=5s&readTimeout=10s&writeTimeout=10s&rejectReadOnly=true&interpolateParams=true")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(32)
	db.SetMaxIdleConns(32)
	db.SetConnMaxLifetime(5 * time.Minute)

	store, err := mysql.New(db, mysql.Options{TablePrefix: "accounts_"})
	if err != nil {
		log.Print(err)
		return
	}
	if err := store.Migrate(context.Background()); err != nil {
		log.Print(err)
	}
}
