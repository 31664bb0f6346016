package main

import (
	"context"
	"time"

	"github.com/watchword-dev/watchword/demo/api/internal/config"
	"github.com/watchword-dev/watchword/demo/api/internal/users"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
	"github.com/watchword-dev/watchword/store/mysql"
)

// startTimeout bounds what the start waits for the database.
const startTimeout = 10 * time.Second

// backend is where sessions and users are kept.
type backend struct {
	store     session.Store
	directory users.Directory
	ping      func(context.Context) error // nil in memory
	close     func() error
}

// openBackend opens the database of the configuration and makes its tables, or keeps everything in memory.
func openBackend(ctx context.Context, cfg config.Config) (backend, error) {
	if cfg.MySQLDSN == "" {
		return backend{
			store:     memstore.New(nil),
			directory: users.NewMemory(),
			close:     func() error { return nil },
		}, nil
	}
	store, err := mysql.Open(ctx, cfg.MySQLDSN, mysql.Options{TablePrefix: cfg.TablePrefix})
	if err != nil {
		return backend{}, err
	}
	b := backend{store: store, ping: store.DB().PingContext, close: store.Close}
	if err := store.Migrate(ctx); err != nil {
		_ = store.Close() // the first error is the one to tell
		return backend{}, err
	}
	b.directory, err = users.NewTable(ctx, store.DB(), cfg.TablePrefix)
	if err != nil {
		_ = store.Close()
		return backend{}, err
	}
	return b, nil
}
