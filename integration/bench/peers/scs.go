package peers

import (
	"context"
	"database/sql"
	"net/http"

	"github.com/alexedwards/scs/mysqlstore"
	"github.com/alexedwards/scs/v2"
	"github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/integration/bench/env"
)

// scsTable is the one of mysqlstore's README.
var scsTable = []string{
	"CREATE TABLE sessions (token CHAR(43) PRIMARY KEY, data BLOB NOT NULL, expiry TIMESTAMP(6) NOT NULL)",
	"CREATE INDEX sessions_expiry_idx ON sessions (expiry)",
}

// scs is tuned as our store is: the driver puts values into the text of statements, which saves a round trip or two, and connections
// are kept.
func (s *Set) scs(ctx context.Context, e *env.Env) (Peer, error) {
	return s.openSCS(ctx, e, Peer{Name: SCS, About: "`LoadAndSave`; `interpolateParams=true` and a pool of 32 connections, as ours has them"}, true)
}

// scsReadme is what one gets without looking further: each statement is prepared, and no more than two connections are kept.
func (s *Set) scsReadme(ctx context.Context, e *env.Env) (Peer, error) {
	return s.openSCS(ctx, e, Peer{Name: SCSReadme, About: "the same with `sql.Open` and a DSN as its README has them: nothing is tuned"}, false)
}

func (s *Set) openSCS(ctx context.Context, e *env.Env, p Peer, tuned bool) (Peer, error) {
	dsn, err := e.Schema(ctx)
	if err != nil {
		return p, err
	}
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return p, err
	}
	cfg.ParseTime, cfg.InterpolateParams = true, tuned
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return p, err
	}
	db := sql.OpenDB(connector)
	s.close = append(s.close, db.Close)
	if tuned {
		db.SetMaxOpenConns(32)
		db.SetMaxIdleConns(32)
	}
	for _, statement := range scsTable {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return p, err
		}
	}
	manager := scs.New()
	manager.Store = mysqlstore.NewWithCleanupInterval(db, 0)
	manager.Cookie.Secure = true

	user := func(r *http.Request) string { return manager.GetString(r.Context(), "user") }
	next := answer(user)
	p.Handler = manager.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user(r) == "" {
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	}))
	p.Cookies, err = cookies(ctx, manager.LoadAndSave(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		manager.Put(r.Context(), "user", userID)
		manager.Put(r.Context(), "role", "user")
	})))
	return p, err
}
