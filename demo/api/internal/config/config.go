// Package config reads the demo's settings from the environment. One table, in settings.go, holds every variable with its
// default, its meaning and its parser; help and errors are made from it.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

const prefix = "WATCHWORD_"

// ofTests are the variables of the test suite, which may be set while the demo runs.
var ofTests = []string{"WATCHWORD_TEST_MYSQL_DSN", "WATCHWORD_TEST_MYSQL_IMAGE", "WATCHWORD_TEST_MAX_CONNS"}

// Config is how the demo is to run.
type Config struct {
	Addr          string // to listen on, host:port
	MetricsAddr   string // to serve metrics on, host:port; empty: nowhere
	Web           string // the front end's directory
	MySQLDSN      string // secret; empty: sessions and users are kept in memory
	MySQLMaxConns int
	TablePrefix   string
	ProofAge      time.Duration // how long ago a user may have proved who they are
	OpenLogin     bool
	Lab           bool

	Session session.Config
	Wire    wire.Config

	secure *bool // the cookies' Secure; nil: by the address
}

// Parse reads the settings from an environment as os.Environ gives it. A variable that is set but empty counts as not
// set. The error names every variable that is unknown, does not parse, or must not be combined with another.
func Parse(environ []string) (Config, error) {
	var cfg Config
	for _, s := range settings {
		if s.def == "" {
			continue
		}
		if err := s.set(&cfg, s.def); err != nil {
			return Config{}, fmt.Errorf("default of %s: %w", s.variable(), err)
		}
	}
	var problems []error
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, prefix) || slices.Contains(ofTests, name) {
			continue
		}
		i := slices.IndexFunc(settings, func(s setting) bool { return s.variable() == name })
		if i < 0 {
			problems = append(problems, fmt.Errorf("%s is not a setting; --help lists them all", name))
			continue
		}
		if value == "" {
			continue
		}
		if err := settings[i].set(&cfg, value); err != nil {
			problems = append(problems, fmt.Errorf("%s %w", name, err))
		}
	}
	if len(problems) > 0 {
		return Config{}, errors.Join(problems...)
	}
	for _, risky := range []struct {
		on         bool
		name, does string
	}{
		{cfg.OpenLogin, "DEMO_OPEN_LOGIN", "lets anybody in"},
		{cfg.Lab, "DEMO_LAB", "lets anybody steal their tokens and cut the connection to the database"},
	} {
		if risky.on && !cfg.Loopback() {
			return Config{}, fmt.Errorf("%s%s %s: it is refused unless %sADDR is a loopback address, and that is %q",
				prefix, risky.name, risky.does, prefix, cfg.Addr)
		}
	}
	cfg.Wire.Cookies.Insecure = cfg.Loopback()
	if cfg.secure != nil {
		cfg.Wire.Cookies.Insecure = !*cfg.secure
	}
	// The page and scripts of other origins send it with PUT /api/data.
	cfg.Wire.AllowedHeaders = []string{"if-match"}
	return cfg, nil
}

// Loopback reports whether only programs on this machine can reach the address. A name other than localhost may resolve
// to anything, and no host at all means every interface.
func (c Config) Loopback() bool {
	host, _, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return false
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// Grace is the configured grace; zero in the strict mode.
func (c Config) Grace() time.Duration { return max(c.Session.Grace, 0) }

// Access is how long access tokens live, but for their jitter, as session.Config has it: the default gives way to the other lifetimes.
func (c Config) Access() time.Duration {
	absolute := cmp.Or(c.Session.AbsoluteLifetime, max(session.DefaultAbsoluteLifetime, c.Session.IdleLifetime))
	idle := cmp.Or(c.Session.IdleLifetime, min(session.DefaultIdleLifetime, absolute))
	return cmp.Or(c.Session.AccessLifetime, max(min(session.DefaultAccessLifetime, idle/2), time.Second))
}

var word = regexp.MustCompile(`[A-Za-z]+(\.[A-Za-z]+)?`)

// Explain turns an error of the library that speaks of fields of its Config into one that speaks of variables.
func Explain(err error) error {
	if !errors.Is(err, session.ErrInvalidConfig) {
		return err
	}
	text := word.ReplaceAllStringFunc(err.Error(), func(w string) string {
		for _, s := range settings {
			if s.field == w {
				return s.variable()
			}
		}
		return w
	})
	return &explained{text: text, err: err}
}

type explained struct {
	text string
	err  error
}

func (e *explained) Error() string { return e.text }
func (e *explained) Unwrap() error { return e.err }
