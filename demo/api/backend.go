package main

import (
	"context"
	"errors"
	"time"

	"github.com/watchword-dev/watchword/demo/api/internal/config"
	"github.com/watchword-dev/watchword/demo/api/internal/lab"
	"github.com/watchword-dev/watchword/demo/api/internal/limit"
	"github.com/watchword-dev/watchword/demo/api/internal/users"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
	"github.com/watchword-dev/watchword/store/mysql"
)

// startTimeout bounds what the start waits for the database.
const startTimeout = 10 * time.Second

// backend is where sessions, users and attempts are kept.
type backend struct {
	name      string
	store     session.Store
	directory users.Directory
	attempts  limit.Store
	ping      func(context.Context) error // nil in memory
	line      *lab.Line                   // what the lab cuts; nil without the lab, and in memory
	close     func() error
}

// openBackend opens the database of the configuration and makes its tables, or keeps everything in memory.
func openBackend(ctx context.Context, cfg config.Config) (b backend, err error) {
	if cfg.MySQLDSN == "" {
		return backend{
			name: "memory", store: memstore.New(nil), directory: users.NewMemory(), attempts: limit.NewMemory(nil),
			close: func() error { return nil },
		}, nil
	}
	dsn := cfg.MySQLDSN
	if cfg.Lab {
		if b.line, dsn, err = lab.NewLine(dsn); err != nil {
			return backend{}, err
		}
	}
	store, err := mysql.Open(ctx, dsn, mysql.Options{TablePrefix: cfg.TablePrefix})
	if err != nil {
		b.line.Close()
		return backend{}, err
	}
	store.DB().SetMaxOpenConns(cfg.MySQLMaxConns)
	store.DB().SetMaxIdleConns(cfg.MySQLMaxConns)
	b.name, b.store, b.ping = "mysql", store, store.DB().PingContext
	b.close = func() error {
		b.line.Close()
		return store.Close()
	}
	if err := b.makeTables(ctx, store, cfg.TablePrefix); err != nil {
		return backend{}, errors.Join(err, b.close())
	}
	return b, nil
}

func (b *backend) makeTables(ctx context.Context, store *mysql.Store, prefix string) error {
	if err := store.Migrate(ctx); err != nil {
		return err
	}
	directory, err := users.NewTable(ctx, store.DB(), prefix)
	if err != nil {
		return err
	}
	attempts, err := limit.NewTable(ctx, store.DB(), prefix)
	if err != nil {
		return err
	}
	b.directory, b.attempts = directory, attempts
	return nil
}

// watch lets the lab see what is asked of the store. One without connections to cut has to be told of an outage.
func (b *backend) watch(recorder *lab.Recorder, outage *lab.Outage) {
	if b.line != nil {
		b.store = recorder.Store(b.store, nil)
		return
	}
	b.store, b.ping = recorder.Store(b.store, outage.Down), outage.Ping
}
