package faults_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/mysqlproxy"
	"github.com/watchword-dev/watchword/integration/mysqltest"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

const (
	grace = 2 * time.Minute // longer than any cell takes, so that the rules for crossing requests do not depend on its speed
	limit = 30 * time.Second
	pool  = 4
)

// world is what the cells of one operation share: a schema, a proxy before its server, and a store behind that.
type world struct {
	direct *sql.DB // past the proxy, to prepare and to look
	server session.Store
	proxy  *mysqlproxy.Proxy
	store  *mysql.Store
}

func newWorld(t *testing.T, dsn string) *world {
	t.Helper()
	w := &world{direct: mysqltest.Open(t, dsn), proxy: mysqlproxy.Start(t, dsn)}
	mysqltest.Limit(w.direct, pool)
	server, err := mysql.New(mysqltest.Open(t, dsn+"&interpolateParams=true"), mysql.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.server = server
	if w.store, err = mysql.Open(t.Context(), w.proxy.DSN(), mysql.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.store.Close() })
	mysqltest.Limit(w.store.DB(), pool)
	return w
}

// cell is one operation under one fault: a user and a Manager of its own.
type cell struct {
	*world
	t    *testing.T
	name string
	m    *session.Manager
	cfg  session.Config
	keys *watchedKeys
	user string

	timeout time.Duration // StoreTimeout

	thefts  atomic.Int64
	polls   atomic.Pointer[chan error] // of the feed
	mu      sync.Mutex
	secrets map[string]string // what no error may hold
	failed  bool

	withoutTables bool
	bystander     session.Tokens // of a session that the operation has nothing to do with
}

const marker = "zq" // begins every value that the cells give the store

// newCell makes a Manager over the proxied store.
func newCell(t *testing.T, w *world, name string, timeout time.Duration, adjust func(*session.Config)) *cell {
	t.Helper()
	c := &cell{
		world: w, t: t, name: name, timeout: timeout, keys: &watchedKeys{Store: w.store},
		user: marker + "user" + rand.Text(), secrets: map[string]string{},
	}
	cfg := session.Config{
		Grace: grace, StoreTimeout: timeout, CleanupInterval: session.NoCleanup, CleanupShare: 1, AccessJitter: session.NoJitter,
		OnTheft: func(context.Context, *session.TheftError) { c.thefts.Add(1) },
		OnEvent: func(session.Event) {},
		OnFeedPoll: func(p session.FeedPoll) {
			if polls := c.polls.Load(); polls != nil {
				select {
				case *polls <- p.Err:
				default:
				}
			}
		},
	}
	if adjust != nil {
		adjust(&cfg)
	}
	c.cfg = cfg
	var err error
	if c.m, err = session.New(t.Context(), c.keys, cfg); err != nil {
		t.Fatalf("%s: new: %v", name, err)
	}
	c.secret("user id", c.user)
	c.secret("value", marker)
	for _, word := range []string{"SELECT", "UPDATE", "INSERT", "DELETE", "UNHEX", "watchword_"} {
		c.secret("statement", word)
	}
	return c
}

func (c *cell) errorf(format string, args ...any) {
	c.t.Helper()
	c.mu.Lock()
	c.failed = true
	c.mu.Unlock()
	c.t.Errorf("%s: %s", c.name, fmt.Sprintf(format, args...))
}

// must stops the cell where its preparation failed.
func (c *cell) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatalf("%s: prepare: %v", c.name, err)
	}
}

func (c *cell) secret(what, value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if value != "" {
		c.secrets[value] = what
	}
}

// issued notes tokens, which no error may hold.
func (c *cell) issued(t session.Tokens) session.Tokens {
	for _, token := range []string{t.AccessToken, t.RefreshToken} {
		if token == "" {
			continue
		}
		mark := sha256.Sum256([]byte(token))
		c.secret("token", token)
		c.secret("mark", hex.EncodeToString(mark[:]))
		c.secret("mark", base64.RawURLEncoding.EncodeToString(mark[:]))
		c.secret("mark", base64.StdEncoding.EncodeToString(mark[:]))
	}
	return t
}

