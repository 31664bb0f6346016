package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/session"
)

// What Open sets where the DSN does not say otherwise, and the limits of its pool.
const (
	defaultDialTimeout  = 5 * time.Second
	defaultReadTimeout  = 10 * time.Second // longer than session.DefaultStoreTimeout, which is the one to bite
	defaultWriteTimeout = 10 * time.Second

	maxConns    = 32
	maxConnLife = 5 * time.Minute // so that connections follow a changed address
)

// errDSN says nothing of what it was given: a DSN that was misread may show its password in the wrong place.
var errDSN = fmt.Errorf("%w: the DSN is not of the form user:password@tcp(host:port)/database?parameter=value, "+
	"with its parameters as github.com/go-sql-driver/mysql names them", session.ErrInvalidConfig)

// Open connects to the database that a DSN of github.com/go-sql-driver/mysql names, such as
// "app:secret@tcp(db.internal:3306)/app?tls=true", and makes a store over it. The caller closes the store with Close,
// which closes the connections.
//
// It sets timeout to 5 s, readTimeout and writeTimeout to 10 s where the DSN leaves them out, and always
// rejectReadOnly=true, interpolateParams=true, multiStatements=false and charset=utf8mb4. On Vitess, where the database is
// "@primary", it sets transaction_mode to single; see package vschema. The pool has up to 32
// connections, each used for 5 minutes at most; DB().SetMaxOpenConns changes that.
//
// The error matches session.ErrInvalidConfig or session.ErrUnavailable, or says why the server refused the connection. It
// names host and database, and never the password.
func Open(ctx context.Context, dsn string, opts Options) (*Store, error) {
	cfg, err := parseDSN(dsn)
	if err != nil {
		return nil, err
	}
	opts.Vitess = opts.Vitess || onVitess(cfg)
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, errDSN
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(maxConns)
	db.SetMaxIdleConns(maxConns)
	db.SetConnMaxLifetime(maxConnLife)

	store, err := New(db, opts)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	store.owned = true
	doing := fmt.Sprintf("connect to MySQL at %s, database %q", cfg.Addr, cfg.DBName)
	if err := translate(ctx, doing, db.PingContext(ctx)); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return store, nil
}

// parseDSN reads a DSN and makes it safe.
func parseDSN(dsn string) (*mysql.Config, error) {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, errDSN
	}
	if strings.ContainsAny(cfg.Net, ":@/") {
		return nil, errDSN // user:password(host)/database: the password would be part of the network's name, which errors show
	}
	if cfg.DBName == "" {
		return nil, fmt.Errorf("%w: the DSN names no database", session.ErrInvalidConfig)
	}
	for _, t := range []struct {
		timeout *time.Duration
		def     time.Duration
	}{
		{&cfg.Timeout, defaultDialTimeout},
		{&cfg.ReadTimeout, defaultReadTimeout},
		{&cfg.WriteTimeout, defaultWriteTimeout},
	} {
		if *t.timeout == 0 {
			*t.timeout = t.def
		}
	}
	cfg.RejectReadOnly = true
	cfg.MultiStatements = false
	if onVitess(cfg) && cfg.Params["transaction_mode"] == "" {
		if cfg.Params == nil {
			cfg.Params = map[string]string{}
		}
		cfg.Params["transaction_mode"] = "'single'" // the store needs no transactions over shards
	}
	// The driver escapes values itself, by the server's status flag for NO_BACKSLASH_ESCAPES. That is safe in character
	// sets whose multi-byte characters hold no ASCII, as utf8mb4's do not, and so the DSN has no say in it.
	cfg.InterpolateParams = true
	if err := cfg.Apply(mysql.Charset("utf8mb4", "")); err != nil {
		return nil, errDSN
	}
	return cfg, nil
}
