package mysql

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
)

func TestDSNDefaults(t *testing.T) {
	t.Parallel()
	cfg, err := parseDSN("app:secret@tcp(db.internal)/app")
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Timeout != defaultDialTimeout || cfg.ReadTimeout != defaultReadTimeout || cfg.WriteTimeout != defaultWriteTimeout {
		t.Errorf("timeouts: got %v, %v, %v, want the defaults", cfg.Timeout, cfg.ReadTimeout, cfg.WriteTimeout)
	}
	if !cfg.RejectReadOnly || !cfg.InterpolateParams || cfg.MultiStatements {
		t.Errorf("rejectReadOnly, interpolateParams, multiStatements: got %v, %v, %v, want true, true, false",
			cfg.RejectReadOnly, cfg.InterpolateParams, cfg.MultiStatements)
	}
	if cfg.Addr != "db.internal:3306" || cfg.Loc != time.UTC {
		t.Errorf("address and location: got %s, %v, want db.internal:3306, UTC", cfg.Addr, cfg.Loc)
	}
}

func TestDSNKeepsWhatItSays(t *testing.T) {
	t.Parallel()
	cfg, err := parseDSN("app:secret@tcp(db:3307)/app?timeout=1s&readTimeout=2s&writeTimeout=3s&tls=true&sql_mode=%27%27")
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Timeout != time.Second || cfg.ReadTimeout != 2*time.Second || cfg.WriteTimeout != 3*time.Second {
		t.Errorf("timeouts: got %v, %v, %v, want 1s, 2s, 3s", cfg.Timeout, cfg.ReadTimeout, cfg.WriteTimeout)
	}
	if cfg.TLSConfig != "true" || cfg.Params["sql_mode"] != "''" {
		t.Errorf("tls, sql_mode: got %q, %q, want true, ''", cfg.TLSConfig, cfg.Params["sql_mode"])
	}
}

// Values are escaped by the client, which is safe in utf8mb4 and unsafe in some others.
func TestDSNCannotChooseTheCharacterSet(t *testing.T) {
	t.Parallel()
	for _, parameters := range []string{"charset=gbk", "collation=gbk_chinese_ci", "charset=latin1&collation=latin1_bin"} {
		cfg, err := parseDSN("app@tcp(db)/app?" + parameters)
		if err != nil {
			t.Fatalf("%s: %v", parameters, err)
		}
		if dsn := cfg.FormatDSN(); !strings.Contains(dsn, "charset=utf8mb4") || strings.Contains(dsn, "collation") {
			t.Errorf("%s: got %s, want charset=utf8mb4 and no collation", parameters, dsn)
		}
	}
}

func TestOpenRefusesBadDSNWithoutShowingIt(t *testing.T) {
	t.Parallel()
	for _, dsn := range []string{
		"",
		"app:s3cret@tcp(db:3306)",
		"app:s3cret@tcp(db:3306)/",
		"app:s3cret/@tcp(db:3306",
		"app:x/s3cret%zz@tcp(db:3306)",
		"app:/s3cret@db",
		"app/s3cret",
		"app:s3cret/x",
		"mysql://app:s3cret@db:3306/app",
		"app:s3cret@tcp(db)/app?parseTime=s3cret",
		"app:s3cret@tcp(db)/app?timeout=s3cret",
		"app:s3cret@tcp(db)/app?tls=s3cret",
	} {
		store, err := Open(t.Context(), dsn, Options{})
		if store != nil || !errors.Is(err, session.ErrInvalidConfig) {
			t.Errorf("Open(%q): got %v, %v, want ErrInvalidConfig", dsn, store, err)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("Open(%q): the error shows the password: %v", dsn, err)
		}
	}
}

// Without "tcp", what stands before the parentheses is the network's name: a part of the password, if that holds an @.
func TestOpenUnknownNetworkIsNotShown(t *testing.T) {
	t.Parallel()
	for _, dsn := range []string{"app:pa@s3cret(db:3306)/app", "s3cret(db:3306)/app", "app:s3cret(db:3306)/app"} {
		store, err := Open(t.Context(), dsn, Options{})
		if store != nil || err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("Open(%q): got %v, %v, want an error that does not show the password", dsn, store, err)
		}
	}
}

func TestOpenUnreachableNamesHostAndDatabase(t *testing.T) {
	t.Parallel()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	store, err := Open(t.Context(), "app:s3cret@tcp("+addr+")/accounts", Options{})
	if store != nil || !errors.Is(err, session.ErrUnavailable) {
		t.Fatalf("Open: got %v, %v, want ErrUnavailable", store, err)
	}
	for _, want := range []string{addr, `"accounts"`, "refused"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Open: got %q, want %s in it", err, want)
		}
	}
	if strings.Contains(err.Error(), "s3cret") {
		t.Errorf("Open: the error shows the password: %v", err)
	}
}

func TestOpenCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Open(ctx, "app:s3cret@tcp(127.0.0.1:1)/app", Options{})
	if !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("Open: got %v, want ErrUnavailable and context.Canceled", err)
	}
}

func TestNewChecksPrefix(t *testing.T) {
	t.Parallel()
	db := sql.OpenDB(&fake{})
	t.Cleanup(func() { _ = db.Close() })
	for prefix, ok := range map[string]bool{
		"":                      true,
		"a":                     true,
		"Accounts_2_":           true,
		"1e5":                   true,
		strings.Repeat("a", 32): true,
		strings.Repeat("a", 33): false,
		"a`; DROP TABLE users":  false,
		"a b":                   false,
		"a.b":                   false,
		"a-b":                   false,
		"é":                     false,
		"a\n":                   false,
		"\x00":                  false,
	} {
		store, err := New(db, Options{TablePrefix: prefix})
		if ok && (err != nil || store == nil) {
			t.Errorf("New with prefix %q: got %v, want a store", prefix, err)
		}
		if !ok && !errors.Is(err, session.ErrInvalidConfig) {
			t.Errorf("New with prefix %q: got %v, want ErrInvalidConfig", prefix, err)
		}
	}
	if _, err := New(nil, Options{}); !errors.Is(err, session.ErrInvalidConfig) {
		t.Errorf("New without a pool: got %v, want ErrInvalidConfig", err)
	}
}

func TestCloseLeavesTheCallersPoolOpen(t *testing.T) {
	t.Parallel()
	db := sql.OpenDB(&fake{})
	t.Cleanup(func() { _ = db.Close() })
	store, err := New(db, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.PingContext(t.Context()); err != nil {
		t.Errorf("ping after Close of a store over the caller's pool: %v", err)
	}
}
