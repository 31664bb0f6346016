package command

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/cmd/watchword/internal/settings"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

// openTimeout bounds what is waited for a connection.
const openTimeout = 10 * time.Second

// Backend is where sessions are kept.
type Backend struct {
	Name  string // for people; no secret
	Store session.Store
	Close func() error

	// The others are MySQL's alone.
	Schema *mysql.Store
	DB     *sql.DB
	Prefix string // of tables
	Local  bool   // the connection does not leave this machine
	Vitess bool
}

// openMySQL connects to the database of the settings.
func openMySQL(ctx context.Context, s settings.Settings, _ Now) (*Backend, error) {
	if s.DSN == "" {
		return nil, usage("which database? WATCHWORD_MYSQL_DSN or WATCHWORD_MYSQL_DSN_FILE says so; see `watchword help settings`")
	}
	dsn, err := driver.ParseDSN(s.DSN)
	if err != nil {
		return nil, usage("WATCHWORD_MYSQL_DSN cannot be read") // settings have read it before
	}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	store, err := mysql.Open(ctx, s.DSN, mysql.Options{TablePrefix: s.TablePrefix})
	switch {
	case errors.Is(err, session.ErrInvalidConfig):
		return nil, &usageError{err}
	case err != nil:
		return nil, &unreachableError{err}
	}
	store.DB().SetMaxOpenConns(4)
	store.DB().SetMaxIdleConns(4)
	b := &Backend{
		Name: fmt.Sprintf("database %q at %s", dsn.DBName, dsn.Addr), Store: store, Close: store.Close,
		Schema: store, DB: store.DB(), Prefix: s.TablePrefix, Local: local(dsn), Vitess: strings.HasPrefix(dsn.DBName, "@"),
	}
	if b.Prefix == "" {
		b.Prefix = mysql.DefaultTablePrefix
	}
	if b.Prefix != mysql.DefaultTablePrefix {
		b.Name += fmt.Sprintf(", tables %s…", b.Prefix)
	}
	return b, nil
}

// local reports whether a connection stays on this machine.
func local(dsn *driver.Config) bool {
	host, _, _ := strings.Cut(dsn.Addr, ":")
	return dsn.Net == "unix" || host == "localhost" || strings.HasPrefix(host, "127.") || strings.HasPrefix(dsn.Addr, "[::1]")
}

// settings reads and checks the settings.
func (p *program) settings() (settings.Settings, error) {
	s, err := settings.Parse(p.Environ)
	if err != nil {
		return s, &usageError{err}
	}
	if err := s.Session.Validate(); err != nil {
		return s, &usageError{err}
	}
	s.Session.Logger, s.Session.Clock = p.logger(), p.Now
	return s, nil
}

// newManager makes a Manager for an operator. It verifies nothing, and so neither reads the feed nor remembers tokens; what it revokes goes
// into the feed all the same.
func newManager(ctx context.Context, store session.Store, cfg session.Config) (*session.Manager, error) {
	cfg.Revocation, cfg.VerifiedTokens = session.RevocationOff, session.NoVerifiedTokens
	return session.New(ctx, store, cfg)
}

// withStore runs f with the store.
func (p *program) withStore(ctx context.Context, f func(settings.Settings, *Backend) error) (err error) {
	s, err := p.settings()
	if err != nil {
		return err
	}
	b, err := p.Open(ctx, s, p.Now)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	return f(s, b)
}

// withManager runs f with a Manager that looks after sessions, and the progress that it makes.
func (p *program) withManager(ctx context.Context, f func(*session.Manager, *Backend, *progress) error) error {
	return p.withStore(ctx, func(s settings.Settings, b *Backend) error {
		g := p.progress()
		m, err := keyless(ctx, watch(b.Store, g.add), s.Session)
		if err != nil {
			return err
		}
		return f(m, b, g)
	})
}

// keyless makes a Manager that has throw-away keys, and so neither needs to open those in the store, nor makes any where there are none.
func keyless(ctx context.Context, store session.Store, cfg session.Config) (*session.Manager, error) {
	var keys []session.Key
	for _, purpose := range []session.KeyPurpose{session.PurposeAccess, session.PurposeRefresh} {
		key, err := session.GenerateKey(purpose, session.HS256, rand.Reader)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	cfg.KeySource, cfg.KeyEncryption = session.StaticKeys(keys...), nil
	return newManager(ctx, store, cfg)
}

// withKeys runs f with a Manager that has the keys of the store, whose algorithm it takes on unless the settings name one.
func (p *program) withKeys(ctx context.Context, f func(*session.Manager, *Backend, *progress) error) error {
	return p.withStore(ctx, func(s settings.Settings, b *Backend) error {
		keys, _, err := readKeys(ctx, b.Store)
		if err != nil {
			return err
		}
		newest := map[session.KeyPurpose]session.Key{}
		for _, k := range keys {
			newest[k.Purpose] = k
		}
		if len(newest) < 2 {
			return errors.New("the store has no signing keys yet: the application makes them when it first starts, with its own settings")
		}
		if !s.Given("ALGORITHM") {
			s.Session.Algorithm = session.Algorithm(newest[session.PurposeAccess].Algorithm)
		}
		g := p.progress()
		m, err := newManager(ctx, watch(b.Store, g.add), s.Session)
		if err != nil {
			return err
		}
		return f(m, b, g)
	})
}

// storeTimeout bounds a call of the store's that no Manager makes.
const storeTimeout = session.DefaultStoreTimeout

func readKeys(ctx context.Context, store session.Store) ([]session.Key, time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return store.Keys(ctx)
}
