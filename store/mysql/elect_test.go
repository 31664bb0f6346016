package mysql

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/session"
)

// Where the server knows no locks, or cannot tell, everybody is elected; where it does not answer, nobody. Elections on a real server are
// in integration/store.
func TestElectWithoutLocks(t *testing.T) {
	t.Parallel()
	refused := func(number uint16) error { return &mysql.MySQLError{Number: number, Message: "secret"} }
	for name, test := range map[string]struct {
		errs       []error
		elected    bool
		statements string // first words
	}{
		"no such function":               {[]error{refused(1305)}, true, "SELECT DELETE"},
		"not supported":                  {[]error{refused(1235)}, true, "SELECT DELETE"},
		"another name is asked for":      {[]error{refused(3057)}, true, "SELECT DELETE"},
		"no answer":                      {nil, true, "SELECT DELETE"},
		"a connection that had died":     {[]error{mysql.ErrInvalidConn}, true, "SELECT SELECT DELETE"},
		"another one, too":               {[]error{mysql.ErrInvalidConn, refused(2013)}, false, "SELECT SELECT"},
		"a server that is not ready":     {[]error{refused(1047), refused(1047)}, false, "SELECT SELECT"},
		"and one that is on another try": {[]error{refused(1047), refused(1305)}, true, "SELECT SELECT DELETE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{errs: test.errs}
			store := f.store(t)
			store.db.SetMaxOpenConns(1)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			elected, err := store.Elect(ctx, func(session.Cleaner) error { return nil })
			if elected != test.elected || elected != (err == nil) || !elected && (!errors.Is(err, session.ErrUnavailable) || strings.Contains(err.Error(), "secret")) {
				t.Fatalf("got %v, %v, want %v, and else ErrUnavailable without the server's text", elected, err, test.elected)
			}
			if elected {
				if _, err := store.exec(ctx, "delete", "DELETE"); err != nil {
					t.Errorf("the connection is not the pool's again: %v", err)
				}
			}
			var verbs []string
			for _, s := range f.statements {
				verbs = append(verbs, s[:6])
			}
			if got := strings.Join(verbs, " "); got != test.statements {
				t.Errorf("got %s, want %s", got, test.statements)
			}
		})
	}
}
