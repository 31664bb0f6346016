package settings_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/cmd/watchword/internal/settings"
	"github.com/watchword-dev/watchword/session"
)

func parse(t *testing.T, environ ...string) settings.Settings {
	t.Helper()
	s, err := settings.Parse(environ)
	if err != nil {
		t.Fatalf("%v: %v", environ, err)
	}
	return s
}

func TestSettingsAreRead(t *testing.T) {
	t.Parallel()
	const kek = "1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	for entry, holds := range map[string]func(settings.Settings) bool{
		"MYSQL_DSN=u:p@tcp(db:3306)/app": func(s settings.Settings) bool { return s.DSN == "u:p@tcp(db:3306)/app" },
		"TABLE_PREFIX=app_":              func(s settings.Settings) bool { return s.TablePrefix == "app_" },
		"KEY_ENCRYPTION=" + kek:          func(s settings.Settings) bool { return s.Session.KeyEncryption != nil },
		"ALGORITHM=EdDSA":                func(s settings.Settings) bool { return s.Session.Algorithm == session.EdDSA && s.Given("ALGORITHM") },
		"ALGORITHM=":                     func(s settings.Settings) bool { return s.Session.Algorithm == "" && !s.Given("ALGORITHM") },
		"ACCESS_LIFETIME=90s":            func(s settings.Settings) bool { return s.Session.AccessLifetime == 90*time.Second },
		"GRACE=0":                        func(s settings.Settings) bool { return s.Session.Grace == session.NoGrace },
		"ENDING_RETENTION=0":             func(s settings.Settings) bool { return s.Session.EndingRetention == session.NoEndings },
		"CLEANUP_INTERVAL=1m":            func(s settings.Settings) bool { return s.Session.CleanupInterval == time.Minute },
		"KEY_ROTATION=0":                 func(s settings.Settings) bool { return s.Session.AccessKeyRotation == session.NoRotation },
		"REVOCATION=off":                 func(s settings.Settings) bool { return s.Session.Revocation == session.RevocationOff },
		"MAX_SESSIONS=3":                 func(s settings.Settings) bool { return s.Session.MaxSessions == 3 },
		"COOKIE_SECURE=false":            func(s settings.Settings) bool { return s.Wire.Cookies.Insecure },
		"ALLOWED_ORIGINS=https://a, https://b,": func(s settings.Settings) bool {
			return slices.Equal(s.Wire.AllowedOrigins, []string{"https://a", "https://b"})
		},
	} {
		if s := parse(t, settings.Prefix+entry); !holds(s) {
			t.Errorf("%s: got %+v", entry, s)
		}
	}
}

func TestBadValuesAreNamed(t *testing.T) {
	t.Parallel()
	for _, entry := range []string{
		"MYSQL_DSN=nonsense", "MYSQL_DSN=u:p@tcp(db:3306)/", "MYSQL_DSN=u:p@db/app", "TABLE_PREFIX=a-b", "KEY_ENCRYPTION=1:x", "ALGORITHM=none",
		"ACCESS_LIFETIME=0", "ACCESS_LIFETIME=15", "GRACE=-1s", "MAX_SESSIONS=-1", "REVOCATION=on", "COOKIE_SAMESITE=Lax", "COOKIE_SECURE=yes",
	} {
		name, _, _ := strings.Cut(entry, "=")
		_, err := settings.Parse([]string{settings.Prefix + entry})
		if err == nil || !strings.Contains(err.Error(), settings.Prefix+name) {
			t.Errorf("%s: got %v, want an error that names it", entry, err)
		}
	}
}

// A DSN that was misread may show its password anywhere.
func TestSecretsAreNotRepeated(t *testing.T) {
	t.Parallel()
	for _, entry := range []string{
		"MYSQL_DSN=hunter2", "MYSQL_DSN=u:hunter2@tcp(db:3306)", "MYSQL_DSN=u:hunter2@db/app", "MYSQL_DSN=mysql://u:hunter2@db/app",
		"KEY_ENCRYPTION=hunter2", "KEY_ENCRYPTION=1:hunter2", "KEY_ENCRYPTION=hunter2:AAAA",
	} {
		_, err := settings.Parse([]string{settings.Prefix + entry})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want an error without the value", entry, err)
		}
	}
}

func TestSecretsComeFromFiles(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "dsn")
	if err := os.WriteFile(file, []byte("u:p@tcp(db:3306)/app\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s := parse(t, "WATCHWORD_MYSQL_DSN_FILE="+file); s.DSN != "u:p@tcp(db:3306)/app" {
		t.Errorf("got %q", s.DSN)
	}
	for _, environ := range [][]string{
		{"WATCHWORD_MYSQL_DSN_FILE=" + file + ".not"},
		{"WATCHWORD_MYSQL_DSN_FILE=" + file, "WATCHWORD_MYSQL_DSN=u:p@tcp(db:3306)/app"},
		{"WATCHWORD_MYSQL_DSN=u:p@tcp(db:3306)/app", "WATCHWORD_MYSQL_DSN_FILE=" + file},
	} {
		if _, err := settings.Parse(environ); err == nil || !strings.Contains(err.Error(), "WATCHWORD_MYSQL_DSN_FILE") {
			t.Errorf("%v: got %v, want an error that names the variable", environ, err)
		}
	}
	// Only secrets do.
	if s := parse(t, "WATCHWORD_GRACE_FILE="+file); !slices.Equal(s.Unknown, []string{"WATCHWORD_GRACE_FILE"}) {
		t.Errorf("unknown: got %v", s.Unknown)
	}
}

// The command shares its environment with the application.
func TestVariablesOfOthersAreLetBe(t *testing.T) {
	t.Parallel()
	s := parse(t, "PATH=/bin", "WATCHWORD_ADDR=:80", "WATCHWORD_DEMO_LAB=1", "WATCHWORD_STATUS_THEFT=440", "WATCHWORD_ACESS_LIFETIME=5m")
	if want := []string{"WATCHWORD_ACESS_LIFETIME"}; !slices.Equal(s.Unknown, want) {
		t.Errorf("unknown: got %v, want %v", s.Unknown, want)
	}
}

func TestExplainSpeaksOfVariables(t *testing.T) {
	t.Parallel()
	s := parse(t, "WATCHWORD_IDLE_LIFETIME=1m", "WATCHWORD_ACCESS_LIFETIME=5m")
	err := settings.Explain(s.Session.Validate())
	if err == nil || !strings.Contains(err.Error(), "WATCHWORD_IDLE_LIFETIME is 1m0s") {
		t.Errorf("got %v", err)
	}
}

func TestHelpListsEverything(t *testing.T) {
	t.Parallel()
	help := settings.Help()
	for _, name := range []string{"WATCHWORD_MYSQL_DSN ", "WATCHWORD_MYSQL_DSN_FILE", "WATCHWORD_KEY_ENCRYPTION_FILE", "WATCHWORD_COOKIE_SECURE", "(default 15m0s)"} {
		if !strings.Contains(help, name) {
			t.Errorf("the help lacks %q", name)
		}
	}
}
