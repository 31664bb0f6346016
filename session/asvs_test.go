package session_test

import (
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/watchword-dev/watchword/session"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares a report with files of testdata/audit, as the table for people and as JSON.
func golden(t *testing.T, name string, report session.AuditReport) {
	t.Helper()
	raw, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	for file, got := range map[string]string{name + ".txt": report.String(), name + ".json": string(raw) + "\n"} {
		file = filepath.Join("testdata", "audit", file)
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil || got != string(want) {
			t.Errorf("%s: %v; go test -update writes what the audit says now:\n%s", file, err, got)
		}
	}
	var read session.AuditReport
	if err := json.Unmarshal(raw, &read); err != nil || read.String() != report.String() {
		t.Errorf("the JSON reads as %v, %v", read, err)
	}
}

// sound asserts what holds for every report: it is in order, every claim about the product has a test, and every test that it names exists.
func sound(t *testing.T, report session.AuditReport) {
	t.Helper()
	last := ""
	for _, f := range report {
		if !regexp.MustCompile(`^[379]\.\d\.\d$`).MatchString(f.Requirement) || f.Requirement <= last || f.Level < session.ASVSLevel1 || f.Level > session.ASVSLevel3 {
			t.Errorf("got %q of %v after %q", f.Requirement, f.Level, last)
		}
		last = f.Requirement
		if f.Title == "" || f.Fields == nil || f.Tests == nil || !strings.HasSuffix(f.Detail, ".") {
			t.Errorf("%s lacks a part: %+v", f.Requirement, f)
		}
		if f.Status == session.AuditMet && len(f.Tests) == 0 {
			t.Errorf("%s is met by assertion: name a test", f.Requirement)
		}
		if f.Status == session.AuditViolated && len(f.Fields) == 0 {
			t.Errorf("%s is violated by no field", f.Requirement)
		}
		for _, test := range f.Tests {
			if !testsOf()[test] {
				t.Errorf("%s is held by %s, which does not exist", f.Requirement, test)
			}
		}
	}
}

// testsOf are the names of all tests of this repository's module, as reports have them.
var testsOf = sync.OnceValue(func() map[string]bool {
	names, function := map[string]bool{}, regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir(".", func(file string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		source, err := os.ReadFile(file)
		for _, found := range function.FindAllSubmatch(source, -1) {
			names[filepath.ToSlash(filepath.Join("session", filepath.Dir(file)))+"."+string(found[1])] = true
		}
		return err
	})
	if err != nil {
		panic(err)
	}
	return names
})

// asvs are the requirements of chapters V7 and V9 of OWASP ASVS 5.0.0, with their levels.
var asvs = map[string]session.ASVSLevel{
	"7.1.1": 2, "7.1.2": 2, "7.1.3": 2,
	"7.2.1": 1, "7.2.2": 1, "7.2.3": 1, "7.2.4": 1,
	"7.3.1": 2, "7.3.2": 2,
	"7.4.1": 1, "7.4.2": 1, "7.4.3": 2, "7.4.4": 2, "7.4.5": 2,
	"7.5.1": 2, "7.5.2": 2, "7.5.3": 3,
	"7.6.1": 2, "7.6.2": 2,
	"9.1.1": 1, "9.1.2": 1, "9.1.3": 1,
	"9.2.1": 1, "9.2.2": 2, "9.2.3": 2, "9.2.4": 2,
}

// TestAuditMissesNoRequirement: a report holds each requirement of the chapters that its level asks for, and no other.
func TestAuditMissesNoRequirement(t *testing.T) {
	t.Parallel()
	for level := session.ASVSLevel1; level <= session.ASVSLevel3; level++ {
		report, err := session.Config{}.Audit(level)
		if err != nil {
			t.Fatal(err)
		}
		want := maps.Clone(asvs)
		maps.DeleteFunc(want, func(_ string, l session.ASVSLevel) bool { return l > level })
		for _, f := range report {
			if asvs[f.Requirement] != f.Level {
				t.Errorf("%v: %s is of %v, want %v", level, f.Requirement, f.Level, asvs[f.Requirement])
			}
			delete(want, f.Requirement)
		}
		if len(want) > 0 {
			t.Errorf("%v: without %v", level, want)
		}
		// A Verifier's own are some of these, in the same words.
		verifier, err := session.VerifierConfig{JWKSURL: "https://issuer.example/jwks", Audience: "api"}.Audit(level)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range verifier {
			if !slices.ContainsFunc(report, func(g session.Finding) bool {
				return f.Requirement == g.Requirement && f.Level == g.Level && f.Title == g.Title
			}) {
				t.Errorf("%v: a Verifier has %s %q", level, f.Requirement, f.Title)
			}
		}
	}
	for _, level := range []session.ASVSLevel{-1, 0, 4} {
		if report, err := (session.Config{}).Audit(level); err == nil {
			t.Errorf("level %d: got %v, want an error", level, report)
		}
		if report, err := (session.VerifierConfig{}).Audit(level); err == nil {
			t.Errorf("level %d of a Verifier: got %v, want an error", level, report)
		}
	}
}

func TestASVSLevelText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]session.ASVSLevel{"": 0, "L1": session.ASVSLevel1, "L2": session.ASVSLevel2, "L3": session.ASVSLevel3} {
		got := session.ASVSLevel(9)
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
		if raw, err := want.MarshalText(); err != nil || string(raw) != text {
			t.Errorf("%v: got %q, %v", want, raw, err)
		}
	}
	for _, text := range []string{"L0", "L4", "l2", "2", "L2 "} {
		if err := new(session.ASVSLevel).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
	if raw, err := session.ASVSLevel(4).MarshalText(); err == nil {
		t.Errorf("level 4: got %q", raw)
	}
}

// TestReportsErr: the error names each violated requirement with its fields, and nothing else.
func TestReportsErr(t *testing.T) {
	t.Parallel()
	report, err := session.NewAuditReport(session.ASVSLevel3,
		session.Finding{Requirement: "7.2.1", Level: 1, Status: session.AuditMet},
		session.Finding{Requirement: "7.4.1", Level: 1, Title: "what ends ends", Status: session.AuditViolated, Fields: []string{"AccessLifetime", "StaleFeed"}, Detail: "It is long."},
		session.Finding{Requirement: "9.2.4", Level: 2, Title: "aud", Status: session.AuditViolated, Fields: []string{"Audience"}, Detail: "It is empty."},
		session.Finding{Requirement: "9.9.9", Level: 3, Status: session.AuditDuty},
	)
	if err != nil {
		t.Fatal(err)
	}
	const want = `invalid session configuration: AccessLifetime and StaleFeed are against requirement 7.4.1 of OWASP ASVS 5.0.0 (L1), "what ends ends": It is long.; ` +
		`Audience is against requirement 9.2.4 of OWASP ASVS 5.0.0 (L2), "aud": It is empty.`
	if err := report.Err(); !errors.Is(err, session.ErrInvalidConfig) || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if got := report.Violations(); len(got) != 2 || len(report) != 4 || report.With(session.AuditMet).Err() != nil {
		t.Errorf("got %d violations of %d findings", len(got), len(report))
	}
}
