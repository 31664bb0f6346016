package mysql

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
)

// table is a driver that answers every reading statement with one row, of which it serves as many columns as are asked for, and every
// changing one with one row changed.
type table struct {
	row func(statement string) []driver.Value
}

func (d *table) Connect(context.Context) (driver.Conn, error) { return tableConn{d}, nil }
func (d *table) Driver() driver.Driver                        { return nil }

type tableConn struct{ *table }

func (c tableConn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("not prepared here") }
func (c tableConn) Begin() (driver.Tx, error)           { return nil, errors.New("no transactions here") }
func (c tableConn) Close() error                        { return nil }

func (c tableConn) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), nil
}

func (c tableConn) QueryContext(_ context.Context, statement string, _ []driver.NamedValue) (driver.Rows, error) {
	return &tableRows{row: c.row(statement), left: 1}, nil
}

type tableRows struct {
	row  []driver.Value
	left int
}

func (r *tableRows) Columns() []string { return make([]string, len(r.row)) }
func (r *tableRows) Close() error      { return nil }

func (r *tableRows) Next(row []driver.Value) error {
	if r.left == 0 {
		return io.EOF
	}
	r.left--
	copy(row, r.row)
	return nil
}

// cells reads what FuzzRows puts into columns, one a line: "4 = text" or "4 = NULL". The driver gives all values as text.
func cells(text string, row []driver.Value) []driver.Value {
	for line := range strings.Lines(text) {
		at, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " = ")
		if i, err := strconv.Atoi(at); err == nil && i >= 0 && i < len(row) {
			if row[i] = []byte(value); value == "NULL" {
				row[i] = nil
			}
		}
	}
	return row
}

// FuzzRows corrupts the row of a session, and whatever else is read. Nothing panics, and no such row makes a session of what it does not
// say: it is an error, or the tokens that come of it are good, and its user's.
func FuzzRows(f *testing.F) {
	now := time.UnixMicro(1_760_000_000_000_000).UTC()
	clock := func() time.Time { return now }
	material, err := x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte("e"), 32)))
	if err != nil {
		f.Fatal(err)
	}
	keys := session.StaticKeys(
		session.Key{ID: "eddsaAAAAAAAAAAA", Purpose: session.PurposeAccess, Sequence: 1, Algorithm: "EdDSA", Material: material, ActivatesAt: now},
		session.Key{ID: "refreshAAAAAAAAA", Purpose: session.PurposeRefresh, Sequence: 1, Algorithm: "HKDF-HS256", Material: bytes.Repeat([]byte("r"), 32), ActivatesAt: now},
	)
	cfg := session.Config{AccessJitter: session.NoJitter, Clock: clock, KeySource: keys, Revocation: session.RevocationStrict, Random: zeros{}}
	before, err := session.New(f.Context(), memstore.New(clock), cfg)
	if err != nil {
		f.Fatal(err)
	}
	created, tokens, err := before.Create(f.Context(), "alice", session.CreateOptions{})
	if err != nil {
		f.Fatal(err)
	}
	// It verifies as a Manager does, and asks no store.
	verifier, err := session.NewVerifier(f.Context(), session.VerifierConfig{Keys: before.JWKS(f.Context()), Clock: clock})
	if err != nil {
		f.Fatal(err)
	}
	handle := created.Handle()
	micros := []byte("1760000000000000")
	mark := sha256.Sum256([]byte(tokens.RefreshToken))
	good := []driver.Value{ // as selectRecord names them
		[]byte(`{"role":"user"}`), micros, handle[:], []byte("alice"), mark[:], []byte("1759999000000000"), []byte("0"), nil, nil, nil, []byte("0"),
		nil, nil, []byte("1759999000000000"), nil, []byte("A browser"), []byte("192.0.2.1"), []byte("at work"), []byte("1759999000000000"), []byte("1769999000000000"),
		nil, nil, nil, nil, []byte("0"),
	}
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		db := sql.OpenDB(&table{row: func(statement string) []driver.Value {
			switch {
			case strings.Contains(statement, "signing_keys"):
				return cells(text, []driver.Value{micros, []byte("hs256AAAAAAAAAAA"), []byte("access"), []byte("1"), []byte("HS256"), bytes.Repeat([]byte("2"), 32), nil, micros, nil})
			case strings.Contains(statement, "now_at"):
				return cells(text, []driver.Value{micros, micros, handle[:], nil, []byte("logout")})
			case strings.HasPrefix(statement, "SELECT data,"):
				return cells(text, []driver.Value{[]byte("{}"), []byte("1")})
			case strings.HasPrefix(statement, "SELECT handle"):
				return cells(text, []driver.Value{handle[:]})
			}
			return cells(text, slices.Clone(good))
		}})
		defer func() { _ = db.Close() }()
		store, err := New(db, Options{})
		if err != nil {
			t.Fatal(err)
		}
		callAll(t, store, text, cells(text, slices.Clone(good)), handle)

		m, err := session.New(t.Context(), store, cfg)
		if err != nil {
			return // the feed or the keys
		}
		refreshed, tokens, err := m.Refresh(t.Context(), tokens.RefreshToken, session.RefreshOptions{})
		if err != nil {
			return
		}
		user, _ := cells(text, slices.Clone(good))[3].([]byte)
		if refreshed.UserID() != string(user) || !utf8.Valid(user) {
			t.Fatalf("a row of %q gave a session of %q", user, refreshed.UserID())
		}
		if !tokens.AccessExpires.After(now) {
			return // it has ended by the time of its own row
		}
		verified, err := verifier.Verify(t.Context(), tokens.AccessToken, session.VerifyOptions{})
		if of, _ := cells(text, slices.Clone(good))[2].([]byte); err != nil || verified.UserID() != string(user) || verified.Handle() != session.Handle(of) {
			t.Fatalf("%q: a refresh gave an access token that gets %v", text, err)
		}
		if payload, _ := cells(text, slices.Clone(good))[0].([]byte); len(payload) > 0 && string(verified.RawPayload()) != strings.Trim(string(payload), " \t\r\n") {
			t.Fatalf("%q: a refresh gave the payload %q", text, verified.RawPayload())
		}
	})
}