// tellsNothing fails where an error's text holds what it must not.
func (c *cell) tellsNothing(err error) {
	c.t.Helper()
	c.mu.Lock()
	secrets := c.secrets
	c.mu.Unlock()
	for secret, what := range secrets {
		if strings.Contains(err.Error(), secret) || what == "mark" && strings.Contains(strings.ToLower(err.Error()), secret) {
			c.errorf("the error's text holds a %s: %q", what, err)
		}
	}
}

// exec changes the database behind everybody's back, to let time pass: SET clauses, then the condition on handle.
func (c *cell) exec(statement string, args ...any) {
	c.t.Helper()
	_, err := c.direct.ExecContext(c.t.Context(), statement, args...)
	c.must(err)
}

const hour = int64(time.Hour / time.Microsecond)

// age makes a session's tokens older than a grace. Those of a pending successor are not touched, since it is made again from them.
func (c *cell) age(h session.Handle) {
	c.t.Helper()
	c.exec("UPDATE watchword_sessions SET rotated_at = rotated_at - ?, current_at = IF(generation = 0, current_at - ?, current_at) WHERE handle = ?",
		hour, hour, h[:])
}

// create starts a session.
func (c *cell) create() (*session.Session, session.Tokens) {
	c.t.Helper()
	s, tokens, err := c.m.Create(c.t.Context(), c.user, session.CreateOptions{Data: marker + "data", Payload: marker + "payload", Label: marker + "label"})
	c.must(err)
	return s, c.issued(tokens)
}

// refresh is a refresh that has to succeed.
func (c *cell) refresh(token string) session.Tokens {
	c.t.Helper()
	_, tokens, err := c.m.Refresh(c.t.Context(), token, session.RefreshOptions{})
	c.must(err)
	return c.issued(tokens)
}

// use is a verification that has to succeed.
func (c *cell) use(access string) *session.Session {
	c.t.Helper()
	s, err := c.m.Verify(c.t.Context(), access, session.VerifyOptions{})
	c.must(err)
	return s
}

// rotated starts a session, and rotates it so that its first token is previous and its second one current.
func (c *cell) rotated() (s *session.Session, first, second session.Tokens) {
	c.t.Helper()
	s, first = c.create()
	c.age(s.Handle())
	second = c.refresh(first.RefreshToken)
	c.use(second.AccessToken)
	return s, first, second
}

// row is what the cells look at of a session.
type row struct {
	generation, handed int
	current            string
	pending            sql.NullString
	payload, data      []byte
	label              string
	ended              bool
	endings            sql.NullInt64
	reason             string
	detail             []byte
	fed                bool
}

func (c *cell) row(h session.Handle) row {
	c.t.Helper()
	var r row
	var reason sql.NullString
	err := c.direct.QueryRowContext(c.t.Context(), "SELECT generation, handed, HEX(current_mark), HEX(pending_mark), payload, data, label,"+
		" ended_at IS NOT NULL, ending_id, ending_reason, ending_detail, fed_at IS NOT NULL FROM watchword_sessions WHERE handle = ?", h[:]).
		Scan(&r.generation, &r.handed, &r.current, &r.pending, &r.payload, &r.data, &r.label, &r.ended, &r.endings, &reason, &r.detail, &r.fed)
	if err != nil {
		c.errorf("read the session's row: %v", err)
	}
	r.reason = reason.String
	return r
}

// count counts.
func (c *cell) count(query string, args ...any) (n int) {
	c.t.Helper()
	if err := c.direct.QueryRowContext(c.t.Context(), query, args...).Scan(&n); err != nil {
		c.errorf("%s: %v", query, err)
	}
	return n
}

// live counts the user's live sessions.
func (c *cell) live() int {
	return c.count("SELECT COUNT(*) FROM watchword_sessions WHERE user_id = ? AND ended_at IS NULL", []byte(c.user))
}
