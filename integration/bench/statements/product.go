package statements

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	driverpkg "github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/integration/bench/sample"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

// conns is how many connections the pools have: what mysql.Open gives its own.
const conns = 32

// product lives sessions' lives through a Manager.
type product struct {
	manager  *session.Manager
	sessions []live
}

// live is what a client holds of its session.
type live struct {
	user            string
	handle          session.Handle
	access, refresh string
}

func newProduct(ctx context.Context, store session.Store) (*product, error) {
	// Without a grace a session can be refreshed again at once. What is sent is the same.
	m, err := session.New(ctx, store, session.Config{Grace: session.NoGrace})
	if err != nil {
		return nil, fmt.Errorf("new manager: %w", err)
	}
	return &product{manager: m}, nil
}

func (p *product) begin(n int) {
	p.sessions = make([]live, n)
	for i := range p.sessions {
		p.sessions[i].user = userOf(i)
	}
}

func (p *product) do(ctx context.Context, step, i int) error {
	s := &p.sessions[i]
	switch step {
	case create:
		created, tokens, err := p.manager.Create(ctx, s.user, sample.Options())
		if err != nil {
			return err
		}
		s.handle, s.access, s.refresh = created.Handle(), tokens.AccessToken, tokens.RefreshToken
	case refresh:
		_, tokens, err := p.manager.Refresh(ctx, s.refresh, session.RefreshOptions{Device: sample.Device()})
		if err != nil {
			return err
		}
		if tokens.RefreshToken == "" {
			return errors.New("the token was not rotated")
		}
		s.access, s.refresh = tokens.AccessToken, tokens.RefreshToken
	case verify:
		verified, err := p.manager.Verify(ctx, s.access, session.VerifyOptions{})
		if err != nil {
			return err
		}
		if _, renewed := verified.Renewed(); !renewed {
			return errors.New("the token was not confirmed")
		}
	case list:
		sessions, err := p.manager.Sessions(ctx, s.user, session.Page{})
		if err != nil {
			return err
		}
		if len(sessions) == 0 {
			return errors.New("none were listed")
		}
	case revoke:
		ended, err := p.manager.Revoke(ctx, s.handle, session.RevokeOptions{})
		if err != nil {
			return err
		}
		if !ended {
			return errors.New("there was none to revoke")
		}
	}
	return nil
}

// openStore opens the product's pool, as applications do, and its schema.
func openStore(ctx context.Context, dsn string) (*mysql.Store, error) {
	store, err := mysql.Open(ctx, dsn, mysql.Options{})
	if err != nil {
		return nil, err
	}
	if err := store.Migrate(ctx); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return store, nil
}

// connector has the settings with which mysql.Open connects.
func connector(dsn string, more ...driverpkg.Option) (driver.Connector, error) {
	cfg, err := driverpkg.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	cfg.RejectReadOnly, cfg.InterpolateParams = true, true
	if err := cfg.Apply(append([]driverpkg.Option{driverpkg.Charset("utf8mb4", "")}, more...)...); err != nil {
		return nil, err
	}
	return driverpkg.NewConnector(cfg)
}

// openPool opens a pool like the product's.
func openPool(dsn string, more ...driverpkg.Option) (*sql.DB, error) {
	c, err := connector(dsn, more...)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}