// callAll calls each reading method. What it returns is what the row says.
func callAll(t *testing.T, store *Store, text string, row []driver.Value, handle session.Handle) {
	t.Helper()
	ctx := t.Context()
	whole := func(h session.Handle, marks ...session.Mark) {
		t.Helper()
		if stored, _ := row[2].([]byte); !bytes.Equal(stored, h[:]) {
			t.Fatalf("%q: the handle %x is read as %s", text, stored, h)
		}
		for i, column := range []int{4, 7, 11} {
			stored, _ := row[column].([]byte)
			if i < len(marks) && (len(stored) != 0 || column == 4) && !bytes.Equal(stored, marks[i][:]) {
				t.Fatalf("%q: the mark %x of column %d is read as %x", text, stored, column, marks[i])
			}
		}
	}
	if got, _, err := store.Get(ctx, handle); err == nil {
		whole(got.Handle, got.Current, got.Pending, got.Previous)
	}
	if list, err := store.List(ctx, "alice", session.Page{Limit: 10}); err == nil && len(list) == 1 {
		whole(list[0].Handle, list[0].Current, list[0].Pending, list[0].Previous)
	}
	if got, err := store.Ending(ctx, handle); err == nil {
		whole(got.Handle)
	}
	_, _ = store.Endings(ctx, "alice", session.EndingsPage{Limit: 10})
	_, _ = store.EndExpired(ctx, handle, time.Hour, 1, 1)
	_, _, _ = store.Keys(ctx)
	_, _, _ = store.Revocations(ctx, time.Time{}, 10)
	_, _, _ = store.Data(ctx, handle)
	_, _ = store.SetPayload(ctx, handle, []byte("{}"))
}

// zeros is randomness that is the same in each process, for seeds.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// FuzzDSN: whatever a DSN and a prefix say, they are refused with ErrInvalidConfig, or the store works by the driver's safe settings and
// its statements name its own tables. No error shows the password.
func FuzzDSN(f *testing.F) {
	f.Add("app:s3cret@tcp(db.internal:3306)/app?tls=true", "watchword_")
	f.Fuzz(func(t *testing.T, dsn, prefix string) {
		store, err := New(sql.OpenDB(&fake{}), Options{TablePrefix: prefix})
		if err != nil {
			if !errors.Is(err, session.ErrInvalidConfig) || !strings.Contains(err.Error(), "TablePrefix") {
				t.Errorf("prefix %q: got %v, want ErrInvalidConfig with the field", prefix, err)
			}
		} else if statement := store.names.Replace("`{{prefix}}sessions`"); strings.Trim(statement[1:len(statement)-1], "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			t.Errorf("prefix %q: a statement names %s", prefix, statement)
		}
		cfg, err := parseDSN(dsn)
		if err != nil {
			if !errors.Is(err, session.ErrInvalidConfig) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("DSN %q: got %v, want ErrInvalidConfig that shows nothing of it", dsn, err)
			}
			return
		}
		if cfg.MultiStatements || !cfg.RejectReadOnly || !cfg.InterpolateParams || cfg.DBName == "" ||
			cfg.Timeout == 0 || cfg.ReadTimeout == 0 || cfg.WriteTimeout == 0 {
			t.Errorf("DSN %q: got %+v, which is not safe", dsn, cfg)
		}
		if strings.ContainsAny(cfg.Net, ":@/") {
			t.Errorf("DSN %q: user and password are taken for a network, %q, which errors name", dsn, cfg.Net)
		}
	})
}
