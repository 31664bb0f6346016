// Package settings reads the command's settings from the environment. They bear the names that the demo has for them, so that the
// command can be given what the application is given. Secrets come from the environment, or from files that it names, and from nowhere
// else: arguments are seen by everybody who may list processes.
package settings

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/wire"
)

// Prefix begins the name of every setting.
const Prefix = "WATCHWORD_"

const (
	prefix = Prefix
	inFile = "_FILE" // ends the name of a variable that names a file which holds a secret
)

// Settings say which database it is, and how the application is configured that works on it.
type Settings struct {
	DSN         string // secret; empty: none was given
	TablePrefix string // empty: the store's default
	Session     session.Config
	Wire        wire.Config // for audit

	// Unknown are the names of variables that begin as ours do, and are neither ours nor the demo's.
	Unknown []string

	given map[string]bool
}

// Given reports whether a setting was given, by its name without the prefix.
func (s Settings) Given(name string) bool { return s.given[name] }

// Parse reads the settings from an environment as os.Environ gives it. A variable that is set but empty counts as not set. The error
// names every variable that does not parse; it never repeats a secret.
func Parse(environ []string) (Settings, error) {
	s := Settings{given: map[string]bool{}}
	var problems []error
	for _, entry := range environ {
		variable, value, _ := strings.Cut(entry, "=")
		name, ours := strings.CutPrefix(variable, prefix)
		if !ours || value == "" {
			continue
		}
		known, fromFile := find(name)
		switch {
		case known == nil && !ofOthers(name):
			s.Unknown = append(s.Unknown, variable)
			continue
		case known == nil:
			continue
		case s.given[known.name]:
			problems = append(problems, fmt.Errorf("%s is set, and so is %s%s: one of them is too many", variable, prefix, other(known.name, fromFile)))
			continue
		}
		s.given[known.name] = true
		if fromFile {
			text, err := os.ReadFile(value) //nolint:gosec // which file it is, whoever runs the command says
			if err != nil {
				problems = append(problems, fmt.Errorf("%s names a file that cannot be read: %w", variable, err))
				continue
			}
			value = strings.TrimSpace(string(text))
		}
		if err := known.set(&s, value); err != nil {
			problems = append(problems, fmt.Errorf("%s %w", variable, err))
		}
	}
	slices.Sort(s.Unknown)
	if len(problems) > 0 {
		return Settings{}, errors.Join(problems...)
	}
	return s, nil
}

// find returns the setting of a name, and whether the name is that of its file; nil: there is none.
func find(name string) (known *setting, fromFile bool) {
	for i := range all {
		switch {
		case all[i].name == name:
			return &all[i], false
		case all[i].secret && all[i].name+inFile == name:
			return &all[i], true
		}
	}
	return nil, false
}

// other is the other of the two names of a secret.
func other(name string, fromFile bool) string {
	if fromFile {
		return name
	}
	return name + inFile
}

// others are settings of the demo, and of the test suite, that do not concern the command. A name that ends in _ stands for all that begin
// so.
var others = []string{
	"ADDR", "WEB", "MYSQL_MAX_CONNS", "TRUSTED_PROXIES", "PROOF_LIFETIME", "STATUS_", "DEMO_", "TEST_",
}

func ofOthers(name string) bool {
	return slices.ContainsFunc(others, func(o string) bool {
		return name == o || strings.HasSuffix(o, "_") && strings.HasPrefix(name, o)
	})
}

var word = regexp.MustCompile(`[A-Za-z]+(\.[A-Za-z]+)?`)

// Explain turns an error of the library that speaks of fields of its Config into one that speaks of variables.
func Explain(err error) error {
	if !errors.Is(err, session.ErrInvalidConfig) {
		return err
	}
	text := word.ReplaceAllStringFunc(err.Error(), func(w string) string {
		for _, s := range all {
			if s.field == w {
				return prefix + s.name
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
