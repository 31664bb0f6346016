package storetest_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/watchword-dev/watchword/session"
	"github.com/watchword-dev/watchword/session/memstore"
	"github.com/watchword-dev/watchword/session/storetest"
)

// mutantEnv names the mutant on which TestSuite runs in a process of its own; unset: it runs on memstore.
const mutantEnv = "STORETEST_MUTANT"

// TestSuite runs both suites on memstore with elections, which passes, or on a mutant of it.
func TestSuite(t *testing.T) {
	name := os.Getenv(mutantEnv)
	if name == "" {
		t.Parallel()
	}
	mutate := func(s *memstore.Store) session.Store { return newElecting(s) }
	for _, m := range mutants {
		if m.name == name {
			mutate = m.mutate
			if m.hangs {
				storetest.SetPatience(time.Second)
			}
		}
	}
	open := func(*testing.T) session.Store { return mutate(memstore.New(nil)) }
	t.Run("Contract", func(t *testing.T) { storetest.Run(t, open) })
	t.Run("Faults", func(t *testing.T) { storetest.RunFaults(t, open) })
}

// TestMutantsFail runs the suite on each mutant, as a process of its own, since a test that fails fails those around it: the test that
// holds a store to what the mutant breaks has to fail, and to say why.
func TestMutantsFail(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, m := range mutants {
		if names[m.name] {
			t.Fatalf("two mutants are called %q", m.name)
		}
		names[m.name] = true
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			run := "^TestSuite$/^" + strings.ReplaceAll(m.test, "/", "$/^") + "$"
			cmd := exec.CommandContext(ctx, os.Args[0], "-test.run="+run, "-test.timeout=50s")
			cmd.Env = append(os.Environ(), mutantEnv+"="+m.name)
			output, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			switch {
			case err == nil:
				t.Fatalf("the mutant passes %s:\n%s", m.test, output)
			case !errors.As(err, &exit):
				t.Fatalf("run %s: %v", run, err)
			case bytes.Contains(output, []byte("panic: ")) || bytes.Contains(output, []byte("DATA RACE")):
				t.Fatalf("the mutant does not fail, it falls over:\n%s", output)
			}
			failed := regexp.MustCompile(`(?m)^\s*--- FAIL: TestSuite/` + regexp.QuoteMeta(m.test) + `[ /]`)
			if !failed.Match(output) || !bytes.Contains(output, []byte(m.reason)) {
				t.Errorf("got\n%s\nwant %s to fail, and to say %q", output, m.test, m.reason)
			}
		})
	}
}
