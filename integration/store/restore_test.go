package store_test

import (
	"context"
	"errors"
	"testing"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/store/mysql"
)

// What docs/operations.md says of a database that is put back to an earlier state: who had logged out since is logged in again, until
// everybody's sessions are ended; nobody else gets in.
func TestRestoreToAnEarlierState(t *testing.T) {
	t.Parallel()
	store := open(t, "", unlimited)
	cfg := session.Config{Grace: session.NoGrace, StoreTimeout: patient}
	before := manager(t, store, cfg)
	ctx := t.Context()
	login := func(m *session.Manager, user string) (session.Handle, session.Tokens) {
		t.Helper()
		s, tokens, err := m.Create(ctx, user, session.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return s.Handle(), tokens
	}
	refresh := func(m *session.Manager, tokens session.Tokens) (session.Tokens, error) {
		_, next, err := m.Refresh(ctx, tokens.RefreshToken, session.RefreshOptions{})
		return next, err
	}

	_, stays := login(before, "stays")
	left, leaves := login(before, "leaves")
	_, moves := login(before, "moves on")
	backup := copyTables(ctx, t, store)

	if ended, err := before.Revoke(ctx, left, session.RevokeOptions{}); err != nil || !ended {
		t.Fatalf("log out: %t, %v", ended, err)
	}
	for range 3 { // the store is to be more than one token behind
		next, err := refresh(before, moves)
		if err != nil {
			t.Fatal(err)
		}
		moves = next
		if _, err := before.Verify(ctx, moves.AccessToken, session.VerifyOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	_, comes := login(before, "comes")
	for _, table := range backup {
		restore(ctx, t, store, table)
	}

	// All processes start anew, as they have to: what they remember is of another history.
	after := manager(t, store, cfg)
	if _, err := refresh(after, stays); err != nil {
		t.Errorf("who did nothing meanwhile: got %v, want new tokens", err)
	}
	if _, err := refresh(after, leaves); err != nil {
		t.Errorf("who had logged out: got %v, want to be logged in again: that is the danger", err)
	}
	var theft *session.TheftError
	if _, err := refresh(after, moves); !errors.As(err, &theft) {
		t.Errorf("who had refreshed since: got %v, want what looks like a theft: the store is behind the client", err)
	}
	if _, err := refresh(after, comes); !errors.Is(err, session.ErrUnauthorised) {
		t.Errorf("who had come since: got %v, want ErrUnauthorised", err)
	}

	if _, err := after.RevokeAll(ctx, session.RevokeOptions{Reason: session.ReasonRevoked}); err != nil {
		t.Fatal(err)
	}
	for name, tokens := range map[string]session.Tokens{"who did nothing": stays, "who had logged out": leaves, "who had refreshed": moves, "who had come": comes} {
		if _, err := refresh(after, tokens); !errors.Is(err, session.ErrUnauthorised) {
			t.Errorf("%s, after RevokeAll: a refresh gave %v, want ErrUnauthorised", name, err)
		}
		if _, err := after.Verify(ctx, tokens.AccessToken, session.VerifyOptions{}); err == nil {
			t.Errorf("%s, after RevokeAll: the access token passes", name)
		}
	}
	if _, tokens := login(after, "anybody"); tokens.RefreshToken == "" {
		t.Error("nobody can log in any more")
	}
}

// table is one that can be put back.
type table struct{ name, copy string }

// copyTables copies the tables of a store, as a backup has them.
func copyTables(ctx context.Context, t *testing.T, store *mysql.Store) []table {
	t.Helper()
	const prefix, suffix = mysql.DefaultTablePrefix, "_backup"
	tables := make([]table, 0, 3)
	for _, name := range []string{"sessions", "signing_keys", "revocations"} {
		one := table{prefix + name, prefix + name + suffix}
		for _, statement := range []string{"CREATE TABLE `" + one.copy + "` LIKE `" + one.name + "`", "INSERT INTO `" + one.copy + "` SELECT * FROM `" + one.name + "`"} {
			if _, err := store.DB().ExecContext(ctx, statement); err != nil {
				t.Fatalf("%s: %v", statement, err)
			}
		}
		tables = append(tables, one)
	}
	return tables
}

// restore puts a table back.
func restore(ctx context.Context, t *testing.T, store *mysql.Store, one table) {
	t.Helper()
	for _, statement := range []string{"TRUNCATE TABLE `" + one.name + "`", "INSERT INTO `" + one.name + "` SELECT * FROM `" + one.copy + "`"} {
		if _, err := store.DB().ExecContext(ctx, statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}
