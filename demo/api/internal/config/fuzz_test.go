package config

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// FuzzEnvironment: an environment is refused with the names of its variables, or the library takes what it says, or refuses it with the name
// of a field, of which Explain makes a variable. No secret is ever repeated, and what is risky stays on loopback.
func FuzzEnvironment(f *testing.F) {
	f.Add("")
	f.Fuzz(func(t *testing.T, lines string) {
		environ := strings.Split(lines, "\n")
		cfg, err := Parse(environ)
		if _, again := Parse(environ); (err == nil) != (again == nil) || err != nil && err.Error() != again.Error() {
			t.Fatalf("got %v, and then %v", err, again)
		}
		if err != nil {
			told(t, environ, err)
			return
		}
		_, wireErr := wire.New(cfg.Wire)
		if invalid := errors.Join(cfg.Session.Validate(), wireErr); invalid != nil {
			if !errors.Is(invalid, session.ErrInvalidConfig) {
				t.Fatalf("got %v, want ErrInvalidConfig", invalid)
			}
			told(t, environ, Explain(invalid))
		}
		if (cfg.OpenLogin || cfg.Lab) && !cfg.Loopback() {
			t.Fatalf("anybody gets in at %q", cfg.Addr)
		}
		if cfg.Grace() < 0 || cfg.Access() <= 0 && cfg.Session.Validate() == nil {
			t.Fatalf("a grace of %v, and access tokens of %v", cfg.Grace(), cfg.Access())
		}
	})
}

// told asserts that an error names a variable, and repeats none of the secrets.
func told(t *testing.T, environ []string, err error) {
	t.Helper()
	if !strings.Contains(err.Error(), prefix) {
		t.Fatalf("%q: got %v, which names no variable", environ, err)
	}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if secret := slices.Contains([]string{prefix + "MYSQL_DSN", prefix + "KEY_ENCRYPTION"}, name); secret && len(value) > 24 && strings.Contains(err.Error(), value) {
			t.Fatalf("the error repeats the secret of %s: %v", name, err)
		}
	}
}
