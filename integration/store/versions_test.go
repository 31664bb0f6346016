package store_test

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/integration/mysqltest"
	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/storetest"
	"github.com/watchword-dev/watchword/store/mysql"
)

// openAhead makes a store on a schema that a later version of the library has migrated.
func openAhead(t *testing.T) *mysql.Store {
	t.Helper()
	store := open(t, "", unlimited)
	ahead(t, store.DB(), len(history(t)))
	return store
}

// A process whose library is older than the schema does all that it did before.
func TestContractOnALaterSchema(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) session.Store { return openAhead(t) })
}

// It starts there, too.
func TestManagerOnALaterSchema(t *testing.T) {
	t.Parallel()
	store := openAhead(t)
	if pending, err := store.Pending(t.Context()); err != nil || len(pending) > 0 {
		t.Errorf("pending: got %d, %v, want none", len(pending), err)
	}
	if err := store.Migrate(t.Context()); err != nil {
		t.Errorf("migrate: %v", err)
	}
	m := manager(t, store, session.Config{Grace: session.NoGrace, StoreTimeout: patient})
	if err := lifetime(t.Context(), m, "user"); err != nil {
		t.Error(err)
	}
	if err := m.RotateNow(t.Context(), session.PurposeAccess, "a test", true); err != nil {
		t.Errorf("rotate: %v", err)
	}
	if _, err := m.Cleanup(t.Context()); err != nil {
		t.Errorf("clean up: %v", err)
	}
}

// Where the schema says that it needs a later library, this one says so, and changes nothing.
func TestSchemaThatNeedsALaterLibrary(t *testing.T) {
	t.Parallel()
	store := open(t, "", unlimited)
	known := len(history(t))
	ahead(t, store.DB(), known+1)
	_, pending := store.Pending(t.Context())
	for what, err := range map[string]error{"migrate": store.Migrate(t.Context()), "pending": pending} {
		if err == nil || errors.Is(err, session.ErrUnavailable) {
			t.Fatalf("%s: got %v, want an error that does not go away", what, err)
		}
		for _, want := range []string{fmt.Sprintf("at version %d", known+1), fmt.Sprintf("no later one than %d", known), "use a newer one"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %q, want it to contain %q", what, err, want)
			}
		}
	}
}

// everyUse is a Manager's whole life on a schema, up to the first error.
func everyUse(t *testing.T, store *mysql.Store, user string) error {
	t.Helper()
	m, err := session.New(t.Context(), store, session.Config{Grace: session.NoGrace, StoreTimeout: patient})
	if err != nil {
		return err
	}
	if err := lifetime(t.Context(), m, user); err != nil {
		return err
	}
	if _, err := m.RevokeAll(t.Context(), session.RevokeOptions{}); err != nil {
		return err
	}
	if _, _, err := store.Revocations(t.Context(), time.Now(), 10); err != nil {
		return err
	}
	_, err = m.Cleanup(t.Context())
	return err
}

// A process whose library is newer than the schema, and that has not migrated, says what is missing; or all works, where the migration is about
// something that the library does not need.
func TestManagerOnAnEarlierSchema(t *testing.T) {
	t.Parallel()
	works := map[int]bool{3: true, 4: true} // 4 is for those who migrate
	for version := range len(history(t)) + 1 {
		t.Run(fmt.Sprint("version ", version), func(t *testing.T) {
			t.Parallel()
			dsn := mysqltest.Database(t)
			migrateTo(t, mysqltest.Open(t, dsn), version)
			store := unmigrated(t, dsn)
			err := everyUse(t, store, "before")
			switch {
			case works[version] && err != nil:
				t.Errorf("got %v, want no error", err)
			case !works[version] && (err == nil || !strings.Contains(err.Error(), "run Migrate")):
				t.Errorf("got %v, want an error that says to run Migrate", err)
			}
			if err := store.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := everyUse(t, store, "after"); err != nil {
				t.Errorf("after Migrate: %v", err)
			}
		})
	}
}

// Two processes, of which one has migrated further, share sessions, keys and the feed.
func TestVersionsSideBySide(t *testing.T) {
	t.Parallel()
	dsn := mysqltest.Database(t)
	older := openAt(t, dsn, unlimited)
	cfg := session.Config{StoreTimeout: patient, Grace: session.NoGrace, FeedInterval: 50 * time.Millisecond}
	before := manager(t, older, cfg)
	_, tokens, err := before.Create(t.Context(), "user", session.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ahead(t, older.DB(), len(history(t)))
	after := manager(t, openAt(t, dsn, unlimited), cfg)
	for name, m := range map[string]*session.Manager{"before": before, "after": after} {
		go m.Run(t.Context())
		if err := lifetime(t.Context(), m, "user of the one "+name); err != nil {
			t.Errorf("the process from %s: %v", name, err)
		}
	}
	if _, tokens, err = after.Refresh(t.Context(), tokens.RefreshToken, session.RefreshOptions{}); err != nil {
		t.Fatalf("a session from before, in the process from after: %v", err)
	}
	s, err := before.Verify(t.Context(), tokens.AccessToken, session.VerifyOptions{})
	if err != nil {
		t.Fatalf("a token from after, in the process from before: %v", err)
	}
	if _, err := after.Revoke(t.Context(), s.Handle(), session.RevokeOptions{}); err != nil {
		t.Fatal(err)
	}
	token := tokens.AccessToken
	if renewed, ok := s.Renewed(); ok {
		token = renewed.AccessToken
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		_, err := before.Verify(t.Context(), token, session.VerifyOptions{})
		if errors.Is(err, session.ErrUnauthorised) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("what the one from after has revoked, the one from before takes (%v)", err)
		}
	}
	var risk sql.NullInt64
	if err := older.DB().QueryRowContext(t.Context(), "SELECT MIN(risk) FROM watchword_sessions").Scan(&risk); err != nil || risk.Int64 != 7 {
		t.Errorf("the column that the older one does not know: got %v, %v, want its default", risk, err)
	}
}
